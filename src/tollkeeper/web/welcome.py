"""The page for founding an organization, where that is allowed; who belongs to none else waits for an invitation."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control.organizations import create_organization
from tollkeeper.web.answers import go, page
from tollkeeper.web.timezones import TIMEZONES
from tollkeeper.web.visitor import Visitor


async def show(visitor: Visitor) -> Response:
    """Answer the page."""
    is_open = visitor.people.rules.sign_up == "open"
    if visitor.person.organizations and not is_open:
        return go("/")
    return await page(visitor, "welcome.html", is_open=is_open, timezones=TIMEZONES, sent=visitor.form)


async def act(visitor: Visitor) -> Response:
    """Found an organization."""
    rules, sent = visitor.people.rules, visitor.form
    founded = await visitor.change(
        create_organization,
        name=sent["name"],
        timezone=sent["timezone"] or "UTC",
        language=visitor.language,
        is_open=rules.sign_up == "open",
        trial=rules.trial,
        tier=rules.default_tier,
    )
    return go(f"/{founded.organization.id}/overview")
