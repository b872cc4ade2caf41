"""The e-mails about requests for more: to those who manage the budget, and to who asked; none without a mail server."""

from __future__ import annotations

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action
from tollkeeper.control.budget_scopes import Scope, name_scope
from tollkeeper.control.outbox import post_letter
from tollkeeper.domain.account import AccountStatus
from tollkeeper.domain.budget import BudgetRequest
from tollkeeper.domain.limit import Unit
from tollkeeper.domain.money import format_usd
from tollkeeper.domain.tenancy import Language, Organization
from tollkeeper.notify.budget_messages import Asked, Decided, budget_asked, budget_decided
from tollkeeper.notify.reader import Reader
from tollkeeper.store import accounts, alert_targets, budgets, members, organizations


async def post_question(action: Action, request: BudgetRequest, *, scope: Scope, rules: AccountRules) -> None:
    """Tell everybody who may decide a request, but for who asks."""
    if not rules.sends_email:
        return
    organization, asked = await _asked(action, request)
    path = _page_of(request)
    own = await members.get_member(action.connection, action.organization_id, request.asked_by)
    for each in await alert_targets.list_managers(action.connection, scope.managed_at[0]):
        if own is None or each.email != own.email:
            reader = Reader(each.language, organization.timezone, rules.public_url)
            await post_letter(action, budget_asked(reader, asked, path=path), kind="budget_asked", recipient=each.email)


async def post_answer(action: Action, decided: BudgetRequest, *, until_us: int | None, rules: AccountRules) -> None:
    """Tell who asked what was decided; a key of no person has nobody to tell."""
    found = await members.get_member(action.connection, action.organization_id, decided.asked_by)
    if not rules.sends_email or found is None or found.status != members.ACTIVE:
        return
    language = await _language_of(action, found.email)
    if language is None:
        return
    organization, asked = await _asked(action, decided)
    outcome = Decided(
        decision="approved" if decided.status == "approved" else "denied",
        decided_by=action.caller.principal.name,
        answer=decided.answer,
        until_us=until_us,
    )
    reader = Reader(language, organization.timezone, rules.public_url)
    message = budget_decided(reader, asked, outcome, path=_page_of(decided))
    await post_letter(action, message, kind="budget_decided", recipient=found.email)


def _page_of(request: BudgetRequest) -> str:
    return f"/{request.organization_id}/budgets/requests/{request.id}"


async def _language_of(action: Action, email: str) -> Language | None:
    known = await accounts.find_credentials(action.connection, email=email)
    if known is None or known.account.status is not AccountStatus.ACTIVE:
        return None
    return known.account.language


async def _asked(action: Action, request: BudgetRequest) -> tuple[Organization, Asked]:
    key = request.key
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "a caller's organization is there"
    now = await budgets.get_budget(action.connection, action.organization_id, key)
    asker = await members.get_member(action.connection, action.organization_id, request.asked_by)
    asked = Asked(
        asker=(asker.name or asker.email) if asker else action.caller.principal.name,
        organization=organization.name,
        scope_kind=request.scope_kind,
        scope=await name_scope(action, request.scope_kind, request.key.scope_id),
        unit=key.unit,
        period=key.period,
        model=key.model,
        amount=_written(key.unit, request.amount),
        before=_written(key.unit, now.amount) if now and request.status == "pending" else "",
        reason=request.reason,
        request_id=request.id,
    )
    return organization, asked


def _written(unit: Unit, amount: int) -> str:
    return f"${format_usd(amount)}" if unit == "usd" else f"{amount:,}"
