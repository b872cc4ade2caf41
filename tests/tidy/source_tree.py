"""The sources as the tidy tests see them: which files there are, each parsed once."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("src", "scripts", "bench", "tests")
TEXT_FOLDERS = (*CODE_FOLDERS, "docs", ".ci")
TEXT_SUFFIXES = frozenset({".py", ".md", ".toml", ".html", ".css", ".js", ".lua", ".lock", ".sh", ""})
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source(msgspec.Struct, frozen=True):
    """One Python file. `name` is its path from the root."""

    name: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]  # of the whole tree: walking it is what takes time

    @property
    def line_count(self) -> int:
        return self.text.count("\n")

    def functions(self) -> Iterator[Function]:
        return (node for node in self.nodes if isinstance(node, Function))


def source(name: str, text: str) -> Source:
    tree = ast.parse(text)
    return Source(name, text, tree, tuple(ast.walk(tree)))


@functools.cache
def sources(folder: str = "src") -> tuple[Source, ...]:
    """Return every Python file below a folder, scripts without an ending included."""
    paths = [path for path in sorted((ROOT / folder).rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return tuple(
        source(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in paths if _is_python(path)
    )


def every_source() -> list[Source]:
    return [each for folder in CODE_FOLDERS for each in sources(folder)]


def text_files() -> Iterator[Path]:
    """Yield every text file that a person keeps: what git would track, without asking git."""
    yield from (path for path in sorted(ROOT.iterdir()) if path.is_file() and path.suffix in TEXT_SUFFIXES)
    for folder in TEXT_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            is_ours = not {"__pycache__", "vendor"} & set(path.parts)
            if path.is_file() and path.suffix in TEXT_SUFFIXES and is_ours:
                yield path


def _is_python(path: Path) -> bool:
    if path.suffix == ".py":
        return True
    return path.suffix == "" and path.read_bytes()[:64].startswith(b"#!/usr/bin/env python")
