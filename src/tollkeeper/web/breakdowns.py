"""Lines of a breakdown as pages show them: a name, the way to its calls, its share."""

from __future__ import annotations

import msgspec

from tollkeeper.control.analytics import CallSums, Part, Survey
from tollkeeper.web.visitor import Visitor


class Line(msgspec.Struct, frozen=True):
    """`value` is what the line is about, "" for the calls that belong to none; `others` sums up what is not listed."""

    value: str
    name: str
    sums: CallSums
    is_others: bool = False


def lines_of(visitor: Visitor, seen: Survey, part: Part, *, most: int) -> list[Line]:
    """Return the dearest lines of a part, and the others in one: together they are all calls."""
    breakdown = seen.parts[part]
    names = seen.names.get(part, {})
    items = list(breakdown.lines.items())
    shown = [Line(value, name_of(visitor, part, value, names), sums) for value, sums in items[:most]]
    rest = CallSums.total([*(sums for _, sums in items[most:]), breakdown.others])
    if rest.requests:
        shown.append(Line("", visitor._("Others"), rest, is_others=True))
    return shown


def name_of(visitor: Visitor, part: str, value: str | None, names: dict[str, str]) -> str:
    """Return how a value of a column is read."""
    if value:
        return names.get(value) or value
    nobody = {
        "member_id": visitor._("No person (service keys)"),
        "team_id": visitor._("No team"),
        "label_value": visitor._("Without this label"),
    }
    return nobody.get(part, visitor._("Unknown"))
