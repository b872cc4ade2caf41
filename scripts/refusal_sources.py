"""Finds in the sources what refusals say: literals and f-strings given to errors, with a named place for each value."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "tollkeeper"
_WALKED = ("control", "domain", "web", "store", "prices", "kit", "notify", "identity", "refusals.py")
"""What pages lean on. The JSON API's own refusals (`admin`) are never seen by a page."""
_PASSED_OVER = ("control/blueprint/", "control/installation.py", "store/engine.py", "store/readiness.py", "kit/secret_")
"""What commands and the start of a server say to operators."""
_RECORDED = "gateway/"
"""Where usage records get their reasons; the refusals of calls there are answered by the API, never by a page."""
_OPERATORS = {"ConfigurationError", "UnknownDatabase", "DirectoryUnavailable", "StoreUnavailable", "UpstreamFault"}
_FURTHER = {"ValueError", "_NobodyThereError"}
_BY_KEYWORD = {"NotDelivered", "Charge", "execute_unique"}
"""What takes its text by a keyword: reasons of deliveries, of amounts that are not known, and of unique keys."""
_CONSTANTS = (
    ("control/alert_delivery.py", "NOBODY"),
    ("domain/audit_chain.py", "_MESSAGES"),
    ("journal/replay.py", "CRASHED_REASON"),
    ("refusals.py", "_OUR_FAULT"),
)
"""What is said without an error that is raised: why nobody was told, what is wrong with a log, a bug of ours."""
_TAKES_AS_IT_IS = {"bounded", "str"}
_LETTERS = re.compile(r"[A-Za-z]{2}")
_ALTERNATIVES_MAX, _INLINED_MAX, _DEPTH_MAX = 24, 4, 10

_Function = ast.FunctionDef | ast.AsyncFunctionDef
Parts = tuple["str | Place", ...]
Texts = list[Parts]


class Place(NamedTuple):
    """Where a value stands in a text: what it is called, and the expression that it comes from."""

    name: str
    source: str


class Refusal(NamedTuple):
    """One text as catalogues have it, and the file that says it."""

    text: str
    file: str


class _Module:
    """A file with what its names stand for."""

    def __init__(self, path: Path) -> None:
        self.file = path.relative_to(PACKAGE).as_posix()
        self.tree = ast.parse(path.read_text())
        self.constants: dict[str, ast.expr] = {}
        self.functions: dict[str, _Function] = {}
        self.imports: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, _Function):
                self.functions.setdefault(node.name, node)
            elif isinstance(node, ast.ImportFrom) and node.module:
                self.imports.update({each.asname or each.name: f"{node.module}:{each.name}" for each in node.names})
        for node in self.tree.body:
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name) and node.value:
                self.constants[target.id] = node.value


class _Scope(NamedTuple):
    """Where an expression stands, and how far it was followed."""

    module: _Module
    function: _Function | None = None
    depth: int = 0


class Gatherer:
    """Reads the sources once and finds every text of a refusal in them."""

    def __init__(self) -> None:
        self._modules = {found.file: found for found in (_Module(each) for each in sorted(PACKAGE.rglob("*.py")))}
        errors = ast.walk(self._modules["domain/errors.py"].tree)
        self._errors = {each.name for each in errors if isinstance(each, ast.ClassDef)} - _OPERATORS | _FURTHER
        self._found: dict[str, Refusal] = {}

    def gather(self) -> list[Refusal]:
        """Return every text, each once."""
        for module in self._modules.values():
            if module.file.startswith((*_WALKED, _RECORDED)) and not module.file.startswith(_PASSED_OVER):
                errors = set() if module.file.startswith(_RECORDED) else self._errors
                for message, function in _messages(module, errors):
                    self._keep(_Scope(module, function), message)
        for file, name in _CONSTANTS:
            value = self._modules[file].constants[name]
            for each in value.values if isinstance(value, ast.Dict) else [value]:
                self._keep(_Scope(self._modules[file]), each)
        return list(self._found.values())

    def _keep(self, scope: _Scope, message: ast.expr) -> None:
        for parts in self._texts(scope, message):
            if _LETTERS.search(_literals(parts)) and not _written(parts).endswith(": ."):  # about nothing
                self._note(scope, parts)

    def _keep_inner(self, scope: _Scope, said: Texts) -> None:
        """Keep what a value itself says in words, such as `the team '…'`: it is translated before it is put in."""
        for parts in said:
            if " " in _literals(parts).strip() and _LETTERS.search(_literals(parts)):
                self._note(scope, parts)

    def _note(self, scope: _Scope, parts: Parts) -> None:
        text = _written(parts)
        self._found.setdefault(text, Refusal(text, scope.module.file))

    def _texts(self, scope: _Scope, node: ast.expr) -> Texts:
        """Return what an expression may say; a place where nobody can tell."""
        read = getattr(self, f"_of_{type(node).__name__.lower()}", None)
        found = read(scope._replace(depth=scope.depth + 1), node) if read and scope.depth < _DEPTH_MAX else []
        return found or [(Place(_name_of(node), ast.unparse(node)),)]

    def _of_constant(self, _scope: _Scope, node: ast.Constant) -> Texts:
        return [tuple(_split(node.value))] if isinstance(node.value, str) else []

    def _of_joinedstr(self, scope: _Scope, node: ast.JoinedStr) -> Texts:
        return _joined([self._texts(scope, each) for each in node.values])

    def _of_formattedvalue(self, scope: _Scope, node: ast.FormattedValue) -> Texts:
        said = self._texts(scope, node.value)
        is_known = all(not parts or _literals(parts) for parts in said)
        if isinstance(node.value, ast.Name | ast.IfExp) and is_known and len(said) <= _INLINED_MAX:
            return said
        self._keep_inner(scope, said)
        return []

    def _of_binop(self, scope: _Scope, node: ast.BinOp) -> Texts:
        return _joined([self._texts(scope, each) for each in (node.left, node.right)])

    def _of_ifexp(self, scope: _Scope, node: ast.IfExp) -> Texts:
        return [*self._texts(scope, node.body), *self._texts(scope, node.orelse)]

    def _of_await(self, scope: _Scope, node: ast.Await) -> Texts:
        return self._texts(scope, node.value)

    def _of_listcomp(self, scope: _Scope, node: ast.ListComp) -> Texts:
        return self._texts(scope, node.elt)

    def _of_subscript(self, scope: _Scope, node: ast.Subscript) -> Texts:
        return self._of_dict(scope, node.value) or self._texts(scope, node.value)

    def _of_dict(self, scope: _Scope, node: ast.expr) -> Texts:
        """Return all that a constant dictionary holds."""
        found = scope.module.constants.get(node.id) if isinstance(node, ast.Name) else None
        values = found.values if isinstance(found, ast.Dict) else []
        return [text for each in values for text in self._texts(scope._replace(function=None), each)]

    def _of_name(self, scope: _Scope, node: ast.Name) -> Texts:
        module, function, name = scope.module, scope.function, node.id
        if function is not None:
            if assigned := [each for inner in ast.walk(function) if (each := _assigned(inner, name)) is not None]:
                return [text for each in assigned for text in self._texts(scope, each)]
            if (taken := _argument(function, name)) is not None:
                return self._of_argument(scope, function.name, name, taken)
        if name in module.constants:
            return self._texts(scope._replace(function=None), module.constants[name])
        other, original = self._imported(module, name)
        if other is not None and original in other.constants:
            return self._texts(_Scope(other, None, scope.depth), other.constants[original])
        return []

    def _of_argument(self, scope: _Scope, function: str, name: str, index: int) -> Texts:
        """Return what the callers in the same file give a function."""
        found: Texts = []
        for call, caller in _calls(scope.module.tree):
            if getattr(call.func, "id", getattr(call.func, "attr", "")) == function:
                named = [each.value for each in call.keywords if each.arg == name]
                for each in named or call.args[index : index + 1]:
                    found += self._texts(scope._replace(function=caller), each)
        return found

    def _of_call(self, scope: _Scope, node: ast.Call) -> Texts:
        match node.func:
            case ast.Name(id=name) if name in _TAKES_AS_IT_IS and node.args:
                return self._texts(scope, node.args[0])
            case ast.Attribute(value=ast.Constant(), attr="join"):
                self._keep_appended(scope, node.args[0])
            case ast.Attribute(value=found, attr="get") if known := self._of_dict(scope, found):
                return [*known, *(text for each in node.args[1:] for text in self._texts(scope, each))]
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
                return self._returned(scope, name)
            case _:
                pass
        return []

    def _keep_appended(self, scope: _Scope, joined: ast.expr) -> None:
        """Keep what a function appends to a list whose entries it joins."""
        for call, _function in _calls(scope.function) if scope.function else ():
            if ast.unparse(call.func) == f"{ast.unparse(joined)}.append":
                self._keep_inner(scope, self._texts(scope, call.args[0]))

    def _returned(self, scope: _Scope, name: str) -> Texts:
        """Return what a function of ours returns."""
        is_here = name in scope.module.functions
        module, original = (scope.module, name) if is_here else self._imported(scope.module, name)
        function = module.functions.get(original) if module else None
        if module is None or function is None:
            return []
        returned = [each.value for each in ast.walk(function) if isinstance(each, ast.Return) and each.value]
        return [text for each in returned for text in self._texts(_Scope(module, function, scope.depth), each)]

    def _imported(self, module: _Module, name: str) -> tuple[_Module | None, str]:
        file, _colon, original = module.imports.get(name, "").partition(":")
        return self._modules.get(file.removeprefix("tollkeeper.").replace(".", "/") + ".py"), original


def gather_refusals() -> list[Refusal]:
    """Return every text that a refusal may say on a page."""
    return Gatherer().gather()


def _messages(module: _Module, errors: set[str]) -> Iterator[tuple[ast.expr, _Function | None]]:
    """Yield what is given to an error as its message, with the function that it stands in."""
    for call, function in _calls(module.tree):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name in errors or name in _BY_KEYWORD:
            yield from ((each.value, function) for each in call.keywords if each.arg in {"message", "reason"})
        if name in errors and call.args:
            yield call.args[0], function
        if isinstance(call.func, ast.Attribute) and call.func.attr == "ended":
            yield from ((each, function) for each in call.args[1:])
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef) and node.name == "public_message":
            last = node.body[-1]
            if isinstance(last, ast.Return) and isinstance(last.value, ast.Constant):
                yield last.value, node
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "passage.reason":
            yield node.value, None


def _calls(tree: ast.AST, function: _Function | None = None) -> Iterator[tuple[ast.Call, _Function | None]]:
    for node in ast.iter_child_nodes(tree):
        inner = node if isinstance(node, _Function) else function
        if isinstance(node, ast.Call):
            yield node, function
        yield from _calls(node, inner)


def _assigned(node: ast.AST, name: str) -> ast.expr | None:
    """Return what a statement or expression assigns to a name."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    if not isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
        return None
    return node.value if any(isinstance(each, ast.Name) and each.id == name for each in targets) else None


def _argument(function: _Function, name: str) -> int | None:
    """Return which argument of calls a parameter is, counted without `self`; keywords alone are beyond all."""
    names = [each.arg for each in function.args.args if each.arg != "self"]
    if name in names:
        return names.index(name)
    return 99 if any(each.arg == name for each in function.args.kwonlyargs) else None


def _literals(parts: Parts) -> str:
    return "".join(each for each in parts if isinstance(each, str))


def _joined(parts: list[Texts]) -> Texts:
    alternatives = list(product(*parts))
    assert len(alternatives) <= _ALTERNATIVES_MAX, parts
    return [tuple(part for each in one for part in each) for one in alternatives]


def _split(text: str) -> list[str | Place]:
    """Return a literal with the places that `str.format` fills."""
    parts = re.split(r"\{(\w+)\}", text)
    return [Place(each, each) if number % 2 else each for number, each in enumerate(parts) if each]


def _name_of(node: ast.expr) -> str:
    """Return what a place is called: the last name of its expression that says something."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower()
        case ast.Subscript(value=value) | ast.Await(value=value) | ast.FormattedValue(value=value):
            return _name_of(value)
        case ast.Call(func=ast.Attribute(attr="join" | "isoformat"), args=args) if args:
            return "list"
        case ast.Call(func=func):
            return _name_of(func)
        case _:
            return "value"


def _written(parts: Parts) -> str:
    """Return a text as a catalogue has it; two values that would be called the same are numbered."""
    names: dict[str, str] = {}
    for each in parts:
        if isinstance(each, Place) and each.source not in names:
            again = sum(known.rstrip("0123456789") == each.name for known in names.values())
            names[each.source] = f"{each.name}{again + 1}" if again else each.name
    return "".join(each.replace("%", "%%") if isinstance(each, str) else f"%({names[each.source]})s" for each in parts)
