"""Fresh figures in a real browser: hidden pages ask nothing, busy ones once a second, and all come back after a restart."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import Request, expect
from tests.live.pages_house import PagesHouse
from tests.live.watched_browser import Watched, needs_chromium

pytestmark = needs_chromium
CALLS = 50
HIDING = """
let isHidden = false;
Object.defineProperty(Document.prototype, "hidden", { get: () => isHidden });
Object.defineProperty(Document.prototype, "visibilityState", { get: () => (isHidden ? "hidden" : "visible") });
window.hideForTest = (value) => {
  isHidden = value;
  document.dispatchEvent(new Event("visibilitychange"));
  return performance.now();
};
"""
# The browser fetches a page's icon when it pleases, often after the page: an asset asks for no figure.
SINCE = """(since) => performance.getEntriesByType("resource")
  .filter((each) => each.startTime > since && !each.name.includes("/assets/")).map((each) => each.name)"""


class Asked:
    """What a page asks the server for, and when."""

    def __init__(self, watched: Watched) -> None:
        self.updates: list[float] = []
        self.listened = 0
        watched.page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if "/live" in request.url:
            self.listened += 1
        elif request.headers.get("hx-request"):
            self.updates.append(time.monotonic())


def count_on(watched: Watched) -> str:
    return watched.page.locator(".tile").first.locator("p.quiet").inner_text()


def shows(watched: Watched, count: int) -> None:
    expect(watched.page.locator(".tile").first.locator("p.quiet")).to_have_text(re.compile(rf"^{count:,} calls?$"))


def call_often(house: PagesHouse, count: int) -> None:
    with ThreadPoolExecutor(5) as pool:
        assert {status for status, _ in pool.map(lambda _: house.call(), range(count))} == {200}


def calls_of(house: PagesHouse) -> int:
    return len(house.gateway.simulator.bill())


def test_fifty_calls_bring_one_update_a_second_and_the_last_one_is_shown(house: PagesHouse) -> None:
    house.call()
    house.recorded(1)
    watched = house.admin()
    asked = Asked(watched)
    watched.page.goto(f"{house.home}/overview")
    began_s = time.monotonic()
    call_often(house, CALLS)
    shows(watched, calls_of(house))
    took_s = time.monotonic() - began_s
    assert 1 <= len(asked.updates) <= took_s + 2
    assert asked.listened <= took_s / 10 + 2
    watched.assert_sound()


def test_a_hidden_page_asks_nothing_and_knows_what_it_missed_when_it_is_looked_at(house: PagesHouse) -> None:
    house.call()
    hidden, seen = house.admin(), house.admin()
    hidden.context.add_init_script(HIDING)
    for each in (hidden, seen):
        each.page.goto(f"{house.home}/overview")
        shows(each, calls_of(house))
    before, since = count_on(hidden), hidden.page.evaluate("hideForTest(true)")
    for _ in range(2):
        house.call()
        shows(seen, calls_of(house))
    assert hidden.page.evaluate(SINCE, since) == []
    assert count_on(hidden) == before
    hidden.page.evaluate("hideForTest(false)")
    shows(hidden, calls_of(house))
    hidden.assert_sound()


def test_a_page_comes_back_after_the_server_has_restarted(house: PagesHouse) -> None:
    house.call()
    watched = house.admin()
    watched.page.goto(f"{house.home}/overview")
    shows(watched, calls_of(house))
    house.gateway.kill()
    house.gateway.start()
    house.call()
    shows(watched, calls_of(house))
    watched.complaints[:] = [each for each in watched.complaints if "net::ERR_" not in each]
    watched.assert_sound()


def test_a_page_comes_back_after_a_proxy_has_answered_for_the_server(house: PagesHouse) -> None:
    house.call()
    watched = house.admin()
    broken = []

    def answer_once(route: object) -> None:
        broken.append(route)
        if len(broken) == 1:
            route.fulfill(status=502, body="Bad Gateway")  # type: ignore[attr-defined]
        else:
            route.continue_()  # type: ignore[attr-defined]

    watched.page.route("**/live?*", answer_once)
    watched.page.goto(f"{house.home}/overview")
    shows(watched, calls_of(house))
    house.call()
    shows(watched, calls_of(house))
    assert len(broken) > 1
    watched.forgive("502")


def test_figures_wait_for_who_is_at_a_link_of_theirs(house: PagesHouse) -> None:
    house.call()
    watched, other = house.admin(), house.admin()
    for each in (watched, other):
        each.page.goto(f"{house.home}/overview")
        shows(each, calls_of(house))
    link = watched.page.get_by_role("link", name="All of them").first
    link.focus()
    before = count_on(watched)
    house.call()
    shows(other, calls_of(house))
    expect(link).to_be_focused()
    assert count_on(watched) == before
    watched.page.locator("a.brand").focus()
    shows(watched, calls_of(house))
