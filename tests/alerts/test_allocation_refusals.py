"""Who divides too much is told which budget it is by its name, over the API and at the command line."""

from __future__ import annotations

import pytest
from tests.tenancy.company import Company

from tollkeeper.control import allocations, fitting, roles
from tollkeeper.control.allocations import Allocation
from tollkeeper.control.budgets import Terms
from tollkeeper.domain.errors import Conflict
from tollkeeper.domain.tenancy import Place

USD = 10**9


async def test_the_refusal_names_the_team_or_the_organization(company: Company) -> None:
    ml = await company.team("ml")
    project = await company.project("search", ml)
    permissions = frozenset({"quota:manage", "quota:read"})
    role = await company.change(None, roles.create_role, name="budgets", permissions=permissions)
    lead = await company.hire("lead", (role.id, ml.id))
    await company.budget(ml.id, 100)
    too_much = [Allocation(project.id, Terms(101 * USD))]
    with pytest.raises(Conflict, match="The parts of team 'ml' would have"):
        await company.change(lead, allocations.allocate, ml.id, allocations=too_much)
    place = Place(company.id, ml.id)
    with pytest.raises(Conflict, match="The parts of team 'ml' would have"):
        await company.change(None, fitting.allocate, place, allocations=too_much, may_overfill=False)
    await company.budget(company.id, 50)
    whole = Place(company.id)
    parts = [Allocation(ml.id, Terms(151 * USD))]
    with pytest.raises(Conflict, match="The parts of organization 'Acme' would have"):
        await company.change(None, fitting.allocate, whole, allocations=parts, may_overfill=False)
