"""The dashboard in a real browser over real processes: from the first account to the first call, and a budget that is reached."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect
from tests.live.processes import GatewayProcess, SimulatorProcess, post_json
from tests.live.watched_browser import Watched, needs_chromium, watched_browser

pytestmark = needs_chromium
PASSWORD = "three quiet rivers"
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello [[sim:tokens=20]]"}]}


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    with watched_browser() as open_:
        yield open_


@pytest.fixture(scope="module")
def gateway(folder: Path, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    running = GatewayProcess(folder, simulator, f"sqlite:///{folder / 'tollkeeper.db'}").start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def admin(gateway: GatewayProcess, opened: Any) -> Any:
    """The cookies of the first person, who came by the console's link."""
    watched: Watched = opened()
    page = watched.page
    page.goto(gateway.tollkeeper("first-run").strip().replace("http://localhost", "http://127.0.0.1"))
    page.get_by_label("Your name").fill("Jimin Kim")
    page.get_by_label("E-mail address").fill("jimin@example.com")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
    assert watched.complaints == []
    return watched.context.storage_state()


def home_of(gateway: GatewayProcess) -> str:
    return f"{gateway.origin}/{gateway.organization_id}"


def speaking(watched: Watched, gateway: GatewayProcess, language: str = "en") -> Watched:
    """Have the person read their pages in a language, whatever another test has chosen."""
    watched.page.goto(f"{gateway.origin}/account")
    watched.page.locator("#language").select_option(language)
    watched.page.locator("main form button").first.click()
    expect(watched.page.locator("html")).to_have_attribute("lang", language)
    return watched


def call(gateway: GatewayProcess, key: str) -> dict[str, Any]:
    return dict(post_json(f"{gateway.base_url}/chat/completions", CHAT, {"authorization": f"Bearer {key}"}))


def test_a_key_is_made_and_its_first_call_appears_by_itself(gateway: GatewayProcess, opened: Any, admin: Any) -> None:
    watched = speaking(opened(state=admin), gateway)
    page = watched.page
    page.goto(f"{home_of(gateway)}/keys")
    page.get_by_role("link", name="Make a key").first.click()
    page.get_by_label("Name").fill("search-production")
    page.get_by_role("button", name="Make the key").click()
    secret = page.locator("#secret").inner_text().strip()
    assert secret in page.locator("#curl").inner_text()
    page.get_by_role("link", name="To the overview").click()
    today = page.locator(".tile").first
    before = int(today.locator("data").get_attribute("value") or 0)
    call(gateway, secret)
    expect(today.locator("data")).not_to_have_attribute("value", str(before))
    assert watched.complaints == []


def test_a_key_is_rotated_and_the_old_one_goes_on_for_its_grace(
    gateway: GatewayProcess, opened: Any, admin: Any
) -> None:
    watched = speaking(opened(state=admin), gateway)
    page = watched.page
    page.goto(f"{home_of(gateway)}/keys/new")
    page.get_by_label("Name").fill("rotated")
    page.get_by_role("button", name="Make the key").click()
    old = page.locator("#secret").inner_text().strip()
    page.goto(f"{home_of(gateway)}/keys")
    page.get_by_role("link", name="rotated").click()
    page.get_by_role("button", name="Rotate").click()
    new = page.locator("#secret").inner_text().strip()
    assert call(gateway, old)["choices"]
    assert call(gateway, new)["choices"]
    assert watched.complaints == []


def test_a_budget_is_reached_and_the_page_says_so(gateway: GatewayProcess, opened: Any, admin: Any) -> None:
    watched = speaking(opened(state=admin), gateway)
    page = watched.page
    page.goto(f"{home_of(gateway)}/keys/new")
    page.get_by_label("Name").fill("held to a budget")
    page.get_by_role("button", name="Make the key").click()
    secret = page.locator("#secret").inner_text().strip()
    page.goto(f"{home_of(gateway)}/budgets/new?scope=key_{secret.split('-')[2]}")
    page.get_by_label("How much", exact=True).fill("0.000001")
    page.get_by_label("How often").select_option("daily")
    page.get_by_role("button", name="Set the budget").click()
    expect(page.get_by_text("The budget is set.")).to_be_visible()
    with pytest.raises(HTTPError, match="429"):
        call(gateway, secret)
    page.get_by_label("How much", exact=True).fill("5")
    page.get_by_role("button", name="Set the budget").click()
    expect(page.get_by_text("$5.00").first).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Remove the budget").click()
    expect(page.get_by_text("The budget is removed.")).to_be_visible()
    assert watched.complaints == []


def test_usage_is_taken_away_as_parquet_by_a_server_that_never_loads_the_library(
    gateway: GatewayProcess, opened: Any, admin: Any, tmp_path: Path
) -> None:
    call(gateway, gateway.key)
    watched = speaking(opened(state=admin), gateway)
    page = watched.page
    page.goto(f"{home_of(gateway)}/overview")
    expect(page.locator(".tile").first.locator("data")).not_to_have_attribute("value", "0")
    page.goto(f"{home_of(gateway)}/usage")
    link = page.get_by_role("link", name="Parquet", exact=True)
    calls = int(page.locator("tfoot td").first.inner_text())
    with page.expect_download() as download:
        link.click()
    download.value.save_as(tmp_path / "usage.parquet")
    assert sum(pq.read_table(tmp_path / "usage.parquet").column("requests").to_pylist()) >= calls > 0
    asked = Request(f"{gateway.base_url}/usage/export?group_by=model&format=parquet")
    asked.add_header("authorization", f"Bearer {gateway.admin_key}")
    with urlopen(asked) as answer:
        assert answer.headers["content-type"] == "application/vnd.apache.parquet"
        (tmp_path / "api.parquet").write_bytes(answer.read())
    assert sum(pq.read_table(tmp_path / "api.parquet").column("requests").to_pylist()) >= calls
    assert gateway.process is not None
    assert "arrow" not in Path(f"/proc/{gateway.process.popen.pid}/maps").read_text()
    assert watched.complaints == []


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(("width", "is_dark"), [(1280, False), (390, True)])
def test_an_opened_call_shows_how_long_each_step_took(
    gateway: GatewayProcess, opened: Any, admin: Any, language: str, width: int, is_dark: bool
) -> None:
    watched = speaking(opened(state=admin, width=width, is_dark=is_dark), gateway, language)
    page, found = watched.page, watched.page.locator("main a[href*='/calls/req_']")
    call(gateway, gateway.key)
    for _ in range(100):  # until the record is written, half a second at most
        page.goto(f"{home_of(gateway)}/calls")
        if found.count():
            break
    found.first.click()
    steps = page.locator("tr:has(svg.step)")
    expect(steps).to_have_count(7)
    for number in range(7):
        assert re.search(r"\d ms", steps.nth(number).inner_text())
    assert steps.nth(5).locator("rect.used").bounding_box()["width"] > 1, "forwarding takes most of it"
    assert watched.overflow() <= 0
    assert watched.faults() == []
    assert watched.complaints == []
