"""What organizations say about their reports, and the calendars by which all of them are due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from tollkeeper.domain.report_calendar import Calendar, ReportSettings
from tollkeeper.store.schema_reports import report_settings
from tollkeeper.store.schema_tenancy import organization

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection


class Subscriber(msgspec.Struct, frozen=True):
    """An organization as reports are due for it; without `settings` the default ones hold."""

    organization_id: str
    calendar: Calendar
    created_at_us: int
    settings: ReportSettings | None


async def get_settings(connection: AsyncConnection, organization_id: str) -> ReportSettings | None:
    """Return what an organization said; None when it said nothing."""
    query = select(*_SETTINGS).where(report_settings.c.organization_id == organization_id)
    row = (await connection.execute(query)).one_or_none()
    return _to_settings(tuple(row)) if row else None


async def put_settings(
    connection: AsyncConnection, organization_id: str, settings: ReportSettings, *, now_us: int
) -> None:
    """Write an organization's settings over what there was."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values: dict[str, Any] = {
        **msgspec.structs.asdict(settings),
        "recipients": msgspec.json.encode(settings.recipients).decode(),
        "updated_at_us": now_us,
    }
    written = insert(report_settings).values(organization_id=organization_id, **values)
    await connection.execute(written.on_conflict_do_update(index_elements=["organization_id"], set_=values))


async def list_subscribers(
    connection: AsyncConnection, *, after: str | None = None, limit: int = 500
) -> list[Subscriber]:
    """Return every organization, in the order of their ids, those behind `after`."""
    query = select(
        organization.c.id,
        organization.c.timezone,
        organization.c.fiscal_month_start,
        organization.c.created_at_us,
        report_settings.c.organization_id.label("has_settings"),
        *_SETTINGS,
    ).select_from(organization.outerjoin(report_settings, report_settings.c.organization_id == organization.c.id))
    if after is not None:
        query = query.where(organization.c.id > after)
    rows = await connection.execute(query.order_by(organization.c.id).limit(limit))
    return [
        Subscriber(
            row.id,
            Calendar(row.timezone, row.fiscal_month_start),
            row.created_at_us,
            None if row.has_settings is None else _to_settings(tuple(row)[5:]),
        )
        for row in rows
    ]


_SETTINGS = tuple(report_settings.c[name] for name in ReportSettings.__struct_fields__)


def _to_settings(row: tuple[Any, ...]) -> ReportSettings:  # of `_SETTINGS`
    values: dict[str, Any] = dict(zip(ReportSettings.__struct_fields__, row, strict=True))
    return ReportSettings(**{**values, "recipients": msgspec.json.decode(values["recipients"], type=tuple[str, ...])})
