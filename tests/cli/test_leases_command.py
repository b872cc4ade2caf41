"""`tollkeeper budgets leases` and `budgets release`, as people and programs call them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
import typer
from tests.store.lease_factories import Budgeted, Holder, add_budget, read_node
from typer.testing import CliRunner, Result

from tollkeeper.cli import leases
from tollkeeper.cli.main import app as whole
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.store.engine import Store
from tollkeeper.store.lease_recovery import quarantine_holder

if TYPE_CHECKING:
    from sqlalchemy import Row

CENT = 10_000_000
app = typer.Typer()
app.command("leases")(leases.leases)
app.command("release")(leases.release)


@pytest.fixture
def organization_id(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", "70" * 32)
    result = CliRunner().invoke(whole, ["init", "--org", "Acme", "--json"])
    assert result.exit_code == 0, result.output
    return str(json.loads(result.stdout)["organization_id"])


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def data(*arguments: str) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def lose(organization_id: str, *, unit: str = "usd", amount: int = 5 * CENT) -> tuple[Budgeted, str]:
    """Let a server hold something of a new budget, and lose its journal."""

    async def work() -> tuple[Budgeted, str]:
        store = Store.open("sqlite:///tollkeeper.db")
        try:
            budgeted = await add_budget(store, organization_id, 100 * CENT, unit=unit)
            granted = await Holder(store, "a").one(budgeted, need=amount, exact=amount)
            await quarantine_holder(store, "a")
            return budgeted, f"lease_{granted.lease_id.hex()}"
        finally:
            await store.aclose()

    return asyncio.run(work())


def node_of(budgeted: Budgeted) -> Row[Any]:
    async def work() -> Row[Any]:
        store = Store.open("sqlite:///tollkeeper.db")
        try:
            return await read_node(store, budgeted)
        finally:
            await store.aclose()

    return asyncio.run(work())


def test_leases_are_listed_with_what_to_do(organization_id: str) -> None:
    assert "No server holds anything." in call("leases").stdout
    _, lease_id = lose(organization_id)

    shown = call("leases").stdout
    assert lease_id in shown
    assert "$0.05" in shown
    assert "tollkeeper budgets release LEASE" in shown
    [listed] = data("leases", "--state", "quarantine")["data"]
    assert (listed["id"], listed["amount_usd"], listed["state"]) == (lease_id, 0.05, "quarantine")
    assert data("leases", "--state", "open")["data"] == []
    assert isinstance(call("leases", "--state", "lost").exception, InvalidRequest)


def test_a_release_counts_what_is_stated_and_frees_the_rest(organization_id: str) -> None:
    budgeted, lease_id = lose(organization_id)

    assert isinstance(call("release", lease_id).exception, InvalidRequest), "nobody is there to ask"
    assert isinstance(call("release", lease_id, "--amount", "0.06", "--yes").exception, InvalidRequest)
    done = call("release", lease_id, "--amount", "0.02", "--yes")

    assert done.exit_code == 0, done.exception
    assert "$0.02 count as used, $0.03 can be used again" in done.stdout
    node = node_of(budgeted)
    assert (node.used, node.escrow) == (2 * CENT, 0)
    assert isinstance(call("release", lease_id, "--yes", "--force").exception, Conflict)
    assert isinstance(call("release", f"lease_{'0' * 32}", "--yes").exception, NotFound)


def test_a_budget_that_counts_is_released_in_what_it_counts(organization_id: str) -> None:
    budgeted, lease_id = lose(organization_id, unit="requests", amount=7)
    assert isinstance(call("release", lease_id, "--amount", "2.5", "--yes").exception, InvalidRequest)
    done = data("release", lease_id, "--amount", "3", "--yes")
    assert (done["state"], done["counts_as_used"], done["counts_as_used_usd"]) == ("closed", 3, None)
    assert node_of(budgeted).used == 3
