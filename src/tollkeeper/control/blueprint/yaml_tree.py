"""YAML as a tree of texts with their lines: nothing is guessed, nothing repeated, nothing refers to anything else.

Scalars stay the texts that were written, so that no amount passes through a float. Anchors and aliases, by which a small
file can grow without bound, tags, several documents in one file, and the same field twice are refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import yaml

from tollkeeper.domain.errors import InvalidRequest

FILE_BYTES_MAX = 5_000_000
DEPTH_MAX = 20
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class Scalar(msgspec.Struct, frozen=True):
    """A text; `is_plain` when it stood without quotes."""

    line: int
    text: str
    is_plain: bool

    @property
    def is_null(self) -> bool:
        return self.is_plain and self.text in _NULLS


class Sequence(msgspec.Struct, frozen=True):
    line: int
    items: tuple[Node, ...]


class Mapping(msgspec.Struct, frozen=True):
    line: int
    fields: dict[str, Node]
    key_lines: dict[str, int]


Node = Scalar | Sequence | Mapping


def parse_yaml(data: bytes, *, name: str) -> Node:
    """Read a file; `name` is what refusals call it.

    Raises:
        InvalidRequest: it is too large, no YAML, or something in it is not understood here; the message names the line.
    """
    if len(data) > FILE_BYTES_MAX:
        raise InvalidRequest(f"{name} is larger than {FILE_BYTES_MAX // 1_000_000} MB.", param="file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name} is not UTF-8: {error}.", param="file") from None
    try:
        return _Parser(yaml.parse(text, Loader=_LOADER), name).document()
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise InvalidRequest(f"{name} is not YAML: {error.problem or error.context}{line}.", param="file") from None
    except yaml.YAMLError as error:
        raise InvalidRequest(f"{name} is not YAML: {' '.join(str(error).split())}.", param="file") from None


class _Parser:
    def __init__(self, events: Iterator[yaml.Event], name: str) -> None:
        self._events, self._name = events, name

    def document(self) -> Node:
        found: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.StreamStartEvent | yaml.StreamEndEvent | yaml.DocumentEndEvent):
                continue
            if isinstance(event, yaml.DocumentStartEvent):
                if found is not None:
                    raise self._refused(event, "a second document begins here; one file is one organization")
                continue
            found = self._node(event, 0)
        if found is None:
            raise InvalidRequest(f"{self._name} is empty.", param="file")
        return found

    def _node(self, event: yaml.Event, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise self._refused(event, "anchors and aliases are not understood; write it out")
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            raise self._refused(event, f"the tag '{tag}' is not understood")
        if depth > DEPTH_MAX:
            raise self._refused(event, f"it is nested deeper than {DEPTH_MAX}")
        line = _line_of(event)
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(line, event.value, event.style in {None, ""} and tag is None)
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(line, tuple(self._items(depth + 1)))
        assert isinstance(event, yaml.MappingStartEvent), event
        return self._mapping(line, depth + 1)

    def _items(self, depth: int) -> Iterator[Node]:
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                return
            yield self._node(event, depth)

    def _mapping(self, line: int, depth: int) -> Mapping:
        fields: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._node(event, depth)
            if not isinstance(key, Scalar):
                raise self._refused(event, "a field's name must be a text")
            if key.text in fields:
                raise self._refused(event, f"'{key.text}' is there twice, first in line {lines[key.text]}")
            lines[key.text] = key.line
            fields[key.text] = self._node(next(self._events), depth)
        return Mapping(line, fields, lines)

    def _refused(self, event: yaml.Event, what: str) -> InvalidRequest:
        return InvalidRequest(f"{self._name}: {what} (line {_line_of(event)}).", param="file")


def _line_of(event: yaml.Event) -> int:
    assert event.start_mark is not None, "every event of a text has its place in it"
    return event.start_mark.line + 1
