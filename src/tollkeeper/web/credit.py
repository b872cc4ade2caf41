"""The page of credit: what is left, every grant with what was used of it, granting, taking back, and whether calls need credit."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control.credits import (
    GrantTerms,
    PrepaidChoice,
    grant_credit,
    list_credit,
    set_prepaid,
    void_grant,
)
from tollkeeper.domain.credit import PRIORITY_MAX, PRIORITY_USUAL, GrantKind, GrantStatus
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.web.answers import go, page
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.fields import chosen, dollars, end_of_day, whole_number
from tollkeeper.web.visitor import Visitor

_PAGE = 50


KINDS: dict[GrantKind, str] = {
    GrantKind.PURCHASED: _("purchased"),
    GrantKind.TRIAL: _("trial"),
    GrantKind.PROMOTIONAL: _("promotional"),
    GrantKind.REFUND: _("refund"),
    GrantKind.ADJUSTMENT: _("adjustment"),
}
STATES: dict[GrantStatus, str] = {
    GrantStatus.ACTIVE: _("active"),
    GrantStatus.EXHAUSTED: _("used up"),
    GrantStatus.EXPIRED: _("expired"),
    GrantStatus.VOIDED: _("taken back"),
}


async def show(visitor: Visitor) -> Response:
    """Answer the balance and the grants, newest first."""
    after = visitor.query["after"] or None
    found = await visitor.look(list_credit, visitor.organization.id, after=after, limit=_PAGE + 1)
    is_operators = visitor.people.rules.is_credit_operators
    may_manage = visitor.may_at("billing:manage", visitor.whole)
    return await page(
        visitor,
        "credits.html",
        balance=found.balance,
        grants=found.grants[:_PAGE],
        next_after=found.grants[_PAGE - 1].id if len(found.grants) > _PAGE else "",
        kinds=KINDS,
        states=STATES,
        sent=visitor.form,
        may_void=may_manage,
        may_grant=may_manage and not is_operators,
        is_operators=is_operators,
        priority_usual=PRIORITY_USUAL,
        priority_max=PRIORITY_MAX,
    )


async def act(visitor: Visitor) -> Response:
    """Do what one of the forms asks for."""
    sent, organization_id = visitor.form, visitor.organization.id
    is_operators, here = visitor.people.rules.is_credit_operators, f"{visitor.home}/credits"
    match sent["do"]:
        case "grant":
            priority = whole_number(sent, "priority")
            terms = GrantTerms(
                amount_nanos=dollars(sent, "amount"),
                kind=chosen(sent, "kind", KINDS),
                priority=PRIORITY_USUAL if priority is None else priority,
                expires_at_us=end_of_day(visitor, "expires_on"),
                note=sent["note"].strip(),
            )
            await visitor.change(grant_credit, organization_id, terms=terms, is_operators=is_operators)
            return go(here, notice="granted")
        case "void":
            await visitor.change(void_grant, organization_id, sent["grant"])
            return go(here, notice="voided")
        case "require" | "require-not":
            choice = PrepaidChoice(is_prepaid=sent["do"] == "require", is_operators=is_operators)
            await visitor.change(set_prepaid, organization_id, choice)
            return go(here, notice="credit-required" if choice.is_prepaid else "credit-not-required")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")
