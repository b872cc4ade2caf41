"""What a usage page, and its file, ask of the reports: the groups of a time range as a whole, and over time."""

from __future__ import annotations

import msgspec

from tollkeeper.control.usage_lines import TIMES, Question, parse_grouping
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.web.usage_filters import FILTERS, Range, read_range
from tollkeeper.web.visitor import Sent, Visitor

LABEL = "label"
"""Grouping by a label: its name is in a field of its own, or behind a colon."""


class Asked(msgspec.Struct, frozen=True):
    """`by` is what is grouped by."""

    by: str
    span: Range
    whole: Question
    over_time: Question
    chart: Question
    each: str
    """What a file over time has its lines by: month, day or hour."""


def question_of(visitor: Visitor) -> Asked:
    """Read the address of a usage page.

    Raises:
        InvalidRequest: a time range or a group that makes no sense.
    """
    by, label = grouped_by(visitor.query)
    if by == LABEL:
        if not label:
            raise InvalidRequest("Write the name of the label to group by.", param="label")
        by = f"{LABEL}:{label}"
    grouping, span = parse_grouping([by]), read_range(visitor)
    if len(grouping.titles) != 1 or grouping.bucket != "all":
        raise InvalidRequest("A page groups by one thing, such as model, project or label:NAME.", param="by")
    filters = {column: values for word, column in FILTERS.items() if (values := visitor.query.all(word))}
    whole = Question(grouping, span.from_us, span.to_us, filters=filters)
    each = visitor.query["each"] or span.interval
    if each not in TIMES:
        raise InvalidRequest("A file over time has lines by month, day or hour.", param="each")
    over_time = msgspec.structs.replace(whole, grouping=parse_grouping([each, by]))
    chart = msgspec.structs.replace(whole, grouping=parse_grouping([span.chart_interval, by]))
    return Asked(by, span, whole, over_time, chart, each)


def grouped_by(query: Sent) -> tuple[str, str]:
    """Return what a page groups by, and the name of the label when it is one."""
    by, _colon, label = (query["by"] or "model").partition(":")
    if by != LABEL:
        return query["by"] or "model", ""
    return by, label or query[LABEL].strip()
