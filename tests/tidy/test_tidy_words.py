"""One word per idea: the synonyms that the glossary replaces stand in no name, column or JSON key."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest
from source_tree import Source, source, sources

BANNED = {
    "spend": "usage, cost or charge",
    "spent": "usage, cost or charge",
    "spending": "usage, cost or charge",
    "customer": "organization",
    "customers": "organization",
    "tenant": "organization",
    "tenants": "organization",
    "workspace": "project",
    "precharge": "reservation",
    "prepayment": "credit grant",
}
BANNED_PAIRS = {
    ("virtual", "key"): "api key",
    ("hashed", "token"): "api key",
    ("api", "token"): "api key",
    ("pre", "charge"): "reservation",
    ("tpm", "limit"): "quota",
    ("rpm", "limit"): "quota",
    ("usage", "log"): "usage record",
    ("usage", "event"): "usage record",
    ("service", "account"): "project key",
}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+|[a-z]{4,}")


def test_names_use_the_words_of_the_glossary():
    assert [fault for each in sources() if "simulator" not in each.name for fault in _faults(each)] == []


@pytest.mark.parametrize(
    "text",
    [
        "max_spend_usd = 1",
        "def customer_of(): ...",
        "class VirtualKey: ...",
        "x = {'tpm_limit': 1}",
        "Column('tenant_id')",
        "def f(budget_hold): ...",
        "class Hold: ...",
    ],
)
def test_a_synonym_is_noticed(text):
    assert _faults(source("x.py", text))


@pytest.mark.parametrize(
    "text", ["def _hold(self): ...", "'no money is spent'", "held = 1", "api_key = 1", "threshold = 1"]
)
def test_other_words_pass(text):
    assert _faults(source("x.py", text)) == []


def _faults(each: Source) -> list[str]:
    return [
        f"{each.name}:{line} {name}: say {better}"
        for name, line, is_function in _names(each)
        for better in _replacements(name, is_function)
    ]


@cache
def _replacements(name: str, is_function: bool) -> tuple[str, ...]:
    """Return what to say instead of the synonyms in a name."""
    words = [word.lower() for word in _WORD.findall(name)]
    found = [BANNED[word] for word in words if word in BANNED]
    found += [BANNED_PAIRS[pair] for pair in pairwise(words) if pair in BANNED_PAIRS]
    if not is_function and words and words[-1] in {"hold", "holds"}:  # as a verb it is a fine word
        found.append("reservation")
    return tuple(found)


def _names(each: Source) -> Iterator[tuple[str, int, bool]]:
    for node in each.nodes:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node.lineno, True
            case ast.ClassDef():
                yield node.name, node.lineno, False
            case ast.arg():
                yield node.arg, node.lineno, False
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno, False
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno, False
            case ast.Constant(value=str(text)) if _IDENTIFIER.fullmatch(text):
                yield text, node.lineno, False
