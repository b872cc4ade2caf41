"""Counts calls in plain integers, one set of them for each combination of labels; whoever reads adds them up.

What a call adds to its path is measured by `python -m bench.counting`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tollkeeper.domain.deployment import Deployment
from tollkeeper.domain.usage import Dimension, Try, UsageRecord
from tollkeeper.observability.label_names import OTHER, LabelNames

if TYPE_CHECKING:
    from tollkeeper.ports.call_counts import CallCounts

SERIES_MAX = 2_000
"""Beyond that many combinations of labels a further model counts as another: there are only so many without models."""
KNOWN_MAX = 20_000
_BITS = 64
_DIMENSIONS = frozenset(Dimension)
_OWN_REASONS = frozenset(
    {
        "account_refused", "closed", "connect", "connect_timeout", "context_length", "error_event", "first_byte_timeout",
        "idle_timeout", "protocol", "tls", "too_large", "total_timeout",
    }
)  # fmt: skip
_OWN_STATUSES = frozenset({401, 402, 403, 404, 408, 409, 429})


class SeriesKey(tuple[str, str, str, str, str, str, str]):
    """The labels of one `Series`: dialect, operation, provider, model, class of status, outcome, cost state."""

    __slots__ = ()


class Series:
    """What the calls of one combination of labels came to.

    Times are counted by their bits: `latency[n]` are the calls that took from 2^(n-1) up to 2^n microseconds. That is a
    histogram whose bounds double, for the price of one addition.
    """

    __slots__ = (
        "first_byte",
        "first_byte_us",
        "latency",
        "latency_us",
        "nanos",
        "overhead",
        "overhead_us",
        "quantities",
        "unpriced",
    )

    def __init__(self) -> None:
        self.latency, self.first_byte, self.overhead = [0] * _BITS, [0] * _BITS, [0] * _BITS
        self.latency_us = self.first_byte_us = self.overhead_us = 0
        self.nanos = self.unpriced = 0
        self.quantities: dict[str, int] = {}


class CountedCalls:
    """Satisfies `ports.call_counts.CallCounts`. Belongs to one event loop."""

    def __init__(self, names: LabelNames, *, series_max: int = SERIES_MAX) -> None:
        self._names, self._series_max = names, series_max
        self._known: dict[object, Series] = {}  # by what a call has at hand; many may share a series
        self.series: dict[SeriesKey, Series] = {}
        self.lost_tries: Counter[tuple[str, str]] = Counter()
        """By provider and reason."""
        self.refusals: Counter[tuple[str, str, str]] = Counter()
        """By operation, code and HTTP status."""

    def settled(self, record: UsageRecord, deployment: Deployment, dialect: str) -> None:
        """See `ports.call_counts.CallCounts`."""
        at_hand = (deployment.place, record.operation, dialect, record.status, record.outcome, record.cost_state)
        series = self._known.get(at_hand)
        if series is None:
            series = self._find(at_hand, record, deployment, dialect)
        latency_us = record.latency_us
        series.latency[latency_us.bit_length()] += 1
        series.latency_us += latency_us
        overhead_us = record.overhead_us
        series.overhead[overhead_us.bit_length()] += 1
        series.overhead_us += overhead_us
        if first_byte_us := record.first_byte_us:
            series.first_byte[first_byte_us.bit_length()] += 1
            series.first_byte_us += first_byte_us
        quantities = series.quantities
        for dimension, quantity in record.quantities.items():
            try:
                quantities[dimension] += quantity
            except KeyError:
                _add_new(quantities, dimension, quantity)
        if nanos := record.amount_nanos:
            series.nanos += nanos
        elif nanos is None:
            series.unpriced += 1
        if record.tries:
            self._count_tries(record.tries)

    def refused(self, status: int, code: str, operation: str) -> None:
        """See `ports.call_counts.CallCounts`."""
        self.refusals[operation or OTHER, code, str(status)] += 1

    def _find(self, at_hand: object, record: UsageRecord, deployment: Deployment, dialect: str) -> Series:
        names, status = self._names, record.status
        known = status // 100 if 100 <= status < 600 else 0
        front = (dialect, record.operation, names.provider(deployment))
        back = (f"{known}xx" if known else "none", record.outcome.value, record.cost_state.value)
        key = SeriesKey((*front, names.model(deployment), *back))
        if key not in self.series and len(self.series) >= self._series_max:
            key = SeriesKey((*front, OTHER, *back))
        series = self.series.setdefault(key, Series())
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()  # names at hand come from outside; labels do not
        self._known[at_hand] = series
        return series

    def _count_tries(self, tries: tuple[Try, ...]) -> None:
        """Count the tries that no record counted before: a try with a record of its own had those ahead of it."""
        for each in reversed(tries):
            provider = each.provider if self._names.has_provider(each.provider) else OTHER
            self.lost_tries[provider, _reason(each)] += 1
            if each.request_id:
                return


def _add_new(quantities: dict[str, int], dimension: str, quantity: int) -> None:
    """Add a dimension that was not there yet; what a provider makes of its name goes no further."""
    name = dimension.partition("@")[0].partition(":")[0]
    if name not in _DIMENSIONS:
        name = OTHER
    quantities[name] = quantities.get(name, 0) + quantity


def _reason(tried: Try) -> str:
    if tried.reason in _OWN_REASONS:
        return tried.reason
    if tried.status in _OWN_STATUSES:
        return str(tried.status)
    return f"{tried.status // 100}xx" if 100 <= tried.status < 600 else OTHER


if TYPE_CHECKING:

    def _are_counts(calls: CountedCalls) -> CallCounts:
        return calls
