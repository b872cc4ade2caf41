"""Whether this version may use a database: its schema must be exactly the one it knows."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from tollkeeper.domain.errors import UnknownDatabase

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tollkeeper.store.engine import Store

KNOWN_REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012")
"""Every migration, oldest first. Written down here so that a start does not have to load Alembic; a test compares."""


class SchemaState(StrEnum):
    EMPTY = "empty"  # no tables at all
    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"  # or made by a build with migrations that this one does not have
    FOREIGN = "foreign"  # it has tables, and they are not ours


_REFUSALS = {
    SchemaState.EMPTY: "The database is empty. Make the first organization with: tollkeeper init --org NAME (or only the tables: tollkeeper db upgrade)",
    SchemaState.OLDER: "The database is of an older version; bring it up to date with: tollkeeper db upgrade",
    SchemaState.NEWER: (
        "The database is of a newer version than this program (schema {revision}, known up to {known}); update"
        " tollkeeper. It was left as it is, and 'tollkeeper db upgrade' would not go back."
    ),
    SchemaState.FOREIGN: (
        "The database holds tables of something else; give tollkeeper one of its own (database.url), then run:"
        " tollkeeper db upgrade"
    ),
}


async def read_state(store: Store) -> tuple[SchemaState, str | None]:
    """Return the state of the schema and its revision, if it has one.

    Raises:
        StoreUnavailable: the database is out of reach, or its file is no longer the one that was read first.
    """
    store.check_file()
    return await store.read(lambda connection: connection.run_sync(_read_state))


async def check_known(store: Store) -> None:
    """Pass when the schema is current.

    Raises:
        UnknownDatabase: it is not; the message names the command, the field `state` is a `SchemaState`.
        StoreUnavailable: the database is out of reach.
    """
    state, revision = await read_state(store)
    if state is not SchemaState.CURRENT:
        message = _REFUSALS[state].format(revision=revision, known=KNOWN_REVISIONS[-1])
        raise UnknownDatabase(message, state=state.value)


def _read_state(connection: Connection) -> tuple[SchemaState, str | None]:
    tables = inspect(connection).get_table_names()
    revision: str | None = None
    if "alembic_version" in tables:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision is None:
        is_empty = set(tables) <= {"alembic_version"}
        return (SchemaState.EMPTY if is_empty else SchemaState.FOREIGN), None
    if revision == KNOWN_REVISIONS[-1]:
        return SchemaState.CURRENT, revision
    return (SchemaState.OLDER if revision in KNOWN_REVISIONS else SchemaState.NEWER), revision
