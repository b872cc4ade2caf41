"""Money never passes through a float: no float in the files that reckon with it, none under a name that holds money."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from source_tree import Source, source, sources

FILES_OF_MONEY = re.compile(
    r"src/tollkeeper/(domain/(money|price|rate_card|usage|reservation|budget|currency)"
    r"|prices/\w+|control/(prices|budgets|display_currency|forecast)|store/(prices|budgets)|admin/quota|cli/amounts|gateway/ceiling|cli/price_tables|cli/estimate)\.py"
)
NAMES_OF_MONEY = re.compile(r"(^|_)(nanos?|picos?|usd|krw|amount|cost|charge|price|budget)($|_)")


def test_files_of_money_know_no_float():
    files = [each for each in sources() if FILES_OF_MONEY.fullmatch(each.name)]
    assert len(files) > 10
    assert [fault for each in files for fault in _floats(each)] == []


def test_no_name_of_money_is_a_float():
    assert [fault for each in sources() for fault in _float_money(each)] == []


@pytest.mark.parametrize(
    "text", ["x = float('1')", "def f(x: float): ...", "x = 0.5", "x = a / b", "from math import floor"]
)
def test_a_float_in_a_file_of_money_is_noticed(text):
    assert _floats(source("x.py", text))


@pytest.mark.parametrize(
    "text",
    [
        "amount_nanos: float = 0",
        "def f(cost_usd: float | None): ...",
        "def price() -> float: ...",
        "float(x.amount_nanos)",
        "total_nanos / 2",
        "x = amount_nanos * 0.5",
        "price_pico = 0.1",
    ],
)
def test_money_as_a_float_is_noticed(text):
    assert _float_money(source("x.py", text))


@pytest.mark.parametrize("text", ["amount_nanos: int = 0", "total_nanos // 2", "wait_s: float = 0.5", "a_s / b_s"])
def test_whole_numbers_and_other_floats_pass(text):
    assert _float_money(source("x.py", text)) == []


def _floats(each: Source) -> list[str]:
    """Return every float of a file; dividing is fine where both sides are exact: `Fraction`, `Decimal`, `Path`."""
    found = []
    for node in each.nodes:
        match node:
            case ast.Name(id="float") | ast.Constant(value=float()):
                found.append(node.lineno)
            case ast.ImportFrom(module="math") | ast.Import(names=[ast.alias(name="math")]):
                found.append(node.lineno)
            case ast.BinOp(op=ast.Div(), left=left) if not _is_exact(left):
                found.append(node.lineno)
    return [f"{each.name}:{line}" for line in found]


def _is_exact(node: ast.expr) -> bool:
    text = ast.unparse(node)
    return text.startswith(("Fraction(", "Decimal(", "(Decimal(", "Path(")) or "path" in text.lower()


def _float_money(each: Source) -> list[str]:
    return [f"{each.name}:{line} {name}" for name, line in _money_in_floats(each)]


def _money_in_floats(each: Source) -> Iterator[tuple[str, int]]:
    for node in each.nodes:
        match node:
            case ast.AnnAssign(target=target, annotation=annotation) if _is_money(target) and _mentions_float(
                annotation
            ):
                yield ast.unparse(target), node.lineno
            case ast.arg(arg=name, annotation=ast.expr() as annotation) if _is_money(name) and _mentions_float(
                annotation
            ):
                yield name, node.lineno
            case ast.FunctionDef(name=name, returns=ast.expr() as returns) if _is_money(name) and _mentions_float(
                returns
            ):
                yield name, node.lineno
            case ast.Call(func=ast.Name(id="float"), args=[argument]) if _is_money(argument):
                yield ast.unparse(argument), node.lineno
            case ast.BinOp(op=ast.Div(), left=left, right=right) if _is_money(left) or _is_money(right):
                yield ast.unparse(node), node.lineno
            case ast.BinOp(left=left, right=ast.Constant(value=float())) if _is_money(left):
                yield ast.unparse(node), node.lineno
            case ast.Assign(targets=[target], value=ast.Constant(value=float())) if _is_money(target):
                yield ast.unparse(target), node.lineno


def _is_money(named: ast.expr | str) -> bool:
    match named:
        case str():
            return NAMES_OF_MONEY.search(named) is not None
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return NAMES_OF_MONEY.search(name) is not None
    return False


def _mentions_float(annotation: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "float" for node in ast.walk(annotation))
