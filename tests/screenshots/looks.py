"""How a page looks: opened for somebody in a language, a light or dark theme and a width, and everything that is wrong with it."""

from __future__ import annotations

import re
from typing import Any

from tests.live.watched_browser import Watched
from tests.screenshots.house import House
from tests.screenshots.views import STRANGER, View

PRODUCT_WORDS = {
    *("Tollkeeper", "JavaScript", "English", "API", "ID", "URL", "IP", "AI", "HTTP", "USD", "KRW", "ms"),
    *("CSV", "JSON", "Lines", "Parquet", "Slack", "Standard", "Webhooks", "Responses", "Flex"),
    *("GPT", "OpenAI", "Anthropic", "Claude", "Gemini", "DeepSeek", "xAI", "Google"),
    *("openai", "anthropic", "gemini", "deepseek", "xai", "google", "local"),
}
"""What is called so in Korean too."""
_WORD = re.compile(r"(?<![\w@:#*+./-])[A-Za-z][a-z']+[A-Za-z']*(?![\w@:#*+-]|[./]\w)")
"""A word in prose: what touches digits, dots, slashes or underscores is a name of something."""
_TEXTS = """
() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const holder = walker.currentNode.parentElement;
    if (holder.closest('[lang="en"], [dir="auto"], bdi, code, pre, script, style, noscript, option, textarea, .cut, time, [translate="no"]')) continue;
    if (holder.checkVisibility() && walker.currentNode.data.trim()) found.push(walker.currentNode.data.trim());
  }
  for (const each of document.querySelectorAll("[aria-label]")) found.push(each.getAttribute("aria-label"));
  return found;
}
"""


_CUT = """
() => [...document.querySelectorAll(".scroll")].map((each) => each.scrollWidth - each.clientWidth).filter((each) => each > 0)
"""
_IS_DRAWN = """
() => [...document.querySelectorAll("[data-chart]")].every((each) => each.querySelector("canvas"))
  && (!document.querySelector("[data-state]") || document.querySelector("[data-state]:not([hidden])"))
"""


def open_view(
    opened: Any, house: House, view: View, *, language: str, width: int = 1280, is_dark: bool = False
) -> Watched:
    """Open a page in a browser of whoever looks at it, and do there what is to be done."""
    state = (
        house.states[language if view.who == "admin" else f"{view.who}-{language}"] if view.who != STRANGER else None
    )
    watched: Watched = opened(
        width=width, is_dark=is_dark, state=state, language={"en": "en-US", "ko": "ko-KR"}[language]
    )
    show_view(watched, house, view)
    return watched


def show_view(watched: Watched, house: House, view: View) -> None:
    """Go to a page in a browser that is open already."""
    watched.page.goto(f"{house.origin}{view.path}")
    if view.does is not None:
        view.does(watched.page)
    watched.page.wait_for_function(_IS_DRAWN)


def wrongs_of(watched: Watched, view: View, language: str, *, has_axe: bool = True) -> list[str]:
    """Return what is wrong with the page that is open, and forget what its console said."""
    page, wrongs = watched.page, []
    if view.is_refused or view.who == STRANGER:  # the console tells of a page's status, and of one who is nobody yet
        watched.complaints[:] = [each for each in watched.complaints if "status of 4" not in each]
    wrongs += [f"console: {each}" for each in watched.complaints]
    watched.complaints.clear()
    if page.locator("html").get_attribute("lang") != language:
        wrongs.append(f"its language is not {language}")
    if (wider := watched.overflow()) > 0:
        wrongs.append(f"{wider} pixels wider than the window")
    wrongs += [f"a table is cut by {each} pixels" for each in page.evaluate(_CUT)]
    if has_axe:
        wrongs += [f"axe: {each}" for each in watched.faults()]
    if language == "ko":
        wrongs += [f"not translated: {each}" for each in untranslated(page.evaluate(_TEXTS))]
    return [f"{view.name} ({language}): {each}" for each in wrongs]


def untranslated(texts: list[str]) -> list[str]:
    """Return the texts that hold an English word which is no product's."""
    return [each[:120] for each in texts if set(_WORD.findall(each)) - PRODUCT_WORDS]
