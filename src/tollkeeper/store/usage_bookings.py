"""How much of each day's usage is in the books: what the rollups say, against what was booked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Integer, func, literal_column, select, union, update

from tollkeeper.store.ledger import insert_missing
from tollkeeper.store.schema import usage_rollup
from tollkeeper.store.schema_ledger import ledger_usage_day
from tollkeeper.store.schema_tenancy import organization

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

HOURS_PER_DAY = 24
DAY = usage_rollup.c.hour // literal_column(str(HOURS_PER_DAY), Integer)
"""A rollup's UTC day. Not by a parameter: PostgreSQL would take two of them for two expressions to group by."""


class BookedDay(msgspec.Struct, frozen=True):
    """One organization's UTC day (days since 1970): nano-USD that are booked, by how many transactions."""

    organization_id: str
    day: int
    amount_nanos: int
    transactions_count: int


async def days_behind(connection: AsyncConnection, *, from_day: int) -> list[tuple[str, int]]:
    """Return (organization, day) of days from `from_day` on whose usage is not what is booked."""
    hours = (
        select(
            usage_rollup.c.organization_id,
            DAY.label("day"),
            func.sum(usage_rollup.c.amount_nanos).label("amount_nanos"),
        )
        .join(organization, organization.c.id == usage_rollup.c.organization_id)  # one range of the key for each
        .where(usage_rollup.c.hour >= from_day * HOURS_PER_DAY)
        .group_by(usage_rollup.c.organization_id, DAY)
        .subquery()
    )
    of_day = (ledger_usage_day.c.organization_id == hours.c.organization_id) & (ledger_usage_day.c.day == hours.c.day)
    used = (
        select(hours.c.organization_id, hours.c.day)
        .outerjoin(ledger_usage_day, of_day)
        .where(hours.c.amount_nanos != func.coalesce(ledger_usage_day.c.amount_nanos, 0))
    )
    gone = (
        select(ledger_usage_day.c.organization_id, ledger_usage_day.c.day)
        .outerjoin(hours, of_day)
        .where(ledger_usage_day.c.day >= from_day, hours.c.day.is_(None), ledger_usage_day.c.amount_nanos != 0)
    )
    return sorted((row.organization_id, int(row.day)) for row in await connection.execute(union(used, gone)))


async def lock_day(connection: AsyncConnection, organization_id: str, day: int) -> BookedDay:
    """Return what is booked of a day, locked until this transaction ends."""
    empty = {"organization_id": organization_id, "day": day, "amount_nanos": 0, "transactions_count": 0}
    await connection.execute(insert_missing(connection, ledger_usage_day).values(empty))
    columns = (ledger_usage_day.c.amount_nanos, ledger_usage_day.c.transactions_count)
    row = (await connection.execute(select(*columns).where(_is(organization_id, day)).with_for_update())).one()
    return BookedDay(organization_id, day, row.amount_nanos, row.transactions_count)


async def read_usage(connection: AsyncConnection, organization_id: str, day: int) -> int:
    """Return what a day's calls came to, in nano-USD, by the rollups."""
    first = day * HOURS_PER_DAY
    query = select(func.coalesce(func.sum(usage_rollup.c.amount_nanos), 0)).where(
        usage_rollup.c.organization_id == organization_id,
        usage_rollup.c.hour >= first,
        usage_rollup.c.hour < first + HOURS_PER_DAY,
    )
    return int((await connection.execute(query)).scalar_one())


async def note_booked(connection: AsyncConnection, booked: BookedDay) -> None:
    """Write what is booked of a locked day."""
    changed = update(ledger_usage_day).where(_is(booked.organization_id, booked.day))
    values = {"amount_nanos": booked.amount_nanos, "transactions_count": booked.transactions_count}
    await connection.execute(changed.values(**values))


def _is(organization_id: str, day: int) -> ColumnElement[bool]:
    return (ledger_usage_day.c.organization_id == organization_id) & (ledger_usage_day.c.day == day)
