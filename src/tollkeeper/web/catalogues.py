"""Translations of the pages: English is what stands in the source, the others are catalogues beside this file (gettext's .po)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from babel.messages.pofile import read_po

from tollkeeper.web.languages import Language

REFUSAL = "refusal"
"""Stands in a catalogue beside what an error says; `scripts/write-translations` writes it."""


class Catalogue:
    """The texts of one language by their English."""

    def __init__(self, texts: dict[str, tuple[str, ...]], refusals: frozenset[str] = frozenset()) -> None:
        self._texts = texts
        self._refusals = refusals

    @property
    def refusals(self) -> dict[str, str]:
        """What refusals say, by the English; values stand in named places."""
        return {text: self._texts[text][0] for text in self._refusals}

    @property
    def texts(self) -> list[str]:
        """Every text in this language."""
        return [text for forms in self._texts.values() for text in forms]

    def gettext(self, text: str) -> str:
        """Return the text in this language; in English while nobody has translated it."""
        found = self._texts.get(text)
        return found[0] if found else text

    def ngettext(self, one: str, many: str, count: int) -> str:
        """Return the form for a count. Of our languages only English tells one from many."""
        found = self._texts.get(one)
        if found:
            return found[-1]
        return one if count == 1 else many


def mark(text: str) -> str:
    """Return a text as it is. Imported as `_` it marks texts of constants, which are translated when they are shown."""
    return text


@cache
def catalogue_of(language: Language) -> Catalogue:
    """Return a language's catalogue."""
    if language == "en":
        return Catalogue({})
    with files(__package__).joinpath("translations", f"{language}.po").open("rb") as file:
        read = read_po(file, locale=language)
    translated = [each for each in read if each.id and not each.fuzzy and each.string]
    return Catalogue(
        {_id(each.id): _texts(each.string) for each in translated},
        frozenset(_id(each.id) for each in translated if REFUSAL in each.auto_comments),
    )


def _id(message_id: Any) -> str:
    return str(message_id[0] if isinstance(message_id, list | tuple) else message_id)


def _texts(string: Any) -> tuple[str, ...]:
    return tuple(string) if isinstance(string, list | tuple) else (str(string),)
