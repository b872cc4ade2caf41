"""The budgets that an api key's calls are held to: of its organization, team, project, member, of itself, and the credit."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_

from tollkeeper.domain.limit import Limit
from tollkeeper.store.key_scopes import in_each_project, scopes_of, select_of_scopes
from tollkeeper.store.schema_limits import budget
from tollkeeper.store.schema_tenancy import organization

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.api_key import ApiKey
    from tollkeeper.store.key_scopes import Scopes

_OF = budget.c
# Built once: building statements takes longer than running them.
_QUERY = (
    select_of_scopes(
        budget,
        _OF.id,
        _OF.scope_kind,
        _OF.scope_id,
        _OF.unit,
        _OF.period,
        _OF.model,
        _OF.is_hard,
        organization.c.timezone,
    )
    .where(or_(_OF.scope_kind != "credit", organization.c.is_prepaid == 1))  # credit where it is needed
    .order_by(_OF.unit, _OF.period, _OF.model)
)
_shared_limit = lru_cache(maxsize=16_384)(Limit)
"""Equal limits are one object: the keys of an organization share most of theirs."""


async def with_limits(connection: AsyncConnection, key: ApiKey) -> ApiKey:
    """Return a key with the budgets of each project that it may be used for, by one query; None are an admin key's.

    A key that was replaced is held to those of the key that took its place, and to any that it was given itself since.
    """
    if not key.project_id:
        return key
    rows = list(await connection.execute(_QUERY, scopes_of(key)))
    if not rows:
        return key

    def held(scopes: Scopes) -> tuple[Limit, ...]:
        return tuple([_to_limit(row) for row in rows if (row.scope_kind, row.scope_id) in scopes])

    return in_each_project(key, "limits", held)


def _to_limit(row: Row[Any]) -> Limit:
    make = Limit if row.scope_kind == "api_key" else _shared_limit
    return make(
        row.id,
        row.scope_kind,
        row.scope_id,
        row.scope_name or row.scope_id,
        row.unit,
        row.period,
        row.model,
        bool(row.is_hard),
        row.timezone,
    )
