"""The usage page: calls of a time range, by whatever the API groups by, beside the time before, as chart and as table."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from starlette.responses import Response

from tollkeeper.control.usage_lines import LABEL_LINES_MAX, LinePage, Question, UsageLine, list_lines, parse_grouping
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.money import known_amount
from tollkeeper.refusals import classify
from tollkeeper.web.answers import page
from tollkeeper.web.breakdowns import name_of
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.charts import Series, bar_chart
from tollkeeper.web.usage_filters import Range
from tollkeeper.web.usage_form import read_form
from tollkeeper.web.usage_question import question_of
from tollkeeper.web.visitor import Visitor

GRAINS = {"month": _("the same by month:"), "day": _("the same by day:"), "hour": _("the same by hour:")}
"""What files over time are called: first the one that the chart shows."""
LINES_MAX = 1000
_SERIES_MAX = 8


class Row(msgspec.Struct, frozen=True):
    """One group: its calls, and those of the time before; None when that is not compared or had none."""

    name: str
    value: str
    line: UsageLine
    before: UsageLine | None


async def show(visitor: Visitor) -> Response:
    """Answer the page. What the address says wrong is told beside the form, which stays as it was."""
    try:
        return await _answer(visitor)
    except InvalidRequest as wrong:
        return await page(
            visitor,
            "usage.html",
            status=classify(wrong)[0],
            form=await read_form(visitor),
            wrong=wrong,
            first=visitor.query["from"],
            last=visitor.query["to"],
            rows=[],
            total_before=None,
        )


async def _answer(visitor: Visitor) -> Response:
    asked = question_of(visitor)
    span = asked.span
    question = msgspec.structs.replace(asked.whole, limit=LINES_MAX)
    found = await visitor.look(list_lines, question)
    before = None
    if visitor.query["compare"]:
        earlier = msgspec.structs.replace(question, from_us=span.before_us, to_us=span.from_us)
        before = await visitor.look(list_lines, earlier)
    rows = _rows(visitor, found, before)
    named = [row.value for row in rows[:_SERIES_MAX]]
    drawn = await visitor.look(list_lines, _only(asked.chart, named))
    every = None
    if len(rows) > _SERIES_MAX:
        every = await visitor.look(list_lines, _of_all(asked.chart))
    return await page(
        visitor,
        "usage.html",
        form=await read_form(visitor),
        wrong=None,
        first=span.first,
        last=span.last,
        rows=rows,
        total_before=_sum(before.lines) if before is not None else None,
        is_cut=found.has_more,
        made=lambda: {
            "total": _sum([row.line for row in rows]),
            "chart_data": _chart(visitor, drawn, every, rows=rows, span=span),
        },
        address=visitor.query.but(
            **{"from": str(span.first), "to": str(span.last), "done": "", "choose": "", "each": ""}
        ),
        has_parquet=visitor.parquet.is_installed,
        grains=list(dict.fromkeys((span.chart_interval, span.interval))),
        grain_words=GRAINS,
    )


class Total(msgspec.Struct):
    """The calls of all lines, added up."""

    requests: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    amount_nanos: int = 0
    unpriced_requests: int = 0
    latency_us_total: int = 0

    @property
    def cost_nanos(self) -> int | None:
        """What the calls cost; None when it is not known. No calls cost nothing."""
        return known_amount(self.amount_nanos, unpriced=self.unpriced_requests)


def _sum(lines: Iterable[UsageLine]) -> Total:
    total = Total()
    for line in lines:
        for name in Total.__struct_fields__:
            setattr(total, name, getattr(total, name) + (getattr(line, name) or 0))
    return total


def _value(line: UsageLine) -> str:
    return next(iter(line.group.values()), None) or ""


def _rows(visitor: Visitor, found: LinePage, before: LinePage | None) -> list[Row]:
    """Return the groups, the dearest first."""
    earlier = {_value(line): line for line in before.lines} if before else {}
    rows = []
    for line in found.lines:
        column, value = next(iter(line.group.items()))
        name = name_of(visitor, column, value, found.names.get(column, {}))
        rows.append(Row(name, value or "", line, earlier.get(value or "")))
    return sorted(rows, key=lambda row: (-(row.line.amount_nanos or 0), -row.line.requests, row.value))


def _only(question: Question, values: list[str]) -> Question:
    """Return a question about these values alone of what it is grouped by; about all of a label, which nothing filters by."""
    if question.grouping.label is not None:
        return msgspec.structs.replace(question, limit=LABEL_LINES_MAX)
    column = question.grouping.columns[0]
    return msgspec.structs.replace(question, filters={**question.filters, column: tuple(values)}, limit=LINES_MAX)


def _of_all(question: Question) -> Question:
    """Return a question grouped by time and by nothing else."""
    return msgspec.structs.replace(question, grouping=parse_grouping([question.grouping.bucket]), limit=LINES_MAX)


def _chart(visitor: Visitor, drawn: LinePage, every: LinePage | None, *, rows: list[Row], span: Range) -> object:
    """Return the costs over time, stacked: the dearest groups, and what remains of `every` as one."""
    figures = visitor.figures
    begins = span.begins(figures)
    index = {from_us: at for at, from_us in enumerate(begins)}
    named = {row.value: at for at, row in enumerate(rows[:_SERIES_MAX])}
    names = [row.name for row in rows[:_SERIES_MAX]]
    values = [[0] * len(begins) for _name in names]
    for line in drawn.lines:
        if (at := named.get(_value(line))) is not None:
            values[at][index[line.from_us]] += line.amount_nanos or 0
    if every is not None:
        others = [-sum(column) for column in zip(*values, strict=True)]
        for line in every.lines:
            others[index[line.from_us]] += line.amount_nanos or 0
        names.append(visitor._("Others"))
        values.append(others)
    return bar_chart(
        title=visitor._("Cost over time"),
        labels=span.labels(figures),
        series=[
            Series(name, row, [figures.usd_text(value) for value in row])
            for name, row in zip(names, values, strict=True)
        ],
        is_stacked=True,
    )
