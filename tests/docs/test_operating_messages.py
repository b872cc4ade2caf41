"""The messages that the operating page explains are messages that the program can say."""

from __future__ import annotations

import ast
import re

from documents import ROOT, document

_PLACEHOLDER = re.compile(r"%[sd]|%\.1f|\{\w+\}")
_FIRST_CELL = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)


def test_every_message_explained_can_be_said():
    _, _, section = document("docs/how-to/operate.md").text.partition("## What to do when")
    explained = _FIRST_CELL.findall(section)
    assert len(explained) > 15
    said = _messages()
    assert [text for text in explained if not any(_starts(text) in message for message in said)] == []


def _starts(text: str) -> str:
    """Return the longest part that does not hang on what stands for the placeholder at either end."""
    return text.strip("… ").rstrip(":")


def _messages() -> set[str]:
    """Return every text in the sources, with … for what is filled in."""
    found = set()
    for path in (ROOT / "src" / "tollkeeper").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(_PLACEHOLDER.sub("…", node.value))
            elif isinstance(node, ast.JoinedStr):
                found.add("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values))
    return found
