"""The rules of how fast calls may come, as they are kept: set, taken away, listed. Every change reaches running replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, delete, func, insert, select, update

from tollkeeper.domain.rate_limit import RateLimitRow
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.budgets import BudgetReach, reached
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_limits import rate_limit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_NAMES = RateLimitRow.__struct_fields__
_CHANGING = ("requests_per_minute", "tokens_per_minute", "updated_at_us", "is_from_tier")
_COLUMNS = tuple(rate_limit.c[name] for name in _NAMES)


async def set_rate_limit(connection: AsyncConnection, organization_id: str, wanted: RateLimitRow) -> RateLimitRow:
    """Write a rule over the one of the same scope and model, if there is one; returns it as it is kept.

    Whoever asks holds the organization's lock.
    """
    assert wanted.organization_id == organization_id
    at_us = now_us()
    before = await find_rate_limit(connection, organization_id, scope_id=wanted.scope_id, model=wanted.model)
    if before is None:
        kept = msgspec.structs.replace(wanted, id=new_id("rate"), created_at_us=at_us, updated_at_us=at_us)
        await connection.execute(insert(rate_limit).values(_values(kept, _NAMES)))
    else:
        kept = msgspec.structs.replace(wanted, id=before.id, created_at_us=before.created_at_us, updated_at_us=at_us)
        changed = update(rate_limit).where(_is(organization_id, kept.id))
        await connection.execute(changed.values(_values(kept, _CHANGING)))
    await record_change(connection, "limit", organization_id=organization_id, entity_id=kept.scope_id)
    return kept


async def get_rate_limit(connection: AsyncConnection, organization_id: str, rate_limit_id: str) -> RateLimitRow | None:
    """Return a rule; None when the organization has none of this id."""
    return await _one(connection, _is(organization_id, rate_limit_id))


async def find_rate_limit(
    connection: AsyncConnection, organization_id: str, *, scope_id: str, model: str
) -> RateLimitRow | None:
    """Return the rule of a scope for a model; None when it has none."""
    return await _one(connection, and_(_of_scope(organization_id, scope_id), rate_limit.c.model == model))


async def count_rate_limits(connection: AsyncConnection, organization_id: str, *, scope_id: str) -> int:
    """Return how many rules a scope has."""
    query = select(func.count()).select_from(rate_limit).where(_of_scope(organization_id, scope_id))
    return int((await connection.execute(query)).scalar_one())


async def delete_rate_limit(connection: AsyncConnection, organization_id: str, rule: RateLimitRow) -> bool:
    """Take a rule away; False when it is gone already."""
    gone = await connection.execute(delete(rate_limit).where(_is(organization_id, rule.id)))
    await record_change(connection, "limit", organization_id=organization_id, entity_id=rule.scope_id)
    return bool(gone.rowcount)


async def delete_rate_limits_of(connection: AsyncConnection, organization_id: str, scope_id: str) -> None:
    """Take away every rule of a scope that ends."""
    gone = await connection.execute(delete(rate_limit).where(_of_scope(organization_id, scope_id)))
    if gone.rowcount:
        await record_change(connection, "limit", organization_id=organization_id, entity_id=scope_id)


async def list_rate_limits(
    connection: AsyncConnection,
    organization_id: str,
    *,
    scope_id: str | None = None,
    reach: BudgetReach | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[RateLimitRow]:
    """Return at most `limit` rules in the order of their ids, those behind `after`; `reach` None is the organization."""
    query = select(*_COLUMNS).where(rate_limit.c.organization_id == organization_id)
    if scope_id is not None:
        query = query.where(rate_limit.c.scope_id == scope_id)
    if reach is not None:
        query = query.where(reached(organization_id, reach, rate_limit.c.scope_id))
    if after is not None:
        query = query.where(rate_limit.c.id > after)
    query = query.order_by(rate_limit.c.id).limit(limit)
    return [_to_row(row) for row in await connection.execute(query)]


def _is(organization_id: str, rate_limit_id: str) -> ColumnElement[bool]:
    return and_(rate_limit.c.organization_id == organization_id, rate_limit.c.id == rate_limit_id)


def _of_scope(organization_id: str, scope_id: str) -> ColumnElement[bool]:
    return and_(rate_limit.c.organization_id == organization_id, rate_limit.c.scope_id == scope_id)


async def _one(connection: AsyncConnection, condition: ColumnElement[bool]) -> RateLimitRow | None:
    row = (await connection.execute(select(*_COLUMNS).where(condition))).one_or_none()
    return _to_row(row) if row else None


def _values(rule: RateLimitRow, names: Iterable[str]) -> dict[str, Any]:
    return {name: int(value) if isinstance(value := getattr(rule, name), bool) else value for name in names}


def _to_row(row: Row[Any, *tuple[Any, ...]]) -> RateLimitRow:
    return RateLimitRow(**{**row._mapping, "is_from_tier": bool(row.is_from_tier)})
