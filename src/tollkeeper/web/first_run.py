"""The page that the server's console links to while nobody has an account: the first person, the first organization."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control.first_run import FirstPerson, existing_organization, is_first_run, set_up
from tollkeeper.control.sessions import SESSION_COOKIE
from tollkeeper.domain.errors import NotFound
from tollkeeper.domain.tenancy import Language
from tollkeeper.web.answers import go, page
from tollkeeper.web.timezones import TIMEZONES
from tollkeeper.web.visitor import Visitor

PATH = "/first-run"


async def show(visitor: Visitor) -> Response:
    """Answer the form."""
    store = visitor.administration.store
    if not await is_first_run(store):
        raise NotFound("The first account is made already: sign in.")
    return await page(
        visitor,
        "first_run.html",
        token=visitor.form["token"] or visitor.query["token"],
        organization=await existing_organization(store),
        timezones=TIMEZONES,
        sent=visitor.form,
    )


async def act(visitor: Visitor) -> Response:
    """Make the account and go on signed in."""
    sent, people = visitor.form, visitor.people
    language: Language = visitor.language
    wanted = FirstPerson(
        sent["email"], sent["password"], sent["name"], sent["organization"], sent["timezone"] or "UTC", language
    )
    begun = await set_up(people, visitor.stranger(), sent["token"], wanted)
    answer = go("/")
    answer.set_cookie(SESSION_COOKIE, begun.token, **people.rules.cookie(max_age_s=people.rules.session_s))
    return answer
