"""What projects allow of a model and what keys may ask for a day: terms of theirs, and budgets like any other."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select
from tests.tenancy.company import PEPPER, Company

from tollkeeper.control import api_keys, budgets, projects
from tollkeeper.control.api_keys import KeyUpdate
from tollkeeper.control.budgets import Terms
from tollkeeper.control.projects import ProjectQuota
from tollkeeper.domain.budget import BudgetKey, Enforcement, ModelLimit
from tollkeeper.domain.errors import PermissionDenied
from tollkeeper.domain.key_terms import KeyTerms, RateLimit
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import key_lookup
from tollkeeper.store.schema_limits import budget_node

CHAT = frozenset({"chat:create"})
BOTH = {"gpt-4o": ModelLimit(500, 10**10), "o3": ModelLimit(daily_requests=0), "free": ModelLimit()}


async def amounts(company: Company, scope_id: str) -> dict[BudgetKey, int]:
    found = await company.look(None, budgets.list_budgets, scope_id=scope_id)
    return {each.key: each.amount for each in found}


async def test_a_projects_limits_for_models_are_budgets_a_day(company: Company) -> None:
    made = await company.change(None, projects.create_project, name="search", quota=ProjectQuota(model_limits=BOTH))
    id_ = made.project.id
    assert await amounts(company, id_) == {
        BudgetKey(id_, "daily", "requests", "gpt-4o"): 500,
        BudgetKey(id_, "daily", "usd", "gpt-4o"): 10**10,
        BudgetKey(id_, "daily", "requests", "o3"): 0,
    }
    limits = {name: limit for name, limit in BOTH.items() if limit != ModelLimit()}
    assert (await company.look(None, projects.get_project, id_)).limits.model_limits == limits
    assert (await company.look(None, projects.get_project, id_)).monthly_budget is None


async def test_a_change_of_limits_keeps_the_terms_and_the_ids_of_budgets(company: Company) -> None:
    made = await company.change(None, projects.create_project, name="search", quota=ProjectQuota(model_limits=BOTH))
    id_ = made.project.id
    soft = Terms(7, "daily", enforcement=Enforcement(hard_limit=False), unit="requests", model="gpt-4o")
    before = await company.change(None, budgets.set_budget, id_, terms=soft)
    assert (await company.look(None, projects.get_project, id_)).limits.model_limits["gpt-4o"].daily_requests == 7
    quota = ProjectQuota(model_limits={"gpt-4o": ModelLimit(daily_requests=8)})
    changed = await company.change(None, projects.update_project, id_, quota=quota)
    assert changed.limits.model_limits == {"gpt-4o": ModelLimit(daily_requests=8)}
    (after,) = await company.look(None, budgets.list_budgets, scope_id=id_)
    assert (after.id, after.enforcement.hard_limit, after.amount) == (before.id, False, 8)
    told = len(await company.changes("limit"))
    await company.change(None, projects.update_project, id_, quota=ProjectQuota(model_limits={}))
    assert await amounts(company, id_) == {}
    assert (await company.changes("limit"))[told:] == [id_]


async def test_the_requests_a_day_of_a_key_are_a_budget(company: Company) -> None:
    terms = KeyTerms(rate_limit=RateLimit(10, 1000, 5000))
    wanted = {"project_id": company.default.id, "name": "prod", "permissions": CHAT, "terms": terms}
    key = (await company.change(None, api_keys.create_service_key, **wanted)).record
    daily = BudgetKey(key.id, "daily", "requests")
    assert await amounts(company, key.id) == {daily: 1000}
    assert (await company.look(None, api_keys.get_key, key.id)).terms == terms
    lower = KeyUpdate(rate_limit=RateLimit(10, 900, 5000))
    assert (await company.change(None, api_keys.update_key, key.id, lower)).terms.rate_limit.requests_per_day == 900
    await company.change(None, budgets.set_budget, key.id, terms=Terms(800, "daily", unit="requests"))
    assert (await company.look(None, api_keys.get_key, key.id)).terms.rate_limit == RateLimit(10, 800, 5000)
    await company.change(None, api_keys.update_key, key.id, KeyUpdate(rate_limit=RateLimit()))
    assert await amounts(company, key.id) == {}
    await company.change(None, budgets.set_budget, key.id, terms=Terms(5))
    await company.change(None, api_keys.delete_key, key.id)
    assert await company.look(None, budgets.list_budgets) == []


async def test_a_persons_own_key_is_not_raised_by_that_person(company: Company) -> None:
    dev = await company.hire("dev", ("developer", company.default.id))
    wanted = {"project_ids": (company.default.id,), "name": "mine", "permissions": CHAT}
    key = (await company.change(dev, api_keys.create_member_key, **wanted)).record
    await company.change(None, budgets.set_budget, key.id, terms=Terms(100, "daily", unit="requests"))
    for rate_limit in (RateLimit(), RateLimit(requests_per_day=101)):
        with pytest.raises(PermissionDenied, match="quota:manage"):
            await company.change(dev, api_keys.update_key, key.id, KeyUpdate(rate_limit=rate_limit))
    lower = KeyUpdate(rate_limit=RateLimit(requests_per_day=99))
    assert (await company.change(dev, api_keys.update_key, key.id, lower)).terms.rate_limit.requests_per_day == 99
    raised = KeyUpdate(rate_limit=RateLimit(requests_per_day=500))
    await company.change(None, api_keys.update_key, key.id, raised)
    assert await amounts(company, key.id) == {BudgetKey(key.id, "daily", "requests"): 500}


async def test_a_rotated_keys_budgets_go_over_with_what_was_used(company: Company) -> None:
    terms = KeyTerms(rate_limit=RateLimit(requests_per_day=1000))
    wanted = {"project_id": company.default.id, "name": "prod", "permissions": CHAT, "terms": terms}
    old = await company.change(None, api_keys.create_service_key, **wanted)
    money = await company.change(None, budgets.set_budget, old.record.id, terms=Terms(5))
    values = dict.fromkeys((column.name for column in budget_node.c), 0)
    values |= {"organization_id": company.id, "budget_id": money.id, "used": 4}
    await company.store.write(lambda c: c.execute(insert(budget_node).values(**values)))
    rotated = await company.change(None, api_keys.rotate_key, old.record.id, grace_seconds=60)
    new = rotated.new.record
    assert new.terms == terms
    assert await amounts(company, old.record.id) == {}
    assert await amounts(company, new.id) == {BudgetKey(new.id, "daily", "requests"): 1000, BudgetKey(new.id): 5}
    found = {each.key: each for each in await company.look(None, budgets.list_budgets, scope_id=new.id)}
    assert found[BudgetKey(new.id)].id == money.id, "what was used of it stays used"
    digest = keyed_digest(PEPPER, rotated.new.key.encode())
    held = await company.store.read(lambda c: key_lookup.find_by_digest(c, digest))
    assert {each.budget_id for each in held.limits} == {each.id for each in found.values()}
    used = await company.store.read(lambda c: c.scalar(select(budget_node.c.used)))
    assert used == 4
