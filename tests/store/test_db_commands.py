"""`tollkeeper db`: makes and upgrades the tables, and tells whether the books are sound."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text, update
from store_factories import make_record
from typer.testing import CliRunner, Result

from tollkeeper.cli.db import app
from tollkeeper.domain.errors import UnknownDatabase
from tollkeeper.store.engine import Store
from tollkeeper.store.readiness import KNOWN_REVISIONS
from tollkeeper.store.schema import usage_rollup

HEAD = KNOWN_REVISIONS[-1]


def run(*arguments: str, url: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--database", url])


def change(url: str, statement: Any = None, *, records: int = 0) -> None:
    async def work() -> None:
        store = Store.open(url)
        await store.insert_usage([make_record() for _ in range(records)], slot="a")
        if statement is not None:
            await store.write(lambda c: c.execute(statement))
        await store.aclose()

    asyncio.run(work())


def test_upgrade_makes_the_tables_of_an_empty_database_once(empty_database_url: str) -> None:
    first = run("upgrade", "--json", url=empty_database_url)
    assert json.loads(first.stdout) == {"from": None, "to": HEAD, "changed": True}
    second = run("upgrade", "--json", url=empty_database_url)
    assert json.loads(second.stdout) == {"from": HEAD, "to": HEAD, "changed": False}
    assert "up to date" in run("upgrade", url=empty_database_url).stdout


@pytest.mark.parametrize(
    "statement",
    [text("UPDATE alembic_version SET version_num = '9999'"), text("DROP TABLE alembic_version")],
    ids=["newer", "foreign"],
)
def test_upgrade_leaves_a_database_alone_that_it_does_not_know(sqlite_url: str, statement: Any) -> None:
    change(sqlite_url, statement)
    assert isinstance(run("upgrade", url=sqlite_url).exception, UnknownDatabase)


def test_verify_of_sound_books_exits_0(database_url: str) -> None:
    change(database_url, records=3)
    result = run("verify", url=database_url)
    assert (result.exit_code, "3 usage records" in result.stdout) == (0, True)
    report = json.loads(run("verify", "--json", url=database_url).stdout)
    assert report["records"] == 3
    assert report["differences"] == []


def test_verify_names_what_differs_and_exits_1(sqlite_url: str) -> None:
    change(sqlite_url, update(usage_rollup).values(amount_nanos=1), records=2)
    result = run("verify", url=sqlite_url)
    assert result.exit_code == 1
    assert "usage_rollup.amount_nanos: expected 705000, found 1" in result.stdout
    machine = run("verify", "--json", url=sqlite_url)
    assert (machine.exit_code, repr(machine.exception)) == (1, "SystemExit(1)")
    [difference] = json.loads(machine.stdout)["differences"]
    assert (difference["table"], difference["expected"], difference["found"]) == ("usage_rollup", 705_000, 1)
    assert difference["key"]["project_id"] == "proj_a"


def test_verify_refuses_an_empty_database(empty_database_url: str) -> None:
    assert isinstance(run("verify", url=empty_database_url).exception, UnknownDatabase)
