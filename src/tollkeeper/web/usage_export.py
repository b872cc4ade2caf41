"""Usage as a file: the lines of the usage page, all of them, exact to the nano; as CSV, or as Parquet with types."""

from __future__ import annotations

import csv
import io

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


async def show(visitor: Visitor) -> Response:
    """Answer the lines as CSV.

    Raises:
        InvalidRequest: there are more lines than a file may have.
    """
    asked = question_of(visitor)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(_TITLES)
    async for page in read_pages(_look(visitor), _chosen(visitor, asked)):
        for line in page.lines:
            column, value = list(line.group.items())[-1]
            name = name_of(visitor, column, value, page.names.get(column, {}))
            writer.writerow([_cell(each) for each in _row(visitor, line, value or "", name)])
    body = written.getvalue().encode("utf-8-sig")
    return Response(body, headers=download_headers(_name(asked, "csv")), media_type="text/csv")


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
    return FileAnswer(file, _name(asked, "parquet"))


def _chosen(visitor: Visitor, asked: Asked) -> Question:
    return asked.over_time if visitor.query["over_time"] else asked.whole


def _look(visitor: Visitor) -> Look:
    async def look(question: Question) -> LinePage:
        return await visitor.look(list_lines, question)

    return look


def _name(asked: Asked, ending: str) -> str:
    return f"usage-{asked.span.first}-{asked.span.last}.{ending}"


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
        None if line.amount_nanos is None else format_usd(line.amount_nanos),
    ]


def _cell(value: object) -> object:
    return as_text(value) if isinstance(value, str) else value
