"""What the sources may not do: make SQL of pieces of text, run programs or code that a request could name, forget a wildcard."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "src" / "tollkeeper"
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|CREATE\s+(TABLE|INDEX|DATABASE|TRIGGER)|DROP\s+TABLE|"
    r"ALTER\s+TABLE|TRUNCATE\s|WHERE\s+\S+\s*(=|IN\b|LIKE\b)|UNION\s+(ALL\s+)?SELECT)",
    re.DOTALL,
)
TEXT_TAKERS = frozenset({"text", "literal_column", "exec_driver_sql", "executescript"})
"""What takes SQL as text."""
PROGRAMS_MAY = frozenset({"kit/secret_sources.py", "cli/demo.py", "tokens/worker.py", "parquet/writing.py"})
"""Who starts programs: the operator's own from the settings, the demo's, the token counter and the writer of Parquet with fixed commands."""
PROGRAM_MODULES = frozenset({"subprocess", "pty", "multiprocessing", "asyncio.subprocess"})
PROGRAM_CALLS = frozenset(
    {
        "system",
        "popen",
        "spawnl",
        "spawnv",
        "execv",
        "execvp",
        "create_subprocess_exec",
        "create_subprocess_shell",
        "Popen",
    }
)
CODE_CALLS = frozenset({"eval", "exec", "compile", "__import__"})
TEMPLATES_IN = "web/rendering.py"
"""The one file that renders templates: those of the package, never a text of anybody's."""
CODE_MODULES = frozenset({"pickle", "marshal", "shelve", "jinja2", "mako", "dill"})
WILDCARD_CALLS = frozenset({"like", "ilike", "regexp_match", "notlike", "icontains"})
AUTOESCAPED = frozenset({"contains", "startswith", "endswith"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SQL_PIECES_MAY = frozenset({"store/columns.py", "store/migrations/versions/0002_access.py"})
"""Who makes SQL's text of constants: the defaults of columns, written in the schema."""

SQL_MAKERS = frozenset(
    {
        "store/usage_postgres.py _upsert",
        "store/usage_partitions.py _make",
        "store/usage_sqlite.py _insert_of",
        "store/usage_sqlite.py _update_of",
    }
)
"""Who makes statements of the schema's own names and of whole numbers, for bulk inserts that SQLAlchemy is too slow for."""


def test_no_sql_is_made_of_pieces_of_text():
    assert [fault for name, tree in _trees() for fault in sql_made_of_pieces(name, tree)] == []


def test_every_maker_of_sql_is_still_there():
    made = {f"{name} {each.name}" for name, tree in _trees() for each in ast.walk(tree) if isinstance(each, _FUNCTIONS)}
    assert made >= SQL_MAKERS


def test_only_known_files_start_programs():
    assert [fault for name, tree in _trees() if name not in PROGRAMS_MAY for fault in programs(name, tree)] == []


def test_a_program_is_never_started_by_a_shell():
    assert [fault for name, tree in _trees() for fault in shells(name, tree)] == []


def test_no_text_becomes_code():
    assert [fault for name, tree in _trees() for fault in code(name, tree)] == []


def test_templates_are_the_packages_own_and_escape_what_they_are_given():
    """GHSA-xqmj-j6mv-4862 (LiteLLM): a text that came from outside was rendered as a template."""
    trees = dict(_trees())
    made = [node for node in ast.walk(trees[TEMPLATES_IN]) if isinstance(node, ast.Call)]
    (environment,) = [node for node in made if ast.unparse(node.func) == "Environment"]
    given = {each.arg: ast.unparse(each.value) for each in environment.keywords}
    assert (given["loader"], given["autoescape"]) == ("PackageLoader('tollkeeper.web')", "True")
    for name, tree in trees.items():
        calls = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not calls & {"from_string", "compile_expression"}, name


def test_wildcards_are_escaped():
    """CVE-2026-25591 (New API): what people search for is no pattern."""
    assert [fault for name, tree in _trees() if name.startswith("store/") for fault in wildcards(name, tree)] == []


@pytest.mark.parametrize(
    "line",
    [
        'f"SELECT * FROM api_key WHERE digest = {digest}"',
        "\"SELECT * FROM api_key WHERE name = '%s'\" % name",
        '"DELETE FROM team WHERE id = " + team_id',
        '"UPDATE team SET name = {}".format(name)',
        'text(f"{column} = 1")',
        'connection.exec_driver_sql("PRAGMA " + name)',
        '" ".join(["SELECT a FROM b WHERE", x])',
    ],
)
def test_sql_made_of_pieces_is_noticed(line: str):
    assert list(sql_made_of_pieces("x.py", ast.parse(line)))


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (lambda t: programs("x", t), "import subprocess"),
        (lambda t: programs("x", t), "os.system(command)"),
        (lambda t: shells("x", t), "run(command, shell=True)"),
        (lambda t: shells("x", t), "asyncio.create_subprocess_shell(command)"),
        (lambda t: code("x", t), "eval(body)"),
        (lambda t: code("x", t), "import pickle"),
        (lambda t: code("x", t), "yaml.load(text)"),
        (lambda t: wildcards("x", t), "team.c.name.like(wanted)"),
        (lambda t: wildcards("x", t), "team.c.name.contains(wanted)"),
    ],
)
def test_what_is_forbidden_is_noticed(rule, line):
    assert list(rule(ast.parse(line)))


def sql_made_of_pieces(name: str, tree: ast.AST) -> Iterator[str]:
    makers = [each for each in ast.walk(tree) if isinstance(each, _FUNCTIONS) and f"{name} {each.name}" in SQL_MAKERS]
    allowed = {id(inner) for maker in makers for inner in ast.walk(maker)}
    for node in ast.walk(tree):
        if id(node) in allowed:
            continue
        pieces = _pieces(node)
        is_sql = pieces is not None and SQL.search(pieces)
        is_handed_on = (
            isinstance(node, ast.Call)
            and _called(node) in TEXT_TAKERS
            and name not in SQL_PIECES_MAY
            and any(_is_dynamic(each) for each in node.args[:1])
        )
        if is_sql or is_handed_on:
            yield f"{name}:{node.lineno} makes SQL of pieces"  # type: ignore[attr-defined]


def programs(name: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if _imports(node) & PROGRAM_MODULES or (isinstance(node, ast.Call) and _called(node) in PROGRAM_CALLS):
            yield f"{name}:{node.lineno} starts a program"  # type: ignore[attr-defined]


def shells(name: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        by_shell = any(each.arg == "shell" and not _is_false(each.value) for each in node.keywords)
        if by_shell or _called(node) in {"create_subprocess_shell", "system", "popen"}:
            yield f"{name}:{node.lineno} asks a shell"


def code(name: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        is_called = isinstance(node, ast.Call) and (
            (isinstance(node.func, ast.Name) and node.func.id in CODE_CALLS)
            or (
                isinstance(node.func, ast.Attribute)
                and ast.unparse(node.func) in {"yaml.load", "yaml.unsafe_load", "yaml.full_load"}
            )
        )
        modules = CODE_MODULES - ({"jinja2"} if name == TEMPLATES_IN else set())
        if is_called or _imports(node) & modules:
            yield f"{name}:{node.lineno} makes code of text"  # type: ignore[attr-defined]


def wildcards(name: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of_column = ".c." in ast.unparse(node.func)
        is_escaped = any(each.arg == "autoescape" for each in node.keywords)
        # A column's own value is nobody's search.
        is_own_value = bool(node.args) and ".c." in ast.unparse(node.args[0])
        if of_column and (
            node.func.attr in WILDCARD_CALLS or (node.func.attr in AUTOESCAPED and not is_escaped and not is_own_value)
        ):
            yield f"{name}:{node.lineno} searches by a pattern"


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCES.rglob("*.py")):
        yield str(path.relative_to(SOURCES)), ast.parse(path.read_text(encoding="utf-8"))


def _pieces(node: ast.AST) -> str | None:
    """Return the constant text of an expression that puts text together; None when it is no such expression."""
    match node:
        case ast.JoinedStr(values=values) if any(isinstance(each, ast.FormattedValue) for each in values):
            return " ? ".join(str(each.value) for each in values if isinstance(each, ast.Constant))
        case ast.BinOp(left=left, op=ast.Mod()) if isinstance(left, ast.Constant) and isinstance(left.value, str):
            return left.value
        case ast.BinOp(op=ast.Add()):
            return _constants(node)
        case ast.Call(func=ast.Attribute(attr="format" | "join")):
            return _constants(node)
        case _:
            return None


def _constants(node: ast.AST) -> str:
    return " ".join(
        each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def _is_dynamic(node: ast.AST) -> bool:
    return any(_pieces(each) is not None for each in ast.walk(node))


def _is_false(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _called(node: ast.Call) -> str:
    return (
        node.func.attr
        if isinstance(node.func, ast.Attribute)
        else node.func.id
        if isinstance(node.func, ast.Name)
        else ""
    )


def _imports(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {each.name for each in node.names}
    return {node.module} if isinstance(node, ast.ImportFrom) and node.module else set()
