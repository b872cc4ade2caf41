"""Organizations: create, get, list."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.tenancy import Organization, OrganizationId
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.schema import organization

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (organization.c.id, organization.c.name, organization.c.timezone, organization.c.created_at_us)


async def create_organization(connection: AsyncConnection, name: str, *, timezone: str = "UTC") -> Organization:
    """Create an organization.

    Raises:
        InvalidRequest: the time zone is not an IANA name.
    """
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        message = f"There is no timezone '{timezone}'; use an IANA name such as Asia/Seoul."
        raise InvalidRequest(message, param="timezone") from error
    made = Organization(OrganizationId(new_id("org")), name, timezone, now_us())
    await connection.execute(
        insert(organization).values(
            id=made.id, name=made.name, timezone=made.timezone, created_at_us=made.created_at_us
        )
    )
    return made


async def get_organization(connection: AsyncConnection, organization_id: str) -> Organization | None:
    """Return an organization; None when there is none of this id."""
    row = (await connection.execute(select(*_COLUMNS).where(organization.c.id == organization_id))).one_or_none()
    return Organization(*row) if row else None


async def list_organizations(connection: AsyncConnection) -> list[Organization]:
    """Return every organization, oldest first: for the operator's command line, never for a face with credentials."""
    query = select(*_COLUMNS).order_by(organization.c.created_at_us, organization.c.id)
    return [Organization(*row) for row in await connection.execute(query)]
