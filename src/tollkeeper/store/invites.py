"""Invitations into an organization: made, found by their token's digest, listed, made anew, withdrawn, accepted."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NewType

import msgspec
from sqlalchemy import and_, exists, insert, or_, select, tuple_, update

from tollkeeper.domain.role import Assignment
from tollkeeper.domain.tenancy import OrganizationId
from tollkeeper.store.projects import Reach
from tollkeeper.store.schema_tenancy import invite, project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

InviteId = NewType("InviteId", str)  # inv_<20 base62>


class InviteStatus(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REVOKED = "revoked"


class Invite(msgspec.Struct, frozen=True):
    """An invitation of an e-mail address, with the roles that it brings. One that has expired stays pending."""

    organization_id: OrganizationId
    id: InviteId
    email: str
    assignments: tuple[Assignment, ...]
    invited_by: str  # a principal's id
    status: InviteStatus
    created_at_us: int
    expires_at_us: int
    accepted_at_us: int | None = None

    def is_open(self, now_us: int) -> bool:
        """Tell whether it could be accepted."""
        return self.status is InviteStatus.PENDING and self.expires_at_us > now_us


_COLUMNS = tuple(invite.c[name] for name in Invite.__struct_fields__)


async def create_invite(connection: AsyncConnection, made: Invite, *, digest: bytes) -> None:
    """Store a new invitation. `digest` is of its token, which never comes here."""
    row = msgspec.structs.asdict(made) | {"assignments": _encoded(made.assignments), "status": made.status.value}
    await connection.execute(insert(invite).values(digest=digest, **row))


async def get_invite(connection: AsyncConnection, organization_id: str, invite_id: str) -> Invite | None:
    """Return an invitation, whatever became of it; None when the organization has none of this id."""
    query = select(*_COLUMNS).where(invite.c.organization_id == organization_id, invite.c.id == invite_id)
    row = (await connection.execute(query)).one_or_none()
    return _to_invite(row) if row else None


async def find_invite(connection: AsyncConnection, digest: bytes) -> Invite | None:
    """Return the invitation of a token, of whatever organization and whatever became of it; None when there is none."""
    row = (await connection.execute(select(*_COLUMNS).where(invite.c.digest == digest))).one_or_none()
    return _to_invite(row) if row else None


async def has_open_invite(connection: AsyncConnection, email: str, *, now_us: int) -> bool:
    """Tell whether any organization invites an address at the moment."""
    return bool(await connection.scalar(select(exists().where(invite.c.email == email, *_open(now_us)))))


async def find_same_invite(
    connection: AsyncConnection,
    organization_id: str,
    *,
    email: str,
    assignments: Sequence[Assignment],
    open_at_us: int,
) -> InviteId | None:
    """Return the id of an organization's pending invitation of this address to just these roles; None without one.

    Only those count that are good beyond a time; 0 counts those that are too old as well.
    """
    mine = (invite.c.organization_id == organization_id, invite.c.email == email)
    same = select(invite.c.id).where(*mine, invite.c.assignments == _encoded(assignments), *_open(open_at_us))
    found = await connection.scalar(same.order_by(invite.c.expires_at_us.desc(), invite.c.id).limit(1))
    return InviteId(found) if found else None


async def list_invites(
    connection: AsyncConnection,
    organization_id: str,
    *,
    reach: Reach | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[Invite]:
    """Return at most `limit` invitations that were not accepted or withdrawn, oldest first, behind the id `after`.

    With a `reach` only those that bring a role in one of its teams, of their projects, or of its projects.
    """
    conditions = [invite.c.organization_id == organization_id, invite.c.status == InviteStatus.PENDING.value]
    if reach is not None:
        conditions.append(_is_for(organization_id, reach))
    if after is not None:
        position = select(invite.c.created_at_us, invite.c.id).where(
            invite.c.organization_id == organization_id, invite.c.id == after
        )
        conditions.append(tuple_(invite.c.created_at_us, invite.c.id) > position.scalar_subquery())
    query = select(*_COLUMNS).where(*conditions).order_by(invite.c.created_at_us, invite.c.id).limit(limit)
    return [_to_invite(row) for row in await connection.execute(query)]


async def renew_invite(
    connection: AsyncConnection, organization_id: str, invite_id: str, *, digest: bytes, expires_at_us: int
) -> Invite | None:
    """Give a pending invitation another token and another end; None when it is not pending any more."""
    values = {"digest": digest, "expires_at_us": expires_at_us}
    return await _change(connection, _pending(organization_id, invite_id), values)


async def revoke_invite(connection: AsyncConnection, organization_id: str, invite_id: str) -> Invite | None:
    """Withdraw a pending invitation; None when it is not pending any more."""
    return await _change(connection, _pending(organization_id, invite_id), {"status": InviteStatus.REVOKED.value})


async def revoke_invites_of(
    connection: AsyncConnection, organization_id: str, *, email: str, inviters: Sequence[str]
) -> list[str]:
    """Withdraw what nobody accepted of what an address was invited to, or these principals have invited; returns the ids."""
    concerned = or_(invite.c.email == email, invite.c.invited_by.in_(inviters))
    is_pending = invite.c.status == InviteStatus.PENDING.value
    revoked = update(invite).where(invite.c.organization_id == organization_id, is_pending, concerned)
    rows = await connection.execute(revoked.values(status=InviteStatus.REVOKED.value).returning(invite.c.id))
    return sorted(row.id for row in rows)


async def accept_invite(connection: AsyncConnection, digest: bytes, *, now_us: int) -> Invite | None:
    """Use an invitation's token up; None when it is used, withdrawn or too old.

    Of several that try at the same time one is told the invitation: the update decides.
    """
    values = {"status": InviteStatus.ACCEPTED.value, "accepted_at_us": now_us}
    return await _change(connection, and_(invite.c.digest == digest, *_open(now_us)), values)


async def _change(connection: AsyncConnection, condition: ColumnElement[bool], values: dict[str, Any]) -> Invite | None:
    changed = update(invite).where(condition).values(**values).returning(*_COLUMNS)
    row = (await connection.execute(changed)).one_or_none()
    return _to_invite(row) if row else None


def _pending(organization_id: str, invite_id: str) -> ColumnElement[bool]:
    return and_(
        invite.c.organization_id == organization_id,
        invite.c.id == invite_id,
        invite.c.status == InviteStatus.PENDING.value,
    )


def _open(now_us: int) -> tuple[ColumnElement[bool], ...]:
    return (invite.c.status == InviteStatus.PENDING.value, invite.c.expires_at_us > now_us)


def _is_for(organization_id: str, reach: Reach) -> ColumnElement[bool]:
    """Ids are letters, digits and an underscore between quotes, so that to find one in the JSON is to find it whole."""
    named = [
        invite.c.assignments.contains(f'"{each}"', autoescape=True) for each in (*reach.team_ids, *reach.project_ids)
    ]
    of_team = exists().where(
        project.c.organization_id == organization_id,
        project.c.team_id.in_(reach.team_ids),
        invite.c.assignments.contains('"' + project.c.id + '"'),
    )
    return or_(of_team, *named)


def _encoded(assignments: Sequence[Assignment]) -> str:
    return msgspec.json.encode(assignments).decode()


def _to_invite(row: Row[Any, *tuple[Any, ...]]) -> Invite:
    fields = dict(row._mapping)
    fields["assignments"] = msgspec.json.decode(row.assignments, type=tuple[Assignment, ...])
    return Invite(**(fields | {"status": InviteStatus(row.status)}))
