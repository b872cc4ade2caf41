"""Own prices: append and list. Nothing here edits or deletes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from tollkeeper.domain.price import PriceRow
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema import price

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

_FIELDS = PriceRow.__struct_fields__
_COLUMNS = tuple(price.c[name] for name in _FIELDS)


async def insert_prices(connection: AsyncConnection, rows: Sequence[PriceRow]) -> None:
    """Append prices, all or none; running servers load them within 1 s."""
    if not rows:
        return
    await connection.execute(insert(price), [{name: getattr(row, name) for name in _FIELDS} for row in rows])
    for organization_id in sorted({row.organization_id for row in rows}):
        last = next(row for row in reversed(rows) if row.organization_id == organization_id)
        await record_change(connection, "price", organization_id=organization_id, entity_id=last.id)


async def list_prices(
    connection: AsyncConnection, organization_id: str, *, provider: str | None = None
) -> list[PriceRow]:
    """Return the prices that hold for an organization, its own and everybody's, in the order they were added."""
    query = select(*_COLUMNS).where(price.c.organization_id.in_(["", organization_id]))
    if provider is not None:
        query = query.where(price.c.provider == provider)
    return [PriceRow(*row) for row in await connection.execute(query.order_by(price.c.created_at_us, price.c.id))]


async def begins_of_prices(connection: AsyncConnection, organization_id: str, ids: Collection[str]) -> dict[str, int]:
    """Return from when on these prices hold, of the organization's own and everybody's; unknown ones are missing."""
    query = select(price.c.id, price.c.valid_from_us).where(
        price.c.organization_id.in_(["", organization_id]), price.c.id.in_(ids)
    )
    return {row.id: row.valid_from_us for row in await connection.execute(query)} if ids else {}


async def list_all_prices(connection: AsyncConnection) -> list[PriceRow]:
    """Return every organization's prices in the order they were added: for the price book, never for a face."""
    query = select(*_COLUMNS).order_by(price.c.created_at_us, price.c.id)
    return [PriceRow(*row) for row in await connection.execute(query)]
