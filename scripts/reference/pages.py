"""Which reference pages are generated, writing them, and telling which ones no longer fit the code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scripts.reference import cli, configuration, dimensions, errors, metrics, permissions, translations

FOLDER = Path("docs") / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli.render,
    "configuration.md": configuration.render,
    "dimensions.md": dimensions.render,
    "errors.md": errors.render,
    "metrics.md": metrics.render,
    "permissions.md": permissions.render,
    "translations.md": translations.render,
}


def stale_pages(root: Path) -> list[str]:
    """Return the names of the pages that differ from what the code says, missing ones included."""
    return list(_stale(root))


def write_pages(root: Path) -> list[str]:
    """Write the pages that differ and return their names."""
    stale = _stale(root)
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, text in stale.items():
        (root / FOLDER / name).write_text(text, encoding="utf-8")
    return list(stale)


def _stale(root: Path) -> dict[str, str]:
    rendered = {name: render() for name, render in PAGES.items()}
    return {name: text for name, text in rendered.items() if _read(root / FOLDER / name) != text}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
