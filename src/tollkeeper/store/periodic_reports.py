"""Reports of weeks and months as they are kept: one of each kind and period, made once, marked when its turn came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import Select, and_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tollkeeper.domain.money import known_amount
from tollkeeper.domain.report import ReportContent
from tollkeeper.domain.report_calendar import ReportKind
from tollkeeper.store.many_keys import ByKeys
from tollkeeper.store.schema_reports import periodic_report

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.ext.asyncio import AsyncConnection

Unsent = Literal["", "no_calls", "nobody", "no_mail_server"]
"""Why a report's turn brought no letter: nothing to tell, nobody who may read it, no mail server."""
ReportKey = tuple[str, str, str]
"""An organization's id, the kind, and the first day."""


class ReportEntry(msgspec.Struct, frozen=True):
    """A report without its content, but for what its calls came to. `scheduled_at_us` is None until its turn has come."""

    organization_id: str
    id: str
    kind: ReportKind
    first_day: str
    last_day: str
    made_at_us: int
    requests: int
    unpriced_requests: int
    amount_nanos: int
    scheduled_at_us: int | None = None
    unsent_because: Unsent = ""

    @property
    def cost_nanos(self) -> int | None:
        """What the calls cost; None when it is not known. No calls cost nothing."""
        return known_amount(self.amount_nanos, unpriced=self.unpriced_requests)


class KeptReport(msgspec.Struct, frozen=True):
    """A report and its content."""

    entry: ReportEntry
    content: ReportContent


_ENTRY = tuple(periodic_report.c[name] for name in ReportEntry.__struct_fields__)
_KEY = (periodic_report.c.organization_id, periodic_report.c.kind, periodic_report.c.first_day)
_SCHEDULED = ByKeys(lambda is_one: select(*_KEY).where(is_one, periodic_report.c.scheduled_at_us.is_not(None)), *_KEY)


async def keep_report(connection: AsyncConnection, made: KeptReport) -> KeptReport:
    """Keep a report and return it; the one of the same kind and period instead when there is one, however lately it came."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values = {**msgspec.structs.asdict(made.entry), "content": msgspec.json.encode(made.content).decode()}
    kept = insert(periodic_report).values(**values)
    kept = kept.on_conflict_do_nothing(index_elements=["organization_id", "kind", "first_day"])
    await connection.execute(kept)
    entry = made.entry
    found = await find_report(connection, entry.organization_id, entry.kind, first_day=entry.first_day)
    assert found is not None, "it was just written, or was there"
    return found


async def find_report(
    connection: AsyncConnection, organization_id: str, kind: ReportKind, *, first_day: str
) -> KeptReport | None:
    """Return the report of a period; None when none was made."""
    is_it = (periodic_report.c.kind == kind, periodic_report.c.first_day == first_day)
    return await _one(connection, _select_whole(organization_id).where(*is_it))


async def get_report(connection: AsyncConnection, organization_id: str, report_id: str) -> KeptReport | None:
    """Return a report; None when the organization has none of this id."""
    return await _one(connection, _select_whole(organization_id).where(periodic_report.c.id == report_id))


async def list_reports(
    connection: AsyncConnection,
    organization_id: str,
    *,
    kind: ReportKind | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[ReportEntry]:
    """Return an organization's reports, those made last first, behind the report `after`."""
    query = select(*_ENTRY).where(periodic_report.c.organization_id == organization_id)
    if kind is not None:
        query = query.where(periodic_report.c.kind == kind)
    made = periodic_report.c.made_at_us
    if after is not None:
        mine = (periodic_report.c.organization_id == organization_id, periodic_report.c.id == after)
        at = select(made).where(*mine).scalar_subquery()
        query = query.where(or_(made < at, and_(made == at, periodic_report.c.id < after)))
    rows = await connection.execute(query.order_by(made.desc(), periodic_report.c.id.desc()).limit(limit))
    return [ReportEntry(*row) for row in rows]


async def mark_scheduled(
    connection: AsyncConnection, entry: ReportEntry, *, now_us: int, unsent_because: Unsent = ""
) -> bool:
    """Note that a report's turn has come; False when it had, here or in another process at the same moment."""
    marked = update(periodic_report).where(
        periodic_report.c.organization_id == entry.organization_id,
        periodic_report.c.id == entry.id,
        periodic_report.c.scheduled_at_us.is_(None),
    )
    values = {"scheduled_at_us": now_us, "unsent_because": unsent_because}
    return (await connection.execute(marked.values(**values))).rowcount == 1


async def find_scheduled(connection: AsyncConnection, keys: Collection[ReportKey]) -> set[ReportKey]:
    """Return which of these reports have had their turn. Of any organization."""
    if not keys:
        return set()
    rows = await connection.execute(*_SCHEDULED.of(connection, keys))
    return {(row.organization_id, row.kind, row.first_day) for row in rows}


def _select_whole(organization_id: str) -> Select[Any]:
    return select(*_ENTRY, periodic_report.c.content).where(periodic_report.c.organization_id == organization_id)


async def _one(connection: AsyncConnection, query: Select[Any]) -> KeptReport | None:
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    return KeptReport(ReportEntry(*row[:-1]), msgspec.json.decode(row.content, type=ReportContent))
