"""Usage as a file: the lines of the usage page as CSV, all of them, with amounts exact to the nano."""

from __future__ import annotations

import csv
import io

import msgspec
from starlette.responses import Response

from tollkeeper.control.usage_lines import UsageLine, list_lines
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.money import format_usd
from tollkeeper.web.breakdowns import name_of
from tollkeeper.web.usage_question import question_of
from tollkeeper.web.visitor import Visitor

LINES_MAX = 100_000
_PAGE = 1000
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
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def show(visitor: Visitor) -> Response:
    """Answer the file.

    Raises:
        InvalidRequest: there are more than `LINES_MAX` lines.
    """
    asked = question_of(visitor)
    question = msgspec.structs.replace(asked.over_time if visitor.query["over_time"] else asked.whole, limit=_PAGE)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(_TITLES)
    count = 0
    while True:
        page = await visitor.look(list_lines, question)
        for line in page.lines:
            column, value = list(line.group.items())[-1]
            name = name_of(visitor, column, value, page.names.get(column, {}))
            writer.writerow([_as_text(each) for each in _row(visitor, line, value or "", name)])
        count += len(page.lines)
        if not page.has_more:
            break
        if count >= LINES_MAX:
            raise InvalidRequest(f"There are more than {LINES_MAX:,} lines; ask for a shorter time or fewer groups.")
        question = msgspec.structs.replace(question, after=page.after[-1])
    name = f"usage-{asked.span.first}-{asked.span.last}.csv"
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    return Response(written.getvalue().encode("utf-8-sig"), headers=headers, media_type="text/csv")


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


def _as_text(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula, whatever a name begins with."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
