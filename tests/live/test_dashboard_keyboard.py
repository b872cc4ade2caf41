"""The pages by keyboard alone, in a real browser: from signing in to a made key, always seeing where one is."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from tests.live.pages_house import ADMIN, PASSWORD, PagesHouse
from tests.live.watched_browser import needs_chromium

pytestmark = needs_chromium
TABS_MAX = 40
FOCUSED = """() => {
  const each = document.activeElement, style = getComputedStyle(each), box = each.getBoundingClientRect();
  return {
    name: each.getAttribute("name") || (each.getAttribute("aria-label") ?? each.innerText ?? "").trim(),
    isRinged: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    isSeen: box.width > 0 && box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight,
    isCovered: !each.closest(".bar") && !each.contains(document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 9)))
      && !document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 9))?.contains(each),
  };
}"""


def tab_to(page: Page, name: str, *, key: str = "Tab") -> None:
    """Go on until something of this name has the focus; every step on the way can be seen."""
    for _ in range(TABS_MAX):
        page.keyboard.press(key)
        focused = page.evaluate(FOCUSED)
        assert focused["isRinged"], focused
        assert focused["isSeen"], focused
        assert not focused["isCovered"], focused
        if focused["name"] == name:
            return
    raise AssertionError(f"nothing called {name!r} was reached")


def test_a_key_is_made_without_a_mouse(house: PagesHouse) -> None:
    watched = house.stranger()
    page = watched.page
    page.goto(f"{house.origin}/sign-in")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    tab_to(page, "email")
    page.keyboard.type(ADMIN)
    tab_to(page, "password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/overview")
    tab_to(page, "API keys")
    page.keyboard.press("Enter")
    page.wait_for_url("**/keys")
    tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    tab_to(page, "Make a key")
    page.keyboard.press("Enter")
    page.wait_for_url("**/keys/new")
    tab_to(page, "name")
    page.keyboard.type("made by keyboard")
    tab_to(page, "Limits")
    page.keyboard.press("Enter")
    tab_to(page, "requests_per_minute")
    page.keyboard.type("60")
    tab_to(page, "Make the key")
    page.keyboard.press("Enter")
    expect(page.locator("#secret")).to_be_visible()
    tab_to(page, "Copy")
    assert house.call(key=page.locator("#secret").inner_text().strip())[0] == 200
    watched.assert_sound()


def test_menus_open_and_close_by_keyboard_and_give_the_focus_back(house: PagesHouse) -> None:
    watched = house.stranger(width=390)  # signing out ends the session, which is nobody else's
    page = watched.page
    house.sign_in(page, ADMIN)
    page.goto(f"{house.home}/settings")
    tab_to(page, "acme")
    page.keyboard.press("Enter")
    expect(page.locator("details.switcher")).to_have_attribute("open", "")
    assert watched.outside() == []
    tab_to(page, "Found an organization")
    page.keyboard.press("Escape")
    expect(page.locator("details.switcher")).not_to_have_attribute("open", "")
    assert page.evaluate(FOCUSED)["name"] == "acme"
    tab_to(page, "Jimin Kim")
    page.keyboard.press("Space")
    tab_to(page, "Sign out")
    assert watched.outside() == []
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in")


def test_a_refused_form_has_the_focus_on_what_was_wrong(house: PagesHouse) -> None:
    watched = house.admin()
    page = watched.page
    page.goto(f"{house.home}/budgets/new")
    tab_to(page, "amount")
    page.keyboard.type("much")
    page.keyboard.press("Enter")
    field = page.locator("#amount")
    expect(field).to_be_focused()
    watched.forgive("400")
    expect(field).to_have_value("much")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile("Write an amount in dollars"))
    watched.assert_sound()
