"""Every page of a house full of data, of single things too, in a real browser: whole, fit for everybody, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.live.watched_browser import needs_chromium, watched_browser
from tests.screenshots.house import House, open_house
from tests.screenshots.looks import open_view, show_view, untranslated, wrongs_of
from tests.screenshots.views import ADMIN, empty_views, list_views, single_views, strangers_views

from tollkeeper.web.table import LOGIN_PAGES, ORGANIZATION_PAGES

pytestmark = [needs_chromium, pytest.mark.timeout(300)]
NOT_LOOKED_AT = {"usage.csv", "usage.parquet", "live", "reports/send", "playground/estimate", "playground/cost"}
"""What answers no page of its own."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("house")) as opened:
        opened.furnish()
        yield opened


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    with watched_browser() as open_:
        yield open_


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(("width", "is_dark"), [(1280, False), (390, True)])
def test_nothing_is_wrong_with_any_page(house: House, opened: Any, language: str, width: int, is_dark: bool) -> None:
    views = [*list_views(house), *single_views(house)]
    if language == "ko" and is_dark:  # of these there is little to be looked at
        views += [*strangers_views(), *empty_views(house)]
    browsers: dict[str, Any] = {}
    wrongs = []
    for view in views:
        if view.who in browsers:
            show_view(browsers[view.who], house, view)
        else:
            browsers[view.who] = open_view(opened, house, view, language=language, width=width, is_dark=is_dark)
        # what axe finds depends on colours, widths and order: these two have all of them between them
        wrongs += wrongs_of(browsers[view.who], view, language, has_axe=(language == "ko") == is_dark)
    assert wrongs == []


def test_every_page_of_the_table_is_among_those_that_are_looked_at(house: House) -> None:
    views = [*list_views(house), *single_views(house)]
    seen = [each.path.partition("?")[0] for each in views if each.who == ADMIN]
    for route in ORGANIZATION_PAGES:
        pattern = route.path.removeprefix("/{organization}/").split("/")
        if "/".join(pattern) not in NOT_LOOKED_AT:
            assert any(_fits(pattern, path.split("/")[2:]) for path in seen), route.path
    assert {each.path for each in LOGIN_PAGES} <= {each.path for each in views}


def _fits(pattern: list[str], path: list[str]) -> bool:
    return len(pattern) == len(path) and all(
        there == wanted or (wanted.startswith("{") and there not in {"new", "preview", "targets", "requests"})
        for wanted, there in zip(pattern, path, strict=True)
    )


@pytest.mark.parametrize(
    ("text", "is_foreign"),
    [
        ("예산을 다 썼습니다.", False),
        ("gpt-4o-mini", False),
        ("req_01ab budget.set 2xx", False),
        ("OpenAI API 키", False),
        ("Nothing was sent yet.", True),
        ("키 is gone", True),
    ],
)
def test_english_is_noticed_in_korean(text: str, is_foreign: bool) -> None:
    assert bool(untranslated([text])) is is_foreign
