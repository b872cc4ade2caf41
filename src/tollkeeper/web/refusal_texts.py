"""Says in the reader's language what an error says in English: a text as it is, or the pattern of one with its values put in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import NamedTuple

from markupsafe import Markup, escape

from tollkeeper.web.catalogues import catalogue_of
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.languages import Language
from tollkeeper.web.page_refusals import ENGLISH
from tollkeeper.web.words import CLASSES, FAILURES, Words

LENGTH_MAX = 4000
"""What is longer is shown as it is."""
_DEPTH_MAX = 2  # a value may be a text itself, and have one in turn
_PLACE = re.compile(r"%\((\w+)\)s")
_QUOTES = ("'", '"', "`")
_SEPARATORS, _ENTRIES_MAX = (" and ", ", "), 40
_ABOUT_NOTHING = "'': "
"""What a text begins with that is about a field's value, when nothing was written."""
_WORDS: Mapping[str, str] = {
    **FAILURES,
    **CLASSES,
    "requests_per_minute": _("Requests a minute"),
    "requests_per_day": _("Requests a day"),
    "tokens_per_minute": _("Tokens a minute"),
    "daily": _("per day"),
    "weekly": _("per week"),
    "monthly": _("per month"),
    "total": _("in all"),
    "usd": _("US dollars"),
    "requests": _("requests"),
    "tokens": _("tokens"),
    "concurrent": _("calls at once"),
    "organization": _("Organization"),
    "team": _("Team"),
    "project": _("Project"),
    "member": _("Member"),
    "api_key": _("API key"),
    "credit": _("Credit"),
    "pending": _("waiting"),
    "sending": _("being sent"),
    "delivered": _("sent"),
    "undeliverable": _("given up"),
    "dead": _("given up"),
    "approved": _("approved"),
    "denied": _("denied"),
    "withdrawn": _("withdrawn"),
    "active": _("in use"),
    "exhausted": _("used up"),
    "expired": _("expired"),
    "voided": _("taken back"),
}


class _Pattern(NamedTuple):
    """A text with places: what stands around them, their names, and what it is in the other language."""

    literals: tuple[str, ...]
    names: tuple[str, ...]
    said: str

    def values(self, message: str) -> dict[str, str] | None:
        """Return what stands in the places of a message; None when it says something else.

        Each place ends where the next literal stands first, so that a message is read once, whatever is in it.
        """
        first, *inner, last = self.literals
        end = len(message) - len(last)
        if not (message.startswith(first) and message.endswith(last)) or len(first) > end:
            return None
        at, values = len(first), list[str]()
        for literal in inner:
            found = message.find(literal, at, end)
            if found < 0:
                return None
            values.append(message[at:found])
            at = found + len(literal)
        named = dict(zip(self.names, [*values, message[at:end]], strict=True))
        return named if all(named[name] == value for name, value in zip(self.names, values, strict=False)) else None

    def is_quoted(self, index: int) -> bool:
        """Tell whether a place is in quotes: what stands there is somebody's name, never a word of ours."""
        return self.literals[index].endswith(_QUOTES) and self.literals[index + 1].startswith(_QUOTES)


class RefusalTexts:
    """What errors say, in one language."""

    def __init__(
        self, texts: Mapping[str, str], words: Mapping[str, str], named: Mapping[str, Callable[[str], str]]
    ) -> None:
        """`named` says what stands at places of these names, quoted or not: identifiers of ours, never names."""
        self._plain = {text % {}: said % {} for text, said in texts.items() if not _PLACE.search(text)}
        self._patterns = sorted(_patterns(texts), key=lambda each: -sum(map(len, each.literals)))
        self._words, self._named = words, named

    def say(self, message: str) -> str | None:
        """Return a message in this language; None when nobody has translated it."""
        return self._say(message, 0) if len(message) <= LENGTH_MAX else None

    def _say(self, message: str, depth: int) -> str | None:
        if message in self._plain:
            return self._plain[message]
        for pattern in self._patterns:
            if (values := pattern.values(message)) is not None:
                quoted = {name for index, name in enumerate(pattern.names) if pattern.is_quoted(index)}
                put_in = {
                    name: self._named[name](each)
                    if name in self._named
                    else each
                    if name in quoted
                    else self._value(each, depth)
                    for name, each in values.items()
                }
                return (pattern.said % put_in).removeprefix(_ABOUT_NOTHING)
        if message.endswith(".") and not message.endswith(".."):  # some put a full stop behind what another error says
            said = self._say(message.removesuffix("."), depth)
            return None if said is None else f"{said.removesuffix('.')}."
        return None

    def _value(self, value: str, depth: int) -> str:
        return self._list(value, depth) or self._entry(value, depth) or value

    def _entry(self, value: str, depth: int) -> str | None:
        """Return a word of ours, or a text within a text."""
        return self._words.get(value) or (self._say(value, depth + 1) if depth < _DEPTH_MAX else None)

    def _list(self, value: str, depth: int) -> str | None:
        """Return a list, when each of its entries is known."""
        body = value.removesuffix(".")  # of the sentence that the list ends
        for separator in _SEPARATORS:
            if 0 < body.count(separator) < _ENTRIES_MAX:
                said = [self._entry(each, depth) for each in body.split(separator)]
                if all(said):
                    return ", ".join(each for each in said if each) + value[len(body) :]
        return None


@cache
def refusal_texts_of(language: Language) -> RefusalTexts:
    """Return what errors say in a language."""
    catalogue = catalogue_of(language)
    words = Words(catalogue)
    named: dict[str, Callable[[str], str]] = {
        "dimension": partial(words.say, what="class"),
        "tier": partial(words.say, what="tier"),
        "role": words.role,
        "role_id": words.role,
    }
    texts = catalogue.refusals if language != "en" else ENGLISH
    return RefusalTexts(texts, {word: catalogue.gettext(text) for word, text in _WORDS.items()}, named)


def told(language: Language, message: str) -> str:
    """Return what an error says, in English when it has no translation: for scripts and plain text."""
    said = refusal_texts_of(language).say(message)
    return message if said is None else said


def shown(language: Language, message: str) -> Markup:
    """Return what an error says for a page; English on a page in another language is marked as English."""
    said = refusal_texts_of(language).say(message)
    if said is None and language == "en":
        return escape(message)
    return Markup('<span lang="en">{}</span>').format(message) if said is None else escape(said)


def _patterns(texts: Mapping[str, str]) -> Iterable[_Pattern]:
    for text, said in texts.items():
        parts = _PLACE.split(text)
        if len(parts) > 1:
            yield _Pattern(tuple(each.replace("%%", "%") for each in parts[::2]), tuple(parts[1::2]), said)
