"""Databases of earlier revisions keep what they said of limits: of models, of requests per day, of what a tier brought."""

from __future__ import annotations

import json
from typing import Any

from alembic import command

from tollkeeper.store import api_keys, budgets, migrations, organizations, project_limits, rate_limits
from tollkeeper.store.engine import Store

PROJECT = "INSERT INTO project (organization_id, id, name, created_at_us, archived_at_us, model_limits) VALUES "
KEY = (
    "INSERT INTO api_key (organization_id, id, project_id, name, kind, digest, pepper_version, status, permissions,"
    " created_at_us, rate_limit) VALUES "
)
LIMITS = '{"gpt-4o":{"daily_requests":500,"daily_budget_nanos":7},"o3":{"daily_requests":null,"daily_budget_nanos":9}}'


def _upgrade(connection: Any, revision: str) -> None:
    command.upgrade(migrations.alembic_config(connection), revision)


async def _run(store: Store, *statements: str) -> None:
    async def work(connection: Any) -> None:
        for each in statements:
            await connection.exec_driver_sql(each)

    await store.write(work)


async def test_limits_of_models_and_of_requests_a_day_become_budgets(empty_database_url: str) -> None:
    store = Store.open(empty_database_url)
    await store.write(lambda c: c.run_sync(_upgrade, "0002"))
    await _run(
        store,
        "INSERT INTO organization (id, name, timezone, created_at_us) VALUES ('org_1', 'Acme', 'UTC', 1)",
        f"{PROJECT} ('org_1', 'proj_1', 'search', 2, NULL, '{LIMITS}')",
        f"{PROJECT} ('org_1', 'proj_2', 'plain', 2, NULL, '{{}}')",
        f"{PROJECT} ('org_1', 'proj_3', 'gone', 2, 3, '{LIMITS}')",
        f"{KEY} ('org_1', 'key_1', 'proj_1', 'prod', 'service', {_bytes(store, 1)}, 1, 'active', '[]', 4,"
        ' \'{"requests_per_minute":5,"requests_per_day":60}\')',
        f"{KEY} ('org_1', 'key_2', 'proj_1', 'dev', 'service', {_bytes(store, 2)}, 1, 'active', '[]', 4,"
        " '{\"requests_per_minute\":5}')",
        "INSERT INTO budget (organization_id, scope_kind, scope_id, period, limit_nanos, is_carried_over, is_hard,"
        " is_exceeding_notified, is_exceeding_disabling, updated_at_us)"
        " VALUES ('org_1', 'project', 'proj_1', 'monthly', 100, 1, 0, 1, 0, 5)",
    )
    assert await migrations.upgrade(store) == "0002"
    found = await store.read(lambda c: budgets.list_budgets(c, "org_1", budgets.BudgetFilter()))
    assert [(each.scope_id, each.model, each.unit, each.period, each.amount) for each in found] == [
        ("key_1", "", "requests", "daily", 60),
        ("proj_1", "", "usd", "monthly", 100),
        ("proj_1", "gpt-4o", "requests", "daily", 500),
        ("proj_1", "gpt-4o", "usd", "daily", 7),
        ("proj_1", "o3", "usd", "daily", 9),
    ]
    assert [each.enforcement.hard_limit for each in found] == [True, False, True, True, True]
    limits = await store.read(lambda c: project_limits.read_limits(c, "org_1", ["proj_1", "proj_2"]))
    assert set(limits["proj_1"].model_limits) == {"gpt-4o", "o3"}
    assert limits["proj_2"].model_limits == {}
    keys = [await store.read(lambda c, id_=id_: api_keys.get_api_key(c, "org_1", id_)) for id_ in ("key_1", "key_2")]
    rates = [key.terms.rate_limit for key in keys if key is not None and key.terms is not None]
    assert [(each.requests_per_minute, each.requests_per_day) for each in rates] == [(5, 60), (5, None)]
    organization = await store.read(lambda c: organizations.get_organization(c, "org_1"))
    assert organization is not None
    assert (organization.tier, organization.fiscal_month_start) == ("enterprise", 1)
    await store.aclose()


BUDGET = (
    "INSERT INTO budget (organization_id, id, scope_kind, scope_id, model, unit, period, amount, is_carried_over, is_hard,"
    " is_exceeding_notified, is_exceeding_disabling, created_at_us, updated_at_us) VALUES "
)
RATE = (
    "INSERT INTO rate_limit (organization_id, id, scope_kind, scope_id, model, requests_per_minute, tokens_per_minute,"
    " created_at_us, updated_at_us) VALUES "
)


def _events(store: Store, *written: tuple[str, str, dict[str, Any]]) -> list[str]:
    """Return what writes audit events: action, target and how it was afterwards."""
    names = (
        "organization_id, number, id, at_us, actor_kind, actor_id, actor_name, address, request_id, action,"
        " target_kind, target_id, target_name, before, after, mac"
    )
    return [
        f"INSERT INTO audit_event ({names}) VALUES ('org_1', {at}, 'audit_{at}', {at}, 'operator', 'operator', '', '', '',"
        f" '{action}', 'limit', '{target}', '', 'null', '{json.dumps(after)}', {_bytes(store, at)})"
        for at, (action, target, after) in enumerate(written, 1)
    ]


async def test_what_a_tier_wrote_last_and_nobody_changed_since_is_marked(empty_database_url: str) -> None:
    store = Store.open(empty_database_url)
    await store.write(lambda c: c.run_sync(_upgrade, "0005"))
    usual = {"hard_limit": True, "notify_on_exceed": True, "auto_disable_on_exceed": False}
    shown = {"scope": "org_1", "carryover": False, "enforcement": usual}
    monthly = {**shown, "period": "monthly", "amount_usd": "5.00"}
    calls = {**shown, "unit": "requests", "period": "daily", "amount": 200}
    at_once = {**shown, "unit": "concurrent", "period": "total", "amount": 4}
    weekly = {**shown, "period": "weekly", "amount_usd": "1.25"}
    rates = {"scope": "org_1", "model": "", "requests_per_minute": 20, "tokens_per_minute": None}
    await _run(
        store,
        "INSERT INTO organization (id, name, timezone, created_at_us) VALUES ('org_1', 'Acme', 'UTC', 1)",
        f"{BUDGET} ('org_1', 'bud_1', 'organization', 'org_1', '', 'usd', 'monthly', 5000000000, 0, 1, 1, 0, 2, 2)",
        f"{BUDGET} ('org_1', 'bud_2', 'organization', 'org_1', '', 'requests', 'daily', 200, 0, 1, 1, 0, 2, 2)",
        f"{BUDGET} ('org_1', 'bud_3', 'organization', 'org_1', '', 'concurrent', 'total', 9, 0, 1, 1, 0, 2, 2)",
        f"{BUDGET} ('org_1', 'bud_4', 'organization', 'org_1', '', 'usd', 'weekly', 1250000000, 0, 1, 1, 0, 2, 2)",
        f"{BUDGET} ('org_1', 'bud_5', 'organization', 'org_1', '', 'usd', 'daily', 70, 0, 1, 1, 0, 2, 2)",
        f"{RATE} ('org_1', 'rate_1', 'organization', 'org_1', '', 20, NULL, 2, 2)",
        f"{RATE} ('org_1', 'rate_2', 'organization', 'org_1', 'o3', 30, NULL, 2, 2)",
        *_events(
            store,
            ("budget.set", "bud_1", monthly),
            ("budget.set", "bud_1", {**monthly, "tier": "free"}),
            ("budget.set", "bud_2", {**calls, "tier": "free"}),
            ("budget.set", "bud_2", calls),
            ("budget.set", "bud_3", {**at_once, "tier": "free"}),
            ("budget.set", "bud_4", {**weekly, "tier": "campus"}),
            ("rate_limit.set", "rate_1", {**rates, "tier": "free"}),
            ("rate_limit.set", "rate_2", {**rates, "model": "o3", "requests_per_minute": 30}),
        ),
    )
    assert await migrations.upgrade(store) == "0005"
    found = await store.read(lambda c: budgets.list_budgets(c, "org_1", budgets.BudgetFilter()))
    assert {each.id: each.is_from_tier for each in found} == {
        "bud_1": True,
        "bud_2": False,  # a person set it to the same afterwards
        "bud_3": False,  # it is not what the tier wrote
        "bud_4": True,
        "bud_5": False,  # nobody knows who wrote it
    }
    rules = await store.read(lambda c: rate_limits.list_rate_limits(c, "org_1"))
    assert {each.id: each.is_from_tier for each in rules} == {"rate_1": True, "rate_2": False}
    await store.aclose()


def _bytes(store: Store, number: int) -> str:
    return f"X'{number:02d}'" if store.dialect == "sqlite" else f"'\\x{number:02d}'::bytea"
