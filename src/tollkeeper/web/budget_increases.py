"""What the page of a budget does to raise it for a time, and to end that before its day."""

from __future__ import annotations

from tollkeeper.control.budget_increases import Raise, delete_increase, increase_budget
from tollkeeper.control.budgets import get_budget
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.web.budget_words import amount_in
from tollkeeper.web.fields import end_of_day
from tollkeeper.web.visitor import Visitor


async def give(visitor: Visitor, budget_id: str) -> str:
    """Raise a budget, at once, until the end of a day; returns what to say."""
    until_us = end_of_day(visitor, "until")
    if until_us is None:
        raise InvalidRequest("Say until the end of which day.", param="until")
    unit = (await visitor.look(get_budget, budget_id)).unit
    wanted = Raise(amount_in(visitor.form, unit), until_us, note=visitor.form["note"])
    await visitor.change(increase_budget, budget_id, wanted=wanted)
    return "budget-raised"


async def end(visitor: Visitor, budget_id: str) -> str:
    """End what a budget has more for a time; returns what to say."""
    await visitor.change(delete_increase, budget_id, visitor.form["increase"])
    return "increase-ended"
