"""Budgets as the data plane leaves them behind: windows, leases and calls, written straight into the tables."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
from sqlalchemy import insert, update
from tests.admin.admin_factories import make_call
from tests.fakes.new_keys import create_project_key
from tests.tenancy.company import PEPPER, Company
from typer.testing import CliRunner

from tollkeeper.cli.main import app
from tollkeeper.domain.lease import Draw
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.schema_limits import budget, budget_node, lease

USD = 10**9
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US


async def put_budget(company: Company, scope_id: str, amount: int, **changes: Any) -> str:
    """Write a budget; monthly, in dollars and hard unless `changes` say otherwise. Returns its id."""
    kinds = {"team": "team", "proj": "project", "key": "api_key", "mem": "member"}
    row = {
        "organization_id": company.id,
        "id": f"bud_{uuid7().hex()}",
        "scope_kind": kinds.get(scope_id.partition("_")[0], "organization"),
        "scope_id": scope_id,
        "model": "",
        "unit": "usd",
        "period": "monthly",
        "amount": amount,
        "is_carried_over": 0,
        "is_hard": 1,
        "is_exceeding_notified": 1,
        "is_exceeding_disabling": 0,
        "created_at_us": now_us(),
        "updated_at_us": now_us(),
        **changes,
    }
    await company.store.write(lambda c: c.execute(insert(budget).values(**row)))
    return str(row["id"])


async def put_node(
    company: Company, budget_id: str, *, limit: int, used: int, start_us: int = 0, end_us: int | None = None
) -> None:
    """Write what a budget comes to in one window, over what was there."""
    mine = (budget_node.c.budget_id == budget_id, budget_node.c.window_start_us == start_us)
    values = {"limit_amount": limit, "used": used, "window_end_us": end_us, "updated_at_us": now_us()}

    async def work(connection: Any) -> None:
        if (await connection.execute(update(budget_node).where(*mine).values(**values))).rowcount:
            return
        rest = {"carried": 0, "opened_used": 0, "escrow": 0, "is_hard": 1, "recalled_at_us": 0}
        identity = {"organization_id": company.id, "budget_id": budget_id, "window_start_us": start_us}
        await connection.execute(insert(budget_node).values(**identity, **values, **rest))

    await company.store.write(work)


async def put_lease(
    company: Company, budget_id: str, *, amount: int, consumed: int = 0, converted: int = 0, start_us: int = 0
) -> bytes:
    """Write a lease on a window; returns its id."""
    lease_id = uuid7()
    row = {
        "organization_id": company.id,
        "id": lease_id,
        "budget_id": budget_id,
        "window_start_us": start_us,
        "holder": "replica-a",
        "state": "open",
        "operation": 1,
        "amount": amount,
        "consumed": consumed,
        "converted": converted,
        "created_at_us": now_us(),
        "updated_at_us": now_us(),
    }
    await company.store.write(lambda c: c.execute(insert(lease).values(**row)))
    return lease_id


async def put_call(company: Company, project_id: str, *draws: Draw, **changes: Any) -> UsageRecord:
    """Write a call of a new key of a project that drew on leases."""
    key = await create_project_key(
        company.store, PEPPER, company.id, project_id=project_id, name=f"key {uuid7().hex()[-6:]}"
    )
    made = make_call(random.Random(7), company.id, key)
    record = msgspec.structs.replace(made, draws=draws, model_asked="gpt-4o", **changes)
    await company.store.insert_usage([record], slot="a")
    return record


async def run_command(company: Company, *arguments: str, text: str = "") -> str:
    """Run a command on the company's database as a program does, `text` its input; returns what it printed."""
    url = company.store.url.render_as_string(hide_password=False)
    result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--database", url], text)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout
