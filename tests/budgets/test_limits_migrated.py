"""A database of revision 0002 keeps what it said of models and of requests per day: they are budgets afterwards."""

from __future__ import annotations

from typing import Any

from alembic import command

from tollkeeper.store import api_keys, budgets, migrations, organizations, project_limits
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


def _bytes(store: Store, number: int) -> str:
    return f"X'{number:02d}'" if store.dialect == "sqlite" else f"'\\x{number:02d}'::bytea"
