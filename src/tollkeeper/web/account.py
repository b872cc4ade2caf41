"""The page of a person's own account: name, language, colours, password, and the sessions that are open."""

from __future__ import annotations

from typing import get_args

from starlette.responses import Response

from tollkeeper.control import accounts, passwords, sessions
from tollkeeper.control.sessions import SESSION_COOKIE
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.tenancy import Language
from tollkeeper.web.answers import go, page
from tollkeeper.web.visitor import Visitor

_YEAR_S = 365 * 86_400
THEMES = ("", "light", "dark")


async def show(visitor: Visitor) -> Response:
    """Answer the page."""
    found, current = await visitor.look(sessions.list_own_sessions, token=_token(visitor))
    return await page(visitor, "account.html", sessions=found, current=current)


async def act(visitor: Visitor) -> Response:
    """Do what one of the page's forms asks for."""
    sent = visitor.form
    match sent["do"]:
        case "profile":
            language = next((each for each in get_args(Language) if each == sent["language"]), None)
            await visitor.change(accounts.update_own_account, name=sent["name"], language=language)
            return _with_theme(go("/account", notice="saved"), visitor, sent["theme"])
        case "password":
            await passwords.change_password(
                visitor.people,
                visitor.caller(),
                session_token=_token(visitor),
                current=sent["current"],
                new=sent["new"],
            )
            return go("/account", notice="saved")
        case "sign-out":
            await visitor.change(sessions.log_out, token=_token(visitor))
            answer = go("/sign-in")
            answer.delete_cookie(SESSION_COOKIE, path="/")
            return answer
        case "end":
            await visitor.change(sessions.end_own_session, sent["session"])
            return go("/account", notice="saved")
        case "end-others":
            await visitor.change(sessions.end_other_sessions, token=_token(visitor))
            return go("/account", notice="sessions-ended")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


def _token(visitor: Visitor) -> str:
    return visitor.request.cookies[SESSION_COOKIE]


def _with_theme(answer: Response, visitor: Visitor, theme: str) -> Response:
    """Have the browser keep the colours: they are the device's matter, not the account's."""
    if theme not in THEMES:
        raise InvalidRequest("Choose light, dark or the system's colours.", param="theme")
    if not theme:
        answer.delete_cookie("tollkeeper_theme", path="/")
    else:
        answer.set_cookie(
            "tollkeeper_theme", theme, max_age=_YEAR_S, path="/", secure=visitor.people.rules.is_secure, samesite="lax"
        )
    return answer
