"""What a page says of a budget, or an alert, that was just set."""

from __future__ import annotations

from tollkeeper.control.alert_reach import unheard_actions
from tollkeeper.control.budget_status import read_status
from tollkeeper.domain.alert import KeptRule
from tollkeeper.domain.budget import AlertAction, Budget
from tollkeeper.web.budget_rows import row_of
from tollkeeper.web.visitor import Visitor


async def how_set(visitor: Visitor, made: Budget) -> str:
    """Return what to say of a budget that was just set: whether more is used than it allows."""
    found = row_of(await visitor.look_if(read_status, scope_id=made.scope_id), made.id)
    if found is None or found.standing.standing.used <= found.standing.standing.limit:
        return "budget-saved"
    return "budget-below-refuses" if made.enforcement.hard_limit else "budget-below"


async def how_alerted(visitor: Visitor, made: KeptRule, usual: str) -> str:
    """Return what to say of a rule that was just set: whether it tells anybody."""
    return f"alert-without-{made.action}" if made.action in await unheard_by(visitor) else usual


async def unheard_by(visitor: Visitor) -> frozenset[AlertAction]:
    """Return the actions of alerts that tell nobody at the moment."""
    return await visitor.look(unheard_actions, sends_email=visitor.people.rules.sends_email)
