"""A real browser for the pages: Playwright with the system's Chromium, and every complaint of the console, the policy and axe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

PROGRAM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="there is no program `chromium` on this machine")
_FLAGS = (
    "--no-sandbox",  # containers forbid what the sandbox is made of
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_OUTSIDE = """() => {
  const found = [];
  for (const each of document.body.querySelectorAll("*")) {
    const box = each.getBoundingClientRect();
    if (!box.width || !box.height || each.closest(".skip, .unseen, option, datalist, svg, canvas")) continue;
    let isLost = box.left < -1 || box.right > innerWidth + 1;
    for (let above = each.parentElement; above; above = above.parentElement) {
      const style = getComputedStyle(above);
      if (/auto|scroll/.test(style.overflowX) || style.textOverflow === "ellipsis") { isLost = false; break; }
      const edge = above.getBoundingClientRect();
      if (/hidden|clip/.test(style.overflowX) && (box.left < edge.left - 1 || box.right > edge.right + 1)) { isLost = true; break; }
    }
    if (isLost) found.push(`${Math.round(box.left)} to ${Math.round(box.right)}: ${each.outerHTML.slice(0, 200)}`);
  }
  return found;
}"""
expect.set_options(timeout=20_000)  # what comes by itself comes late on a busy machine
SERIOUS = frozenset({"serious", "critical"})


class Watched:
    """A page in a browser of its own, and what was wrong with it."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda told: self._note(told.type, f"{told.text} {told.location['url']}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def forgive(self, words: str) -> None:
        """Take out the complaints that a test brought about itself; there must be one."""
        kept = [each for each in self.complaints if words not in each]
        assert len(kept) < len(self.complaints), self.complaints
        self.complaints[:] = kept

    def assert_sound(self) -> None:
        """Pass when the page that is open is whole: nothing for axe, the console or the window's edge."""
        found = [*self.faults(), *self.complaints]
        assert found == [], f"{self.page.url}: {found}"
        assert self.overflow() <= 0, self.page.url

    def faults(self) -> list[str]:
        """Return what axe finds serious on the page that is open."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['id']}: {node['html'][:200]}"
            for each in found
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def outside(self) -> list[str]:
        """Return what no scrolling brings into view: it reaches over the edge of the window, or of what cuts it off."""
        return list(self.page.evaluate(_OUTSIDE))


@contextmanager
def watched_browser() -> Iterator[Any]:
    """Return what opens watched pages: `open(width=390, language="ko", is_dark=True, state=…)`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=list(_FLAGS))

        def open_(*, width: int = 1280, language: str = "en-US", is_dark: bool = False, state: Any = None) -> Watched:
            context = browser.new_context(
                viewport={"width": width, "height": 900},
                locale=language,
                color_scheme="dark" if is_dark else "light",
                storage_state=state,
                reduced_motion="reduce",
            )
            context.set_default_timeout(20_000)
            return Watched(context)

        yield open_
        browser.close()
