"""Budgets: what organizations, teams, projects, members and keys are allotted, of money or a count, per period.

A scope's budget is set by who manages what it is part of: a team's lead divides what the team has, and cannot raise it.
What the parts of a place are allotted together must fit into its own budget of the same period, unless whoever asks may
override it there; that is so for money for all models, and for nothing else.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import msgspec

from tollkeeper.control.administration import Action, Target
from tollkeeper.control.budget_fit import keeping_within
from tollkeeper.control.budget_scopes import Scope, budget_reach, find_budget_scope
from tollkeeper.domain.budget import Budget, BudgetKey, Enforcement, Period
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.domain.limit import Unit
from tollkeeper.domain.money import NANOS_PER_USD, format_usd
from tollkeeper.domain.tenancy import OrganizationId, Place
from tollkeeper.store import budgets, organizations

PERIODS: tuple[Period, ...] = ("daily", "weekly", "monthly", "total")
UNITS: tuple[Unit, ...] = ("usd", "requests", "tokens", "concurrent")
MODEL_LENGTH_MAX = 200
AMOUNT_NANOS_MAX = 1_000_000_000 * NANOS_PER_USD
COUNT_MAX = 1_000_000_000_000
BUDGETS_PER_SCOPE_MAX = 64
"""Besides daily limits of single models, of which a call meets few. It is held to those of five scopes at most and to the
credit, and its record keeps what it drew on each."""


class Terms(msgspec.Struct, frozen=True):
    """What a budget is to be: nano-USD, or a count by `unit`, per period; for one model, or for all when it is ""."""

    amount: int
    period: Period = "monthly"
    is_carried_over: bool = False
    enforcement: Enforcement = Enforcement()
    unit: Unit = "usd"
    model: str = ""

    def key_of(self, scope_id: str) -> BudgetKey:
        return BudgetKey(scope_id, self.period, self.unit, self.model)


class Put(msgspec.Struct, frozen=True):
    """A budget that was set, and the one that was there before."""

    budget: Budget
    before: Budget | None


async def set_budget(action: Action, scope_id: str, *, terms: Terms) -> Budget:
    """Give a scope a budget, in place of the one that it has for the same model, unit and period.

    Raises:
        NotFound: there is no such scope that the caller may know of.
        PermissionDenied: the caller may not manage the quotas of what the scope is part of.
        InvalidRequest: a period, an amount or a model that cannot be.
        Conflict: the parts of a place would have more than the whole.
    """
    check_terms(terms)
    scope = await lock_managed(action, scope_id)
    async with AsyncExitStack() as stack:
        if scope.place is not None and terms.key_of(scope.id).is_divided:
            await stack.enter_async_context(keeping_within(action, [scope.place], [terms.period]))
        return await write_budget(action, scope, terms)


async def put_budget(action: Action, scope_id: str, *, terms: Terms) -> Put:
    """Give a scope a budget, and return what it took the place of; see `set_budget`.

    Raises: as `set_budget`.
    """
    check_terms(terms)
    scope = await lock_managed(action, scope_id)
    before = await budgets.get_budget(action.connection, action.organization_id, terms.key_of(scope.id))
    return Put(await set_budget(action, scope_id, terms=terms), before)


async def lock_managed(action: Action, scope_id: str) -> Scope:
    """Lock the organization and return a scope whose budgets the caller may set.

    Raises:
        NotFound: there is no such scope that the caller may know of.
        PermissionDenied: the caller may not manage the quotas of what the scope is part of.
    """
    (await find_budget_scope(action, scope_id)).require_manage(action)
    await organizations.lock_organization(action.connection, action.organization_id)
    scope = await find_budget_scope(action, scope_id)
    scope.require_manage(action)
    return scope


async def delete_budget(
    action: Action, scope_id: str, *, period: Period, unit: Unit = "usd", model: str = ""
) -> Budget:
    """Take a scope's budget away.

    Raises:
        NotFound: there is no such scope that the caller may know of, or it has no such budget.
        PermissionDenied: the caller may not manage the quotas of what the scope is part of.
        Conflict: a team's projects would count to the organization's budget and do not fit.
    """
    scope = await lock_managed(action, scope_id)
    return await drop_budget(action, scope.place or scope, BudgetKey(scope.id, period, unit, model))


async def delete_budget_by_id(action: Action, budget_id: str) -> Budget:
    """Take a budget away; see `delete_budget`.

    Raises:
        NotFound: there is none of this id that the caller may know of.
        PermissionDenied: the caller may not manage the quotas of what its scope is part of.
        Conflict: a team's projects would count to the organization's budget and do not fit.
    """
    key = (await find_budget(action, budget_id))[0].key
    return await delete_budget(action, key.scope_id, period=key.period, unit=key.unit, model=key.model)


async def get_budget(action: Action, budget_id: str) -> Budget:
    """Return a budget that the caller may read.

    Raises:
        NotFound: there is none of this id that the caller may know of.
        PermissionDenied: the caller may not read it.
    """
    found, scope = await find_budget(action, budget_id)
    scope.require_read(action)
    return found


async def find_budget(action: Action, budget_id: str) -> tuple[Budget, Scope]:
    """Return a budget and whose it is; what the caller may do with it is to be asked yet.

    Raises:
        NotFound: there is none of this id, or its scope is one that the caller may not know of.
    """
    unknown = NotFound(f"There is no budget '{budget_id}'.")
    found = await budgets.get_budget_by_id(action.connection, action.organization_id, budget_id)
    if found is None:
        raise unknown
    try:
        return found, await find_budget_scope(action, found.scope_id)
    except NotFound:
        raise unknown from None


async def list_budgets(
    action: Action, *, scope_id: str | None = None, after: str | None = None, limit: int = 100
) -> list[Budget]:
    """Return the budgets that the caller may read, in the order of scope, model, unit and period.

    `after` is the id of the budget that they begin behind, or `SCOPE:PERIOD` for a scope's money for all models.

    Raises:
        NotFound: there is no scope `scope_id` that the caller may know of.
        PermissionDenied: the caller may not read its budgets.
        InvalidRequest: `after` is no budget's id.
    """
    if scope_id is not None:
        (await find_budget_scope(action, scope_id)).require_read(action)
    wanted = budgets.BudgetFilter(scope_id, budget_reach(action))
    position = await _position(action, after) if after is not None else None
    return await budgets.list_budgets(action.connection, action.organization_id, wanted, after=position, limit=limit)


def terms_of(budget: Budget) -> Terms:
    """Return what a budget is, without whose it is."""
    enforcement, unit = budget.enforcement, budget.unit
    return Terms(budget.amount, budget.period, budget.is_carried_over, enforcement, unit, budget.model)


def check_terms(terms: Terms) -> None:
    """Pass when a budget can be so.

    Raises:
        InvalidRequest: the message says why not.
    """
    if not 0 <= terms.amount <= (AMOUNT_NANOS_MAX if terms.unit == "usd" else COUNT_MAX):
        most = "$1,000,000,000" if terms.unit == "usd" else f"{COUNT_MAX:,}"
        raise InvalidRequest(f"The amount must be from 0 to {most}.", param="amount")
    if terms.unit == "concurrent" and terms.period != "total":
        raise InvalidRequest("Calls at once have no period: leave it out, or say total.", param="period")
    if terms.is_carried_over and terms.period == "total":
        raise InvalidRequest("Without a period nothing can be carried over.", param="carryover")
    if len(terms.model) > MODEL_LENGTH_MAX or not terms.model.isprintable():
        raise InvalidRequest(f"A model's name has up to {MODEL_LENGTH_MAX} printable characters.", param="model")


async def write_budget(action: Action, scope: Scope | Place, terms: Terms, *, is_from_tier: bool = False) -> Budget:
    """Write a budget and note it; permission, lock, check and fit are the caller's business.

    Raises:
        Conflict: the scope has as many budgets as one can have.
    """
    organization_id = action.organization_id
    before = await budgets.get_budget(action.connection, organization_id, terms.key_of(scope.id))
    if before is None and not terms.key_of(scope.id).is_model_limit:
        await _require_room(action, scope.id)
    wanted = budget_of(organization_id, scope, terms, is_from_tier=is_from_tier)
    written = await budgets.set_budget(action.connection, organization_id, wanted)
    action.record("budget.set", target_of(written), before=before and shown_budget(before), after=shown_budget(written))
    return written


async def drop_budget(action: Action, scope: Scope | Place, key: BudgetKey) -> Budget:
    """Delete a budget and note it; permission and lock are the caller's business.

    Raises:
        NotFound: there is none.
        Conflict: what is left does not fit.
    """
    before = await budgets.get_budget(action.connection, action.organization_id, key)
    if before is None:
        what = f"{key.period} budget" + ("" if key.unit == "usd" else f" of {key.unit}")
        raise NotFound(f"'{scope.id}' has no {what}" + (f" for {key.model}." if key.model else "."))
    async with AsyncExitStack() as stack:
        if isinstance(scope, Place) and key.is_divided:
            await stack.enter_async_context(keeping_within(action, [scope], [key.period]))
        await budgets.delete_budget(action.connection, action.organization_id, before)
    action.record("budget.delete", target_of(before), before=shown_budget(before))
    return before


def budget_of(organization_id: str, scope: Scope | Place, terms: Terms, *, is_from_tier: bool = False) -> Budget:
    """Return the budget that terms make for a scope; it has no id and no times yet."""
    return Budget(
        OrganizationId(organization_id),
        scope.kind,
        scope.id,
        terms.period,
        terms.amount,
        terms.is_carried_over,
        terms.enforcement,
        model=terms.model,
        unit=terms.unit,
        is_from_tier=is_from_tier,
    )


def target_of(budget: Budget) -> Target:
    """Return what audit events about a budget are about."""
    words = [budget.scope_kind, budget.period, *([] if budget.unit == "usd" else [budget.unit]), budget.model]
    return Target("budget", budget.id or budget.scope_id, " ".join(words).rstrip())


def shown_budget(budget: Budget) -> dict[str, object]:
    """Return what the audit log keeps of a budget."""
    is_money = budget.unit == "usd"
    return {
        "scope": budget.scope_id,
        **({"model": budget.model} if budget.model else {}),
        **({} if is_money else {"unit": budget.unit}),
        "period": budget.period,
        **({"amount_usd": format_usd(budget.amount)} if is_money else {"amount": budget.amount}),
        "carryover": budget.is_carried_over,
        "enforcement": msgspec.structs.asdict(budget.enforcement),
        "is_from_tier": budget.is_from_tier,
    }


async def _require_room(action: Action, scope_id: str) -> None:
    known = await budgets.read_budgets_of(action.connection, action.organization_id, [scope_id])
    if sum(not each.key.is_model_limit for each in known) >= BUDGETS_PER_SCOPE_MAX:
        raise Conflict(f"'{scope_id}' has {BUDGETS_PER_SCOPE_MAX} budgets and can have no more: delete one first.")


async def _position(action: Action, after: str) -> BudgetKey:
    scope_id, colon, period = after.partition(":")
    if colon and period in PERIODS:
        return BudgetKey(scope_id, period)
    found = await budgets.get_budget_by_id(action.connection, action.organization_id, after)
    if found is None:
        raise InvalidRequest("'after' must be the id of a budget.", param="after")
    return found.key
