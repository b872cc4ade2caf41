"""Brings a database to the schema of this version, on SQLite and PostgreSQL by one chain of migrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.store.engine import Store


async def upgrade(store: Store) -> str | None:
    """Bring the database to the newest schema in one transaction; returns the revision it had, None when empty.

    Safe to run from several processes at once: one does the work, the others find it done.

    Raises:
        StoreUnavailable: the database is out of reach; nothing was changed.
    """
    try:
        return await store.write(_upgrade)
    except IntegrityError:
        # PostgreSQL's way of telling that another process is making the table of versions: now it is there to lock.
        return await store.write(_upgrade)


async def current(store: Store) -> str | None:
    """Return the revision of the database's schema; None when it has none."""
    return await store.read(lambda connection: connection.run_sync(_current))


def alembic_config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration; there is no ini file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


async def _upgrade(connection: AsyncConnection) -> str | None:
    if connection.dialect.name == "postgresql":
        # A table lock instead of an advisory one: it works the same on engines that only speak PostgreSQL's language.
        await connection.execute(
            text(
                "CREATE TABLE IF NOT EXISTS alembic_version"
                " (version_num VARCHAR(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY)"
            )
        )
        await connection.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
    before = await connection.run_sync(_current)
    await connection.run_sync(_run)
    return before


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _run(connection: Connection) -> None:
    command.upgrade(alembic_config(connection), "head")
