"""Whether this version may use a database: its schema must be exactly the one it knows, its file the one it opened."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sqlalchemy import inspect, text

from tollkeeper.domain.errors import StoreUnavailable, UnknownDatabase

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tollkeeper.store.engine import Store

KNOWN_REVISIONS = ("0001",)
"""Every migration, oldest first. Written down here so that a start does not have to load Alembic; a test compares."""


class SchemaState(StrEnum):
    EMPTY = "empty"  # no tables at all
    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"  # or made by a build with migrations that this one does not have
    FOREIGN = "foreign"  # it has tables, and they are not ours


_files: WeakKeyDictionary[Store, DatabaseFile] = WeakKeyDictionary()

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


class DatabaseFile:
    """A database's file, remembered by its inode: open connections go on in a deleted file as if nothing had happened."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None

    def check(self) -> None:
        """Remember the file at the first look that finds one; afterwards it must be the same.

        Raises:
            StoreUnavailable: it is gone, or another one has its name.
        """
        try:
            status = os.stat(self._path)  # noqa: PTH116  # twice per flush
        except FileNotFoundError:
            found = None
        else:
            found = status.st_dev, status.st_ino
        if self._identity is None:
            self._identity = found
        elif found != self._identity:
            what = "was deleted" if found is None else "was replaced by another one"
            message = (
                f"The database file {self._path} {what} while it was in use. Usage records wait in the journal: put"
                " the file back, or restart to go on with what is there."
            )
            raise StoreUnavailable(message)


def check_file(store: Store) -> None:
    """Pass when the store is not a file, or still the file that it was at the first check.

    Raises:
        StoreUnavailable: it is gone, or another one has its name.
    """
    if store.dialect == "sqlite":
        _files.setdefault(store, DatabaseFile(str(store.url.database))).check()


async def read_state(store: Store) -> tuple[SchemaState, str | None]:
    """Return the state of the schema and its revision, if it has one.

    Raises:
        StoreUnavailable: the database is out of reach, or its file is no longer the one that was read first.
    """
    check_file(store)
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
