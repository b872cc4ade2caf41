"""The migrations make exactly schema.py, and a database that is not known is refused."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from store_factories import make_record

from tollkeeper.domain.errors import ConfigurationError, StoreUnavailable, UnknownDatabase
from tollkeeper.store import migrations
from tollkeeper.store.engine import Store
from tollkeeper.store.readiness import KNOWN_REVISIONS, check_known
from tollkeeper.store.schema import metadata

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection


@pytest.fixture
async def empty(empty_database_url: str) -> AsyncIterator[Store]:
    opened = Store.open(empty_database_url)
    yield opened
    await opened.aclose()


def _drift(connection: Connection) -> list[Any]:
    def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
        return not (kind == "table" and str(name).startswith("usage_record_d"))

    options = {"compare_type": True, "compare_server_default": True, "include_name": is_ours}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _sqlite_tables(connection: Connection) -> dict[str, list[str]]:
    """Return each table's columns, keys and options as written, sorted: a column added later stands at the end."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name != 'alembic_version'"
    found = {}
    for name, sql in connection.execute(text(query)):
        _, _, rest = " ".join(sql.split()).partition("(")
        body, _, options = rest.rpartition(")")
        found[name] = [*sorted(part.strip() for part in re.split(r",(?![^(]*\))", body)), options.strip()]
    return found


async def test_migrations_from_nothing_make_the_schema_that_is_written_down(empty: Store) -> None:
    assert await migrations.upgrade(empty) is None
    assert await migrations.current(empty) == KNOWN_REVISIONS[-1]
    await empty.insert_usage([make_record()], slot="a")
    assert await empty.read(lambda c: c.run_sync(_drift)) == []


async def test_on_sqlite_the_tables_are_the_same_part_by_part(sqlite_url: str, tmp_path: Any) -> None:
    """What a comparison of columns cannot see: STRICT, WITHOUT ROWID, checks and keys."""
    migrated, described = Store.open(sqlite_url), Store.open(f"sqlite:///{tmp_path / 'described.db'}")
    await described.write(lambda c: c.run_sync(metadata.create_all))
    tables = [await store.read(lambda c: c.run_sync(_sqlite_tables)) for store in (migrated, described)]
    assert tables[0] == tables[1]
    assert all("STRICT" in parts[-1] for parts in tables[0].values())
    await migrated.aclose()
    await described.aclose()


def test_every_migration_is_known_to_the_start_up_check() -> None:
    script = ScriptDirectory.from_config(migrations.alembic_config())
    assert tuple(reversed([revision.revision for revision in script.walk_revisions()])) == KNOWN_REVISIONS


async def test_a_second_upgrade_changes_nothing(store: Store) -> None:
    assert await migrations.upgrade(store) == KNOWN_REVISIONS[-1]
    await check_known(store)


async def test_two_upgrades_at_once_both_succeed(empty_database_url: str) -> None:
    stores = [Store.open(empty_database_url) for _ in range(2)]
    before = await asyncio.gather(*(migrations.upgrade(store) for store in stores))
    assert sorted(before, key=str) == sorted([None, KNOWN_REVISIONS[-1]], key=str)
    for store in stores:
        await check_known(store)
        await store.aclose()


async def test_a_failed_upgrade_leaves_nothing_behind(empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_connection: Any) -> None:
        raise RuntimeError("after the tables were made")

    run = migrations._run
    monkeypatch.setattr(migrations, "_run", lambda connection: (run(connection), fail(connection)))
    with pytest.raises(RuntimeError):
        await migrations.upgrade(empty)
    with pytest.raises(UnknownDatabase) as refusal:
        await check_known(empty)
    assert refusal.value.fields["state"] == "empty"


async def test_an_empty_database_is_refused_with_the_command_that_helps(empty: Store) -> None:
    with pytest.raises(UnknownDatabase, match="tollkeeper db upgrade") as refusal:
        await check_known(empty)
    assert refusal.value.fields["state"] == "empty"


@pytest.mark.parametrize(
    ("revision", "state"), [("9999", "newer"), ("not one of ours", "newer")], ids=["newer", "unknown"]
)
async def test_a_database_of_another_version_is_refused(store: Store, revision: str, state: str) -> None:
    change = text("UPDATE alembic_version SET version_num = :revision")
    await store.write(lambda c: c.execute(change, {"revision": revision}))
    with pytest.raises(UnknownDatabase, match="tollkeeper db upgrade") as refusal:
        await check_known(store)
    assert refusal.value.fields["state"] == state


async def test_a_database_of_an_older_version_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollkeeper.store.readiness.KNOWN_REVISIONS", (*KNOWN_REVISIONS, "9999"))
    with pytest.raises(UnknownDatabase, match="tollkeeper db upgrade") as refusal:
        await check_known(store)
    assert refusal.value.fields["state"] == "older"


async def test_a_database_of_something_else_is_refused(empty: Store) -> None:
    await empty.write(lambda c: c.execute(text("CREATE TABLE recipes (id INTEGER)")))
    with pytest.raises(UnknownDatabase) as refusal:
        await check_known(empty)
    assert refusal.value.fields["state"] == "foreign"


@pytest.mark.parametrize("url", ["", "mysql://host/db", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg://h/d"])
def test_a_database_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"database\.url"):
        Store.open(url)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////nonexistent/folder/tollkeeper.db",
        "postgresql://nobody@127.0.0.1:1/nothing",
        "postgresql://nobody@/nothing?host=/nonexistent",
    ],
)
async def test_a_database_out_of_reach_is_the_worlds_fault(url: str) -> None:
    store = Store.open(url)
    with pytest.raises(StoreUnavailable):
        await check_known(store)
    with pytest.raises(StoreUnavailable):
        await store.insert_usage([make_record()], slot="a")
    await store.aclose()


async def test_a_wrong_statement_is_our_fault(store: Store) -> None:
    with pytest.raises(Exception, match="nonexistent") as error:
        await store.read(lambda c: c.execute(text("SELECT * FROM nonexistent")))
    assert not isinstance(error.value, StoreUnavailable)


async def test_a_key_cannot_change_while_another_writer_holds_sqlite(sqlite_url: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("tollkeeper.store.engine.BUSY_TIMEOUT_MS", 50)
    holder, waiter = Store.open(sqlite_url), Store.open(sqlite_url)

    async def hold(connection: Any) -> None:
        with pytest.raises(StoreUnavailable):
            await waiter.write(lambda c: c.execute(text("DELETE FROM change")))
        with pytest.raises(StoreUnavailable):
            await waiter.insert_usage([make_record()], slot="a")

    await holder.write(hold)
    assert await waiter.insert_usage([make_record()], slot="a") == 1
    await holder.aclose()
    await waiter.aclose()
