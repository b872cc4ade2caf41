"""What a usage page, and its file, ask of the reports: the groups of a time range as a whole, and over time."""

from __future__ import annotations

import msgspec

from tollkeeper.control.usage_lines import Question, parse_grouping
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.web.usage_filters import FILTERS, Range, read_range
from tollkeeper.web.visitor import Visitor


class Asked(msgspec.Struct, frozen=True):
    """`by` is what is grouped by."""

    by: str
    span: Range
    whole: Question
    over_time: Question
    chart: Question


def question_of(visitor: Visitor) -> Asked:
    """Read the address of a usage page.

    Raises:
        InvalidRequest: a time range or a group that makes no sense.
    """
    by = visitor.query["by"] or "model"
    grouping, span = parse_grouping([by]), read_range(visitor)
    if len(grouping.titles) != 1 or grouping.bucket != "all":
        raise InvalidRequest("A page groups by one thing, such as model, project or label:NAME.", param="by")
    filters = {column: values for word, column in FILTERS.items() if (values := visitor.query.all(word))}
    whole = Question(grouping, span.from_us, span.to_us, filters=filters)
    over_time = msgspec.structs.replace(whole, grouping=parse_grouping([span.interval, by]))
    chart = msgspec.structs.replace(whole, grouping=parse_grouping([span.chart_interval, by]))
    return Asked(by, span, whole, over_time, chart)
