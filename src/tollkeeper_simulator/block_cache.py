"""Which prompt prefixes are remembered because the caller marked them: Anthropic's way, by blocks and with a lifetime.

The rules are platform.claude.com/docs/en/build-with-claude/prompt-caching's, read 2026-11-21: a prefix is kept where a block is
marked, if it has at least as many tokens as the model wants; a later request finds it at a mark of its own or at one of
the 20 blocks before it; finding it starts its lifetime anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Ttl = Literal["5m", "1h"]
LIFE_S: dict[Ttl, int] = {"5m": 300, "1h": 3_600}
_BLOCKS_BACK_MAX = 20


@dataclass(slots=True)
class Block:
    """A part of a prompt that can be marked: its tokens, and for how long the prefix that it ends is to be kept."""

    tokens: list[str]
    ttl: Ttl | None = None


@dataclass(frozen=True, slots=True)
class Cached:
    """How many tokens of a prompt were read from the cache, and newly written to it for each lifetime."""

    read: int = 0
    written_5m: int = 0
    written_1h: int = 0


@dataclass(slots=True)
class _Prefix:
    digest: bytes
    end: int
    ttl: Ttl | None


class BlockCache:
    """Remembers marked prefixes; bounded, oldest out first."""

    def __init__(self, entries_max: int = 65_536) -> None:
        """Keep at most `entries_max` prefixes."""
        self._entries_max = entries_max
        self._ends_s: dict[bytes, tuple[int, int]] = {}

    def look_up(self, scope: str, blocks: Sequence[Block], *, least: int, now_s: int) -> Cached:
        """Say what of the prompt was known, and remember its marked prefixes of at least `least` tokens."""
        prefixes = _prefixes(scope, blocks)
        marks = [place for place, each in enumerate(prefixes) if each.ttl is not None and each.end >= least]
        read = max((self._known_before(prefixes, mark, now_s) for mark in marks), default=0)
        kept_1h = max((prefixes[mark].end for mark in marks if prefixes[mark].ttl == "1h"), default=0)
        kept = max((prefixes[mark].end for mark in marks), default=0)
        for mark in marks:
            self._keep(prefixes[mark], now_s)
        until_1h = max(read, kept_1h)
        return Cached(read, written_5m=max(0, kept - until_1h), written_1h=until_1h - read)

    def clear(self) -> None:
        """Forget everything."""
        self._ends_s.clear()

    def _known_before(self, prefixes: list[_Prefix], mark: int, now_s: int) -> int:
        for place in range(mark, max(-1, mark - _BLOCKS_BACK_MAX - 1), -1):
            digest = prefixes[place].digest
            until_s, life_s = self._ends_s.get(digest, (0, 0))
            if until_s > now_s:
                self._ends_s[digest] = (now_s + life_s, life_s)
                return prefixes[place].end
        return 0

    def _keep(self, prefix: _Prefix, now_s: int) -> None:
        assert prefix.ttl is not None, "only a marked prefix is kept"
        until_s, life_s = self._ends_s.pop(prefix.digest, (0, 0))
        life_s = max(LIFE_S[prefix.ttl], life_s if until_s > now_s else 0)
        if len(self._ends_s) >= self._entries_max:
            del self._ends_s[next(iter(self._ends_s))]
        self._ends_s[prefix.digest] = (now_s + life_s, life_s)


def _prefixes(scope: str, blocks: Sequence[Block]) -> list[_Prefix]:
    digest = blake2b(scope.encode(), digest_size=16)
    out: list[_Prefix] = []
    end = 0
    for block in blocks:
        digest.update("\0".join(block.tokens).encode("utf-8", "surrogatepass") + b"\1")
        end += len(block.tokens)
        out.append(_Prefix(digest.digest(), end, block.ttl))
    return out
