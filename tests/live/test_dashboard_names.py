"""Names that are long, right to left, full of markup or of pictures, in a real browser: no page breaks, and none runs a script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.live.pages_house import PagesHouse, pages_house
from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.live.watched_browser import Watched, needs_chromium

from tollkeeper.web.table import ORGANIZATION_PAGES

pytestmark = needs_chromium
MARKUP = "</script><img src=x onerror=\"document.title='owned'\"><svg onload=\"document.title='owned'\">{{ 7*7 }}"
NAMES = {
    "markup": MARKUP[:100],
    "right to left": ("שלום עולם مرحبا بالعالم " * 5)[:98].strip(),
    "pictures": "🦊🎉" * 25,
    "one word": "W" * 100,
}
MODEL = (MARKUP + "W" * 256)[:256]
MODEL_OF_BUDGET = (MARKUP + "W" * 200)[:200]
USER = ("שלום" + MARKUP + "W" * 256)[:256]
LABELS = {"feature" + "x" * 57: (MARKUP + "W" * 128)[:128], "feature": "🦊" * 128, "purpose": "ש" * 128}
TOO_LONG = "<b>W</b>" * 1250
NO_PAGES = (".csv", ".parquet", ".jsonl", "live", "preview/cost", "/send", "/estimate", "/cost")


def quoted(name: str) -> str:
    """Return a name as TOML writes it."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@pytest.fixture(scope="module")
def pages_of_module(folder: Path, simulator: SimulatorProcess, opened: Any) -> Iterator[PagesHouse]:
    def settings(_: GatewayProcess) -> str:
        return f'[[models]]\nname = {quoted(MODEL)}\ndeployments = [{{ provider = "openai", model = "gpt-4o-mini" }}]\n'

    with pages_house(folder, simulator, opened, extra=settings) as house:
        yield house


@pytest.fixture(scope="module")
def paths(pages_of_module: PagesHouse) -> list[str]:
    """Everything that can have a name has such a one; returns the addresses of its pages."""
    house, found = pages_of_module, list[str]()
    for name in NAMES.values():
        team = house.post("/v1/teams", {"name": name})["id"]
        limits = {"monthly_budget_usd": 1, "model_limits": {MODEL_OF_BUDGET: {"daily_requests": 9}}}
        project = house.post(f"/v1/teams/{team}/projects", {"name": name, **limits})["id"]
        role = house.post("/v1/roles", {"name": name, "description": name * 5, "permissions": ["quota:read"]})["id"]
        key = house.post(
            "/v1/api-keys/service", {"name": name, "project_id": project, "allowed_models": ["W" * 256, "*"]}
        )
        house.post("/v1/alerts/targets", {"name": name, "kind": "webhook", "url": f"https://example.com/{'w' * 500}"})
        house.post(
            f"/v1/organizations/{house.gateway.organization_id}/credits",
            {"amount_usd": 1, "kind": "promotional", "note": name * 5},
        )
        status, answer = house.call(key=key["key"], model=MODEL, user=USER, metadata=LABELS)
        assert status == 200, answer
        found += [f"projects/teams/{team}", f"projects/{project}", f"roles/{role}", f"keys/{key['id']}"]
    house.recorded(len(NAMES))
    calls = house.get("/v1/usage/calls")["data"]
    budgets = house.get("/v1/budgets?limit=100")["data"]
    members = [each["id"] for each in house.get("/v1/members")["data"]]
    found += [f"calls/{calls[0]['request_id']}", *(f"budgets/{each['id']}" for each in budgets[:2])]
    found += [f"people/{each}" for each in members]
    plain = (each.path.removeprefix("/{organization}/") for each in ORGANIZATION_PAGES)
    found += [each for each in plain if "{" not in each and not each.endswith((*NO_PAGES, "/card"))]
    return [*found, "usage?by=label:feature", "usage?by=key&compare=1", "usage?by=project"]


def named(house: PagesHouse, name: str, **more: Any) -> Watched:
    """Open a browser of the admin, after they and the organization have taken a name."""
    watched = house.admin(**more)
    page = watched.page
    page.goto(f"{house.origin}/account")
    page.locator("#name").fill(name)
    page.get_by_role("button", name="Save").click()
    page.goto(f"{house.home}/settings")
    page.locator("#name").fill(name)
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    return watched


def assert_whole(watched: Watched, path: str) -> None:
    assert watched.overflow() <= 0, path
    assert watched.outside() == [], path
    assert "owned" not in watched.page.title().replace(MARKUP[:100], ""), path
    assert watched.page.locator("main img, main svg:not(.meter)").count() == 0, path
    assert watched.complaints == [], path


@pytest.mark.parametrize("width", [390, 1280])
def test_no_name_breaks_a_page_or_runs(house: PagesHouse, paths: list[str], width: int) -> None:
    watched = named(house, NAMES["one word"] if width == 390 else NAMES["markup"], width=width)
    page = watched.page
    for path in paths:
        opened = page.goto(f"{house.home}/{path}")
        assert opened is not None
        assert opened.status == 200, path
        assert_whole(watched, path)
    for menu in ("switcher", "person"):
        page.locator(f"details.{menu} summary").click()
        assert_whole(watched, menu)


@pytest.mark.parametrize("kind", NAMES)
def test_an_organization_and_a_person_may_be_called_anything(house: PagesHouse, paths: list[str], kind: str) -> None:
    watched = named(house, NAMES[kind], width=390)
    for path in ("overview", "people", "budgets", *(each for each in paths if each.startswith("people/"))):
        watched.page.goto(f"{house.home}/{path}")
        assert_whole(watched, path)
    expect(watched.page.locator("details.person summary .cut")).to_have_text(NAMES[kind])
    assert watched.faults() == []


def send_too_long(page: Page, field: str, button: str) -> None:
    """Type more than a name may have, and send it."""
    found = page.locator(field)
    found.fill(TOO_LONG)
    form = page.locator("form").filter(has=found)
    form.get_by_role("button", name=button).click()
    expect(page.get_by_role("alert")).to_contain_text("1 to 100 printable characters")
    expect(page.locator(field)).to_have_value(TOO_LONG)


def test_a_name_of_ten_thousand_characters_is_refused_where_it_was_typed(house: PagesHouse, paths: list[str]) -> None:
    watched = house.admin(width=390)
    first = {each.partition("/")[0]: each for each in paths if re.search(r"/(team|proj|role|key)", each)}
    team = next(each for each in paths if each.startswith("projects/teams/"))
    for path, field, button in (
        ("keys/new", "#name", "Make the key"),
        (first["keys"], "#name", "Rename"),
        ("projects", "#name", "Make the team"),
        ("projects", "#project", "Make the project"),
        (first["projects"], "#name", "Rename"),
        (team, "#name", "Rename"),
        (team, "#project", "Make the project"),
        ("roles/new", "#name", "Make the role"),
        (first["roles"], "#name", "Save"),
        ("settings", "#name", "Save"),
        ("alerts/targets", "#name", "Add it"),
        ("../account", "#name", "Save"),
        ("../welcome", "#name", "Found it"),
    ):
        watched.page.goto(f"{house.home}/{path}")
        if path == "roles/new":
            watched.page.locator("[name=permission]:enabled").first.check()
        if path == "alerts/targets":
            watched.page.locator("#url").fill("https://example.com/hook")
        send_too_long(watched.page, field, button)
        assert watched.overflow() <= 0, path
        watched.forgive("400")


def test_calls_with_ten_thousand_characters_are_refused_or_cut_and_pages_stay_whole(
    house: PagesHouse, paths: list[str]
) -> None:
    long = "<b>שלום" * 1700
    label = {"headers": {"x-tollkeeper-labels": f"feature={'x' * 10_000}"}}
    for more, param in (({"model": long}, "model"), (label, "x-tollkeeper-labels")):
        status, refused = house.call(**more)
        assert status == 400, param
        assert param in refused["text"]
        assert len(refused["text"]) < 2000, param
    before = len(house.get("/v1/usage/calls?limit=100")["data"])
    status, answer = house.call(user=long, metadata={"feature": long, "kept": "yes"})
    assert status == 200, answer
    house.recorded(before + 1)
    newest = house.get("/v1/usage/calls")["data"][0]
    assert newest["end_user"] == long[:256]
    assert newest["labels"] == {"kept": "yes"}
    watched = house.admin(width=390)
    for path in (f"calls/{newest['request_id']}", "calls", "calls?model=" + long[:200], paths[-1]):
        watched.page.goto(f"{house.home}/{path}")
        assert_whole(watched, path)
