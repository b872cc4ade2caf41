"""How many budgets one scope can have: so many that a call's record can keep what it drew on each."""

from __future__ import annotations

import pytest
from tests.tenancy.company import Company

from tollkeeper.control import budgets
from tollkeeper.control.budgets import BUDGETS_PER_SCOPE_MAX, Terms
from tollkeeper.domain.errors import Conflict
from tollkeeper.store.usage_rows import DRAWS_MAX


async def test_a_scope_can_have_so_many_budgets_and_no_more(company: Company) -> None:
    project, other = await company.project("search"), await company.project("chat")
    for number in range(BUDGETS_PER_SCOPE_MAX):
        terms = Terms(number, "weekly", unit="requests", model=f"model-{number}")
        await company.change(None, budgets.set_budget, project.id, terms=terms)

    one_more = Terms(1, "weekly", unit="requests", model="one more")
    with pytest.raises(Conflict, match="can have no more"):
        await company.change(None, budgets.set_budget, project.id, terms=one_more)

    again = Terms(5, "weekly", unit="requests", model="model-0")
    assert (await company.change(None, budgets.set_budget, project.id, terms=again)).amount == 5
    of_model = Terms(5, "daily", unit="requests", model="one more")
    assert (await company.change(None, budgets.set_budget, project.id, terms=of_model)).amount == 5
    assert (await company.change(None, budgets.set_budget, other.id, terms=one_more)).amount == 1


def test_a_record_keeps_what_a_call_drew_on_all_of_them() -> None:
    scopes, daily_limits_of_three_names = 5, 6
    assert scopes * (BUDGETS_PER_SCOPE_MAX + daily_limits_of_three_names) + 1 <= DRAWS_MAX
