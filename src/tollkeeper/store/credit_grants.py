"""Credit grants and what was taken from them. Whoever changes them holds the wallet's lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, tuple_, update

from tollkeeper.domain.credit import CreditGrant, CreditUse, GrantKind, GrantStatus, unwind
from tollkeeper.domain.money import AMOUNT_NANOS_MAX
from tollkeeper.store.schema_ledger import credit_grant, credit_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_FIELDS = CreditGrant.__struct_fields__
_COLUMNS = tuple(credit_grant.c[name] for name in _FIELDS)
_PAGE = 500


async def insert_grant(connection: AsyncConnection, grant: CreditGrant) -> None:
    """Keep a new grant."""
    values = {name: getattr(grant, name) for name in _FIELDS}
    await connection.execute(insert(credit_grant).values(**values, due_at_us=grant.due_at_us))


async def write_grants(connection: AsyncConnection, grants: Iterable[CreditGrant]) -> None:
    """Write what became of grants."""
    for grant in grants:
        changed = update(credit_grant).where(_is(grant.organization_id, grant.id))
        values = {
            "remaining_nanos": grant.remaining_nanos,
            "removed_nanos": grant.removed_nanos,
            "status": grant.status.value,
            "due_at_us": grant.due_at_us,
        }
        await connection.execute(changed.values(**values))


async def get_grant(connection: AsyncConnection, organization_id: str, grant_id: str) -> CreditGrant | None:
    """Return a grant; None when the organization has none of this id."""
    row = (await connection.execute(select(*_COLUMNS).where(_is(organization_id, grant_id)))).one_or_none()
    return _to_grant(row) if row else None


async def list_grants(
    connection: AsyncConnection, organization_id: str, *, after: str | None = None, limit: int = 100
) -> list[CreditGrant]:
    """Return at most `limit` grants, newest first, those behind the id `after`."""
    query = select(*_COLUMNS).where(credit_grant.c.organization_id == organization_id)
    if after is not None:
        position = select(credit_grant.c.created_at_us, credit_grant.c.id).where(_is(organization_id, after))
        query = query.where(tuple_(credit_grant.c.created_at_us, credit_grant.c.id) < position.scalar_subquery())
    query = query.order_by(credit_grant.c.created_at_us.desc(), credit_grant.c.id.desc()).limit(limit)
    return [_to_grant(row) for row in await connection.execute(query)]


async def grants_with_rest(connection: AsyncConnection, organization_id: str) -> list[CreditGrant]:
    """Return every grant that something remains of."""
    query = select(*_COLUMNS).where(
        credit_grant.c.organization_id == organization_id, credit_grant.c.remaining_nanos > 0
    )
    return [_to_grant(row) for row in await connection.execute(query)]


async def read_grants(
    connection: AsyncConnection, organization_id: str, grant_ids: Sequence[str]
) -> dict[str, CreditGrant]:
    """Return grants by their ids."""
    query = select(*_COLUMNS).where(credit_grant.c.organization_id == organization_id, credit_grant.c.id.in_(grant_ids))
    return {row.id: _to_grant(row) for row in await connection.execute(query)}


async def organizations_due(connection: AsyncConnection, *, now_us: int, limit: int = 1000) -> list[str]:
    """Return organizations of whose grants something is to be taken away now."""
    query = (
        select(credit_grant.c.organization_id, func.min(credit_grant.c.due_at_us))
        .where(credit_grant.c.due_at_us <= now_us)
        .group_by(credit_grant.c.organization_id)
        .order_by(func.min(credit_grant.c.due_at_us))
        .limit(limit)
    )
    return [row.organization_id for row in await connection.execute(query)]


async def next_expiring(connection: AsyncConnection, organization_id: str) -> CreditGrant | None:
    """Return the active grant that ends first; None when none of them ends."""
    query = (
        select(*_COLUMNS)
        .where(
            credit_grant.c.organization_id == organization_id,
            credit_grant.c.status == GrantStatus.ACTIVE.value,
            credit_grant.c.remaining_nanos > 0,
            credit_grant.c.expires_at_us.is_not(None),
        )
        .order_by(credit_grant.c.expires_at_us, credit_grant.c.id)
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    return _to_grant(row) if row else None


async def append_uses(
    connection: AsyncConnection,
    organization_id: str,
    uses: Sequence[CreditUse],
    *,
    transaction_id: bytes,
    first_number: int,
) -> None:
    """Record uses in their order."""
    rows = [
        {
            "organization_id": organization_id,
            "number": number,
            "transaction_id": transaction_id,
            "grant_id": use.grant_id,
            "amount_nanos": use.amount_nanos,
        }
        for number, use in enumerate(uses, first_number)
    ]
    await connection.execute(insert(credit_use), rows)


async def unwind_uses(connection: AsyncConnection, organization_id: str, amount_nanos: int) -> list[CreditUse]:
    """Return the negative uses that take an amount back, found from the newest record on."""
    query = (
        select(credit_use.c.number, credit_use.c.grant_id, credit_use.c.amount_nanos)
        .where(credit_use.c.organization_id == organization_id)
        .order_by(credit_use.c.number.desc())
        .limit(_PAGE)
    )
    newest_first: list[CreditUse] = []
    taken: list[CreditUse] = []
    before = AMOUNT_NANOS_MAX
    while -sum(use.amount_nanos for use in taken) < amount_nanos:
        rows = (await connection.execute(query.where(credit_use.c.number < before))).all()
        if not rows:
            break
        before = rows[-1].number
        newest_first += [CreditUse(row.grant_id, row.amount_nanos) for row in rows]
        taken = unwind(newest_first, amount_nanos)
    return taken


def _is(organization_id: str, grant_id: str) -> ColumnElement[bool]:
    return (credit_grant.c.organization_id == organization_id) & (credit_grant.c.id == grant_id)


def _to_grant(row: Row[Any]) -> CreditGrant:
    values = {name: getattr(row, name) for name in _FIELDS}
    return CreditGrant(**{**values, "kind": GrantKind(row.kind), "status": GrantStatus(row.status)})
