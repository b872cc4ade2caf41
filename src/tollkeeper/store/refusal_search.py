"""Looking for refused calls, newest first: one page reads a bounded number of them by their key and says how far it has looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, literal, or_, select, tuple_

from tollkeeper.kit.ids import uuid7_ms
from tollkeeper.store.call_conditions import CallFilters
from tollkeeper.store.call_search import floor_of, within
from tollkeeper.store.refused_calls import from_row
from tollkeeper.store.report_queries import MAPPED, ids_of, is_within
from tollkeeper.store.schema_alerts import refused_call
from tollkeeper.store.usage_rows import MS_PER_DAY

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Tuple
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.call_decision import RefusedCall

COLUMNS = ("project_id", "api_key_id", "team_id", "member_id", "model")
"""What a refused call can be looked for by, beside its status: nobody forwarded it, so nothing else is known of it."""
ROWS_MAX = 20_000
"""Read for one page, along the key."""
_OF = refused_call.c
_EVERYTHING = CallFilters()


class FoundRefusals(NamedTuple):
    """Refused calls, newest first. From the call id `end` on, back in time, is still to be looked at; None: nothing is."""

    refused: list[RefusedCall]
    end: bytes | None


async def search_refusals(
    connection: AsyncConnection, organization_id: str, filters: CallFilters, *, first: bytes, end: bytes, limit: int
) -> FoundRefusals:
    """Return at most `limit` refused calls of an organization with ids of [first, end) that match."""
    floor = None
    if filters != _EVERYTHING:
        floor = await floor_of(connection, refused_call, organization_id, first=first, end=end, rows=ROWS_MAX)
    window = within(refused_call, organization_id, first=first if floor is None else floor, end=end)
    query = (
        select(refused_call)
        .where(*window, *_conditions(organization_id, filters))
        .order_by(_OF.day.desc(), _OF.call_id.desc())
        .limit(limit + 1)
    )
    found = [from_row(row) for row in await connection.execute(query)]
    if len(found) > limit:
        return FoundRefusals(found[:limit], found[limit - 1].call_id)
    return FoundRefusals(found, None if floor is None or floor <= first else floor)


async def count_refusals(
    connection: AsyncConnection, organization_id: str, filters: CallFilters, *, first: bytes, end: bytes, rows: int
) -> tuple[int, bool]:
    """Return how many refused calls with ids of [first, end) match, and whether those are all.

    At most `rows` are read, the newest.
    """
    floor = await floor_of(connection, refused_call, organization_id, first=first, end=end, rows=rows)
    key = tuple_(_OF.day, _OF.call_id)  # as a whole: with days between two, all of a day's keys would be read
    window = (_OF.organization_id == organization_id, key >= _key_of(floor or first), key < _key_of(end))
    query = select(func.count()).where(*window, *_conditions(organization_id, filters))
    return int((await connection.execute(query)).scalar_one()), floor is None


def _key_of(call_id: bytes) -> Tuple:
    return tuple_(literal(uuid7_ms(call_id) // MS_PER_DAY), literal(call_id))


def _conditions(organization_id: str, filters: CallFilters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for name, wanted in filters.columns.items():
        assert name in COLUMNS, name
        if mapping := MAPPED.get(name):
            found.append(_OF[mapping.source].in_(ids_of(organization_id, mapping.column, wanted)))
        else:
            found.append(_OF[name].in_(wanted))
    if filters.statuses:
        found.append(or_(*(_OF.status.between(low, high) for low, high in filters.statuses)))
    if filters.within is not None:
        found.append(is_within(organization_id, filters.within, refused_call))
    return found
