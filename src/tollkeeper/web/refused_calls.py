"""The pages of calls that were refused before they went out: found, and one opened with the limits that were looked at."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control.calls import CallSearch
from tollkeeper.control.refused_calls import RefusalPage, find_refusals, open_refusal
from tollkeeper.domain.errors import InvalidRequest
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
    "insufficient_quota": _("a budget, a quota or the credit is used up"),
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
        reasons=REASONS,
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
        visitor, "call_refused.html", found=found, names=names, reasons=REASONS, units=UNITS, periods=PERIODS
    )
