"""What a page of calls is asked for: filters, days, a request id or labels, and where the page before ended."""

from __future__ import annotations

from datetime import timedelta

from tollkeeper.control import calls
from tollkeeper.control.calls import CallFilters, CallSearch
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.kit.clock import TIME_US_MAX
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.fields import check_order, dollars, read_day
from tollkeeper.web.visitor import Visitor

PAGE = 50
COLUMNS = {
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
TITLES = {
    "provider": _("Provider"),
    "project": _("Project"),
    "team": _("Team"),
    "key": _("API key"),
    "member": _("Person"),
    "operation": _("Operation"),
    "end_user": _("End user"),
    "cost_state": _("The cost is"),
    "outcome": _("Outcome"),
}
"""What of them has no field of its own, and is shown when the address says it."""


def read_search(visitor: Visitor) -> CallSearch:
    """Read what is looked for.

    Raises:
        InvalidRequest: a field makes no sense.
    """
    asked, figures = visitor.query, visitor.figures
    first, last = read_day(asked["from"], "from"), read_day(asked["to"], "to")
    check_order(first, last)
    words = asked["text"].split()
    if len(words) > 8:
        raise InvalidRequest("Look for a few words at a time.", param="text")
    ids = [each for each in words if each.startswith("req_")]
    return CallSearch(
        filters=CallFilters(
            columns={column: found for word, column in COLUMNS.items() if (found := asked.all(word))},
            labels=calls.parse_labels(each for each in words if not each.startswith("req_")),
            statuses=calls.parse_statuses(asked.all("status")),
            cost_from_nanos=dollars(asked, "cost_from") if asked["cost_from"] else None,
            cost_to_nanos=dollars(asked, "cost_to") if asked["cost_to"] else None,
        ),
        from_us=figures.midnight_us(first) if first else 0,
        to_us=figures.midnight_us(last + timedelta(days=1)) if last else TIME_US_MAX,
        request_id=ids[0] if ids else "",
        after=calls.parse_cursor(asked["after"] or None),
        limit=PAGE,
    )
