"""Who asks for more budget, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, insert, or_, select, tuple_, update

from tollkeeper.domain.budget import BudgetKey, BudgetRequest, RequestStatus
from tollkeeper.domain.errors import Conflict
from tollkeeper.store.budgets import BudgetReach, reached
from tollkeeper.store.schema_limits import budget_request

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (
    budget_request.c.organization_id,
    budget_request.c.id,
    budget_request.c.scope_kind,
    budget_request.c.scope_id,
    budget_request.c.period,
    budget_request.c.unit,
    budget_request.c.model,
    budget_request.c.amount,
    budget_request.c.reason,
    budget_request.c.asked_by,
    budget_request.c.created_at_us,
    budget_request.c.status,
    budget_request.c.decided_by,
    budget_request.c.answer,
    budget_request.c.decided_at_us,
)


class RequestFilter(msgspec.Struct, frozen=True):
    """Which requests are listed; None lets all in. What one asked for oneself is always within one's reach."""

    status: RequestStatus | None = None
    scope_id: str | None = None
    reach: BudgetReach | None = None
    asked_by: str = ""


async def add_request(connection: AsyncConnection, organization_id: str, made: BudgetRequest) -> None:
    """Write down what somebody asks for."""
    assert made.organization_id == organization_id
    values = {
        **{column.name: getattr(made, column.name) for column in _COLUMNS if column.name in made.__struct_fields__},
        **msgspec.structs.asdict(made.key),
    }
    await connection.execute(insert(budget_request).values(**values))


async def get_request(connection: AsyncConnection, organization_id: str, request_id: str) -> BudgetRequest | None:
    """Return a request; None when the organization has none of this id."""
    query = select(*_COLUMNS).where(
        budget_request.c.organization_id == organization_id, budget_request.c.id == request_id
    )
    row = (await connection.execute(query)).one_or_none()
    return _to_request(row) if row else None


async def list_requests(
    connection: AsyncConnection,
    organization_id: str,
    wanted: RequestFilter,
    *,
    after: str | None = None,
    limit: int = 100,
) -> list[BudgetRequest]:
    """Return at most `limit` requests, the latest first, those behind the id `after`."""
    order = (budget_request.c.created_at_us, budget_request.c.id)
    query = select(*_COLUMNS).where(budget_request.c.organization_id == organization_id)
    if wanted.status is not None:
        query = query.where(budget_request.c.status == wanted.status)
    if wanted.scope_id is not None:
        query = query.where(budget_request.c.scope_id == wanted.scope_id)
    if wanted.reach is not None:
        is_own = budget_request.c.asked_by == wanted.asked_by
        query = query.where(or_(is_own, reached(organization_id, wanted.reach, budget_request.c.scope_id)))
    if after is not None:
        position = select(*order).where(
            budget_request.c.organization_id == organization_id, budget_request.c.id == after
        )
        query = query.where(tuple_(*order) < position.scalar_subquery())
    query = query.order_by(*(column.desc() for column in order)).limit(limit)
    return [_to_request(row) for row in await connection.execute(query)]


async def count_pending(connection: AsyncConnection, organization_id: str, *, asked_by: str) -> int:
    """Return how many requests of somebody nobody has decided yet."""
    query = select(func.count()).where(
        budget_request.c.organization_id == organization_id,
        budget_request.c.status == "pending",
        budget_request.c.asked_by == asked_by,
    )
    return int((await connection.execute(query)).scalar_one())


async def end_request(connection: AsyncConnection, organization_id: str, ended: BudgetRequest) -> None:
    """Write down what became of a request that was pending.

    Raises:
        Conflict: somebody else decided it a moment ago.
    """
    assert ended.organization_id == organization_id
    changed = (
        update(budget_request)
        .where(
            budget_request.c.organization_id == organization_id,
            budget_request.c.id == ended.id,
            budget_request.c.status == "pending",
        )
        .values(
            status=ended.status,
            decided_by=ended.decided_by,
            answer=ended.answer,
            decided_at_us=ended.decided_at_us,
        )
    )
    if (await connection.execute(changed)).rowcount != 1:
        raise Conflict("This request was decided or withdrawn a moment ago.")


def _to_request(row: Row[Any, *tuple[Any, ...]]) -> BudgetRequest:
    organization_id, id_, scope_kind, scope_id, period, unit, model, *rest = row
    return BudgetRequest(organization_id, id_, scope_kind, BudgetKey(scope_id, period, unit, model), *rest)
