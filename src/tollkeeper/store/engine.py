"""The database: opening it, transactions on it, and the fast path that inserts usage. SQLite or PostgreSQL by its URL."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.store.database_file import DatabaseFile
from tollkeeper.store.faults import as_unavailable, is_retryable
from tollkeeper.store.usage_sqlite import SqliteUsageWriter
from tollkeeper.store.write_turns import WriteTurns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    import aiosqlite

    from tollkeeper.domain.usage import UsageRecord
    from tollkeeper.ports.ledger import UsageStore
    from tollkeeper.store.usage_postgres import PostgresUsageWriter

T = TypeVar("T")
Connection = AsyncConnection
"""A transaction under way, as those name it who hand it on to the store's functions and know no SQL."""

ATTEMPTS_MAX = 5
BUSY_TIMEOUT_MS = 5000
POSTGRES_SETTINGS = {
    "application_name": "tollkeeper",
    "statement_timeout": "30000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "60000",
}
_CONNECT_TIMEOUT_S = 5
_POOL_SIZE, _POOL_OVERFLOW = 4, 4
_WAL_RETRY_S = 0.005


class Store:
    """A database of Tollkeeper's. Connections are made when first needed; `aclose` ends them.

    All queries run as `await store.read(lambda connection: ...)` or `store.write(...)`: one transaction each, run
    again when the engine gives it up for another, with the drivers' errors mapped.
    """

    def __init__(self, url: URL) -> None:
        self.dialect = url.get_backend_name()
        self.url = url
        self._file: DatabaseFile | None = None
        self._turns: WriteTurns | None = None
        self._usage: SqliteUsageWriter | PostgresUsageWriter
        if self.dialect == "sqlite":
            self._engine = _sqlite_engine(url)
            self._file = DatabaseFile(str(url.database))
            self._turns = WriteTurns(str(url.database), timeout_s=BUSY_TIMEOUT_MS / 1000)
            self._usage = SqliteUsageWriter(self._file, self._turns, busy_timeout_ms=BUSY_TIMEOUT_MS)
        else:
            # A process at SQLite never loads its driver.
            from tollkeeper.store.usage_postgres import PostgresUsageWriter

            self._engine = _postgres_engine(url)
            address = url.set(drivername="postgresql").render_as_string(hide_password=False)
            self._usage = PostgresUsageWriter(address, POSTGRES_SETTINGS)

    @classmethod
    def open(cls, url: str) -> Self:
        """Open `sqlite:///path`, `sqlite:////absolute/path` or `postgresql://user@host/db` (`?host=/socket/folder`).

        Raises:
            ConfigurationError: the URL is neither.
        """
        return cls(parse_url(url))

    async def read(self, work: Callable[[AsyncConnection], Awaitable[T]], *, is_snapshot: bool = False) -> T:
        """Run `work`, which only reads; with `is_snapshot` all its queries see one moment.

        Raises:
            StoreUnavailable: the database is out of reach or busy.
        """
        options: dict[str, Any] = {}
        if self.dialect == "postgresql":
            # Without a snapshot each query sees its own moment anyhow: BEGIN and COMMIT would be two more to send.
            options["isolation_level"] = "REPEATABLE READ" if is_snapshot else "AUTOCOMMIT"
        return await with_attempts(lambda: self._transact(work, options))

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` in a transaction that may write, and commit it. `work` may run more than once.

        Raises:
            StoreUnavailable: the database is out of reach or busy.
        """
        return await with_attempts(lambda: self._transact(work, {"tollkeeper_write": True}, turns=self._turns))

    async def write_each(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Run `work` with every statement a transaction of its own, on PostgreSQL. `work` may run more than once.

        Raises:
            StoreUnavailable: the database is out of reach or busy; statements that ran before stay done.
        """
        assert self.dialect == "postgresql"
        return await with_attempts(lambda: self._transact(work, {"isolation_level": "AUTOCOMMIT"}))

    async def insert_usage(self, records: list[UsageRecord], *, slot: str) -> int:
        """See `ports.ledger.UsageStore`."""
        if not records:
            return 0
        return await with_attempts(lambda: self._usage.insert(records, slot))

    def check_file(self) -> None:
        """Pass when the database is no file, or still the file that was found first.

        Raises:
            StoreUnavailable: it is gone, or another one has its name.
        """
        if self._file is not None:
            self._file.check()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._usage.aclose()
        await self._engine.dispose()

    async def _transact(
        self,
        work: Callable[[AsyncConnection], Awaitable[T]],
        options: dict[str, Any],
        *,
        turns: WriteTurns | None = None,
    ) -> T:
        async with self._engine.connect() as connection:
            if options:
                await connection.execution_options(**options)
            async with turns.take() if turns is not None else nullcontext(), connection.begin():
                return await work(connection)


async def with_attempts(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run one whole transaction, again when the engine gave it up for another one; map what remains.

    Raises:
        StoreUnavailable: the database is out of reach or busy.
    """
    for attempt in range(1, ATTEMPTS_MAX + 1):
        try:
            return await work()
        except Exception as error:
            if is_retryable(error) and attempt < ATTEMPTS_MAX:
                await asyncio.sleep(0.005 * attempt)
                continue
            unavailable = as_unavailable(error)
            if unavailable is None:
                raise
            raise unavailable from error
    raise AssertionError  # the last attempt returned or raised


def parse_url(url: str) -> URL:
    """Read a database URL.

    Raises:
        ConfigurationError: it is neither SQLite's in a file nor PostgreSQL's.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername not in {"sqlite", "postgresql"}:
        message = "database.url must look like sqlite:///tollkeeper.db or postgresql://user@host/db"
        raise ConfigurationError(message)
    if parsed.drivername == "sqlite" and parsed.database in {None, "", ":memory:"}:
        message = "database.url must name a file: sqlite:///tollkeeper.db"
        raise ConfigurationError(message)
    return parsed


def _postgres_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_OVERFLOW,
        pool_timeout=_CONNECT_TIMEOUT_S,
        connect_args={"server_settings": POSTGRES_SETTINGS, "timeout": _CONNECT_TIMEOUT_S},
    )
    event.listen(engine.sync_engine, "checkout", _check_postgres)
    return engine


def _check_postgres(connection: Any, _record: object, _proxy: object) -> None:  # SQLAlchemy's adapter, untyped
    """Let the pool replace a connection that the server ended while nobody was using it.

    The driver has seen its end by then. SQLAlchemy's `pool_pre_ping` asks the server instead, with three statements each time.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


def _sqlite_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_OVERFLOW,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "isolation_level": None},
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:  # SQLAlchemy's adapter, untyped
    connection.run_async(_set_up_sqlite)


async def _set_up_sqlite(connection: aiosqlite.Connection) -> None:
    give_up_s = monotonic_s() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            await connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # A file's first change of mode makes a read lock a write lock. When two connections do that at once, SQLite
            # fails one of them without waiting: its busy time-out is for those who hold no lock yet.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic_s() > give_up_s:
                raise
            await asyncio.sleep(_WAL_RETRY_S)
    for pragma in ("synchronous = FULL", "foreign_keys = ON"):
        await connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:  # sqlalchemy.Connection, by an untyped event
    # A transaction that reads first and then writes cannot wait for its turn: it fails at once (SQLITE_BUSY).
    is_write = connection.get_execution_options().get("tollkeeper_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


if TYPE_CHECKING:

    def _is_usage_store(store: Store) -> UsageStore:
        return store
