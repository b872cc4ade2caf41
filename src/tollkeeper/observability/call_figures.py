"""What the counted calls come to, added up by the labels of each metric."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from operator import add

from tollkeeper.domain.usage import TOKEN_DIMENSIONS
from tollkeeper.observability.call_counts import CountedCalls, Series, SeriesKey
from tollkeeper.observability.figures import FigureSheet

Labels = tuple[str, ...]


def add_calls(sheet: FigureSheet, counted: CountedCalls) -> None:
    """Add everything that was counted of calls."""
    found = list(counted.series.items())
    _add_numbers(sheet, found)
    _add_amounts(sheet, found)
    durations = [(key[2:4], series.latency, series.latency_us) for key, series in found]
    first_bytes = [(key[2:4], series.first_byte, series.first_byte_us) for key, series in found]
    overheads = [(key[1:2], series.overhead, series.overhead_us) for key, series in found]
    _add_times(sheet, "tollkeeper_call_duration_seconds", durations)
    _add_times(sheet, "tollkeeper_first_byte_seconds", first_bytes)
    _add_times(sheet, "tollkeeper_overhead_seconds", overheads)
    sheet.add_all("tollkeeper_lost_tries_total", counted.lost_tries.items())
    sheet.add_all("tollkeeper_refusals_total", counted.refusals.items())


def _add_numbers(sheet: FigureSheet, found: Iterable[tuple[SeriesKey, Series]]) -> None:
    calls: Counter[Labels] = Counter()
    unpriced: Counter[Labels] = Counter()
    for key, series in found:
        dialect, operation, provider, model, status, outcome, _ = key
        calls[dialect, operation, provider, model, status, outcome] += sum(series.latency)
        if series.unpriced:
            unpriced[provider, model] += series.unpriced
    sheet.add_all("tollkeeper_calls_total", calls.items())
    sheet.add_all("tollkeeper_unpriced_calls_total", unpriced.items())


def _add_amounts(sheet: FigureSheet, found: Iterable[tuple[SeriesKey, Series]]) -> None:
    tokens: Counter[Labels] = Counter()
    units: Counter[Labels] = Counter()
    nanos: Counter[Labels] = Counter()
    for key, series in found:
        provider, model, state = key[2], key[3], key[6]
        for dimension, quantity in series.quantities.items():
            (tokens if dimension in TOKEN_DIMENSIONS else units)[provider, model, dimension] += quantity
        if not series.unpriced:
            nanos[provider, model, state] += series.nanos
    sheet.add_all("tollkeeper_tokens_total", tokens.items())
    sheet.add_all("tollkeeper_units_total", units.items())
    sheet.add_all("tollkeeper_cost_usd_total", nanos.items())


def _add_times(sheet: FigureSheet, name: str, found: Iterable[tuple[Labels, Sequence[int], int]]) -> None:
    counts: dict[Labels, Sequence[int]] = {}
    totals: defaultdict[Labels, int] = defaultdict(int)
    for labels, by_bits, total in found:
        counts[labels] = list(map(add, counts[labels], by_bits)) if labels in counts else by_bits
        totals[labels] += total
    for labels, by_bits in counts.items():
        sheet.add_histogram(name, labels, by_bits, total=totals[labels])
