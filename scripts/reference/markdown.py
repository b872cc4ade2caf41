"""The little Markdown that the pages are made of: a page with its notice, a table, code in a cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTICE = "<!-- Written by `make docs` from the code. Do not edit: change the code and run it again. -->"


def page(title: str, *parts: str) -> str:
    """Return a whole page; its parts are separated by empty lines."""
    return "\n\n".join((f"# {title}", NOTICE, *(part for part in parts if part))) + "\n"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a cell may hold anything but a line break."""
    lines = [titles, ["---"] * len(titles), *rows]
    for cells in lines:
        assert len(cells) == len(titles), f"{cells} does not fit {titles}"
        assert not any("\n" in cell for cell in cells), f"a line break in {cells}"
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |" for cells in lines)


def code(text: str) -> str:
    """Return text as code; nothing stays nothing."""
    return f"`{text}`" if text else ""


def one_line(text: str | None) -> str:
    """Return a docstring, or its first paragraph's lines, as one line."""
    return " ".join((text or "").split())
