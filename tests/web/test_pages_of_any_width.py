"""Pages as wide and as narrow as screens are: long names push nothing out, and a menu that goes on says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.admin.admin_factories import ONLY_SQLITE
from tests.keys.workshop import Workshop, open_workshop
from tests.security.realms import new_session
from tests.web.chromium import Browser, Tab, needs_chromium, running_browser
from tests.web.web_factories import free_address, town_on

from tollkeeper.control import teams
from tollkeeper.control.sessions import SESSION_COOKIE
from tollkeeper.store.engine import Store

pytestmark = [needs_chromium, ONLY_SQLITE]


@pytest.fixture
async def at_work(store: Store, tmp_path: Path) -> AsyncIterator[tuple[Browser, str, Workshop]]:
    workshop = await open_workshop(store)
    listening, address = free_address()
    async with town_on(listening, address, store), running_browser(tmp_path / "chromium") as browser:
        yield browser, address, workshop


async def open_tab(at_work: tuple[Browser, str, Workshop], page: str, *, width: int) -> Tab:
    browser, address, workshop = at_work
    tab = await browser.open_tab(width=width)
    token = await new_session(workshop.company, workshop.admin)
    await tab.ask("Network.setCookie", name=SESSION_COOKIE, value=token, url=address, httpOnly=True)
    await tab.go(f"{address}/{workshop.company.id}/{page}")
    await tab.wait_until("document.querySelector('nav.main')")
    return tab


async def test_a_long_name_pushes_no_column_out_of_the_tables_of_projects(
    at_work: tuple[Browser, str, Workshop],
) -> None:
    workshop = at_work[2]
    for name in ("W" * 100, "가나다라" * 25):
        await workshop.company.change(None, teams.create_team, name=name)
    for width in (390, 1000, 1280):
        tab = await open_tab(at_work, "projects", width=width)
        over = "(each => each.scrollWidth - each.clientWidth)(document.querySelector('.scroll'))"
        assert await tab.run(over) == 0, width


async def test_a_menu_that_goes_on_is_shaded_at_that_side(at_work: tuple[Browser, str, Workshop]) -> None:
    tab = await open_tab(at_work, "overview", width=390)
    menu = "document.querySelector('nav.main')"
    assert await tab.run(f"{menu}.scrollWidth > {menu}.clientWidth")
    attached = await tab.run(f"getComputedStyle({menu}).backgroundAttachment")
    assert attached == "local, local, scroll, scroll"
