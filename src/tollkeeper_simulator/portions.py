"""Cuts what is said: to a limit, before a stop sequence, into the portions of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollkeeper_simulator import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

_GROUPS = (1, 2, 1, 3, 1, 1, 2)


def stopped(pieces: list[str], stops: list[str]) -> list[str]:
    """Cut `pieces` before the first stop sequence, which itself is neither shown nor billed."""
    whole = "".join(pieces)
    at = min((place for place in map(whole.find, stops) if place >= 0), default=-1)
    if at < 0:
        return pieces
    return tokens.pieces(whole[:at])


def stopped_by(pieces: list[str], stops: list[str]) -> str | None:
    """Return the stop sequence that comes first, if any does."""
    whole = "".join(pieces)
    found = [(place, stop) for stop in stops if (place := whole.find(stop)) >= 0]
    return min(found)[1] if found else None


def limited(pieces: list[str], limit: int) -> tuple[list[str], bool]:
    """Cut `pieces` to `limit` tokens; True when something was lost."""
    return (pieces, False) if len(pieces) <= limit else (pieces[: max(limit, 0)], True)


def grouped(pieces: list[str]) -> Iterator[tuple[str, int]]:
    """Yield the text in realistic portions, each with its number of tokens."""
    place = turn = 0
    while place < len(pieces):
        size = _GROUPS[turn % len(_GROUPS)]
        group = pieces[place : place + size]
        yield "".join(group), len(group)
        place += size
        turn += 1
