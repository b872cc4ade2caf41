"""Api keys that end soon, who is to be told of it, and which warning each has had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import and_, or_, select, tuple_, update

from tollkeeper.domain.account import AccountStatus
from tollkeeper.domain.api_key import US_PER_DAY, ApiKey, KeyStatus
from tollkeeper.domain.role import ORG_ADMIN
from tollkeeper.domain.tenancy import Language
from tollkeeper.store.key_rows import select_keys, to_api_key
from tollkeeper.store.members import ACTIVE
from tollkeeper.store.schema_tenancy import account, api_key, member, organization, project, role_assignment

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class EndingKey(msgspec.Struct, frozen=True):
    """A key that ends, and where it is. `warned_days` is the last warning: so many days ahead; None before the first."""

    key: ApiKey
    warned_days: int | None
    organization_name: str
    timezone: str
    project_name: str  # "" for an administration key


class Recipient(msgspec.Struct, frozen=True):
    """Somebody who is told."""

    email: str
    language: Language


async def list_ending_keys(
    connection: AsyncConnection, *, from_us: int, to_us: int, after: ApiKey | None = None, limit: int = 100
) -> list[EndingKey]:
    """Return keys in use that end, by themselves or by policy, within [from_us, to_us), ordered by organization and id.

    Keys that were replaced, are disabled or belong to an archived project are not among them. Of every organization.
    """
    by_policy = api_key.c.created_at_us + organization.c.key_age_max_days * US_PER_DAY
    query = select_keys().add_columns(
        api_key.c.expiry_warned_days,
        organization.c.name.label("organization_name"),
        organization.c.timezone,
        project.c.name.label("project_name"),
    )
    query = query.where(
        api_key.c.status == KeyStatus.ACTIVE.value,
        api_key.c.replaced_by.is_(None),
        project.c.archived_at_us.is_(None),
        or_(
            and_(api_key.c.expires_at_us >= from_us, api_key.c.expires_at_us < to_us),
            and_(by_policy >= from_us, by_policy < to_us),
        ),
    )
    if after is not None:
        query = query.where(tuple_(api_key.c.organization_id, api_key.c.id) > (after.organization_id, after.id))
    query = query.order_by(api_key.c.organization_id, api_key.c.id).limit(limit)
    return [
        EndingKey(to_api_key(row), row.expiry_warned_days, row.organization_name, row.timezone, row.project_name or "")
        for row in await connection.execute(query)
    ]


async def note_warning(connection: AsyncConnection, key: ApiKey, *, days: int) -> bool:
    """Note that a key's people are warned so many days ahead; False when they were, or when the key is no longer in use."""
    noted = update(api_key).where(
        api_key.c.organization_id == key.organization_id,
        api_key.c.id == key.id,
        api_key.c.status == KeyStatus.ACTIVE.value,
        api_key.c.replaced_by.is_(None),
        or_(api_key.c.expiry_warned_days.is_(None), api_key.c.expiry_warned_days > days),
    )
    return (await connection.execute(noted.values(expiry_warned_days=days))).rowcount == 1


async def list_recipients(connection: AsyncConnection, key: ApiKey) -> list[Recipient]:
    """Return who is told about a key: the member whose it is, else everybody who administers the organization."""
    query = (
        select(account.c.email, account.c.language)
        .distinct()
        .select_from(member.join(account, account.c.id == member.c.account_id))
        .where(
            member.c.organization_id == key.organization_id,
            member.c.status == ACTIVE,
            account.c.status == AccountStatus.ACTIVE.value,
        )
    )
    if key.member_id:
        query = query.where(member.c.id == key.member_id)
    else:
        administers = select(role_assignment.c.member_id).where(
            role_assignment.c.organization_id == key.organization_id,
            role_assignment.c.scope_id == key.organization_id,
            role_assignment.c.role_id == ORG_ADMIN,
        )
        query = query.where(member.c.id.in_(administers))
    return [Recipient(row.email, row.language) for row in await connection.execute(query.order_by(account.c.email))]
