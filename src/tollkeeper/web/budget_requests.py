"""The pages of requests for more budget: who asks for what, and one to be granted, denied or taken back."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control import budget_requests
from tollkeeper.control.budget_request_views import count_waiting, describe_request, describe_requests
from tollkeeper.control.budget_requests import Grant, Wish
from tollkeeper.domain.budget import Budget, RequestStatus
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.web.answers import go, page
from tollkeeper.web.budget_words import PERIODS, UNITS, amount_in
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.fields import end_of_day
from tollkeeper.web.visitor import Visitor

_SHOWN_MAX = 50
STATES: dict[RequestStatus, str] = {
    "pending": _("waits for a decision"),
    "approved": _("approved"),
    "denied": _("denied"),
    "withdrawn": _("withdrawn"),
}


async def show(visitor: Visitor) -> Response:
    """Answer the list, the latest first."""
    found = await visitor.look(describe_requests, after=visitor.query["after"] or None, limit=_SHOWN_MAX + 1)
    return await page(
        visitor,
        "budget_requests.html",
        found=found[:_SHOWN_MAX],
        after=found[_SHOWN_MAX - 1].request.id if len(found) > _SHOWN_MAX else "",
        states=STATES,
        periods=PERIODS,
        units=UNITS,
    )


async def show_one(visitor: Visitor) -> Response:
    """Answer the page of one request."""
    found = await visitor.look(describe_request, visitor.path["request"])
    return await page(visitor, "budget_request.html", found=found, states=STATES, periods=PERIODS, units=UNITS)


async def change_one(visitor: Visitor) -> Response:
    """Grant a request, for good or for a time, deny it, or take it back."""
    request_id, sent, rules = visitor.path["request"], visitor.form, visitor.people.rules
    match sent["do"]:
        case "approve":
            asked = await visitor.look(budget_requests.get_request, request_id)
            grant = Grant(amount_in(sent, asked.key.unit), end_of_day(visitor, "until"), sent["answer"])
            await visitor.change(budget_requests.approve_request, request_id, grant=grant, rules=rules)
        case "deny":
            await visitor.change(budget_requests.deny_request, request_id, answer=sent["answer"], rules=rules)
        case "withdraw":
            await visitor.change(budget_requests.withdraw_request, request_id)
        case _:
            raise InvalidRequest("This page has no such button.", param="do")
    notice = {"approve": "approved", "deny": "denied", "withdraw": "withdrawn"}[sent["do"]]
    return go(f"{visitor.home}/budgets/requests/{request_id}", notice=notice)


async def waiting_for(visitor: Visitor) -> int:
    """Return how many requests wait for the person's decision."""
    return await visitor.look(count_waiting) if visitor.may("quota:manage") else 0


async def ask(visitor: Visitor, budget: Budget) -> Response:
    """Ask for more of a budget, as the form on its page says."""
    wish = Wish(budget.key, amount_in(visitor.form, budget.unit), visitor.form["reason"])
    made = await visitor.change(budget_requests.ask_for_budget, wish=wish, rules=visitor.people.rules)
    return go(f"{visitor.home}/budgets/requests/{made.id}", notice="asked")
