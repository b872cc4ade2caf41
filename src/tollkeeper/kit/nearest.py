"""“Did you mean”: which known word was probably meant by one that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_KNOWN_MAX = 10_000
_WORD_LENGTH_MAX = 100


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'search'?`, to be put behind a refusal; "" when nothing known is near."""
    found = nearest(word, known)
    return f" Did you mean '{found}'?" if found else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that was probably meant; "" when nothing known is near."""
    candidates: dict[str, str] = {}
    for each in known:
        candidates.setdefault(each.lower(), each)
        if len(candidates) == _KNOWN_MAX:
            break
    found = get_close_matches(word.lower()[:_WORD_LENGTH_MAX], candidates, n=1)
    return candidates[found[0]] if found else ""
