"""What only the source text says: the string below a field, and the comment beside a member."""

from __future__ import annotations

import ast
import inspect
import io
import itertools
import tokenize
from types import ModuleType

from scripts.reference.markdown import one_line


def field_meanings(module: ModuleType) -> dict[str, dict[str, str]]:
    """Return {class: {field: the string below it}} for every class of a module; a field without one is left out."""
    meanings: dict[str, dict[str, str]] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            meanings[node.name] = dict(_documented(node.body))
    return meanings


def member_comments(member_holder: type) -> dict[str, str]:
    """Return {value: the comment beside it} for the members of an enumeration."""
    source = inspect.getsource(member_holder)
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    (holder,) = ast.parse(source).body
    assert isinstance(holder, ast.ClassDef)
    return {
        node.value.value: comments.get(node.lineno, "")
        for node in holder.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def _documented(body: list[ast.stmt]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for node, following in itertools.pairwise(body):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            found.append((node.target.id, one_line(str(following.value.value))))
    return found
