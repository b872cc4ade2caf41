"""`python -m tests.screenshots`: a house full of data, a picture of every page in both languages, light and dark, wide and narrow.

It writes docs/screenshots with an index, and exits with 1 when a page complains, overflows, is unfit for a screen reader or
is not translated.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Page
from tests.live.watched_browser import Watched, watched_browser
from tests.screenshots.gallery import picture_name, write_gallery
from tests.screenshots.house import House, open_house
from tests.screenshots.looks import open_view, show_view, wrongs_of
from tests.screenshots.pictures import take_picture
from tests.screenshots.views import (
    View,
    done_views,
    empty_views,
    first_run_views,
    list_views,
    single_views,
    strangers_views,
)

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"


class Look(NamedTuple):
    """A way to look at a page."""

    language: str
    is_dark: bool
    width: int = 1280
    has_axe: bool = False  # what it finds depends on colours and order more than on words and width


LOOKS = (
    Look("en", is_dark=False, has_axe=True),
    Look("en", is_dark=True, has_axe=True),
    Look("ko", is_dark=False),
    Look("ko", is_dark=True),
    Look("en", is_dark=False, width=390),
    Look("ko", is_dark=False, width=390, has_axe=True),
)


class Photographer:
    """Looks at pages, and keeps pictures and complaints. `wanted` are parts of the names of those to take; all without."""

    def __init__(self, opened: Any, desk: Page, folder: Path, wanted: Sequence[str]) -> None:
        self._opened, self._desk, self._folder, self._wanted = opened, desk, folder, wanted
        self._browsers: dict[tuple[str, Look], Watched] = {}
        self.wrongs: list[str] = []
        self.sizes: dict[str, int] = {}
        self.views: list[str] = []

    def take(self, house: House, views: list[View]) -> None:
        """Take the pictures of some pages, everybody in a browser of their own that stays open."""
        for view in views:
            if self._wanted and not any(each in view.name for each in self._wanted):
                continue
            self.views.append(view.name)
            for look in LOOKS:
                watched = self._open(house, view, look)
                found = wrongs_of(watched, view, look.language, has_axe=look.has_axe)
                self.wrongs += found
                print("".join(f"  {each}\n" for each in found), end="", flush=True)
                name = picture_name(view.name, look.language, look.is_dark, look.width)
                self.sizes[name] = take_picture(watched.page, self._folder / name, desk=self._desk)
            print(f"{view.name}: {sum(list(self.sizes.values())[-len(LOOKS) :]):,} bytes", flush=True)

    def _open(self, house: House, view: View, look: Look) -> Watched:
        known = self._browsers.get((view.who, look))
        if known is not None:
            show_view(known, house, view)
            return known
        made = open_view(self._opened, house, view, language=look.language, width=look.width, is_dark=look.is_dark)
        self._browsers[view.who, look] = made
        return made


def main() -> int:
    """Take the pictures that the command line asks for; 0 when nothing was wrong with a page."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go (default: docs/screenshots)")
    parser.add_argument("views", nargs="*", help="parts of the names of the pages to take; all without")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    groups: tuple[Callable[[House], list[View]], ...] = (list_views, single_views, empty_views, done_views)
    with tempfile.TemporaryDirectory() as folder, watched_browser() as opened, open_house(Path(folder)) as house:
        taken = Photographer(opened, opened().page, given.folder, given.views)
        taken.take(house, [*strangers_views(), *first_run_views(house)])
        house.furnish()
        for group in groups:
            taken.take(house, group(house))
    if not given.views:
        write_gallery(given.folder, taken.views, [(each.language, each.is_dark, each.width) for each in LOOKS])
    print(f"{len(taken.sizes)} pictures, {sum(taken.sizes.values()):,} bytes")
    print(f"{len(taken.wrongs)} are wrong." if taken.wrongs else "Nothing was wrong.")
    return 1 if taken.wrongs else 0


if __name__ == "__main__":
    sys.exit(main())
