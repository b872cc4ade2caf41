"""Lists of an organization's members: of a place, with a role, within what a caller may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import and_, exists, or_, select, tuple_

from tollkeeper.store.members import ACTIVE, Member, select_members, to_members
from tollkeeper.store.projects import Reach
from tollkeeper.store.schema_tenancy import member, project, role_assignment

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection


class MemberFilter(msgspec.Struct, frozen=True):
    """Which members are listed; None lets all in.

    `reach` is what the caller may see: members with a role for the whole organization or within it, and `own_id`.
    """

    team_id: str | None = None  # those with a role at the team or at a project of it
    project_id: str | None = None  # those with a role at the project itself
    role_id: str | None = None
    reach: Reach | None = None
    own_id: str = ""


async def list_members(
    connection: AsyncConnection,
    organization_id: str,
    wanted: MemberFilter,
    *,
    after: str | None = None,
    limit: int = 100,
) -> list[Member]:
    """Return at most `limit` active members, oldest first, those behind the id `after`."""
    page = select(member.c.id).where(member.c.organization_id == organization_id, member.c.status == ACTIVE)
    conditions = _conditions(organization_id, wanted)
    if conditions:
        page = page.where(_has_role(organization_id, and_(*conditions)))
    if wanted.reach is not None:
        visible = _has_role(organization_id, _within(organization_id, wanted.reach))
        page = page.where(or_(visible, member.c.id == wanted.own_id))
    if after is not None:
        position = select(member.c.created_at_us, member.c.id).where(
            member.c.organization_id == organization_id, member.c.id == after
        )
        page = page.where(tuple_(member.c.created_at_us, member.c.id) > position.scalar_subquery())
    page = page.order_by(member.c.created_at_us, member.c.id).limit(limit)
    return to_members(await connection.execute(select_members(organization_id).where(member.c.id.in_(page))))


def _conditions(organization_id: str, wanted: MemberFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.team_id is not None:
        at_team = role_assignment.c.scope_id == wanted.team_id
        below = role_assignment.c.scope_id.in_(_projects_of(organization_id, (wanted.team_id,)))
        conditions.append(or_(at_team, below))
    if wanted.project_id is not None:
        conditions.append(role_assignment.c.scope_id == wanted.project_id)
    if wanted.role_id is not None:
        conditions.append(role_assignment.c.role_id == wanted.role_id)
    return conditions


def _within(organization_id: str, reach: Reach) -> ColumnElement[bool]:
    return or_(
        role_assignment.c.scope_id == organization_id,
        role_assignment.c.scope_id.in_((*reach.team_ids, *reach.project_ids)),
        role_assignment.c.scope_id.in_(_projects_of(organization_id, reach.team_ids)),
    )


def _has_role(organization_id: str, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        role_assignment.c.organization_id == organization_id, role_assignment.c.member_id == member.c.id, condition
    )


def _projects_of(organization_id: str, team_ids: tuple[str, ...]) -> Select[tuple[str]]:
    return select(project.c.id).where(project.c.organization_id == organization_id, project.c.team_id.in_(team_ids))
