"""Checks the books: recounts every usage record and compares with the rollups, day by day, in constant memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Table, func, select

from tollkeeper.domain.money import amount_nanos
from tollkeeper.domain.usage import CostState, UsageRecord
from tollkeeper.store import rollups
from tollkeeper.store.schema import usage_record
from tollkeeper.store.usage_rows import from_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.store.engine import Store

_PAGE_ROWS = 2000
_HOURS_PER_DAY = 24


class Difference(msgspec.Struct, frozen=True):
    """One figure that is not what the records say. `key` names the row: the call, or the rollup's key columns."""

    table: str
    key: dict[str, str]
    column: str
    expected: int | None
    found: int | None


class VerifiedDay(msgspec.Struct, frozen=True):
    """The outcome for one organization's UTC day (days since 1970)."""

    organization_id: str
    day: int
    records: int
    differences: list[Difference]


async def days_to_verify(
    store: Store, *, from_day: int | None = None, to_day: int | None = None
) -> list[tuple[str, int]]:
    """Return (organization, day) wherever there is a record or a rollup row, of days [from_day, to_day).

    Raises:
        StoreUnavailable: the database is out of reach.
    """

    async def query(connection: AsyncConnection) -> set[tuple[str, int]]:
        found: set[tuple[str, int]] = set()
        for table in (usage_record, *rollups.ROLLUP_TABLES):
            day = table.c.day if table is usage_record else table.c.hour // _HOURS_PER_DAY
            rows = await connection.execute(select(table.c.organization_id, day).distinct())
            found.update((organization_id, int(number)) for organization_id, number in rows)
        return found

    days = await store.read(query)
    return sorted(
        (organization_id, day)
        for organization_id, day in days
        if (from_day is None or day >= from_day) and (to_day is None or day < to_day)
    )


async def verify_days(store: Store, days: Iterable[tuple[str, int]]) -> AsyncIterator[VerifiedDay]:
    """Verify each (organization, day), each as of one moment: servers may go on writing meanwhile.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    for organization_id, day in days:
        yield await store.read(_Verification(organization_id, day).run, is_snapshot=True)


class _Verification:
    """One organization's day: its records are added up page by page, then compared."""

    def __init__(self, organization_id: str, day: int) -> None:
        self._organization_id = organization_id
        self._day = day

    async def run(self, connection: AsyncConnection) -> VerifiedDay:
        differences: list[Difference] = []
        expected: tuple[rollups.Sums, ...] = ({}, {}, {})
        count = 0
        after = b""
        while page := await self._page(connection, after):
            count += len(page)
            after = page[-1].call_id
            for record in page:
                differences += check_record(record)
            for total, sums in zip(expected, rollups.summarise(page), strict=True):
                rollups.merge(total, sums)
        for table, total in zip(rollups.ROLLUP_TABLES, expected, strict=True):
            differences += _compare(table, total, await self._rollup(connection, table))
        return VerifiedDay(self._organization_id, self._day, count, differences)

    async def _page(self, connection: AsyncConnection, after: bytes) -> list[UsageRecord]:
        query = (
            select(usage_record)
            .where(
                usage_record.c.organization_id == self._organization_id,
                usage_record.c.day == self._day,
                usage_record.c.call_id > after,
            )
            .order_by(usage_record.c.call_id)
            .limit(_PAGE_ROWS)
        )
        return [from_row(row) for row in await connection.execute(query)]

    async def _rollup(self, connection: AsyncConnection, table: Table) -> rollups.Sums:
        keys, measures = _columns(table)
        first_hour = self._day * _HOURS_PER_DAY
        query = (
            select(*(table.c[name] for name in keys), *(func.sum(table.c[name]) for name in measures))
            .where(
                table.c.organization_id == self._organization_id,
                table.c.hour >= first_hour,
                table.c.hour < first_hour + _HOURS_PER_DAY,
            )
            .group_by(*(table.c[name] for name in keys))
        )
        return {
            tuple(row[: len(keys)]): [int(value) for value in row[len(keys) :]]
            for row in await connection.execute(query)
        }


def check_record(record: UsageRecord) -> list[Difference]:
    """Return what a record contradicts itself in: an unpriced amount, a line, or the sum of the lines."""
    found: list[Difference] = []

    def differ(column: str, expected: int | None, actual: int | None) -> None:
        if expected != actual:
            key = {"organization_id": record.organization_id, "call_id": record.call_id.hex()}
            found.append(Difference(str(usage_record.name), key, column, expected, actual))

    if (record.cost_state is CostState.UNPRICED) != (record.amount_nanos is None):
        differ("amount_nanos", None if record.amount_nanos is not None else 0, record.amount_nanos)
    for line in record.lines:
        differ(f"lines.{line.dimension}.amount_nanos", amount_nanos(line.quantity, line.price_pico), line.amount_nanos)
    if record.lines and record.cost_state in {CostState.COMPUTED, CostState.ESTIMATED}:
        differ("amount_nanos", sum(line.amount_nanos for line in record.lines), record.amount_nanos)
    return found


def _compare(table: Table, expected: rollups.Sums, found: rollups.Sums) -> list[Difference]:
    keys, measures = _columns(table)
    nothing = [0] * len(measures)
    return [
        Difference(str(table.name), _named(keys, key), measure, should, is_)
        for key in sorted(expected.keys() | found.keys())
        for measure, should, is_ in zip(measures, expected.get(key, nothing), found.get(key, nothing), strict=True)
        if should != is_
    ]


def _columns(table: Table) -> tuple[list[str], list[str]]:
    # SQLAlchemy's names are strings of a kind of its own, which JSON encoders do not know.
    keys = [str(column.name) for column in table.primary_key.columns if column.name != "slot"]
    return keys, [str(column.name) for column in table.columns if not column.primary_key]


def _named(keys: list[str], values: tuple[Any, ...]) -> dict[str, str]:
    return {name: str(value) for name, value in zip(keys, values, strict=True)}
