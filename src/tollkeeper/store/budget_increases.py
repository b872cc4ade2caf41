"""What budgets have more for a time: added, listed, taken away. Replicas take them over with the next lease they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select

from tollkeeper.domain.budget import Increase
from tollkeeper.kit.ids import new_id
from tollkeeper.store.budgets import recall
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_limits import budget_increase

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.budget import Budget

_COLUMNS = (
    budget_increase.c.organization_id,
    budget_increase.c.id,
    budget_increase.c.budget_id,
    budget_increase.c.amount,
    budget_increase.c.from_us,
    budget_increase.c.until_us,
    budget_increase.c.note,
    budget_increase.c.created_by,
    budget_increase.c.created_at_us,
)


def new_increase_id() -> str:
    """Return the id of an increase that is to be added."""
    return new_id("inc")


async def add_increase(connection: AsyncConnection, organization_id: str, *, to: Budget, made: Increase) -> None:
    """Give a budget more for a time."""
    assert (made.organization_id, made.budget_id) == (organization_id, to.id)
    values = {column.name: getattr(made, column.name) for column in _COLUMNS}
    await connection.execute(insert(budget_increase).values(**values))
    await record_change(connection, "limit", organization_id=organization_id, entity_id=to.scope_id)


async def list_increases(
    connection: AsyncConnection, organization_id: str, *, budget_id: str, after: str | None = None, limit: int = 100
) -> list[Increase]:
    """Return at most `limit` increases of a budget, those over included, in the order of their ids."""
    query = select(*_COLUMNS).where(
        budget_increase.c.organization_id == organization_id, budget_increase.c.budget_id == budget_id
    )
    if after is not None:
        query = query.where(budget_increase.c.id > after)
    rows = await connection.execute(query.order_by(budget_increase.c.id).limit(limit))
    return [_to_increase(row) for row in rows]


async def open_increases(
    connection: AsyncConnection, organization_id: str, *, budget_id: str, at_us: int, limit: int
) -> list[Increase]:
    """Return at most `limit` increases of a budget that are not over, the one that ends first first."""
    query = select(*_COLUMNS).where(
        budget_increase.c.organization_id == organization_id,
        budget_increase.c.budget_id == budget_id,
        budget_increase.c.until_us > at_us,
    )
    rows = await connection.execute(query.order_by(budget_increase.c.until_us, budget_increase.c.id).limit(limit))
    return [_to_increase(row) for row in rows]


async def count_increases(connection: AsyncConnection, organization_id: str, *, budget_id: str, at_us: int) -> int:
    """Return how many increases of a budget are not over."""
    query = select(func.count()).where(
        budget_increase.c.organization_id == organization_id,
        budget_increase.c.budget_id == budget_id,
        budget_increase.c.until_us > at_us,
    )
    return int((await connection.execute(query)).scalar_one())


async def get_increase(connection: AsyncConnection, organization_id: str, increase_id: str) -> Increase | None:
    """Return an increase; None when the organization has none of this id."""
    query = select(*_COLUMNS).where(
        budget_increase.c.organization_id == organization_id, budget_increase.c.id == increase_id
    )
    row = (await connection.execute(query)).one_or_none()
    return _to_increase(row) if row else None


async def delete_increase(connection: AsyncConnection, organization_id: str, *, of: Budget, gone: Increase) -> None:
    """Take an increase away before its end."""
    await connection.execute(
        delete(budget_increase).where(
            budget_increase.c.organization_id == organization_id, budget_increase.c.id == gone.id
        )
    )
    await recall(connection, organization_id, of.id)
    await record_change(connection, "limit", organization_id=organization_id, entity_id=of.scope_id)


def _to_increase(row: Any) -> Increase:  # a row of `_COLUMNS`
    return Increase(*row)
