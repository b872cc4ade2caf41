"""Rows by many keys: the right ones, and on SQLite too by the index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.store.lease_factories import add_budget
from tests.store.store_factories import add_organization

from tollkeeper.store import budget_nodes, lease_rows
from tollkeeper.store.engine import Store
from tollkeeper.store.many_keys import ByKeys
from tollkeeper.store.schema_limits import budget

_KEY = (budget.c.organization_id, budget.c.id)


async def test_a_row_is_found_by_its_whole_key_only(store: Store) -> None:
    (acme, _), (other, _) = await add_organization(store), await add_organization(store, "Other")
    first, second = await add_budget(store, acme.id, 1), await add_budget(store, other.id, 1)
    wanted = [(acme.id, first.id), (acme.id, second.id), (other.id, first.id), ("org_c", second.id)]
    query = ByKeys(select(*_KEY).where, *_KEY)
    found = await store.read(lambda connection: connection.execute(*query.of(connection, wanted)))
    assert [tuple(row) for row in found] == [(acme.id, first.id)]


async def test_sqlite_scans_no_table_for_several_leases_nodes_or_budgets(store: Store) -> None:
    if store.dialect != "sqlite":
        return
    ran: list[tuple[str, Any]] = []

    def note(*happened: Any) -> None:
        ran.append((happened[2], happened[3]))

    async def work(connection: AsyncConnection) -> list[str]:
        await lease_rows.lock_leases(connection, [("org_a", b"1"), ("org_b", b"2"), ("org_b", b"3")])
        nodes = [("org_a", "bud_1", 0), ("org_b", "bud_2", 0)]
        await lease_rows.read_held_by_others(connection, nodes, holder="r")
        await budget_nodes.read_nodes(connection, nodes)
        await budget_nodes.read_budgets(connection, [("org_a", "bud_1"), ("org_b", "bud_2")], at_us=1)
        plans = []
        for statement, parameters in ran[1:]:
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans += [row[3] for row in plan]
        return plans

    event.listen(store._engine.sync_engine, "before_cursor_execute", note)
    plans = await store.read(work)
    assert sum(each.startswith("SEARCH") for each in plans) >= 4
    assert not [each for each in plans if each.startswith("SCAN") and "CONSTANT ROW" not in each]
