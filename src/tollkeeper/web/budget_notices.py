"""What a page says of a budget that was just set."""

from __future__ import annotations

from tollkeeper.control.budget_status import read_status
from tollkeeper.domain.budget import Budget
from tollkeeper.web.budget_rows import row_of
from tollkeeper.web.visitor import Visitor


async def how_set(visitor: Visitor, made: Budget) -> str:
    """Return what to say of a budget that was just set: whether more is used than it allows."""
    found = row_of(await visitor.look_if(read_status, scope_id=made.scope_id), made.id)
    if found is None or found.standing.standing.used <= found.standing.standing.limit:
        return "budget-saved"
    return "budget-below-refuses" if made.enforcement.hard_limit else "budget-below"
