"""The documents that people read, and what stands in them: fences, links, headings, code in running text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")


class Document(msgspec.Struct, frozen=True):
    """One Markdown file. `name` is its path from the root."""

    name: str
    text: str

    @property
    def folder(self) -> Path:
        return (ROOT / self.name).parent

    @property
    def prose(self) -> str:
        """The text without its fences."""
        return _FENCE.sub("", self.text)

    def fences(self, language: str) -> list[str]:
        return [body for named, body in _FENCE.findall(self.text) if named == language]

    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    def code(self) -> list[str]:
        """What stands between backquotes, line breaks within it as spaces."""
        return _CODE.findall(re.sub(r"(?<=\S)\n(?=\S)", " ", self.prose))

    def anchors(self) -> set[str]:
        """The headings as GitHub links to them."""
        return {
            re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
            for heading in _HEADING.findall(self.prose)
        }


def documents() -> Iterator[Document]:
    """Yield every document at the root and below docs."""
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        yield Document(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))


def document(name: str) -> Document:
    return Document(name, (ROOT / name).read_text(encoding="utf-8"))
