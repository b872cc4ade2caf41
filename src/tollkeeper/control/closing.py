"""Closing spans: the days and months of every organization that have ended, in its timezone, each in a transaction of its own."""

from __future__ import annotations

from functools import partial
from zoneinfo import ZoneInfo

from tollkeeper.domain.tenancy import Organization
from tollkeeper.kit.clock import utc
from tollkeeper.store import closed_spans
from tollkeeper.store.closed_spans import CLOSED_AFTER_HOURS, REMOVED_AT_ONCE, Kind, Span
from tollkeeper.store.engine import Connection, Store
from tollkeeper.store.organizations import list_organizations
from tollkeeper.store.report_buckets import DAYS_MAX, US_PER_HOUR, days_of, midnight_us, months_of

_US_PER_DAY = 24 * US_PER_HOUR


async def close_spans(store: Store, *, at_us: int) -> int:
    """Close what has ended by now, and what a late call has opened again; returns how many spans were closed.

    Raises:
        StoreUnavailable: the database is out of reach; what was closed stays closed.
    """
    closed = 0
    for organization in await store.read(list_organizations):
        closed += await _close_of(store, organization, at_us)
    return closed


async def _close_of(store: Store, organization: Organization, at_us: int) -> int:
    timezone = organization.timezone

    async def read(connection: Connection) -> tuple[list[Span], int | None]:
        spans = await closed_spans.read_spans(connection, organization.id)
        return spans, await closed_spans.first_hour(connection, organization.id)

    spans, first_hour = await store.read(read, is_snapshot=True)
    others = [span for span in spans if span.timezone != timezone]
    for first in range(0, len(others), REMOVED_AT_ONCE):  # of a timezone that it had: first, for spans never overlap
        some = others[first : first + REMOVED_AT_ONCE]
        await store.write(partial(_remove, organization_id=organization.id, spans=some))
    if first_hour is None:
        return 0
    closed = 0
    there = {span[:2] for span in spans if span.timezone == timezone}
    for span in ended_spans(first_hour, at_us, timezone):
        if span[:2] not in there:
            closed += await store.write(partial(_close, organization_id=organization.id, span=span))
    return closed


def ended_spans(first_hour: int, at_us: int, timezone: str) -> list[Span]:
    """Return the days, then the months, that ended long enough before `at_us`, from the month of an hour on."""
    zone = ZoneInfo(timezone)
    first_us = max(first_hour * US_PER_HOUR, at_us - (DAYS_MAX - 31) * _US_PER_DAY)
    from_us = midnight_us(utc(first_us).astimezone(zone).date().replace(day=1), zone)
    until_us = at_us - CLOSED_AFTER_HOURS * US_PER_HOUR
    if until_us <= from_us:
        return []
    found = []
    kinds: tuple[Kind, ...] = ("day", "month")
    for kind, split in zip(kinds, (days_of, months_of), strict=True):
        for part in split(from_us, until_us, timezone):
            last = utc(part.to_us).astimezone(zone)
            is_whole = part.to_us == midnight_us(last.date(), zone) and (kind == "day" or last.day == 1)
            if is_whole and part.to_hour > part.from_hour:
                found.append(Span(kind, part.from_hour, part.to_hour, timezone))
    return found


async def _close(connection: Connection, *, organization_id: str, span: Span) -> bool:
    return await closed_spans.close_span(connection, organization_id, span)


async def _remove(connection: Connection, *, organization_id: str, spans: list[Span]) -> None:
    await closed_spans.remove_spans(connection, organization_id, spans)
