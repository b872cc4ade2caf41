"""Whose limits hold for a key that was rotated: those of the key that took its place, along the chain of rotations.

While a replaced key still works, it and its heir draw on the same budgets and share the same rates: a rotation gives nobody
more. A key that was deleted is nobody's heir.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Integer, and_, cast, exists, literal, select, update

from tollkeeper.domain.api_key import ApiKey, KeyStatus
from tollkeeper.domain.key_terms import KeyTerms
from tollkeeper.store.key_rows import select_keys, to_api_key
from tollkeeper.store.node_opening import open_present
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_limits import budget, former_budget, rate_limit
from tollkeeper.store.schema_tenancy import api_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

_SAME_BY = (
    (budget, ("model", "unit", "period")),
    (former_budget, ("model", "unit", "period")),
    (rate_limit, ("model",)),
)
"""What limits of one key differ by."""
STEPS_MAX = 1000
"""How long a chain may be: each step is a rotation, and a replaced key works for 30 days at most."""


async def heirs_of(connection: AsyncConnection, organization_id: str, key_ids: Collection[str]) -> dict[str, str]:
    """Return, for each of these keys, the newest in its chain that is not deleted: itself when there is none.

    A key whose chain is too long to be followed is missing.
    """
    of = api_key.c
    chain = (
        select(of.id.label("origin"), of.id, of.status, of.replaced_by, cast(literal(0), Integer).label("step"))
        .where(of.organization_id == organization_id, of.id.in_(sorted(key_ids)))
        .cte("chain", recursive=True)
    )
    following = select(chain.c.origin, of.id, of.status, of.replaced_by, chain.c.step + 1).join_from(
        chain, api_key, and_(of.organization_id == organization_id, of.id == chain.c.replaced_by)
    )
    chain = chain.union_all(following.where(chain.c.step < STEPS_MAX))
    heirs: dict[str, str] = {}
    for row in await connection.execute(select(chain).order_by(chain.c.step)):
        if row.status != KeyStatus.DELETED.value or row.step == 0:
            heirs[row.origin] = row.id
        if row.step == STEPS_MAX and row.replaced_by is not None:
            del heirs[row.origin]
    return heirs


async def with_heirs(
    connection: AsyncConnection, organization_id: str, keys: Iterable[ApiKey], *, heirs: dict[str, str] | None = None
) -> list[ApiKey]:
    """Return keys, those that were replaced with the rates of the key that holds for them, and its id as `held_as`.

    `heirs` are those of `heirs_of`, when they are known. One whose chain is too long to be followed is disabled, for
    nobody knows what holds for it.
    """
    found = list(keys)
    replaced = {key.id for key in found if key.replaced_by}
    if not replaced:
        return found
    if heirs is None:
        heirs = await heirs_of(connection, organization_id, replaced)
    query = select_keys().where(api_key.c.organization_id == organization_id, api_key.c.id.in_(set(heirs.values())))
    by_id = {row.id: to_api_key(row) for row in await connection.execute(query)}
    return [_as_held(key, by_id.get(heirs.get(key.id, ""))) if key.id in replaced else key for key in found]


def _as_held(key: ApiKey, heir: ApiKey | None) -> ApiKey:
    if heir is None:
        is_active = key.status is KeyStatus.ACTIVE
        return msgspec.structs.replace(key, status=KeyStatus.DISABLED) if is_active else key
    if heir.id == key.id:
        return key
    terms = key.terms
    if terms is not None or heir.terms is not None:
        rates = (heir.terms or KeyTerms()).rate_limit
        terms = msgspec.structs.replace(terms or KeyTerms(), rate_limit=rates)
    return msgspec.structs.replace(key, terms=terms, held_as=heir.id)


async def move_limits(connection: AsyncConnection, organization_id: str, *, from_key_id: str, to_key_id: str) -> None:
    """Give a key's budgets, with what was used of them, and its rules of rate to the key that takes its place.

    What was used before anybody drew on a budget is found by the key's id, so it is written down first. A limit stays when
    the other key has one of its own for the same.
    """
    is_moved = False
    for table, names in _SAME_BY:
        other = table.alias()
        is_there = exists().where(
            other.c.organization_id == organization_id,
            other.c.scope_id == to_key_id,
            *(other.c[name] == table.c[name] for name in names),
        )
        is_own = and_(table.c.organization_id == organization_id, table.c.scope_id == from_key_id)
        ids = list(await connection.scalars(select(table.c.id).where(is_own, ~is_there)))
        if not ids:
            continue
        if table is budget:
            await open_present(connection, organization_id, ids)
        await connection.execute(update(table).where(is_own, table.c.id.in_(ids)).values(scope_id=to_key_id))
        is_moved = True
    for key_id in (from_key_id, to_key_id) if is_moved else ():
        await record_change(connection, "limit", organization_id=organization_id, entity_id=key_id)


async def predecessor_of(connection: AsyncConnection, organization_id: str, key_id: str) -> str | None:
    """Return the key that comes back into force when this one ends: the one it replaced, deleted ones passed over."""
    of = api_key.c
    wanted = key_id
    for _ in range(STEPS_MAX):
        query = select(of.id, of.status).where(of.organization_id == organization_id, of.replaced_by == wanted)
        row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        if row.status != KeyStatus.DELETED.value:
            found: str = row.id
            return found
        wanted = row.id
    return None
