"""Increases: what a budget has more from one moment until another, for a launch or a long night; it ends by itself.

It is given by who manages the budget. What the parts of a whole have more for a time is not counted when they are divided:
the whole's own budget holds all the same.
"""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.budgets import check_terms, find_budget, lock_managed, target_of, terms_of
from tollkeeper.domain.api_key import US_PER_DAY
from tollkeeper.domain.budget import Budget, Increase
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.domain.money import format_usd
from tollkeeper.store import budget_increases as rows

DAYS_MAX = 36_525
OPEN_MAX = 100
NOTE_LENGTH_MAX = 500


class Raise(msgspec.Struct, frozen=True):
    """By how much, nano-USD or a count, and how long; without `from_us` at once."""

    amount: int
    until_us: int
    from_us: int | None = None
    note: str = ""


class GivenIncrease(msgspec.Struct, frozen=True):
    """An increase and the budget that it is of."""

    increase: Increase
    budget: Budget


async def increase_budget(action: Action, budget_id: str, *, wanted: Raise) -> GivenIncrease:
    """Give a budget more for a time.

    Raises:
        NotFound: there is no such budget that the caller may know of.
        PermissionDenied: the caller may not manage it.
        InvalidRequest: an amount or a time that cannot be.
        Conflict: it has too many increases already.
    """
    budget = await lock_budget(action, budget_id)
    return await add_increase(action, budget, wanted)


async def lock_budget(action: Action, budget_id: str) -> Budget:
    """Lock the organization and return a budget that the caller may manage.

    Raises:
        NotFound: there is no such budget that the caller may know of.
        PermissionDenied: the caller may not manage it.
    """
    found, _ = await find_budget(action, budget_id)
    await lock_managed(action, found.scope_id)
    return (await find_budget(action, budget_id))[0]


async def add_increase(action: Action, budget: Budget, wanted: Raise) -> GivenIncrease:
    """Write an increase and note it; permission and lock are the caller's business.

    Raises:
        InvalidRequest: an amount or a time that cannot be.
        Conflict: the budget has too many increases already.
    """
    from_us = action.now_us if wanted.from_us is None else wanted.from_us
    _check(action, budget, wanted, from_us)
    organization_id = action.organization_id
    count = await rows.count_increases(action.connection, organization_id, budget_id=budget.id, at_us=action.now_us)
    if count >= OPEN_MAX:
        raise Conflict(f"This budget has {OPEN_MAX} increases that are not over; take some away first.")
    made = Increase(
        organization_id,
        rows.new_increase_id(),
        budget.id,
        wanted.amount,
        from_us,
        wanted.until_us,
        wanted.note.strip(),
        action.caller.principal.name,
        action.now_us,
    )
    await rows.add_increase(action.connection, organization_id, to=budget, made=made)
    action.record("budget.increase", target_of(budget), after=_shown(made, budget))
    return GivenIncrease(made, budget)


async def list_increases(
    action: Action, budget_id: str, *, after: str | None = None, limit: int = 100
) -> list[GivenIncrease]:
    """Return what a budget has, had or will have more for a time.

    Raises:
        NotFound: there is no such budget that the caller may know of.
        PermissionDenied: the caller may not read it.
    """
    budget, scope = await find_budget(action, budget_id)
    scope.require_read(action)
    found = await rows.list_increases(
        action.connection, action.organization_id, budget_id=budget_id, after=after, limit=limit
    )
    return [GivenIncrease(each, budget) for each in found]


async def open_increases(action: Action, budget_id: str) -> list[Increase]:
    """Return what a budget has, or will have, more for a time, what ends first first; at most `OPEN_MAX`.

    Raises:
        NotFound: there is no such budget that the caller may know of.
        PermissionDenied: the caller may not read it.
    """
    _, scope = await find_budget(action, budget_id)
    scope.require_read(action)
    return await rows.open_increases(
        action.connection, action.organization_id, budget_id=budget_id, at_us=action.now_us, limit=OPEN_MAX
    )


async def delete_increase(action: Action, budget_id: str, increase_id: str) -> GivenIncrease:
    """Take an increase away, before its end or after.

    Raises:
        NotFound: there is no such budget that the caller may know of, or it has no such increase.
        PermissionDenied: the caller may not manage it.
    """
    budget = await lock_budget(action, budget_id)
    found = await rows.get_increase(action.connection, action.organization_id, increase_id)
    if found is None or found.budget_id != budget.id:
        raise NotFound(f"The budget '{budget_id}' has no increase '{increase_id}'.")
    await rows.delete_increase(action.connection, action.organization_id, of=budget, gone=found)
    action.record("budget.end_increase", target_of(budget), before=_shown(found, budget))
    return GivenIncrease(found, budget)


def _check(action: Action, budget: Budget, wanted: Raise, from_us: int) -> None:
    if wanted.amount < 1:
        raise InvalidRequest("An increase must be more than nothing.", param="amount")
    check_terms(msgspec.structs.replace(terms_of(budget), amount=wanted.amount))
    if wanted.until_us <= max(from_us, action.now_us):
        raise InvalidRequest("The increase must end after it begins, and not in the past.", param="until")
    if wanted.until_us > action.now_us + DAYS_MAX * US_PER_DAY:
        raise InvalidRequest("The end is more than 100 years ahead; raise the budget itself.", param="until")
    if len(wanted.note) > NOTE_LENGTH_MAX:
        raise InvalidRequest(f"A note has at most {NOTE_LENGTH_MAX} characters.", param="note")


def _shown(increase: Increase, budget: Budget) -> dict[str, object]:
    is_money = budget.unit == "usd"
    return {
        "id": increase.id,
        **({"amount_usd": format_usd(increase.amount)} if is_money else {"amount": increase.amount}),
        "from_us": increase.from_us,
        "until_us": increase.until_us,
        "note": increase.note,
    }
