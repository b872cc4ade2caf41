"""Every file says in its first line what it owns; what is public says what its name and signature cannot.

No docstring is needed for: what begins with an underscore or stands inside a function; dunder methods and properties;
methods that a port, another Protocol or a foreign base class has described; functions of at most three statements with
every parameter and the result annotated; classes that only hold fields or members; and the functions that FastAPI and
Typer call, which are described to their readers elsewhere.
"""

from __future__ import annotations

import ast

from source_tree import Function, Source, source, sources

LAYERS = frozenset(
    {
        "kit",
        "domain",
        "ports",
        "gateway",
        "journal",
        "store",
        "upstream",
        "prices",
        "tokens",
        "notify",
        "identity",
        "control",
        "web",
        "jobs",
    }
)
STATEMENTS_MAX = 3
OWN_BASES = frozenset({"Struct", "Protocol", "Exception", "NamedTuple", "StrEnum", "IntEnum", "Enum"})


def test_every_module_says_what_it_owns():
    assert [
        fault for folder in ("src", "scripts", "bench") for each in sources(folder) if (fault := _unowned(each))
    ] == []


def test_what_is_public_is_described():
    described = _described_elsewhere(sources())
    layers = [
        each for each in sources() if each.name.split("/")[2] in LAYERS and "/migrations/versions/" not in each.name
    ]
    assert [fault for each in layers for fault in _undescribed(each, described)] == []


def test_a_module_without_a_first_line_is_noticed():
    assert _unowned(source("x.py", "import os\n"))
    assert _unowned(source("x.py", '"""\nLate.\n"""\n'))
    assert _unowned(source("x.py", '"""Things"""\nimport os\n'))
    assert not _unowned(source("x.py", '"""What keys may do: deciding."""\n'))
    assert not _unowned(source("x.py", ""))


def test_a_public_function_without_a_docstring_is_noticed():
    body = "    a = 1\n    b = 2\n    c = 3\n    return a + b + c\n"
    assert _undescribed(source("x.py", f"def f() -> int:\n{body}"), frozenset()) == ["x.py:1 f"]
    assert _undescribed(source("x.py", "def f(x) -> int:\n    return x\n"), frozenset()) == ["x.py:1 f"]
    assert _undescribed(source("x.py", "class A:\n    def f(self) -> None:\n        run()\n"), frozenset()) == [
        "x.py:1 A"
    ]


def test_what_describes_itself_needs_none():
    for text in (
        "def _f(x):\n    return x\n",
        "def f(x: int) -> int:\n    return x + 1\n",
        "class A(StrEnum):\n    B = 'b'\n",
        'class A:\n    """An a."""\n    def __init__(self, x):\n        self.x = x\n',
        'class A:\n    """An a."""\n    @property\n    def b(self):\n        return 1\n',
        'class A(asyncio.Protocol):\n    """An a."""\n    def connection_made(self, t):\n        self.t = t\n',
    ):
        assert _undescribed(source("x.py", text), frozenset()) == []
    assert _undescribed(source("x.py", 'class A:\n    """An a."""\n    def p(self, x):\n        g()\n'), {"p"}) == []


def _unowned(each: Source) -> str:
    if not each.text.strip():
        return ""
    first = (ast.get_docstring(each.tree, clean=False) or "").partition("\n")[0].strip()
    is_sentence = len(first) >= 20 and first[-1] in ".:;,?"
    return "" if is_sentence or (first[-1:].isalnum() and len(first) > 60) else f"{each.name}: {first!r}"


def _described_elsewhere(every: tuple[Source, ...]) -> frozenset[str]:
    """Return the names of the methods that a Protocol declares."""
    return frozenset(
        member.name
        for each in every
        for node in each.nodes
        if isinstance(node, ast.ClassDef) and "Protocol" in _bases(node)
        for member in node.body
        if isinstance(member, Function)
    )


def _undescribed(each: Source, described: frozenset[str] | set[str]) -> list[str]:
    found = []
    for node in each.tree.body:
        if isinstance(node, Function) and _needs_docstring(node):
            found.append(f"{each.name}:{node.lineno} {node.name}")
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        methods = [member for member in node.body if isinstance(member, Function)]
        if ast.get_docstring(node) is None and methods:
            found.append(f"{each.name}:{node.lineno} {node.name}")
        if _bases(node) <= OWN_BASES:
            found += [
                f"{each.name}:{method.lineno} {node.name}.{method.name}"
                for method in methods
                if method.name not in described and _needs_docstring(method)
            ]
    return found


def _needs_docstring(function: Function) -> bool:
    if function.name.startswith("_") or ast.get_docstring(function) is not None:
        return False
    if any(isinstance(each, ast.Name) and each.id == "property" for each in function.decorator_list):
        return False
    parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    is_annotated = function.returns is not None and all(
        each.annotation is not None or each.arg in {"self", "cls"} for each in parameters
    )
    statements = sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1
    return not (is_annotated and statements <= STATEMENTS_MAX)


def _bases(node: ast.ClassDef) -> set[str]:
    names = {ast.unparse(base).partition("[")[0] for base in node.bases}
    return {name.removeprefix("msgspec.").removeprefix("typing.") for name in names}
