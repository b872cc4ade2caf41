"""Usage as a file: the lines of the usage page, all of them, exact to the nano; as CSV, or as Parquet with types."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
from starlette.responses import Response

from tollkeeper.control.usage_export import Look, open_table, read_pages
from tollkeeper.control.usage_lines import LinePage, Question, UsageLine, list_lines
from tollkeeper.domain.money import format_usd
from tollkeeper.kit.spreadsheets import as_text
from tollkeeper.parquet.answers import FileAnswer, download_headers, to_nobody
from tollkeeper.parquet.turns import asker_of
from tollkeeper.parquet.writing import ClientGone
from tollkeeper.web.breakdowns import name_of
from tollkeeper.web.usage_question import Asked, question_of
from tollkeeper.web.visitor import Visitor

_TITLES = (
    "from",
    "to",
    "id",
    "name",
    "requests",
    "errors",
    "input_tokens",
    "output_tokens",
    "unpriced_requests",
    "cost_usd",
)
_OF_A_LIST = ("share",)
_COMPARED = ("before_usd", "change_usd", "change")
"""Further columns of a list, and of one beside the time before; `share` and `change` are parts of one, such as 0.25."""
_PARTS = Decimal("0.000001")


async def show(visitor: Visitor) -> Response:
    """Answer the lines as CSV.

    Raises:
        InvalidRequest: there are more lines than a file may have.
    """
    asked = question_of(visitor)
    is_list, is_compared = not visitor.query["over_time"], bool(visitor.query["compare"])
    lines = [each async for each in _lines(visitor, _chosen(visitor, asked))]
    further: list[list[object]] = [[] for _line in lines]
    titles: tuple[str, ...] = _TITLES
    if is_list:
        titles += _OF_A_LIST
        total = sum(line.amount_nanos or 0 for line, _value, _name in lines)
        further = [[_part(line.amount_nanos, total)] for line, _value, _name in lines]
    if is_list and is_compared:
        titles += _COMPARED
        span = asked.span
        earlier = msgspec.structs.replace(asked.whole, from_us=span.before_us, to_us=span.from_us)
        before = {value: line.amount_nanos async for line, value, _name in _lines(visitor, earlier)}
        further = [
            cells + _compared(line.amount_nanos, before.get(value, 0))
            for cells, (line, value, _name) in zip(further, lines, strict=True)
        ]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(titles)
    for (line, value, name), cells in zip(lines, further, strict=True):
        writer.writerow([*(_cell(each) for each in _row(visitor, line, value, name)), *cells])
    body = written.getvalue().encode("utf-8-sig")
    return Response(body, headers=download_headers(_file_name(visitor, asked, "csv")), media_type="text/csv")


async def show_parquet(visitor: Visitor) -> Response:
    """Answer the lines as Parquet, with the columns of the API's export.

    Raises:
        InvalidRequest: there are more lines than a file may have.
        NotInstalled: the library that writes such files is missing.
        TooManyAttempts: others are being written, or another one for this person.
    """
    asked = question_of(visitor)
    head, rows = await open_table(_look(visitor), _chosen(visitor, asked), organization_id=visitor.organization.id)
    try:
        asker = asker_of(visitor.principal)
        file = await visitor.parquet.write(head, rows, asker=asker, is_gone=visitor.request.is_disconnected)
    except ClientGone:
        return to_nobody()
    return FileAnswer(file, _file_name(visitor, asked, "parquet"))


def _chosen(visitor: Visitor, asked: Asked) -> Question:
    return asked.over_time if visitor.query["over_time"] else asked.whole


def _look(visitor: Visitor) -> Look:
    async def look(question: Question) -> LinePage:
        return await visitor.look(list_lines, question)

    return look


async def _lines(visitor: Visitor, question: Question) -> AsyncIterator[tuple[UsageLine, str, str]]:
    """Yield all lines of an answer with the value that they are about, and how it is read."""
    async for page in read_pages(_look(visitor), question):
        for line in page.lines:
            column, value = list(line.group.items())[-1]
            yield line, value or "", name_of(visitor, column, value, page.names.get(column, {}))


def _file_name(visitor: Visitor, asked: Asked, ending: str) -> str:
    grain = f"by-{asked.each}-" if visitor.query["over_time"] else ""
    return f"usage-{grain}{asked.span.first}-{asked.span.last}.{ending}"


def _compared(now: int | None, before: int | None) -> list[object]:
    """Return what the time before cost, and the change from it to now; what is not known stays empty."""
    change = None if now is None or before is None else now - before
    return [_usd(before), _usd(change), _part(change, before or 0)]


def _part(nanos: int | None, whole: int) -> str | None:
    """Return a part of a whole, 1 for all of it; None of nothing."""
    return None if nanos is None or not whole else f"{(Decimal(nanos) / Decimal(whole)).quantize(_PARTS):f}"


def _usd(nanos: int | None) -> str | None:
    return None if nanos is None else format_usd(nanos)


def _row(visitor: Visitor, line: UsageLine, value: str, name: str) -> list[object]:
    figures = visitor.figures
    return [
        figures.local(line.from_us).isoformat(),
        figures.local(line.to_us).isoformat(),
        value,
        name,
        line.requests,
        line.errors,
        line.input_tokens,
        line.output_tokens,
        line.unpriced_requests,
        _usd(line.amount_nanos),
    ]


def _cell(value: object) -> object:
    return as_text(value) if isinstance(value, str) else value
