"""Which prompt prefixes the simulated provider still remembers: from 1,024 tokens on, in steps of 128.

The rule is OpenAI's published one (developers.openai.com/api/docs/guides/prompt-caching, read 2026-11-21). Entries live
until they are pushed out by newer ones; they do not expire with time, so that tests are repeatable.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX_TOKENS_MIN = 1_024
STEP_TOKENS = 128


class PromptCache:
    """Remembers prefixes for each (model, api key); bounded, oldest out first."""

    def __init__(self, entries_max: int) -> None:
        """Keep at most `entries_max` prefixes."""
        self._entries_max = entries_max
        self._known: dict[bytes, None] = {}

    def look_up(
        self, scope: str, tokens: Sequence[str], *, least: int = PREFIX_TOKENS_MIN, step: int = STEP_TOKENS
    ) -> tuple[int, int]:
        """Return (tokens read from the cache, tokens now newly in it) and remember this prompt's prefixes.

        Prefixes count from `least` tokens on, in multiples of `step`: other providers' caches work alike.
        """
        if len(tokens) < least:
            return 0, 0
        digest = blake2b(scope.encode(), digest_size=16)
        read = end = 0
        for end in range(step, len(tokens) + 1, step):
            digest.update("\0".join(tokens[end - step : end]).encode("utf-8", "surrogatepass") + b"\0")
            if end < least:
                continue
            if self._seen(digest.digest()):
                read = end
        cached = len(tokens) // step * step
        return read, cached - read

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()

    def _seen(self, prefix: bytes) -> bool:
        seen = prefix in self._known
        if seen:
            del self._known[prefix]
        elif len(self._known) >= self._entries_max:
            del self._known[next(iter(self._known))]
        self._known[prefix] = None
        return seen
