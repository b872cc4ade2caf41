"""The index of the pictures: which there are, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

USUAL_WIDTH = 1280
_HEAD = """# How every page looks

`make screenshots` takes these pictures of a running server, in both languages, light and dark, 1280 and 390 pixels wide. All
names and figures are made up; the calls of today went through the gateway to the bundled simulator.

"""


def picture_name(view: str, language: str, is_dark: bool, width: int) -> str:
    """Return the name of a picture's file."""
    narrow = "" if width == USUAL_WIDTH else f".{width}"
    return f"{view}.{language}.{'dark' if is_dark else 'light'}{narrow}.png"


def write_gallery(folder: Path, views: Sequence[str], looks: Sequence[tuple[str, bool, int]]) -> None:
    """Write the index, and remove pictures of pages that are no more."""
    kept = {picture_name(view, *look): look for view in views for look in looks}
    for each in folder.glob("*.png"):
        if each.name not in kept:
            each.unlink()
    contents = " · ".join(f"[{view}](#{view})" for view in views)
    parts = [_part(view, [picture_name(view, *look) for look in looks]) for view in views]
    (folder / "README.md").write_text(f"{_HEAD}{contents}\n\n{''.join(parts)}".rstrip() + "\n", encoding="utf-8")


def _part(view: str, names: list[str]) -> str:
    links = " · ".join(
        f"[{name.removeprefix(f'{view}.').removesuffix('.png').replace('.', ' ')}]({name})" for name in names
    )
    return f"## {view}\n\n![{view}]({names[0]})\n\n{links}\n\n"
