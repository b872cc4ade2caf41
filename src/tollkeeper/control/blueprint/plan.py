"""A plan: what is to change of an organization so that it is as its file says, in the order in which it is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

Verb = Literal["create", "update", "delete"]
Kind = Literal["organization", "role", "team", "project", "budget", "key", "member", "invitation", "member_role"]

_ORDER: dict[tuple[Verb, Kind], int] = {
    each: number
    for number, each in enumerate[tuple[Verb, Kind]](
        (
            ("update", "organization"),
            ("create", "role"),
            ("update", "role"),
            ("create", "team"),
            ("create", "project"),
            ("update", "project"),
            ("create", "key"),
            ("update", "key"),
            ("create", "member"),
            ("create", "invitation"),
            ("create", "member_role"),
            ("delete", "member_role"),
            ("delete", "member"),
            ("delete", "invitation"),
            ("delete", "key"),
            ("delete", "project"),
            ("delete", "team"),
            ("delete", "role"),
            ("delete", "budget"),
            ("update", "budget"),
            ("create", "budget"),
        )
    )
}
"""What comes first is needed by what comes later, and what is given comes before what is taken."""


class FieldChange(msgspec.Struct, frozen=True):
    """A field as people read it; None is nothing."""

    name: str
    before: str | None
    after: str | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one thing. `values` are what its use case is called with, `id` what is there already.

    `place` is the name of the project of a key, the e-mail address of whom a role is for.
    """

    verb: Verb
    kind: Kind
    name: str
    fields: tuple[FieldChange, ...] = ()
    path: str = ""
    id: str = ""
    place: str = ""
    values: dict[str, Any] = {}

    @property
    def shown(self) -> tuple[Verb, Kind, str, tuple[FieldChange, ...]]:
        """What a person agrees to."""
        return (self.verb, self.kind, self.name, self.fields)


class Plan(msgspec.Struct, frozen=True):
    """All changes. `notes` say what was left as it is although the file would have it otherwise.

    `overfull` says which budgets would have parts of more than the whole.
    """

    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()
    overfull: tuple[str, ...] = ()

    @property
    def deletions(self) -> tuple[Change, ...]:
        return tuple(each for each in self.changes if each.verb == "delete")

    @property
    def new_keys(self) -> tuple[Change, ...]:
        return tuple(each for each in self.changes if each.verb == "create" and each.kind == "key")

    def is_same(self, other: Plan) -> bool:
        """Tell whether another plan would do the same."""
        return [each.shown for each in self.changes] == [each.shown for each in other.changes]


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return changes in the order in which they can be made."""
    return tuple(sorted(changes, key=lambda each: _ORDER[each.verb, each.kind]))
