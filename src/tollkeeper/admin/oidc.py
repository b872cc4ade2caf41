"""/v1/auth/oidc: which providers people can log in by, the way there, and the way back, also of who is let in by none."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response

from tollkeeper.admin.people import people_of, set_cookie, visit_of
from tollkeeper.admin.shapes import Shape, answer
from tollkeeper.control import oidc_login
from tollkeeper.control.oidc_login import NEXT_LENGTH_MAX, Return
from tollkeeper.control.people import People
from tollkeeper.control.sessions import SESSION_COOKIE
from tollkeeper.domain.errors import LoginFailed, TollkeeperError, TooManyAttempts
from tollkeeper.identity.oidc import CODE_CHARACTERS_MAX, FLOW_AGE_MAX_S, STATE_CHARACTERS_MAX

router = APIRouter(tags=["accounts"])
LOGIN_COOKIE = "tollkeeper_login"
"""Binds a login under way to the browser that began it."""
REFUSAL_COOKIE = "tollkeeper_refused"
"""Why a login was refused, for the page that people sign in on: it is shown there once."""
_REFUSAL_S = 60
_SIGN_IN = "/sign-in"
_LOGIN_PATH = "/v1/auth/oidc"

IssuerName = Annotated[str, Path(min_length=1, max_length=32, examples=["google"])]
_REDIRECTS: dict[int | str, dict[str, Any]] = {303: {"description": "The browser is sent on.", "content": {}}}


class IssuerAnswer(Shape):
    object: Literal["oidc_provider"]
    name: str
    start: str


class IssuersAnswer(Shape):
    object: Literal["list"]
    data: list[IssuerAnswer]


@router.get(_LOGIN_PATH, response_model=IssuersAnswer, summary="List the providers to log in by")
async def list_issuers(request: Request) -> Response:
    names = [each.name for each in people_of(request).issuers]
    shown = [{"object": "oidc_provider", "name": name, "start": f"{_LOGIN_PATH}/{name}/start"} for name in names]
    return answer({"object": "list", "data": shown})


@router.get(
    _LOGIN_PATH + "/{name}/start", responses=_REDIRECTS, status_code=303, summary="Send the browser to a provider"
)
async def start(
    request: Request,
    name: IssuerName,
    next_path: Annotated[
        str, Query(alias="next", max_length=NEXT_LENGTH_MAX, description="The path to go on to.")
    ] = "/",
) -> Response:
    people = people_of(request)
    browser = oidc_login.own_or_new_browser(request.cookies.get(LOGIN_COOKIE, ""))
    try:
        address = await oidc_login.begin(people, visit_of(request), name, next_path=next_path, browser=browser)
    except (LoginFailed, TooManyAttempts) as refused:
        return _tell(request, people, refused)
    redirect = _redirect(address)
    set_cookie(redirect, people, LOGIN_COOKIE, browser, max_age_s=FLOW_AGE_MAX_S, path=_LOGIN_PATH)
    return redirect


@router.get(
    _LOGIN_PATH + "/{name}/callback", responses=_REDIRECTS, status_code=303, summary="Come back from a provider"
)
async def callback(
    request: Request,
    name: IssuerName,
    state: Annotated[str, Query(max_length=STATE_CHARACTERS_MAX)] = "",
    code: Annotated[str, Query(max_length=CODE_CHARACTERS_MAX)] = "",
    iss: Annotated[str | None, Query(max_length=500)] = None,
    error: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    people = people_of(request)
    back = Return(state, code, iss, error, request.cookies.get(LOGIN_COOKIE, ""))
    try:
        logged_in, next_path = await oidc_login.finish(people, visit_of(request), name, back)
    except (LoginFailed, TooManyAttempts) as refused:
        return _tell(request, people, refused)
    redirect = _redirect(next_path)
    set_cookie(redirect, people, SESSION_COOKIE, logged_in.token, max_age_s=people.rules.session_s, path="/")
    return redirect


def _tell(request: Request, people: People, refused: TollkeeperError) -> Response:
    """Send a browser back to where people sign in, which says why; a program gets the refusal itself."""
    if "text/html" not in request.headers.get("accept", ""):
        raise refused
    redirect = _redirect(_SIGN_IN)
    said = quote(refused.public_message, safe="")
    redirect.set_cookie(
        REFUSAL_COOKIE, said, max_age=_REFUSAL_S, path=_SIGN_IN, secure=people.rules.is_secure, samesite="lax"
    )
    return redirect


def _redirect(address: str) -> Response:
    headers = {"location": address, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Response(status_code=303, headers=headers)
