"""What the simulator says: plain sentences, cut from one fixed corpus so that any length is cheap and repeatable."""

from __future__ import annotations

from hashlib import blake2b
from itertools import cycle, islice

_TALE = (
    "the river bears small boats past old stone walls and every toll is paid before the gate opens while a keeper "
    "counts coins by hand then writes each sum in a plain book so that no one can say later what was owed or why it "
    "had been asked at dawn rain falls on the bridge but trade goes on with grain salt wool paper and light"
)
_SENTENCE_WORDS = 11
_CORPUS_TOKENS = 4_096


def _corpus() -> tuple[str, ...]:
    out: list[str] = []
    words = cycle(_TALE.split())
    sentence = 0
    while len(out) < _CORPUS_TOKENS:
        length = 5 + (sentence * 7) % _SENTENCE_WORDS
        run = list(islice(words, length))
        out.append(" " + run[0].capitalize())
        out.extend(" " + word for word in run[1:])
        out.append(".")
        # Skipping a varying number of words keeps later sentences from repeating the first ones.
        for _ in range(sentence % 5):
            next(words)
        sentence += 1
    return tuple(out[:_CORPUS_TOKENS])


_CORPUS = _corpus()


def seed_of(*parts: str) -> int:
    """Return a stable 64-bit number for these strings: the same prompt and seed give the same answer."""
    digest = blake2b(digest_size=8)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return int.from_bytes(digest.digest())


def say(seed: int, tokens: int) -> list[str]:
    """Return exactly `tokens` pieces of prose, each one token of `tokens.pieces`, chosen by `seed`."""
    start = seed % _CORPUS_TOKENS
    out = list(_CORPUS[start : start + tokens])
    while len(out) < tokens:
        out.extend(_CORPUS[: tokens - len(out)])
    if out:
        out[0] = out[0].lstrip()
    return out


def say_bytes(seed: int, size: int) -> list[str]:
    """Return pieces of prose that join to at least `size` bytes, exceeding it by less than one piece."""
    out: list[str] = []
    length = 0
    for piece in cycle(say(seed, _CORPUS_TOKENS)):
        if length >= size:
            break
        out.append(piece)
        length += len(piece)
    return out


def usual_length(seed: int) -> int:
    """Return how many tokens an answer has when nothing else decides it: 12 to 59."""
    return 12 + (seed >> 16) % 48
