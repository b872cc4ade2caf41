"""How a report becomes one query over a rollup: which calls it takes in, their buckets and groups, the lines it returns.

Teams and members are not in the rollups: a call counts for the team that its project is in now, and for the member
whose key it was made with ("" when the project has no team, the key no member).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Integer, and_, case, false, func, literal, literal_column, or_, select, true, tuple_

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.store.columns import Int
from tollkeeper.store.projects import Reach
from tollkeeper.store.report_buckets import US_PER_HOUR, Day, days_of, hours_of, months_of
from tollkeeper.store.schema import usage_rollup
from tollkeeper.store.schema_tenancy import api_key, project
from tollkeeper.store.span_reading import Closed, calls_in, runs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import ColumnElement, FromClause, Select, Subquery, Table

Bucket = Literal["all", "hour", "day", "month"]
_DAY_HOURS = 24


class _Mapping(NamedTuple):
    """Where a column that is not in a rollup comes from."""

    source: str
    owner: Table
    column: ColumnElement[Any]


MAPPED = {
    "team_id": _Mapping("project_id", project, project.c.team_id),
    "member_id": _Mapping("api_key_id", api_key, api_key.c.member_id),
}


class KeyOwner(msgspec.Struct, frozen=True):
    """Whose keys: a member's, and one key by itself; "" is none."""

    member_id: str = ""
    api_key_id: str = ""


class Scope(msgspec.Struct, frozen=True):
    """Calls in these teams and projects (None: everywhere), with all keys or with those of an owner only."""

    reach: Reach | None = None
    owner: KeyOwner | None = None


class Report(msgspec.Struct, frozen=True):
    """What is asked: calls of [from_us, to_us) by UTC hours, see `report_buckets`; `timezone` matters for days and months.

    `filters` maps a column to the values that are let in; `within` lets calls in that one of its scopes has. Lines are
    ordered by time, then by their values, or the dearest first. With `after` they are those behind a line of the first
    bucket with these values.
    """

    from_us: int
    to_us: int
    bucket: Bucket = "all"
    timezone: str = "UTC"
    group_by: tuple[str, ...] = ()
    filters: dict[str, tuple[str, ...]] = {}
    within: tuple[Scope, ...] | None = None
    is_dearest_first: bool = False
    after: tuple[str, ...] | None = None
    limit: int | None = None


class Source(NamedTuple):
    """A rollup, what it can be grouped and filtered by, and which of its sums are read."""

    table: Table
    allowed: tuple[str, ...]
    measures: tuple[str, ...]


class Line(NamedTuple):
    """One line of an answer: the bucket's start and end in microseconds, the group, the sums in the order of their source."""

    from_us: int
    to_us: int
    group: dict[str, str]
    sums: list[int]


class Query(NamedTuple):
    """A query whose rows are a bucket's number, the group's values and the sums; and where its buckets lie."""

    statement: Select[Any]
    positions: Sequence[tuple[int, int]] | None  # None when a bucket's number is its hour
    group_by: tuple[str, ...]

    def line(self, row: Sequence[Any]) -> Line:
        """Read one of its rows."""
        number, first_sum = row[0], 1 + len(self.group_by)
        hour_us = number * US_PER_HOUR
        from_us, to_us = (hour_us, hour_us + US_PER_HOUR) if self.positions is None else self.positions[number]
        group = dict(zip(self.group_by, row[1:first_sum], strict=True))
        return Line(from_us, to_us, group, [int(value) for value in row[first_sum:]])


class _Buckets(NamedTuple):
    """The number of an hour's bucket, where the buckets lie, their hours [from, to), and the first one's number."""

    number: Callable[[ColumnElement[int]], ColumnElement[int]]
    positions: Sequence[tuple[int, int]] | None
    hours: Sequence[tuple[int, int]]
    first: int


def query_of(organization_id: str, report: Report, source: Source, closed: Sequence[Closed] = ()) -> Query:
    """Return the query that answers a report. `closed` are spans of its time that need not be read by hours.

    Raises:
        InvalidRequest: a column that is not known, or a time range that makes no sense.
    """
    for name in (*report.group_by, *report.filters):
        if name not in source.allowed:
            message = f"'{name}' is not known here; use one of {', '.join(source.allowed)}."
            raise InvalidRequest(message, param="group_by" if name in report.group_by else "filters")
    buckets = _buckets(report)
    names = dict.fromkeys(MAPPED[name].source if name in MAPPED else name for name in report.group_by)
    calls = _calls(organization_id, report, source, closed=closed, buckets=buckets.hours, names=(*names,))
    grouped = [calls.c[name] for name in names]
    statement = select(
        buckets.number(calls.c.hour).label("bucket"),
        *grouped,
        *(func.sum(calls.c[each]).label(each) for each in source.measures),
    )
    if report.bucket != "all":
        statement = statement.group_by("bucket", *grouped)  # by its label: its parameters are no constants to a planner
    else:
        statement = statement.group_by(*grouped) if grouped else statement.having(func.count() > 0)
    lines = statement.subquery("line")
    if any(name in MAPPED for name in report.group_by):
        lines = _mapped(lines, organization_id, report, source)
    groups = [lines.c[name] for name in report.group_by]
    by_amount = [lines.c.amount_nanos.desc(), lines.c.requests.desc()] if report.is_dearest_first else []
    whole = select(lines.c.bucket, *groups, *(lines.c[each] for each in source.measures))
    if report.after is not None:
        place = [
            literal(buckets.first, Integer),
            *(literal(value, column.type) for value, column in zip(report.after, groups, strict=True)),
        ]
        whole = whole.where(tuple_(lines.c.bucket, *groups) > tuple_(*place))
    return Query(
        whole.order_by(lines.c.bucket, *by_amount, *groups).limit(report.limit), buckets.positions, report.group_by
    )


def calls_of(organization_id: str, report: Report, table: FromClause) -> list[ColumnElement[bool]]:
    """Return the conditions that let a report's calls in.

    Raises:
        InvalidRequest: a time range that makes no sense.
    """
    from_hour, to_hour = hours_of(report.from_us, report.to_us)
    return [table.c.hour >= from_hour, table.c.hour < to_hour, *conditions_of(organization_id, report, table)]


def conditions_of(organization_id: str, report: Report, table: FromClause) -> list[ColumnElement[bool]]:
    """Return what calls must be like, whenever they were."""
    conditions = [table.c.organization_id == organization_id]
    for name, wanted in report.filters.items():
        if name in MAPPED:
            mapping = MAPPED[name]
            source = table.c[mapping.source]
            of_them = source.in_(ids_of(organization_id, mapping.column, wanted))
            is_nobodys = source.not_in(_owned_ids(organization_id, mapping)) if "" in wanted else false()
            conditions.append(or_(of_them, is_nobodys))
        else:
            conditions.append(table.c[name].in_(wanted))
    if report.within is not None:
        conditions.append(is_within(organization_id, report.within, table))
    return conditions


def is_within(organization_id: str, scopes: Sequence[Scope], table: FromClause) -> ColumnElement[bool]:
    """Return the condition for calls that one of the scopes has; `table` knows projects and keys."""
    return or_(false(), *(_within(organization_id, scope, table) for scope in scopes))


def ids_of(organization_id: str, column: ColumnElement[Any], wanted: Sequence[str]) -> Select[Any]:
    """Return the ids of the projects or keys whose column has one of these values; for "" there are none."""
    owner = project if column is project.c.team_id else api_key
    known = [value for value in wanted if value]
    return select(owner.c.id).where(owner.c.organization_id == organization_id, column.in_(known))


def _owned_ids(organization_id: str, mapping: _Mapping) -> Select[Any]:
    """Return the ids of the projects that have a team, or of the keys that have a member."""
    owner = mapping.owner
    has_one = mapping.column.is_not(None) & (mapping.column != "")
    return select(owner.c.id).where(owner.c.organization_id == organization_id, has_one)


def _within(organization_id: str, scope: Scope, table: FromClause) -> ColumnElement[bool]:
    found: ColumnElement[bool] = true()
    if scope.reach is not None:
        of_teams = ids_of(organization_id, project.c.team_id, scope.reach.team_ids)
        found = or_(table.c.project_id.in_(scope.reach.project_ids), table.c.project_id.in_(of_teams))
    if scope.owner is not None:
        of_member = ids_of(organization_id, api_key.c.member_id, (scope.owner.member_id,))
        found = and_(found, or_(table.c.api_key_id == scope.owner.api_key_id, table.c.api_key_id.in_(of_member)))
    return found


def _mapped(lines: Subquery, organization_id: str, report: Report, source: Source) -> Subquery:
    """Return the lines by team and member instead of by project and key."""
    joined: FromClause = lines
    groups: list[ColumnElement[Any]] = []
    for name in report.group_by:
        mapping = MAPPED.get(name)
        if mapping is None:
            groups.append(lines.c[name])
            continue
        owner = mapping.owner
        joined = joined.outerjoin(
            owner, and_(owner.c.organization_id == organization_id, owner.c.id == lines.c[mapping.source])
        )
        groups.append(func.coalesce(mapping.column, literal_column("''")).label(name))
    sums = (func.sum(lines.c[each]).label(each) for each in source.measures)
    statement = select(lines.c.bucket, *groups, *sums).select_from(joined)
    return statement.group_by(lines.c.bucket, *groups).subquery("mapped_line")


def _calls(
    organization_id: str,
    report: Report,
    source: Source,
    *,
    closed: Sequence[Closed],
    buckets: Sequence[tuple[int, int]],
    names: tuple[str, ...],
) -> FromClause:
    """Return the calls of a report as a table: their hour, what they are grouped by, and what is added up."""
    columns = (*names, *source.measures)
    if source.table is usage_rollup:
        return calls_in(runs_of(buckets, closed), columns, lambda table: conditions_of(organization_id, report, table))
    table = source.table
    query = select(table.c.hour, *(table.c[name] for name in columns))
    return query.where(*calls_of(organization_id, report, table)).subquery("call")


def _buckets(report: Report) -> _Buckets:
    if report.bucket in {"day", "month"}:
        split = days_of if report.bucket == "day" else months_of
        days = split(report.from_us, report.to_us, report.timezone)
        number = _day_number if report.bucket == "day" else _month_number
        return _Buckets(
            lambda hour: number(hour, days),
            [(day.from_us, day.to_us) for day in days],
            [(day.from_hour, day.to_hour) for day in days],
            0,
        )
    hours = hours_of(report.from_us, report.to_us)
    if report.bucket == "hour":
        return _Buckets(lambda hour: hour, None, [(hour, hour + 1) for hour in range(*hours)], hours[0])
    return _Buckets(lambda _: literal_column("0", Integer), [(report.from_us, report.to_us)], [hours], 0)


def _month_number(hour: ColumnElement[int], months: Sequence[Day]) -> ColumnElement[int]:
    return case(*((hour < month.to_hour, literal(number, Int)) for number, month in enumerate(months)))


def _day_number(hour: ColumnElement[int], days: Sequence[Day]) -> ColumnElement[int]:
    """Return the number of the day that an hour belongs to: days of 24 hours are counted, others named one by one.

    A join with the days would look at every hour again for each of them.
    """
    runs: list[tuple[int, Day]] = []  # the first day of each run, with its number
    for number, day in enumerate(days):
        first = runs[-1] if runs else None
        is_next = first is not None and day.from_hour == first[1].from_hour + _DAY_HOURS * (number - first[0])
        is_regular = first is not None and first[1].to_hour - first[1].from_hour <= _DAY_HOURS
        if not (is_next and is_regular and day.to_hour - day.from_hour <= _DAY_HOURS):
            runs.append((number, day))
    numbers = []
    for position, (number, day) in enumerate(runs):
        end = runs[position + 1][1].from_hour if position + 1 < len(runs) else days[-1].to_hour
        counted: ColumnElement[int] = literal(number, Int)
        if day.to_hour - day.from_hour <= _DAY_HOURS:
            counted = counted + (hour - day.from_hour) // _DAY_HOURS
        numbers.append((hour < end, counted))
    return case(*numbers)
