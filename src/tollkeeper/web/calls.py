"""The pages of calls: found by what they are, newest first, and one opened with its steps, limits, tries and charge lines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from starlette.responses import Response

from tollkeeper.control import calls
from tollkeeper.control.call_views import describe_opened
from tollkeeper.control.calls import CallFilters, CallSearch
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.web.answers import page
from tollkeeper.web.fields import dollars
from tollkeeper.web.usage_filters import day_of
from tollkeeper.web.visitor import Visitor

_PAGE = 50
_COLUMNS = {
    "model": "model",
    "provider": "provider",
    "project": "project_id",
    "team": "team_id",
    "key": "api_key_id",
    "member": "member_id",
    "operation": "operation",
    "end_user": "end_user",
    "cost_state": "cost_state",
    "outcome": "outcome",
}
"""The word in the address -> the column that is looked in."""


def _(text: str) -> str:
    return text  # marks it for translation; it is translated when it is shown


STEPS = {
    "authenticate": _("Authenticate"),
    "authorise": _("Authorise"),
    "limit": _("Check rates"),
    "reserve": _("Reserve"),
    "route": _("Route"),
    "forward": _("Forward"),
    "meter": _("Meter"),
    "settle": _("Settle"),
}


async def show(visitor: Visitor) -> Response:
    """Answer what is found."""
    found = await visitor.look(calls.find_calls, _search(visitor))
    rest = visitor.query.but(after=found.end.hex()) if found.end is not None else []
    others = [(name, value) for name, value in visitor.query.but(after="") if name in _COLUMNS and name != "model"]
    return await page(visitor, "calls.html", found=found, rest=rest, others=others, asked=visitor.query)


async def show_one(visitor: Visitor) -> Response:
    """Answer one call."""
    opened = await visitor.look(calls.open_call, visitor.path["call"])
    described: dict[str, Any] = describe_opened(opened)
    return await page(
        visitor, "call.html", opened=opened, record=opened.call.record, described=described, step_titles=STEPS
    )


def _search(visitor: Visitor) -> CallSearch:
    """Read what is looked for.

    Raises:
        InvalidRequest: a field makes no sense.
    """
    asked, figures = visitor.query, visitor.figures
    first, last = day_of(asked["from"], "from"), day_of(asked["to"], "to")
    words = asked["text"].split()
    if len(words) > 8:
        raise InvalidRequest("Look for a few words at a time.", param="text")
    ids = [each for each in words if each.startswith("req_")]
    return CallSearch(
        filters=CallFilters(
            columns={column: found for word, column in _COLUMNS.items() if (found := asked.all(word))},
            labels=calls.parse_labels(each for each in words if not each.startswith("req_")),
            statuses=calls.parse_statuses(asked.all("status")),
            cost_from_nanos=dollars(asked, "cost_from") if asked["cost_from"] else None,
            cost_to_nanos=dollars(asked, "cost_to") if asked["cost_to"] else None,
        ),
        from_us=figures.midnight_us(first) if first else 0,
        to_us=figures.midnight_us(last + timedelta(days=1)) if last else calls.TIME_US_MAX,
        request_id=ids[0] if ids else "",
        after=calls.parse_cursor(asked["after"] or None),
        limit=_PAGE,
    )
