"""The pages of calls that were refused before they went out: found, and one opened with the limits that were looked at."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from tollkeeper.control import budgets
from tollkeeper.control.calls import CallSearch
from tollkeeper.control.refused_calls import FoundRefusal, RefusalPage, find_refusals, open_refusal
from tollkeeper.domain.call_decision import LookedAt
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.refusals import classify
from tollkeeper.web.answers import page
from tollkeeper.web.budget_words import PERIODS, UNITS
from tollkeeper.web.call_question import PAGE, TITLES
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.chips import chips_of
from tollkeeper.web.visitor import Visitor

REFUSED = "refused"
"""The word in the address."""
REASONS = {
    "insufficient_quota": _("it does not fit into a budget, a quota or the credit"),
    "rate_limit_exceeded": _("too much in a short time"),
    "price_unknown": _("the model has no known price"),
    "model_not_allowed": _("its key may not call this model"),
    "model_not_found": _("there is no such model"),
    "permission_denied": _("its key may not do this"),
    "ip_not_allowed": _("its key may not be used from there"),
    "invalid_request": _("the request makes no sense"),
    "request_too_large": _("the request is too large"),
    "request_timeout": _("the request came too slowly"),
    "unsupported_content_type": _("the request is of no known kind"),
    "limits_unavailable": _("limits could not be asked"),
    "overloaded": _("too much is under way"),
    "provider_unavailable": _("no provider could take it"),
}

FULL = {
    "budget": _("it does not fit into this budget"),
    "quota": _("it does not fit into this quota"),
    "credit": _("it does not fit into the credit"),
}
"""What `insufficient_quota` says to who may know the limit."""


def reason_of(visitor: Visitor, found: FoundRefusal) -> str:
    """Return why a call was refused, as people read it; with what was needed and left, where a limit is known."""
    code, limit = found.decision.code, found.limit
    if code != "insufficient_quota" or limit is None:
        return visitor._(REASONS[code]) if code in REASONS else code  # the catalogue is asked for our own texts alone
    told = FULL["credit" if limit.scope_kind == "credit" else "budget" if limit.unit == "usd" else "quota"]
    left = limit.left
    if left is None and limit.limit is not None and limit.used is not None:
        left = limit.limit - limit.used - (limit.reserved or 0)
    if left is None or limit.needed is None:
        return visitor._(told)
    left = max(left, 0)  # more may be used than there is: nothing is left then
    write = visitor.figures.usd_text if limit.unit == "usd" else visitor.figures.count
    figures = visitor._("%(needed)s needed, %(left)s left") % {"needed": write(limit.needed), "left": write(left)}
    return f"{visitor._(told)}: {figures}"


async def budgets_among(visitor: Visitor, limits: Iterable[LookedAt]) -> frozenset[str]:
    """Return which of these limits are budgets that the person may open."""
    found = [each.id for each in limits if each.kind == "budget" and each.id and each.scope_kind != "credit"]
    return frozenset([each for each in dict.fromkeys(found) if await _may_open(visitor, each)])


async def _may_open(visitor: Visitor, budget_id: str) -> bool:
    try:
        return await visitor.look_if(budgets.get_budget, budget_id) is not None
    except NotFound:
        return False


async def show_refused(visitor: Visitor, found: RefusalPage, *, wrong: InvalidRequest | None = None) -> Response:
    """Answer refused calls; what the address says wrong is told beside the form."""
    return await page(
        visitor,
        "calls_refused.html",
        status=classify(wrong)[0] if wrong else 200,
        wrong=wrong,
        found=found,
        rest=visitor.query.but(shown=REFUSED, after=found.end.hex()) if found.end is not None else [],
        chips=await chips_of(visitor, TITLES, leaves={"after"}),
        asked=visitor.query,
        reason_of=reason_of,
        units=UNITS,
        periods=PERIODS,
    )


async def find_by_id(visitor: Visitor, request_id: str) -> Response | None:
    """Answer the refused call of this id; None when there is none."""
    found = await visitor.look(find_refusals, CallSearch(request_id=request_id, limit=PAGE))
    return await show_refused(visitor, found) if found.refused else None


async def show_one_refused(visitor: Visitor) -> Response:
    """Answer one refused call. Raises NotFound when there is none of this id."""
    found, names = await visitor.look(open_refusal, visitor.path["call"])
    return await page(
        visitor,
        "call_refused.html",
        found=found,
        names=names,
        reason=reason_of(visitor, found),
        budget_ids=await budgets_among(visitor, found.decision.limits),
        units=UNITS,
        periods=PERIODS,
    )
