"""The form of the usage page: what it groups by, the filters that hold, and those that can be chosen: what the days' calls have."""

from __future__ import annotations

import msgspec

from tollkeeper.control.usage_lines import Question, list_lines, parse_grouping
from tollkeeper.domain.errors import InvalidRequest, PermissionDenied
from tollkeeper.web.breakdowns import name_of
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.chips import Chip, chips_of
from tollkeeper.web.usage_filters import FILTERS, read_range
from tollkeeper.web.usage_question import LABEL, grouped_by
from tollkeeper.web.visitor import Visitor

WAYS = {
    "model": _("Model"),
    "project": _("Project"),
    "team": _("Team"),
    "key": _("API key"),
    "member": _("Person"),
    "provider": _("Provider"),
    "operation": _("Operation"),
}
_BY_LABEL = _("Label")
_DETAILED = frozenset({"key", "member"})
_CHOICES_MAX = 200


class Choices(msgspec.Struct, frozen=True):
    """What a filter can let in: values with their names; None when they are too many to choose from."""

    word: str
    title: str
    values: list[tuple[str, str]] | None


class Form(msgspec.Struct, frozen=True):
    """`by` is a word of `ways`; `label` the name of the label when that is what is grouped by."""

    by: str
    label: str
    ways: list[tuple[str, str]]
    chips: list[Chip]
    choices: list[Choices]
    is_choosing: bool

    @property
    def title(self) -> str:
        """What is grouped by, as a table's head says it."""
        return self.label or next((title for word, title in self.ways if word == self.by), self.by)


async def read_form(visitor: Visitor) -> Form:
    """Return the form as the address has it, also when that makes no sense."""
    by, label = grouped_by(visitor.query)
    words = [word for word in WAYS if word not in _DETAILED or _sees_details(visitor)]
    is_choosing = bool(visitor.query["choose"])
    return Form(
        by=by,
        label=label,
        ways=[*((word, visitor._(WAYS[word])) for word in words), (LABEL, visitor._(_BY_LABEL))],
        chips=await chips_of(visitor, {word: WAYS[word] for word in FILTERS}, leaves={"done"}),
        choices=[each for word in words if (each := await _choices(visitor, word))] if is_choosing else [],
        is_choosing=is_choosing,
    )


async def _choices(visitor: Visitor, word: str) -> Choices | None:
    """Return what the calls of the days have; None of what the person may not see told apart, and of no days."""
    column = FILTERS[word]
    try:
        span = read_range(visitor)
        question = Question(parse_grouping([word]), span.from_us, span.to_us, limit=_CHOICES_MAX)
        found = await visitor.look(list_lines, question)
    except (InvalidRequest, PermissionDenied):
        return None
    names = found.names.get(column, {})
    values = [value for line in found.lines if (value := line.group[column])]
    named = sorted(((value, name_of(visitor, column, value, names)) for value in values), key=lambda each: each[1])
    return Choices(word, visitor._(WAYS[word]), None if found.has_more else named)


def _sees_details(visitor: Visitor) -> bool:
    return visitor.may("analytics:full") or visitor.may("analytics:own")
