"""Members of an organization and the roles they have: added, removed, restored; a person's grants at one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import Select, and_, delete, exists, func, insert, select, update

from tollkeeper.domain.access import Grant
from tollkeeper.domain.account import AccountId
from tollkeeper.domain.errors import Conflict, NotFound
from tollkeeper.domain.permission import with_implied
from tollkeeper.domain.role import ORG_ADMIN, PREDEFINED, Assignment, MemberId, Role, RoleId
from tollkeeper.domain.tenancy import OrganizationId
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.conflicts import execute_unique
from tollkeeper.store.revision import record_change
from tollkeeper.store.roles import hold_role
from tollkeeper.store.schema_tenancy import account, member, project, role, role_assignment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

ACTIVE, REMOVED = "active", "removed"


class Member(msgspec.Struct, frozen=True):
    """A person in an organization. `email` and `name` are the account's; `assignments` are sorted by scope and role."""

    organization_id: OrganizationId
    id: MemberId
    account_id: AccountId
    email: str
    name: str
    status: Literal["active", "removed"]
    created_at_us: int
    removed_at_us: int | None = None
    assignments: tuple[Assignment, ...] = ()


async def add_member(connection: AsyncConnection, organization_id: str, account_id: str) -> Member:
    """Make an account a member without any role; one that was removed earlier is restored.

    Raises:
        Conflict: the account is a member already.
    """
    earlier = await find_member(connection, organization_id, account_id=account_id)
    if earlier is not None:
        if earlier.status == ACTIVE:
            raise Conflict(f"'{earlier.email}' is a member of this organization already.")
        return await restore_member(connection, organization_id, earlier.id)
    member_id = new_id("mem")
    row = {"organization_id": organization_id, "id": member_id, "account_id": account_id, "created_at_us": now_us()}
    statement = insert(member).values(**row, status=ACTIVE)
    await execute_unique(connection, statement, message="This person is a member of the organization already.")
    await record_change(connection, "member", organization_id=organization_id, entity_id=member_id)
    added = await get_member(connection, organization_id, member_id)
    assert added is not None, "it was just written"
    return added


async def restore_member(connection: AsyncConnection, organization_id: str, member_id: str) -> Member:
    """Make a removed member active again, without roles; the keys that the removal disabled stay disabled.

    Raises:
        NotFound: the organization never had this member.
    """
    await _set_status(connection, organization_id, member_id, {"status": ACTIVE, "removed_at_us": None})
    restored = await get_member(connection, organization_id, member_id)
    assert restored is not None, "it was just written"
    return restored


async def remove_member(connection: AsyncConnection, organization_id: str, member_id: str) -> None:
    """End a membership and every role of it. The row stays, so that what the person did keeps its name.

    Raises:
        NotFound: the organization never had this member.
    """
    # The member's row first: its lock keeps out who gives this member a role at the same time.
    await _set_status(connection, organization_id, member_id, {"status": REMOVED, "removed_at_us": now_us()})
    mine = and_(role_assignment.c.organization_id == organization_id, role_assignment.c.member_id == member_id)
    await connection.execute(delete(role_assignment).where(mine))


async def get_member(connection: AsyncConnection, organization_id: str, member_id: str) -> Member | None:
    """Return a member, removed ones included; None when the organization never had one of this id."""
    return await _one(connection, organization_id, member.c.id == member_id)


async def find_member(connection: AsyncConnection, organization_id: str, *, account_id: str) -> Member | None:
    """Return the member that an account is, removed ones included; None when it never was one."""
    return await _one(connection, organization_id, member.c.account_id == account_id)


async def find_member_by_email(connection: AsyncConnection, organization_id: str, *, email: str) -> Member | None:
    """Return the member with a normalised e-mail address, removed ones included; None when there is none."""
    return await _one(connection, organization_id, account.c.email == email)


async def lock_member(connection: AsyncConnection, organization_id: str, member_id: str) -> None:
    """Keep an active member as it is until the commit: nobody else gives it a role or removes it meanwhile.

    Raises:
        NotFound: the organization has no such active member.
    """
    query = select(member.c.status).where(member.c.organization_id == organization_id, member.c.id == member_id)
    if await connection.scalar(query.with_for_update(key_share=True)) != ACTIVE:
        raise NotFound(f"There is no member '{member_id}'.")


async def assign_role(
    connection: AsyncConnection, organization_id: str, member_id: str, assignment: Assignment
) -> bool:
    """Give an active member a role at a place; False when the member has it there already.

    Whoever asks must have checked that the place is one of the organization's and that the role may be given there.

    Raises:
        NotFound: there is no such role (a custom one may be gone since it was offered), or no such active member.
    """
    await hold_role(connection, organization_id, assignment.role_id)
    await lock_member(connection, organization_id, member_id)
    if await connection.scalar(select(exists().where(*_same(organization_id, member_id, assignment)))):
        return False
    await connection.execute(
        insert(role_assignment).values(
            organization_id=organization_id,
            member_id=member_id,
            created_at_us=now_us(),
            **msgspec.structs.asdict(assignment),
        )
    )
    await record_change(connection, "member", organization_id=organization_id, entity_id=member_id)
    return True


async def withdraw_role(
    connection: AsyncConnection, organization_id: str, member_id: str, assignment: Assignment
) -> bool:
    """Take a role at a place from a member; False when the member does not have it there."""
    statement = delete(role_assignment).where(*_same(organization_id, member_id, assignment))
    if not (await connection.execute(statement)).rowcount:
        return False
    await record_change(connection, "member", organization_id=organization_id, entity_id=member_id)
    return True


async def count_org_admins(connection: AsyncConnection, organization_id: str) -> int:
    """Return how many active members administer the organization; lock the organization's row before you decide by it."""
    query = (
        select(func.count(func.distinct(role_assignment.c.member_id)))
        .join(member, _is_of_member(organization_id))
        .where(
            role_assignment.c.organization_id == organization_id,
            role_assignment.c.scope_id == organization_id,
            role_assignment.c.role_id == ORG_ADMIN,
            member.c.status == ACTIVE,
        )
    )
    return int((await connection.execute(query)).scalar_one())


async def read_grants(connection: AsyncConnection, organization_id: str, member_id: str) -> tuple[Grant, ...]:
    """Return what a member's roles grant; nothing for one that was removed or never was."""
    query = (
        select(
            role_assignment.c.role_id,
            role_assignment.c.scope_kind,
            role_assignment.c.scope_id,
            role.c.name,
            role.c.permissions,
            project.c.team_id,
        )
        .select_from(
            role_assignment.join(member, _is_of_member(organization_id))
            .outerjoin(role, and_(role.c.organization_id == organization_id, role.c.id == role_assignment.c.role_id))
            .outerjoin(
                project, and_(project.c.organization_id == organization_id, project.c.id == role_assignment.c.scope_id)
            )
        )
        .where(
            role_assignment.c.organization_id == organization_id,
            role_assignment.c.member_id == member_id,
            member.c.status == ACTIVE,
        )
        .order_by(role_assignment.c.scope_id, role_assignment.c.role_id)
    )
    return tuple(_to_grant(row) for row in await connection.execute(query))


def select_members(organization_id: str) -> Select[Any]:
    """Return the query for members with a row per role, oldest member first; `to_members` reads it."""
    return (
        select(
            member.c.organization_id,
            member.c.id,
            member.c.account_id,
            account.c.email,
            account.c.name,
            member.c.status,
            member.c.created_at_us,
            member.c.removed_at_us,
            role_assignment.c.role_id,
            role_assignment.c.scope_kind,
            role_assignment.c.scope_id,
        )
        .select_from(
            member.join(account, account.c.id == member.c.account_id).outerjoin(
                role_assignment,
                and_(role_assignment.c.organization_id == organization_id, role_assignment.c.member_id == member.c.id),
            )
        )
        .where(member.c.organization_id == organization_id)
        .order_by(member.c.created_at_us, member.c.id, role_assignment.c.scope_id, role_assignment.c.role_id)
    )


def to_members(rows: Iterable[Row[Any, *tuple[Any, ...]]]) -> list[Member]:
    """Return the members of `select_members`, in its order."""
    found: dict[str, Member] = {}
    for row in rows:
        known = found.get(row.id) or Member(*row[:8])
        if row.role_id is not None:
            assignment = Assignment(RoleId(row.role_id), row.scope_kind, row.scope_id)
            known = msgspec.structs.replace(known, assignments=(*known.assignments, assignment))
        found[row.id] = known
    return list(found.values())


def _is_of_member(organization_id: str) -> ColumnElement[bool]:
    return and_(member.c.organization_id == organization_id, member.c.id == role_assignment.c.member_id)


def _same(organization_id: str, member_id: str, assignment: Assignment) -> tuple[ColumnElement[bool], ...]:
    return (
        role_assignment.c.organization_id == organization_id,
        role_assignment.c.member_id == member_id,
        role_assignment.c.scope_id == assignment.scope_id,
        role_assignment.c.role_id == assignment.role_id,
    )


async def _set_status(
    connection: AsyncConnection, organization_id: str, member_id: str, values: dict[str, Any]
) -> None:
    mine = and_(member.c.organization_id == organization_id, member.c.id == member_id)
    if not (await connection.execute(update(member).where(mine).values(**values))).rowcount:
        raise NotFound(f"There is no member '{member_id}'.")
    await record_change(connection, "member", organization_id=organization_id, entity_id=member_id)


async def _one(connection: AsyncConnection, organization_id: str, condition: ColumnElement[bool]) -> Member | None:
    found = to_members(await connection.execute(select_members(organization_id).where(condition)))
    return found[0] if found else None


def _to_grant(row: Row[Any, *tuple[Any, ...]]) -> Grant:
    predefined = PREDEFINED.get(row.role_id)
    if predefined is not None:
        granted = predefined
    else:
        assert row.permissions is not None, "a role that is assigned cannot be deleted"
        permissions = msgspec.json.decode(row.permissions, type=frozenset[str])
        granted = Role(RoleId(row.role_id), str(row.name), "", permissions)
    return Grant(
        f"role {granted.name}",
        with_implied(granted.permissions),
        team_id=row.scope_id if row.scope_kind == "team" else (row.team_id or ""),
        project_id=row.scope_id if row.scope_kind == "project" else "",
    )
