"""`tollkeeper audit`, and `tollkeeper db verify`, which looks at the audit log too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from audit_logs import PEPPER, write_log
from sqlalchemy import delete, update
from typer.testing import CliRunner, Result

from tollkeeper.cli.main import app
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.store.engine import Store
from tollkeeper.store.organizations import create_organization
from tollkeeper.store.schema_control import audit_event, audit_head


@pytest.fixture(autouse=True)
def pepper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLKEEPER_KEYS__PEPPER", PEPPER.hex())


def run(*arguments: str, url: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--database", url])


def with_log(url: str, work: Callable[[Store], Awaitable[Any]]) -> None:
    async def opened() -> None:
        store = Store.open(url)
        try:
            await work(store)
        finally:
            await store.aclose()

    asyncio.run(opened())


def write(url: str, count: int = 3) -> None:
    async def work(store: Store) -> None:
        await write_log(store, "org_a", count=count)

    with_log(url, work)


def execute(url: str, *statements: Any) -> None:
    async def work(store: Store) -> None:
        for statement in statements:
            await store.write(lambda c, statement=statement: c.execute(statement))

    with_log(url, work)


EDIT = (
    update(audit_event).where(audit_event.c.organization_id == "org_a", audit_event.c.number == 2).values(address="x")
)


def test_verify_of_a_whole_log_exits_0_and_prints_the_heads_to_keep(database_url: str) -> None:
    write(database_url)
    result = run("audit", "verify", url=database_url)
    assert result.exit_code == 0, result.output
    assert "4 audit events in 2 logs: as they were written." in result.stdout
    (head,) = [line for line in result.stdout.splitlines() if line.startswith("head of organization org_a: 3:")]
    kept = head.rpartition(" ")[2]
    write(database_url)
    assert run("audit", "verify", "--json", url=database_url).exit_code == 0
    with_log(database_url, lambda store: store.write(lambda c: create_organization(c, "Acme")))
    assert isinstance(run("audit", "verify", "--head", kept, url=database_url).exception, InvalidRequest)


@pytest.mark.parametrize("command", [("audit", "verify"), ("db", "verify")])
def test_verify_names_what_was_changed_and_exits_1(database_url: str, command: tuple[str, str]) -> None:
    write(database_url)
    assert run(*command, url=database_url).exit_code == 0
    execute(database_url, EDIT)
    result = run(*command, url=database_url)
    assert result.exit_code == 1
    assert "audit log of organization org_a: number 2 was changed" in result.stdout
    machine = run(*command, "--json", url=database_url)
    assert machine.exit_code == 1
    answer = json.loads(machine.stdout)
    answer = answer.get("audit", answer)
    assert (answer["is_whole"], answer["events"]) == (False, 4)
    assert answer["logs"][1]["faults"] == [
        {"kind": "changed", "first": 2, "last": 2, "message": "number 2 was changed"}
    ]


def test_kept_heads_show_that_everything_is_gone(database_url: str, tmp_path: Path) -> None:
    write(database_url)
    kept = tmp_path / "heads.json"
    kept.write_text(run("audit", "verify", "--json", url=database_url).stdout)
    write(database_url)
    assert run("audit", "verify", "--heads", str(kept), url=database_url).exit_code == 0
    execute(database_url, delete(audit_event), delete(audit_head))
    assert run("audit", "verify", url=database_url).exit_code == 0
    result = run("audit", "verify", "--heads", str(kept), url=database_url)
    assert result.exit_code == 1
    assert "audit log of organization org_a: the whole log is gone" in result.stdout


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"logs": [{"organization_id": "x", "head": {"number": 1, "mac": "zz"}}]}']
)
def test_a_file_without_heads_is_refused(sqlite_url: str, tmp_path: Path, text: str) -> None:
    kept = tmp_path / "heads.json"
    kept.write_text(text)
    assert isinstance(run("audit", "verify", "--heads", str(kept), url=sqlite_url).exception, InvalidRequest)


def test_list_and_export_show_the_installations_log_too(sqlite_url: str, tmp_path: Path) -> None:
    write(sqlite_url)
    listed = run("audit", "list", "--installation", "--json", url=sqlite_url)
    assert [event["action"] for event in json.loads(listed.stdout)["data"]] == ["audit.begin"]
    assert "audit.begin" in run("audit", "list", "--installation", url=sqlite_url).stdout
    out = tmp_path / "log.csv"
    exported = run("audit", "export", "--installation", "--format", "csv", "--out", str(out), url=sqlite_url)
    assert exported.exit_code == 0, exported.output
    assert [line.split(",")[0] for line in out.read_text().splitlines()] == ["number", "1"]
    lines = run("audit", "export", "--installation", url=sqlite_url).stdout.splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["audit.begin", "audit.export"]


@pytest.mark.parametrize("option", [("--from", "yesterday"), ("--to", "x")])
def test_a_time_that_is_none_is_refused(sqlite_url: str, option: tuple[str, str]) -> None:
    assert isinstance(run("audit", "list", "--installation", *option, url=sqlite_url).exception, InvalidRequest)
