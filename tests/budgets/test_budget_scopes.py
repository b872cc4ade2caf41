"""Budgets of every scope, unit, model and period: set, read, listed and taken away by whom they are for."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import insert, select, update
from tests.tenancy.company import USD, Company, Person

from tollkeeper.control import api_keys, budgets, roles
from tollkeeper.control.administration import Action
from tollkeeper.control.api_keys import NewApiKey
from tollkeeper.control.budget_scopes import find_budget_scope, managed_among
from tollkeeper.control.budgets import Terms
from tollkeeper.domain.budget import Budget, BudgetKey, Enforcement
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.tenancy import Place, Team
from tollkeeper.kit.clock import now_us
from tollkeeper.store import budgets as rows
from tollkeeper.store.schema_limits import budget as budget_table
from tollkeeper.store.schema_limits import budget_node

CHAT = frozenset({"chat:create"})


async def service_key(company: Company, project_id: str, **more) -> NewApiKey:
    wanted = {"project_id": project_id, "name": "prod", "permissions": CHAT, **more}
    return await company.change(None, api_keys.create_service_key, **wanted)


async def lead_of(company: Company, team: Team) -> Person:
    return await company.hire(f"lead-{team.name}", ("team_admin", team.id))


async def test_one_scope_has_a_budget_for_each_model_unit_and_period(company: Company) -> None:
    project = await company.project("search")
    wanted = [
        Terms(7, "daily"),
        Terms(8, "daily", model="gpt-4o"),
        Terms(9, "weekly", unit="requests"),
        Terms(10, "monthly", unit="tokens", model="gpt-4o"),
        Terms(11, "total"),
        Terms(12, "total", unit="concurrent"),
    ]
    made = [await company.change(None, budgets.set_budget, project.id, terms=each) for each in wanted]
    again = await company.change(None, budgets.set_budget, project.id, terms=Terms(70, "daily"))
    found = await company.look(None, budgets.list_budgets, scope_id=project.id)
    assert {each.key: each.amount for each in found} == {
        BudgetKey(project.id, each.period, each.unit, each.model): each.amount
        for each in [*wanted[1:], Terms(70, "daily")]
    }
    assert again.id == made[0].id
    assert again.created_at_us == made[0].created_at_us
    assert await company.look(None, budgets.get_budget, made[1].id) == made[1]
    gone = await company.change(None, budgets.delete_budget_by_id, made[2].id)
    assert gone == made[2]
    with pytest.raises(NotFound):
        await company.look(None, budgets.get_budget, made[2].id)


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        (Terms(1, "monthly", unit="concurrent"), "period"),
        (Terms(1, "total", is_carried_over=True), "carryover"),
        (Terms(10**18 + 1), "amount"),
        (Terms(10**12 + 1, unit="requests"), "amount"),
        (Terms(1, model="a\nb"), "model"),
        (Terms(1, model="m" * 201), "model"),
    ],
)
async def test_what_cannot_be_is_refused(company: Company, terms: Terms, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await company.change(None, budgets.set_budget, company.id, terms=terms)
    assert refused.value.param == param


async def test_each_budget_is_set_one_level_above_and_read_where_it_is(company: Company) -> None:
    team, other = await company.team("ml"), await company.team("web")
    project = await company.project("search", team)
    lead, stranger = await lead_of(company, team), await lead_of(company, other)
    dev = await company.hire("dev", ("developer", project.id))
    key = (await service_key(company, project.id)).record
    may = {project.id: [lead], key.id: [lead], team.id: [], dev.member_id: [], company.id: []}
    for scope_id, managers in may.items():
        for who in (lead, stranger, dev):
            if who in managers:
                await company.change(who, budgets.set_budget, scope_id, terms=Terms(5))
            else:
                with pytest.raises((PermissionDenied, NotFound)):
                    await company.change(who, budgets.set_budget, scope_id, terms=Terms(5))
        await company.change(None, budgets.set_budget, scope_id, terms=Terms(5))
    assert {each.scope_id for each in await company.look(lead, budgets.list_budgets)} == {project.id, key.id, team.id}
    seen = {each.scope_id for each in await company.look(dev, budgets.list_budgets)}
    assert seen == {project.id, key.id, dev.member_id}, "a person reads their own"
    assert await company.look(stranger, budgets.list_budgets) == []
    for scope_id in (project.id, key.id, team.id):
        (budget,) = await company.look(None, budgets.list_budgets, scope_id=scope_id)
        with pytest.raises(NotFound) as hidden:
            await company.look(stranger, budgets.get_budget, budget.id)
        with pytest.raises(NotFound) as missing:
            await company.look(stranger, budgets.get_budget, "bud_0")
        assert hidden.value.message.replace(budget.id, "bud_0") == missing.value.message


async def test_a_person_reads_their_own_keys_budget_and_nobody_elses(company: Company) -> None:
    project = await company.project("search")
    two = [await company.hire(name, ("developer", project.id)) for name in ("ann", "bob")]
    keys = []
    for person in two:
        wanted = {"project_ids": (project.id,), "name": "mine", "permissions": CHAT}
        keys.append((await company.change(person, api_keys.create_member_key, **wanted)).record)
    for key in keys:
        await company.change(None, budgets.set_budget, key.id, terms=Terms(5))
    await company.change(None, budgets.set_budget, two[0].member_id, terms=Terms(6))
    assert [each.amount for each in await company.look(two[0], budgets.list_budgets, scope_id=two[0].member_id)] == [6]
    with pytest.raises(NotFound):
        await company.look(two[1], budgets.list_budgets, scope_id=two[0].member_id)


async def test_an_administration_key_has_no_budget(company: Company) -> None:
    key = (await company.change(None, api_keys.create_admin_key, name="finance")).record
    with pytest.raises(InvalidRequest, match="calls no models"):
        await company.change(None, budgets.set_budget, key.id, terms=Terms(5))


async def test_only_money_for_all_models_must_fit_into_the_whole(company: Company) -> None:
    project = await company.project("search")
    await company.budget(company.id, 100)
    await company.change(None, roles.create_role, name="treasurer", permissions=frozenset({"quota:manage"}))
    treasurer = await company.hire("treasurer", ("treasurer", company.id))
    for terms in (Terms(200 * USD, unit="tokens"), Terms(200 * USD, model="gpt-4o"), Terms(200 * USD, "weekly")):
        await company.change(treasurer, budgets.set_budget, project.id, terms=terms)
    key = (await service_key(company, project.id)).record
    await company.change(treasurer, budgets.set_budget, project.id, terms=Terms(100 * USD))
    await company.change(None, budgets.set_budget, key.id, terms=Terms(200 * USD))
    whole = await company.store.read(lambda c: rows.sum_allotted(c, Place(company.id), "monthly"))
    assert whole == 100 * USD


async def open_window(company: Company, budget: Budget, *, end_us: int | None) -> None:
    row = dict.fromkeys(
        ("limit_amount", "carried", "used", "opened_used", "escrow", "recalled_at_us", "updated_at_us"), 0
    )
    values = {
        **row,
        "organization_id": company.id,
        "budget_id": budget.id,
        "window_start_us": end_us or 0,
        "window_end_us": end_us,
        "is_hard": 1,
    }
    await company.store.write(lambda c: c.execute(insert(budget_node).values(**values)))


async def recalled(company: Company, budget: Budget) -> dict[int | None, bool]:
    query = select(budget_node.c.window_end_us, budget_node.c.recalled_at_us).where(
        budget_node.c.budget_id == budget.id
    )
    found = await company.store.read(lambda c: c.execute(query))
    return {row.window_end_us: row.recalled_at_us > 0 for row in found}


@pytest.mark.parametrize("how", ["raised", "lowered", "hardened", "softened", "the same"])
async def test_a_budget_that_shrinks_or_becomes_hard_is_recalled(company: Company, how: str) -> None:
    soft, hard = Enforcement(hard_limit=False), Enforcement()
    before, after = {
        "raised": (Terms(5), Terms(6)),
        "lowered": (Terms(5), Terms(4)),
        "hardened": (Terms(5, enforcement=soft), Terms(5, enforcement=hard)),
        "softened": (Terms(5, enforcement=hard), Terms(5, enforcement=soft)),
        "the same": (Terms(5), Terms(5)),
    }[how]
    budget = await company.change(None, budgets.set_budget, company.id, terms=before)
    past_us, future_us = now_us() - 1, now_us() + 10**10
    await open_window(company, budget, end_us=past_us)
    await open_window(company, budget, end_us=future_us)
    await company.change(None, budgets.set_budget, company.id, terms=after)
    assert await recalled(company, budget) == {past_us: False, future_us: how in {"lowered", "hardened"}}


async def test_every_change_is_told_to_replicas_by_its_scope(company: Company) -> None:
    team = await company.team("ml")
    before = len(await company.changes("limit"))
    await company.budget(team.id, 5)
    await company.change(None, budgets.delete_budget, team.id, period="monthly")
    assert (await company.changes("limit"))[before:] == [team.id, team.id]


async def test_the_credit_of_an_organization_is_no_budget_to_anybody(company: Company) -> None:
    row = {
        "id": "bud_credit",
        "scope_kind": "credit",
        "scope_id": company.id,
        "model": "",
        "unit": "usd",
        "period": "total",
    }
    flags = dict.fromkeys(("is_carried_over", "is_exceeding_notified", "is_exceeding_disabling", "created_at_us"), 0)
    wallet = {**row, **flags, "organization_id": company.id, "amount": 5, "is_hard": 1, "updated_at_us": 0}
    await company.store.write(lambda c: c.execute(insert(budget_table).values(**wallet)))
    own = await company.change(None, budgets.set_budget, company.id, terms=Terms(7, "total"))
    assert await company.look(None, budgets.list_budgets) == [own]
    with pytest.raises(NotFound):
        await company.look(None, budgets.get_budget, "bud_credit")
    await company.change(None, budgets.delete_budget, company.id, period="total")
    with pytest.raises(NotFound):
        await company.change(None, budgets.delete_budget, company.id, period="total")
    kept = await company.store.read(lambda c: c.scalars(select(budget_table.c.id)))
    assert list(kept) == ["bud_credit"]
    await company.store.write(lambda c: c.execute(update(budget_table).values(amount=6)))


async def test_the_audit_log_tells_what_a_budget_is_of(company: Company) -> None:
    await company.change(None, budgets.set_budget, company.id, terms=Terms(9, "daily", unit="requests", model="gpt-4o"))
    (event,) = await company.events("budget.set")
    assert event.target_name == "organization daily requests gpt-4o"
    told = msgspec.json.decode(event.after or "")
    assert (told["unit"], told["amount"], told["model"], told["scope"]) == ("requests", 9, "gpt-4o", company.id)


async def test_whose_budgets_one_may_set_is_told_of_many_at_once_as_of_each(company: Company) -> None:
    team, other = await company.team("ml"), await company.team("web")
    inside, outside, loose = (
        await company.project("search", team),
        await company.project("shop", other),
        await company.project("ops"),
    )
    lead = await lead_of(company, team)
    people = {
        "operator": None,
        "admin": await company.hire("boss", ("org_admin", company.id)),
        "lead": lead,
        "of a project": await company.hire("half", ("team_admin", inside.id), ("developer", outside.id)),
        "developer": await company.hire("dev", ("developer", inside.id)),
    }
    keys = [(await service_key(company, each.id)).record.id for each in (inside, outside, loose)]
    both = await company.hire("both", ("developer", inside.id), ("developer", outside.id))
    wanted = {"project_ids": (inside.id, outside.id), "name": "both", "permissions": CHAT}
    keys.append((await company.change(both, api_keys.create_member_key, **wanted)).record.id)
    gone = (await service_key(company, inside.id)).record.id
    await company.change(None, api_keys.delete_key, gone)
    scopes = [company.id, team.id, other.id, inside.id, outside.id, loose.id, lead.member_id, *keys]

    async def alone(action: Action, scope_id: str) -> bool:
        try:
            return (await find_budget_scope(action, scope_id)).is_managed_by(action)
        except NotFound:
            return False

    found = {}
    for name, who in people.items():
        found[name] = await company.look(who, managed_among, scopes)
        assert found[name] == {each for each in scopes if await company.look(who, alone, each)}, name
    assert found["lead"] == {inside.id, keys[0]}
    assert found["of a project"] == {keys[0]}
    assert found["developer"] == frozenset()
    assert await company.look(lead, managed_among, [gone, "proj_none", "key_none"]) == frozenset()
