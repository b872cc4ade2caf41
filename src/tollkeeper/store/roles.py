"""Custom roles of an organization: created, read, listed, changed, deleted; the predefined ones are the domain's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, delete, func, insert, select, tuple_, update

from tollkeeper.domain.errors import NotFound
from tollkeeper.domain.role import PREDEFINED, Role, RoleId
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.conflicts import execute_unique
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_tenancy import account, invite, member, role, role_assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (role.c.id, role.c.name, role.c.description, role.c.permissions, role.c.created_at_us)
_EXAMPLES_MAX = 3


class RoleUses(msgspec.Struct, frozen=True):
    """Who has a role: how many members, the e-mail addresses of a few, and how many open invitations offer it."""

    member_count: int
    example_emails: tuple[str, ...]
    invite_count: int

    @property
    def is_any(self) -> bool:
        return self.member_count + self.invite_count > 0


async def create_role(
    connection: AsyncConnection, organization_id: str, *, name: str, description: str, permissions: frozenset[str]
) -> Role:
    """Create a custom role.

    Raises:
        Conflict: the organization has a role of this name.
    """
    made = Role(RoleId(new_id("role")), name, description, permissions, now_us())
    row = {
        "organization_id": organization_id,
        "id": made.id,
        "name": name,
        "description": description,
        "permissions": _encoded(permissions),
        "created_at_us": made.created_at_us,
    }
    await execute_unique(connection, insert(role).values(**row), message=_taken(name))
    return made


async def get_role(connection: AsyncConnection, organization_id: str, role_id: str) -> Role | None:
    """Return a role, predefined or custom; None when the organization has none of this id."""
    predefined = PREDEFINED.get(role_id)
    if predefined is not None:
        return predefined
    return await _one(connection, organization_id, role.c.id == role_id)


async def find_role(connection: AsyncConnection, organization_id: str, named: str) -> Role | None:
    """Return a role by its id or its name; None when the organization has none."""
    found = await get_role(connection, organization_id, named)
    return found or await _one(connection, organization_id, role.c.name == named)


async def list_roles(
    connection: AsyncConnection, organization_id: str, *, after: str | None = None, limit: int = 100
) -> list[Role]:
    """Return at most `limit` roles behind the id `after`: the predefined ones first, then custom ones, oldest first."""
    predefined = list(PREDEFINED.values())
    if after in PREDEFINED:
        predefined = predefined[[each.id for each in predefined].index(PREDEFINED[after].id) + 1 :]
        after = None
    elif after is not None:
        predefined = []
    rest = limit - len(predefined)
    if rest <= 0:
        return predefined[:limit]
    query = select(*_COLUMNS).where(role.c.organization_id == organization_id)
    if after is not None:
        position = select(role.c.created_at_us, role.c.id).where(
            role.c.organization_id == organization_id, role.c.id == after
        )
        query = query.where(tuple_(role.c.created_at_us, role.c.id) > position.scalar_subquery())
    query = query.order_by(role.c.created_at_us, role.c.id).limit(rest)
    return predefined + [_to_role(row) for row in await connection.execute(query)]


async def read_role_names(connection: AsyncConnection, organization_id: str, role_ids: Sequence[str]) -> dict[str, str]:
    """Return the names of roles by their ids, predefined ones included."""
    names = {each: PREDEFINED[each].name for each in role_ids if each in PREDEFINED}
    custom = [each for each in role_ids if each not in PREDEFINED]
    if custom:
        query = select(role.c.id, role.c.name).where(role.c.organization_id == organization_id, role.c.id.in_(custom))
        names |= {row.id: row.name for row in await connection.execute(query)}
    return names


async def hold_role(connection: AsyncConnection, organization_id: str, role_id: str) -> None:
    """Pass when there is such a role, and let nobody delete it before this transaction ends.

    Raises:
        NotFound: there is none, or no longer.
    """
    if role_id in PREDEFINED:
        return
    mine = and_(role.c.organization_id == organization_id, role.c.id == role_id)
    found = await connection.scalar(select(role.c.id).where(mine).with_for_update(read=True, key_share=True))
    if found is None:
        raise NotFound(f"There is no role '{role_id}'.")


async def change_role(
    connection: AsyncConnection, organization_id: str, role_id: str, *, values: dict[str, Any]
) -> Role:
    """Change name, description or permissions of a custom role; what its members may do follows on every replica.

    Raises:
        NotFound: the organization has no such custom role.
        Conflict: it has another role of this name.
    """
    stored = {**values, "permissions": _encoded(values["permissions"])} if "permissions" in values else values
    mine = and_(role.c.organization_id == organization_id, role.c.id == role_id)
    changed = update(role).where(mine).values(**stored).returning(*_COLUMNS)
    row = (await execute_unique(connection, changed, message=_taken(str(values.get("name", ""))))).one_or_none()
    if row is None:
        raise NotFound(f"There is no role '{role_id}'.")
    await record_change(connection, "organization", organization_id=organization_id, entity_id=organization_id)
    return _to_role(row)


async def lock_role(connection: AsyncConnection, organization_id: str, role_id: str) -> Role | None:
    """Return a custom role and let nobody change, assign or delete it before this transaction ends."""
    mine = and_(role.c.organization_id == organization_id, role.c.id == role_id)
    row = (await connection.execute(select(*_COLUMNS).where(mine).with_for_update())).one_or_none()
    return _to_role(row) if row else None


async def read_uses(connection: AsyncConnection, organization_id: str, role_id: str) -> RoleUses:
    """Return who has a role; `lock_role` before you decide by it."""
    mine = and_(role_assignment.c.organization_id == organization_id, role_assignment.c.role_id == role_id)
    members = int(
        (
            await connection.execute(select(func.count(func.distinct(role_assignment.c.member_id))).where(mine))
        ).scalar_one()
    )
    emails = (
        select(account.c.email)
        .distinct()
        .select_from(
            role_assignment.join(
                member, and_(member.c.organization_id == organization_id, member.c.id == role_assignment.c.member_id)
            ).join(account, account.c.id == member.c.account_id)
        )
        .where(mine)
        .order_by(account.c.email)
        .limit(_EXAMPLES_MAX)
    )
    offered = select(func.count()).where(
        invite.c.organization_id == organization_id,
        invite.c.status == "pending",
        invite.c.expires_at_us > now_us(),
        invite.c.assignments.contains(f'"{role_id}"', autoescape=True),
    )
    return RoleUses(
        members,
        tuple(row.email for row in await connection.execute(emails)),
        int((await connection.execute(offered)).scalar_one()),
    )


async def delete_role(connection: AsyncConnection, organization_id: str, role_id: str) -> None:
    """Delete a custom role that nobody has."""
    mine = and_(role.c.organization_id == organization_id, role.c.id == role_id)
    await connection.execute(delete(role).where(mine))


async def _one(connection: AsyncConnection, organization_id: str, condition: ColumnElement[bool]) -> Role | None:
    query = select(*_COLUMNS).where(role.c.organization_id == organization_id, condition)
    row = (await connection.execute(query)).one_or_none()
    return _to_role(row) if row else None


def _encoded(permissions: frozenset[str]) -> str:
    return msgspec.json.encode(sorted(permissions)).decode()


def _to_role(row: Row[Any, *tuple[Any, ...]]) -> Role:
    permissions = msgspec.json.decode(row.permissions, type=frozenset[str])
    return Role(RoleId(row.id), row.name, row.description, permissions, row.created_at_us)


def _taken(name: str) -> str:
    return f"A role named '{name}' exists already."
