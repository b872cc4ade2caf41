"""Usage as a table to take away: which columns a grouping has, its rows page by page, and the same as lines of CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from tollkeeper.control.usage_lines import LABEL_LINES_MAX, TIME_FORMATS, Grouping, LinePage, Names, Question, UsageLine
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.money import format_usd
from tollkeeper.domain.timezone import zone_of
from tollkeeper.kit.clock import utc
from tollkeeper.kit.spreadsheets import as_text
from tollkeeper.parquet.table import Column, Head, Row
from tollkeeper.store.usage_names import NAMED_COLUMNS

Form = Literal["csv", "parquet"]
LINES_MAX = 100_000
_PAGE = 2_000
_LABEL = "label_value"
_MEASURES = (
    Column("requests", "count"),
    Column("errors", "count"),
    Column("input_tokens", "count"),
    Column("output_tokens", "count"),
    Column("unpriced_requests", "count"),
    Column("latency_us_total", "count"),
    Column("cost_usd", "usd"),
)

Look = Callable[[Question], Awaitable[LinePage]]
"""Asks for a page of lines, as the one who exports."""


def head_of(grouping: Grouping, *, timezone: str, organization_id: str) -> Head:
    """Return the table's columns: when, what is grouped by with its names, and what was counted.

    Raises:
        InvalidRequest: no such timezone.
    """
    zone_of(timezone)
    columns = [Column("start_time", "moment"), Column("end_time", "moment")]
    if grouping.bucket == "day":
        columns.append(Column("day", "day"))
    elif grouping.bucket == "month":
        columns.append(Column("month", "text"))
    for name in grouping.columns:
        columns.append(Column(name, "text"))
        if name in NAMED_COLUMNS:
            columns.append(Column(_name_of(name), "text"))
    notes = {"organization_id": organization_id, "timezone": timezone}
    if grouping.label is not None:
        columns.append(Column("label", "text"))
        notes["label"] = grouping.label
    return Head((*columns, *_MEASURES), notes)


def rows_of(lines: Iterable[UsageLine], names: Names, head: Head) -> list[Row]:
    """Return lines as rows of the table."""
    zone = ZoneInfo(head.notes["timezone"])
    return [_row(line, names, head, zone) for line in lines]


async def open_table(look: Look, question: Question, *, organization_id: str) -> tuple[Head, AsyncIterator[list[Row]]]:
    """Ask a question and return the table that answers it, its rows page by page.

    Raises:
        PermissionDenied: as `list_lines`.
        InvalidRequest: as `list_lines`; further pages raise it too, when there are more than `LINES_MAX` lines.
    """
    pages = read_pages(look, question)
    first = await anext(pages)
    head = head_of(question.grouping, timezone=first.timezone, organization_id=organization_id)

    async def rows() -> AsyncIterator[list[Row]]:
        yield rows_of(first.lines, first.names, head)
        async for page in pages:
            yield rows_of(page.lines, page.names, head)

    return head, rows()


async def read_pages(look: Look, question: Question) -> AsyncIterator[LinePage]:
    """Yield all pages of an answer: the lines of later ones are about the same time.

    Raises:
        InvalidRequest: there are more than `LINES_MAX` lines.
    """
    limit = _PAGE if question.grouping.label is None else LABEL_LINES_MAX
    question = msgspec.structs.replace(question, limit=limit)
    count = 0
    while True:
        page = await look(question)
        count += len(page.lines)
        if count > LINES_MAX or (page.has_more and count == LINES_MAX):
            raise InvalidRequest(f"There are more than {LINES_MAX:,} lines; ask for a shorter time or fewer groups.")
        yield page
        if not page.has_more:
            return
        question = msgspec.structs.replace(question, after=page.after[-1])


async def write_csv(pages: AsyncIterator[Sequence[Row]], head: Head) -> bytes:
    """Return a table as CSV with a byte order mark, by which Excel knows that it is UTF-8.

    Times are the organization's with their distance from UTC, amounts exact dollars.
    """
    zone = ZoneInfo(head.notes["timezone"])
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(column.name for column in head.columns)
    async for rows in pages:
        writer.writerows(
            [_cell(column, value, zone) for column, value in zip(head.columns, row, strict=True)] for row in rows
        )
    return written.getvalue().encode("utf-8-sig")


def _row(line: UsageLine, names: Names, head: Head, zone: ZoneInfo) -> Row:
    values: dict[str, Any] = {
        "start_time": line.from_us,
        "end_time": line.to_us,
        "day": utc(line.from_us).astimezone(zone).date().isoformat(),
        "month": utc(line.from_us).astimezone(zone).strftime(TIME_FORMATS["month"]),
        "requests": line.requests,
        "errors": line.errors,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "unpriced_requests": line.unpriced_requests,
        "latency_us_total": line.latency_us_total,
        "cost_usd": line.amount_nanos if line.requests else 0,
    }
    for name, value in line.group.items():
        if name == _LABEL:
            values["label"] = value
        elif name in NAMED_COLUMNS:
            values[name] = value or None
            values[_name_of(name)] = names.get(name, {}).get(value or "")
        else:
            values[name] = value
    return [values[column.name] for column in head.columns]


def _name_of(column: str) -> str:
    return f"{column.removesuffix('_id')}_name"


def _cell(column: Column, value: Any, zone: ZoneInfo) -> Any:
    if value is None:
        return ""
    if column.kind == "moment":
        return utc(value).astimezone(zone).isoformat()
    if column.kind == "usd":
        return format_usd(value)
    return as_text(value) if column.kind == "text" else value
