"""How SQLite's connections are set up: the modes we rely on, and patience with a file that another is just changing."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.store import engine
from tollkeeper.store.engine import Store


async def settings_of(store: Store) -> dict[str, object]:
    names = ("journal_mode", "synchronous", "foreign_keys")
    return {name: await store.read(lambda c, name=name: c.scalar(text(f"PRAGMA {name}"))) for name in names}


def in_the_middle_of_a_write(path: Path) -> sqlite3.Connection:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE something (id INTEGER)")
    other.execute("BEGIN IMMEDIATE")
    return other


async def test_a_file_is_written_ahead_synced_and_checked(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'new.db'}")
    assert await settings_of(store) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    await store.aclose()


async def test_a_connection_waits_for_who_is_writing_before_it_changes_the_mode_of_a_file(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'new.db'}")
    with closing(in_the_middle_of_a_write(tmp_path / "new.db")) as other:
        connecting = asyncio.ensure_future(settings_of(store))
        await asyncio.sleep(0.1)
        assert not connecting.done()
        other.execute("COMMIT")
        assert (await connecting)["journal_mode"] == "wal"
    await store.aclose()


async def test_a_file_that_stays_locked_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)
    store = Store.open(f"sqlite:///{tmp_path / 'new.db'}")
    with closing(in_the_middle_of_a_write(tmp_path / "new.db")), pytest.raises(StoreUnavailable, match="locked"):
        await settings_of(store)
    await store.aclose()
