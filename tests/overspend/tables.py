"""Budgets' nodes and leases as they stand in the database, read without our code."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One row of `budget_node`."""

    budget_id: str
    limit: int
    used: int
    escrow: int
    is_recalled: bool


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """One row of `lease`."""

    id: str
    budget_id: str
    holder: str
    state: str
    amount: int
    consumed: int
    converted: int


async def read_nodes(url: str) -> dict[str, NodeRow]:
    """Return the node of every budget; a budget that nobody drew on has none."""
    rows = await fetch(url, "SELECT budget_id, limit_amount, used, escrow, recalled_at_us FROM budget_node")
    assert len({row[0] for row in rows}) == len(rows), "a scenario ran over the end of a period: run it again"
    return {row[0]: NodeRow(row[0], row[1], row[2], row[3], row[4] > 0) for row in rows}


async def read_leases(url: str) -> list[LeaseRow]:
    """Return all leases."""
    rows = await fetch(url, "SELECT id, budget_id, holder, state, amount, consumed, converted FROM lease")
    return [LeaseRow(bytes(row[0]).hex(), *row[1:]) for row in rows]


async def fetch(url: str, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query; raises OSError, or what the driver raises, when the database is away."""
    if url.startswith("sqlite:///"):
        return await asyncio.to_thread(_fetch_sqlite, url.removeprefix("sqlite:///"), query)
    import asyncpg

    connection = await asyncpg.connect(url, timeout=5)
    try:
        return [tuple(row) for row in await connection.fetch(query, timeout=5)]
    finally:
        connection.terminate()


def _fetch_sqlite(path: str, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        return connection.execute(query).fetchall()
