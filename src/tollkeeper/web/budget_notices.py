"""What a page says of a budget, or an alert, that was just set."""

from __future__ import annotations

from tollkeeper.control.alert_reach import unheard_actions
from tollkeeper.control.budget_models import is_known_name, near_name
from tollkeeper.control.budget_status import read_status
from tollkeeper.domain.alert import KeptRule
from tollkeeper.domain.budget import AlertAction, Budget
from tollkeeper.domain.errors import NotFound
from tollkeeper.web.budget_rows import row_of
from tollkeeper.web.visitor import Visitor

MODEL_DOUBTFUL = "budget-model-doubtful"


async def how_set(visitor: Visitor, made: Budget, *, is_replaced: bool = False) -> str:
    """Return what to say of a budget that was just set: what of it one may not have meant, the worst first."""
    found = row_of(await visitor.look_if(read_status, scope_id=made.scope_id), made.id)
    if found is not None and found.standing.standing.used > found.standing.standing.limit:
        return "budget-below-refuses" if made.enforcement.hard_limit else "budget-below"
    if made.model and _is_unknown(visitor, made.model):
        return MODEL_DOUBTFUL
    return "budget-replaced" if is_replaced else "budget-saved"


def near_model(visitor: Visitor, budget: Budget) -> str:
    """Return the model that was probably meant where the page warns that nobody knows the budget's; else ""."""
    if visitor.query["done"] != MODEL_DOUBTFUL or not budget.model or not visitor.may("models:list"):
        return ""
    return near_name(visitor.models, visitor.organization.id, budget.model)


async def how_alerted(visitor: Visitor, made: KeptRule, usual: str) -> str:
    """Return what to say of a rule that was just set: whether it tells anybody."""
    return f"alert-without-{made.action}" if made.action in await unheard_by(visitor) else usual


async def unheard_by(visitor: Visitor) -> frozenset[AlertAction]:
    """Return the actions of alerts that tell nobody at the moment."""
    return await visitor.look(unheard_actions, sends_email=visitor.people.rules.sends_email)


def _is_unknown(visitor: Visitor, model: str) -> bool:
    try:
        return not is_known_name(visitor.models, visitor.organization.id, model)
    except NotFound:  # nothing is wired here that could know
        return False
