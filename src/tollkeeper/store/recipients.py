"""Who may be told something by e-mail: the active members whose roles give them a permission at a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import and_, select

from tollkeeper.domain.account import AccountStatus
from tollkeeper.domain.permission import with_implied
from tollkeeper.domain.role import PREDEFINED
from tollkeeper.domain.tenancy import Language
from tollkeeper.store.members import ACTIVE
from tollkeeper.store.schema_tenancy import account, member, role, role_assignment

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.tenancy import Place


class Permitted(msgspec.Struct, frozen=True):
    """A member with the permission, and how they are written to."""

    member_id: str
    email: str
    language: Language


async def list_permitted(
    connection: AsyncConnection,
    place: Place,
    permission: str,
    *,
    limit: int,
    member_ids: Collection[str] | None = None,
) -> list[Permitted]:
    """Return who has a permission at a place, by a role there or above it, in the order of their addresses.

    With `member_ids` only those among them.
    """
    organization_id = place.organization_id
    scopes = [each for each in (organization_id, place.team_id, place.project_id) if each]
    custom = select(role.c.id, role.c.permissions).where(role.c.organization_id == organization_id)
    granting = [each.id for each in PREDEFINED.values() if permission in with_implied(each.permissions)]
    granting += [row.id for row in await connection.execute(custom) if permission in _permissions(row.permissions)]
    of_member = and_(
        role_assignment.c.organization_id == member.c.organization_id, role_assignment.c.member_id == member.c.id
    )
    query = (
        select(member.c.id, account.c.email, account.c.language)
        .distinct()
        .select_from(member.join(account, account.c.id == member.c.account_id).join(role_assignment, of_member))
        .where(
            member.c.organization_id == organization_id,
            member.c.status == ACTIVE,
            account.c.status == AccountStatus.ACTIVE.value,
            role_assignment.c.scope_id.in_(scopes),
            role_assignment.c.role_id.in_(granting),
        )
    )
    if member_ids is not None:
        query = query.where(member.c.id.in_(list(member_ids)))
    rows = await connection.execute(query.order_by(account.c.email).limit(limit))
    return [Permitted(row.id, row.email, row.language) for row in rows]


def _permissions(stored: str) -> frozenset[str]:
    return with_implied(frozenset(msgspec.json.decode(stored, type=list[str])))
