"""How the monthly budgets in dollars of teams and projects stand, as lists of them show it."""

from __future__ import annotations

from tollkeeper.control.budget_status import Branch, StandingBudget, read_status
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.web.visitor import Visitor


async def read_monthly(visitor: Visitor, *, scope_id: str | None = None) -> dict[str, StandingBudget]:
    """Return the budgets that the person may see, by what they are of; none when there are more than can be read at once."""
    try:
        status = await visitor.look(read_status, scope_id=scope_id)
    except (PermissionDenied, NotFound, InvalidRequest):
        return {}
    found: dict[str, StandingBudget] = {}
    if status.root is not None:
        _gather(status.root, found)
    return found


def _gather(branch: Branch, found: dict[str, StandingBudget]) -> None:
    for each in branch.budgets:
        if (each.budget.unit, each.budget.period, each.budget.model) == ("usd", "monthly", ""):
            found[branch.id] = each
    for below in branch.branches:
        _gather(below, found)
