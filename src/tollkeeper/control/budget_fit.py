"""Whether the parts of a place's budget fit into the whole: money for all models, per period."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from tollkeeper.control.administration import Action
from tollkeeper.domain.access import decide
from tollkeeper.domain.budget import BudgetKey, Period
from tollkeeper.domain.errors import Conflict
from tollkeeper.domain.limit import LimitScope
from tollkeeper.domain.money import format_usd
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import budgets
from tollkeeper.store.alert_scopes import read_scope


@asynccontextmanager
async def keeping_within(action: Action, places: Iterable[Place], periods: Sequence[Period]) -> AsyncIterator[None]:
    """Let what is done inside change budgets of these places, or move them, without anything above them overflowing.

    The organization is locked. What was too much before may stay, but not grow.

    Raises:
        Conflict: the parts of a place would have more than the whole, and the caller may not override that there.
    """
    wholes = sorted({each for place in places for each in _wholes(place)}, key=lambda each: each.id)
    before = {(each, period): await _excess(action, each, period) for each in wholes for period in periods}
    yield
    for (whole, period), excess in before.items():
        if await _excess(action, whole, period) > max(excess, 0):
            if decide(action.caller.principal, "quota:override", whole).is_allowed:
                continue
            raise Conflict(await _too_much(action, whole, period), missing_permission="quota:override")


def _wholes(place: Place) -> list[Place]:
    """Return what a place's budget is part of, and the place itself when it has parts."""
    team = [Place(place.organization_id, place.team_id)] if place.team_id else []
    return [*team, Place(place.organization_id)]


async def _excess(action: Action, whole: Place, period: Period) -> int:
    own = await budgets.get_budget(action.connection, action.organization_id, BudgetKey(whole.id, period))
    if own is None:
        return 0
    return await budgets.sum_allotted(action.connection, whole, period) - own.amount


async def _too_much(action: Action, whole: Place, period: Period) -> str:
    own = await budgets.get_budget(action.connection, action.organization_id, BudgetKey(whole.id, period))
    assert own is not None, "only a budget can be exceeded"
    asked = await budgets.sum_allotted(action.connection, whole, period)
    return (
        f"The parts of {await named_whole(action, whole)} would have ${format_usd(asked)} of its {period} budget of "
        f"${format_usd(own.amount)}, ${format_usd(asked - own.amount)} too much. Lower the amounts or raise "
        f"the {whole.kind}'s budget; someone with quota:override may allot more."
    )


async def named_whole(action: Action, whole: Place) -> str:
    """Return what has parts as people call it: team 'ml', organization 'Acme'."""
    kind: LimitScope = "team" if whole.team_id else "organization"
    found = await read_scope(action.connection, action.organization_id, kind, whole.id)
    return f"{kind} '{found.name}'"
