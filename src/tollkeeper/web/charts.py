"""Charts as data for the script: heights for the eye, and beside each the exact text that is read."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Series(msgspec.Struct, frozen=True):
    """A row of values, None where there is none; `texts` are how they are read."""

    name: str
    values: list[int | None] | list[int]
    texts: list[str]


class Chart(msgspec.Struct, frozen=True):
    """What the script draws. The page shows the same figures as a table."""

    kind: Literal["bar", "line"]
    title: str
    labels: list[str]
    series: list[Series]
    unit: Literal["usd", "count"] = "usd"
    is_stacked: bool = False


def bar_chart(
    *,
    title: str,
    labels: list[str],
    series: list[Series],
    unit: Literal["usd", "count"] = "usd",
    is_stacked: bool = False,
) -> Any:
    """Return a chart of bars; values are nano-dollars, or counts."""
    assert all(len(each.values) == len(each.texts) == len(labels) for each in series)
    return msgspec.to_builtins(Chart("bar", title, labels, series, unit, is_stacked))
