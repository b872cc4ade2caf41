"""Lines of usage: what calls can be grouped by, a page of an answer within what the caller may see, calls without a label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.usage_access import DETAILS, scopes_of
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.money import known_amount
from tollkeeper.kit.clock import TIME_US_MAX
from tollkeeper.store import organizations, usage_reports
from tollkeeper.store.engine import Connection
from tollkeeper.store.report_buckets import US_PER_HOUR
from tollkeeper.store.report_queries import Bucket
from tollkeeper.store.usage_names import NAMED_COLUMNS, read_names
from tollkeeper.store.usage_reports import LabelRow, Report, UsageRow

COLUMNS = {
    "model": "model",
    "key": "api_key_id",
    "project": "project_id",
    "team": "team_id",
    "member": "member_id",
    "provider": "provider",
    "operation": "operation",
}
"""What people group by -> the column of the reports. One of `TIMES` and `label:NAME` are there besides."""
TIMES: tuple[Bucket, ...] = ("hour", "day", "month")
TIME_FORMATS = {"hour": "%Y-%m-%d %H:%M", "day": "%Y-%m-%d", "month": "%Y-%m"}
"""How a local time that something is grouped by is written."""
LABEL_COLUMNS = ("team_id", "project_id", "model")
"""What a report by label can be grouped and filtered by besides; the label rollup has no more."""
LABEL_LINES_MAX = 10_000
DAYS_MAX: dict[Bucket, int] = {"hour": 31, "day": 400, "month": 400, "all": 400}
"""The longest time range of a page, by its buckets: what one question may make the database read."""
_LABEL = "label:"
_LABEL_NAME_LENGTH_MAX = 64
_US_PER_DAY = 24 * US_PER_HOUR

Names = dict[str, dict[str, str]]
"""Names by id, for each of the columns that has names: team_id, project_id, api_key_id, member_id."""


class Grouping(msgspec.Struct, frozen=True):
    """What to group by: `titles` in the order asked for; `label` is the name in label:NAME."""

    titles: tuple[str, ...]
    label: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(COLUMNS[title] for title in self.titles if title in COLUMNS)

    @property
    def bucket(self) -> Bucket:
        return next((each for each in TIMES if each in self.titles), "all")


class UsageLine(msgspec.Struct, frozen=True):
    """The calls of one group in one bucket. `group["label_value"]` is None for calls without the label.

    `amount_nanos` covers the priced calls and is None when it is not known; `errors` and `latency_us_total` are None
    where nobody counts them.
    """

    from_us: int
    to_us: int
    group: dict[str, str | None]
    requests: int
    unpriced_requests: int
    amount_nanos: int | None
    input_tokens: int
    output_tokens: int
    errors: int | None
    latency_us_total: int | None = None


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """A line's place in an answer, and where the answer ends: later pages are about the same calls."""

    from_us: int
    to_us: int
    values: tuple[str | None, ...]


class Question(msgspec.Struct, frozen=True):
    """A question about [from_us, to_us); `filters` maps a column to the values that are let in.

    Without `timezone` days are the organization's.
    """

    grouping: Grouping
    from_us: int
    to_us: int
    timezone: str | None = None
    filters: dict[str, tuple[str, ...]] = {}
    after: Cursor | None = None
    limit: int = 100


class LinePage(msgspec.Struct, frozen=True):
    """A page of lines; `after` is where each line's successors begin."""

    lines: list[UsageLine]
    after: list[Cursor]
    names: Names
    timezone: str
    has_more: bool


def parse_grouping(words: Iterable[str]) -> Grouping:
    """Read what to group by: words, or several with commas.

    Raises:
        InvalidRequest: something that nothing is grouped by, two times together, or a label with what labels are
            not counted by.
    """
    titles = tuple(dict.fromkeys(part.strip() for word in words for part in word.split(",") if part.strip()))
    labels = [title.removeprefix(_LABEL) for title in titles if title.startswith(_LABEL)]
    for title in titles:
        if title not in COLUMNS and title not in TIMES and (not title.startswith(_LABEL) or title == _LABEL):
            known = ", ".join([*TIMES, *COLUMNS, "label:NAME"])
            raise _ungrouped(f"'{title[:100]}': use {known}.")
    if len([title for title in titles if title in TIMES]) > 1:
        raise _ungrouped(f"{', '.join(TIMES)} exclude each other.")
    if len(labels) > 1:
        raise _ungrouped("one label at a time: a call may have both.")
    if labels and len(labels[0]) > _LABEL_NAME_LENGTH_MAX:
        raise _ungrouped(f"a label's name has at most {_LABEL_NAME_LENGTH_MAX} characters.")
    grouping = Grouping(titles, labels[0] if labels else None)
    check_label_columns(grouping, grouping.columns)
    return grouping


def check_label_columns(grouping: Grouping, columns: Iterable[str]) -> None:
    """Pass when labels are counted by these columns, or no label is asked for.

    Raises:
        InvalidRequest: they are not.
    """
    wrong = [column for column in columns if column not in LABEL_COLUMNS]
    if grouping.label is not None and wrong:
        title = next((title for title, column in COLUMNS.items() if column == wrong[0]), wrong[0])
        raise _ungrouped(f"'{title}': labels are counted by hour, day, month, team, project and model only.")


async def list_lines(action: Action, question: Question) -> LinePage:
    """Return a page of the calls that the caller may see, added up: by time, then by their groups' values.

    Raises:
        PermissionDenied: the caller may see none, or none told apart by key, member or label.
        InvalidRequest: a time range that makes no sense or is too long, or too many lines by a label.
    """
    grouping = question.grouping
    check_label_columns(grouping, question.filters)
    after = question.after
    timezone = question.timezone or await _timezone_of(action)
    report = Report(
        after.from_us if after else question.from_us,
        after.to_us if after else question.to_us,
        bucket=grouping.bucket,
        timezone=timezone,
        group_by=grouping.columns,
        filters=question.filters,
        within=_scopes(action, question),
    )
    _check_range(report)
    if grouping.label is None:
        values = tuple(value or "" for value in after.values) if after else None
        _check_cursor(after, grouping.columns)
        paged = msgspec.structs.replace(report, after=values, limit=question.limit + 1)
        rows = await usage_reports.report_calls(action.connection, action.organization_id, paged)
        found = [line_of(row) for row in rows]
    else:
        _check_cursor(after, (*grouping.columns, "label_value"))
        found = await _labelled_behind(action, report, grouping.label, after)
    lines = found[: question.limit]
    return LinePage(
        lines,
        [Cursor(line.from_us, report.to_us, tuple(line.group.values())) for line in lines],
        await names_of(action.connection, action.organization_id, (line.group for line in lines)),
        timezone,
        len(found) > question.limit,
    )


async def sum_up(
    connection: Connection, organization_id: str, report: Report, *, label: str | None = None
) -> list[UsageLine]:
    """Return an organization's calls, added up; by the values of a label too when one is named.

    The calls without that label are lines of their own, so that the lines always add up to all calls.

    Raises:
        InvalidRequest: a column or timezone that is not known, or a time range that makes no sense.
    """
    calls = await usage_reports.report_calls(connection, organization_id, report)
    if label is None:
        return [line_of(row) for row in calls]
    labelled = await usage_reports.report_labels(connection, organization_id, report, label=label)
    return [*map(line_of, labelled), *_without_label(calls, labelled)]


async def names_of(connection: Connection, organization_id: str, groups: Iterable[Mapping[str, str | None]]) -> Names:
    """Return the names of all ids in these groups."""
    ids: dict[str, set[str]] = {column: set() for column in NAMED_COLUMNS}
    for group in groups:
        for column in ids.keys() & group.keys():
            ids[column].add(group[column] or "")
    return {column: await read_names(connection, organization_id, column, wanted) for column, wanted in ids.items()}


def line_of(row: UsageRow | LabelRow) -> UsageLine:
    """Return a row of a report as a line."""
    counted = row if isinstance(row, UsageRow) else None
    return UsageLine(
        row.from_us,
        row.to_us,
        {**row.group},
        row.requests,
        row.unpriced_requests,
        known_amount(row.amount_nanos, unpriced=row.unpriced_requests),
        row.input_tokens_total,
        row.output_tokens_total,
        counted.errors if counted else None,
        counted.latency_us_total if counted else None,
    )


async def _timezone_of(action: Action) -> str:
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "its callers are gone with it"
    return organization.timezone


def _check_range(report: Report) -> None:
    if not 0 <= report.from_us < report.to_us <= TIME_US_MAX:
        raise InvalidRequest("'to' must be after 'from', and both between 1970 and 2100.", param="to")
    days_max = DAYS_MAX[report.bucket]
    if report.to_us - report.from_us > days_max * _US_PER_DAY + US_PER_HOUR:  # one of the days may have 25 hours
        raise InvalidRequest(f"Grouped like this, a time range may have at most {days_max} days.", param="from")


def _scopes(action: Action, question: Question) -> tuple[usage_reports.Scope, ...] | None:
    has_label = question.grouping.label is not None
    is_detailed = has_label or not DETAILS.isdisjoint({*question.grouping.columns, *question.filters})
    return scopes_of(action.caller.principal, is_detailed=is_detailed, has_keys=not has_label)


async def _labelled_behind(action: Action, report: Report, label: str, after: Cursor | None) -> list[UsageLine]:
    """Return the lines by label behind a cursor; what lies before it is counted again, so there is a bound."""
    bounded = msgspec.structs.replace(report, limit=LABEL_LINES_MAX + 1)
    lines = await sum_up(action.connection, action.organization_id, bounded, label=label)
    if len(lines) > LABEL_LINES_MAX:
        raise InvalidRequest(
            f"By this label there are more than {LABEL_LINES_MAX:,} lines; ask for a shorter time or fewer groups.",
            param="group_by",
        )
    lines.sort(key=lambda line: _position(line.from_us, line.group.values()))
    if after is None:
        return lines
    behind = _position(after.from_us, after.values)
    return [line for line in lines if _position(line.from_us, line.group.values()) > behind]


def _position(from_us: int, values: Iterable[str | None]) -> tuple[Any, ...]:
    return from_us, *((value is not None, value or "") for value in values)


def _check_cursor(after: Cursor | None, columns: Sequence[str]) -> None:
    if after is not None and len(after.values) != len(columns):
        raise InvalidRequest("'after' is of a page with other groups; use 'last_id' of the page before.", param="after")


def _without_label(calls: list[UsageRow], labelled: list[LabelRow]) -> list[UsageLine]:
    """Return what remains of the calls when those with the label are taken away."""
    taken: dict[tuple[Any, ...], list[int]] = {}
    for row in labelled:
        group = tuple(value for name, value in row.group.items() if name != "label_value")
        sums = taken.setdefault((row.from_us, *group), [0] * 5)
        for index, value in enumerate(_measures(row)):
            sums[index] += value
    rest: list[UsageLine] = []
    for call in calls:
        minus = taken.get((call.from_us, *call.group.values()), [0] * 5)
        requests, unpriced, amount, inputs, outputs = (
            value - less for value, less in zip(_measures(call), minus, strict=True)
        )
        assert requests >= 0, "more calls have a label than there are calls"
        if requests:
            known = known_amount(amount, unpriced=unpriced)
            group_ = {**call.group, "label_value": None}
            rest.append(UsageLine(call.from_us, call.to_us, group_, requests, unpriced, known, inputs, outputs, None))
    return rest


def _measures(row: UsageRow | LabelRow) -> tuple[int, int, int, int, int]:
    return (
        row.requests,
        row.unpriced_requests,
        row.amount_nanos,
        row.input_tokens_total,
        row.output_tokens_total,
    )


def _ungrouped(message: str) -> InvalidRequest:
    return InvalidRequest(f"Cannot group by that: {message}", param="group_by")
