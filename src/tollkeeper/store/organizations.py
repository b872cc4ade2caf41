"""Organizations: create, get, list, change, and the lock under which decisions about the whole of one are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import insert, select, tuple_, update

from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.errors import NotFound
from tollkeeper.domain.tenancy import KeyPolicy, Language, Organization, OrganizationId
from tollkeeper.domain.timezone import check_timezone
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.revision import record_change
from tollkeeper.store.schema_tenancy import member, organization

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (
    organization.c.id,
    organization.c.name,
    organization.c.timezone,
    organization.c.created_at_us,
    organization.c.language,
    organization.c.key_age_max_days,
    organization.c.is_key_expiry_required,
    organization.c.required_labels,
    organization.c.tier,
    organization.c.fiscal_month_start,
    organization.c.is_prepaid,
    organization.c.display_currency,
    organization.c.display_rate_micros,
    organization.c.display_rate_date,
    organization.c.display_rate_source,
)


async def create_organization(
    connection: AsyncConnection, name: str, *, timezone: str = "UTC", language: Language = "en"
) -> Organization:
    """Create an organization.

    Raises:
        InvalidRequest: the time zone is not an IANA name.
    """
    check_timezone(timezone)
    made = Organization(OrganizationId(new_id("org")), name, timezone, now_us(), language)
    await connection.execute(
        insert(organization).values(
            id=made.id,
            name=made.name,
            timezone=made.timezone,
            created_at_us=made.created_at_us,
            language=language,
        )
    )
    return made


async def get_organization(connection: AsyncConnection, organization_id: str) -> Organization | None:
    """Return an organization; None when there is none of this id."""
    row = (await connection.execute(select(*_COLUMNS).where(organization.c.id == organization_id))).one_or_none()
    return _to_organization(row) if row else None


async def lock_organization(connection: AsyncConnection, organization_id: str) -> Organization:
    """Return an organization and keep out, until this transaction ends, all others that lock it.

    What holds for the whole organization is decided under this lock: that an administrator is left, that allotments fit.
    Take it first, so that transactions that wait for each other do so in one order.
    """
    query = select(*_COLUMNS).where(organization.c.id == organization_id).with_for_update(key_share=True)
    return _to_organization((await connection.execute(query)).one())


async def list_organization_ids(connection: AsyncConnection) -> list[str]:
    """Return the ids of all organizations, in order."""
    return list(await connection.scalars(select(organization.c.id).order_by(organization.c.id)))


async def list_organizations(connection: AsyncConnection) -> list[Organization]:
    """Return every organization, oldest first: for the operator's command line, never for a face with credentials."""
    query = select(*_COLUMNS).order_by(organization.c.created_at_us, organization.c.id)
    return [_to_organization(row) for row in await connection.execute(query)]


async def list_organizations_of(
    connection: AsyncConnection, account_id: str, *, after: str | None = None, limit: int = 100
) -> list[Organization]:
    """Return at most `limit` organizations that an account is an active member of, oldest first, behind the id `after`."""
    query = (
        select(*_COLUMNS)
        .join(member, member.c.organization_id == organization.c.id)
        .where(member.c.account_id == account_id, member.c.status == "active")
    )
    if after is not None:
        position = select(organization.c.created_at_us, organization.c.id).where(organization.c.id == after)
        query = query.where(tuple_(organization.c.created_at_us, organization.c.id) > position.scalar_subquery())
    query = query.order_by(organization.c.created_at_us, organization.c.id).limit(limit)
    return [_to_organization(row) for row in await connection.execute(query)]


async def change_organization(
    connection: AsyncConnection, organization_id: str, values: Mapping[str, Any]
) -> Organization:
    """Change fields of an organization: name, timezone, language, policy, tier, fiscal_month_start, display_currency.

    Raises:
        InvalidRequest: the time zone is not an IANA name.
        NotFound: there is no such organization.
    """
    stored = dict(values)
    if "timezone" in stored:
        check_timezone(stored["timezone"])
    policy: KeyPolicy | None = stored.pop("policy", None)
    if policy is not None:
        stored |= {
            "key_age_max_days": policy.key_age_max_days,
            "is_key_expiry_required": int(policy.is_key_expiry_required),
            "required_labels": msgspec.json.encode(sorted(policy.required_labels)).decode(),
        }
    if "display_currency" in stored:
        stored |= _columns_of(stored["display_currency"])
    changed = update(organization).where(organization.c.id == organization_id).values(**stored).returning(*_COLUMNS)
    row = (await connection.execute(changed)).one_or_none()
    if row is None:
        raise NotFound(f"There is no organization '{organization_id}'.")
    await record_change(connection, "organization", organization_id=organization_id, entity_id=organization_id)
    return _to_organization(row)


def _to_organization(row: Row[Any, *tuple[Any, ...]]) -> Organization:
    required = msgspec.json.decode(row.required_labels, type=tuple[str, ...])
    policy = KeyPolicy(row.key_age_max_days, bool(row.is_key_expiry_required), required)
    return Organization(
        row.id,
        row.name,
        row.timezone,
        row.created_at_us,
        row.language,
        policy,
        row.tier,
        row.fiscal_month_start,
        bool(row.is_prepaid),
        _to_currency(row),
    )


def _to_currency(row: Row[Any, *tuple[Any, ...]]) -> DisplayCurrency | None:
    if not row.display_currency:
        return None
    return DisplayCurrency(
        row.display_currency, row.display_rate_micros, row.display_rate_date, row.display_rate_source
    )


def _columns_of(chosen: DisplayCurrency | None) -> dict[str, Any]:
    return {
        "display_currency": chosen.code if chosen else "",
        "display_rate_micros": chosen.rate_micros if chosen else 0,
        "display_rate_date": chosen.rate_date if chosen else "",
        "display_rate_source": chosen.source if chosen else "",
    }
