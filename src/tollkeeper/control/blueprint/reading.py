"""From a file's text to its document: every fault names the file, the place in the document and the line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET, UnsetType

from tollkeeper.control.blueprint.document import BudgetEntry, Document, Form, ProjectEntry
from tollkeeper.control.blueprint.forms import SCALARS, WHOLES, fault_of, read_whole
from tollkeeper.control.blueprint.yaml_tree import Mapping, Node, Scalar, Sequence, parse_yaml
from tollkeeper.domain.budget import BudgetKey
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.kit.nearest import did_you_mean

_INT_MAX = 10**18


class Blueprint(msgspec.Struct, frozen=True):
    """A document that was read, and where its parts stand: lines by paths such as `teams[1].projects[0].name`."""

    name: str
    document: Document
    lines: dict[str, int]

    def located(self, path: str, what: str) -> str:
        """Return a message that says where in the file something is wrong."""
        line = self.lines.get(path)
        where = f"{self.name}: {path}: " if path else f"{self.name}: "
        return f"{where}{what.removesuffix('.')}" + (f" (line {line})" if line else "")

    def fault(self, path: str, what: str) -> InvalidRequest:
        """Return the refusal of something in the file."""
        return InvalidRequest(self.located(path, what), param=path or None)


def read_blueprint(data: bytes, *, name: str) -> Blueprint:
    """Read an organization's file; `name` is what refusals call it.

    Raises:
        InvalidRequest: it is not understood; the message says where and why.
    """
    tree = parse_yaml(data, name=name)
    lines: dict[str, int] = {}
    document: Document = _Reader(name, lines).read(tree, Document, "")
    read = Blueprint(name, document, lines)
    _check_names(read)
    return read


def all_projects(document: Document) -> Iterator[tuple[str, str, ProjectEntry]]:
    """Yield every project with its path and its team's name; "" for one in no team."""
    for number, team in enumerate(document.teams or ()):
        for index, project in enumerate(team.projects or ()):
            yield f"teams[{number}].projects[{index}]", team.name, project
    for index, project in enumerate(document.projects or ()):
        yield f"projects[{index}]", "", project


class _Reader:
    """Reads nodes by the types of the entries that they are to become."""

    def __init__(self, name: str, lines: dict[str, int]) -> None:
        self._name, self._lines = name, lines

    def read(self, node: Node, kind: Any, path: str, form: Form | None = None) -> Any:
        self._lines[path] = node.line
        origin = get_origin(kind)
        if origin is Annotated:
            return self.read(node, get_args(kind)[0], path, get_args(kind)[1])
        if origin in {Union, UnionType}:
            return self._optional(node, get_args(kind), path)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(node, kind, path)
        if origin is tuple:
            return self._whole(self._list(node, get_args(kind)[0], path, form), form, path)
        if origin is dict:
            return self._whole(self._dict(node, get_args(kind), path), form, path)
        return self._scalar(node, kind, path, form)

    def _optional(self, node: Node, kinds: tuple[Any, ...], path: str) -> Any:
        if isinstance(node, Scalar) and node.is_null and NoneType in kinds:
            return None
        (kind,) = [each for each in kinds if each not in {NoneType, UnsetType}]
        return self.read(node, kind, path)

    def _struct(self, node: Node, kind: type[msgspec.Struct], path: str) -> Any:
        if not isinstance(node, Mapping):
            raise self._fault(path, "fields are expected here, such as `name: …`")
        fields = _fields_of(kind)
        for key in node.fields:
            if key not in fields:
                self._lines[path] = node.key_lines[key]
                raise self._fault(path, f"there is no field '{key[:50]}' here.{did_you_mean(key, fields)}")
        for key, field in fields.items():
            if key not in node.fields and field.default is NODEFAULT and field.default_factory is NODEFAULT:
                raise self._fault(path, f"the field '{key}' is missing")
        values = {
            fields[key].name: self.read(value, fields[key].type, f"{path}.{key}" if path else key)
            for key, value in node.fields.items()
        }
        return kind(**values)

    def _list(self, node: Node, kind: Any, path: str, form: Form | None) -> tuple[Any, ...]:
        if form is Form.ONE_OR_MORE and isinstance(node, Mapping):
            return (self.read(node, kind, path),)
        if not isinstance(node, Sequence):
            raise self._fault(path, "a list is expected here; an empty one is []")
        return tuple(self.read(each, kind, f"{path}[{index}]") for index, each in enumerate(node.items))

    def _dict(self, node: Node, kinds: tuple[Any, ...], path: str) -> dict[Any, Any]:
        if not isinstance(node, Mapping):
            raise self._fault(path, "names with values are expected here; none at all is {}")
        found = {}
        for key, value in node.fields.items():
            name = self.read(Scalar(node.key_lines[key], key, is_plain=False), kinds[0], f"{path}.{key}")
            found[name] = self.read(value, kinds[1], f"{path}.{key}")
        return found

    def _scalar(self, node: Node, kind: Any, path: str, form: Form | None) -> Any:
        if not isinstance(node, Scalar) or node.is_null:
            raise self._fault(path, "a value is expected here")
        try:
            if form is not None:
                return SCALARS[form](node.text)
            return _plain(node, kind)
        except (InvalidRequest, ValueError) as error:
            raise self._fault(path, fault_of(error)) from None

    def _whole(self, value: Any, form: Form | None, path: str) -> Any:
        if form not in WHOLES:
            return value
        try:
            return WHOLES[form](value)
        except (InvalidRequest, ValueError) as error:
            raise self._fault(path, fault_of(error)) from None

    def _fault(self, path: str, what: str) -> InvalidRequest:
        return Blueprint(self._name, Document(), self._lines).fault(path, what)


@cache
def _fields_of(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {each.encode_name: each for each in msgspec.structs.fields(kind)}


def _plain(node: Scalar, kind: Any) -> Any:
    if kind is bool:
        if not node.is_plain or node.text not in {"true", "false"}:
            raise ValueError(f"'{node.text[:30]}' is neither true nor false")
        return node.text == "true"
    if kind is int:
        return read_whole(node.text, at_least=0, at_most=_INT_MAX)
    if get_origin(kind) is Literal:
        if node.text not in get_args(kind):
            known = ", ".join(get_args(kind))
            raise ValueError(f"'{node.text[:30]}' is none of: {known}.{did_you_mean(node.text, get_args(kind))}")
        return node.text
    assert kind is str, kind
    return node.text


def _check_names(read: Blueprint) -> None:
    """Refuse what is there twice under one name."""
    document = read.document
    for section in ("roles", "teams", "members"):
        entries = getattr(document, section) or ()
        names = [each.email if section == "members" else each.name for each in entries]
        _check_unique(read, [f"{section}[{index}]" for index in range(len(names))], names)
    projects = list(all_projects(document))
    _check_unique(read, [path for path, _, _ in projects], [project.name for _, _, project in projects])
    for path, _, project in projects:
        keys = project.keys or ()
        _check_unique(read, [f"{path}.keys[{index}]" for index in range(len(keys))], [each.name for each in keys])
    budgets = [(path, project.budget) for path, _, project in projects]
    budgets += [(f"teams[{index}]", team.budget) for index, team in enumerate(document.teams or ())]
    if document.organization is not UNSET:
        budgets.append(("organization", document.organization.budget))
    for path, entries in budgets:
        _check_periods(read, f"{path}.budget", entries or ())
    for path, _, project in projects:
        for key in (key for each in project.budget or () for key in each.amounts if key.is_model_limit):
            raise read.fault(f"{path}.budget", f"the {key.period} budget{_told(key)} belongs into model_limits")


def _check_unique(read: Blueprint, paths: list[str], names: list[str]) -> None:
    first: dict[str, str] = {}
    for path, name in zip(paths, names, strict=True):
        if name in first:
            raise read.fault(
                path, f"'{name}' is there twice: {first[name]} (line {read.lines[first[name]]}) has that name"
            )
        first[name] = path


def _check_periods(read: Blueprint, path: str, entries: tuple[BudgetEntry, ...]) -> None:
    for key, count in Counter(key for each in entries for key in each.amounts).items():
        if count > 1:
            raise read.fault(path, f"there are {count} {key.period} budgets{_told(key)}")


def _told(key: BudgetKey) -> str:
    return ("" if key.unit == "usd" else f" of {key.unit}") + (f" for {key.model}" if key.model else "")
