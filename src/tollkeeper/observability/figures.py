"""The figures of one process at a moment: for each metric its rows, as whole numbers in what is counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tollkeeper.observability.metric_list import BY_NAME


class Row(msgspec.Struct, array_like=True, gc=False):
    """One combination of labels, in the metric's order. A histogram's `value` is the sum; `buckets` add up from below."""

    labels: tuple[str, ...]
    value: int
    buckets: tuple[int, ...] = ()


Figures = dict[str, list[Row]]
"""Rows by metric. A metric without rows is there, and says nothing."""


class FigureSheet:
    """Figures being put together."""

    def __init__(self) -> None:
        self.figures: Figures = {name: [] for name in BY_NAME}

    def add(self, name: str, value: int, *labels: str) -> None:
        """Add a row of a metric that is no histogram."""
        assert len(labels) == len(BY_NAME[name].labels), f"{name}{labels}"
        self.figures[name].append(Row(labels, value))

    def add_all(self, name: str, values: Iterable[tuple[Sequence[str], int]]) -> None:
        """Add rows by their labels."""
        for labels, value in values:
            self.add(name, value, *labels)

    def add_histogram(self, name: str, labels: Sequence[str], by_bits: Sequence[int], *, total: int) -> None:
        """Add a histogram from counts by bits: `by_bits[n]` were from 2^(n-1) up to 2^n."""
        first, last = BY_NAME[name].bits
        buckets, below = [], sum(by_bits[:first])
        for bit in range(first, last + 1):
            below += by_bits[bit]
            buckets.append(below)
        buckets.append(below + sum(by_bits[last + 1 :]))
        self.figures[name].append(Row(tuple(labels), total, tuple(buckets)))
