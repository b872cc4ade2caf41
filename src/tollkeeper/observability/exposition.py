"""Figures as Prometheus' text, or as OpenMetrics for who asks for it: written by Prometheus' own client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tollkeeper.observability.figures import Figures, Row
from tollkeeper.observability.metric_list import METRICS, WORKER, Metric, bounds_of

if TYPE_CHECKING:
    from prometheus_client import Metric as Family


def render(workers: Mapping[str, Figures], accept: str) -> tuple[str, bytes]:
    """Return the content type and the text of every process's figures; the name of the only one may be "".

    Blocks for some milliseconds, so not on the event loop.
    """
    from prometheus_client.exposition import choose_encoder  # memory that a process saves that nobody scrapes

    encode, content_type = choose_encoder(accept)
    return content_type, encode(_Collected(workers))  # it asks a registry only to collect


class _Collected:
    """What stands for a registry: figures that were collected before."""

    def __init__(self, workers: Mapping[str, Figures]) -> None:
        self._workers = workers

    def collect(self) -> Iterator[Family]:
        for metric in METRICS:
            yield _family(metric, self._workers)


def _family(metric: Metric, workers: Mapping[str, Figures]) -> Family:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    has_workers = any(workers)
    labels = [WORKER, *metric.labels] if has_workers else list(metric.labels)
    made: Any
    if metric.kind == "histogram":
        made = HistogramMetricFamily(metric.name, metric.meaning, labels=labels)
    elif metric.kind == "counter":
        made = CounterMetricFamily(metric.name, metric.meaning, labels=labels)
    else:
        made = GaugeMetricFamily(metric.name, metric.meaning, labels=labels)
    bounds = [*(str(_shown(bound, metric)) for bound in bounds_of(metric)), "+Inf"]
    for worker, figures in workers.items():
        for row in figures.get(metric.name, ()):
            values = [worker, *row.labels] if has_workers else list(row.labels)
            if metric.kind == "histogram":
                made.add_metric(
                    values, buckets=list(zip(bounds, row.buckets, strict=True)), sum_value=_shown_of(row, metric)
                )
            else:
                made.add_metric(values, _shown_of(row, metric))
    found: Family = made
    return found


def _shown_of(row: Row, metric: Metric) -> Any:
    return _shown(row.value, metric)


def _shown(value: int, metric: Metric) -> int | Decimal:
    """Return a value as it is shown, exactly. Prometheus' client makes a float of it: that is what Prometheus keeps."""
    return Decimal(value).scaleb(metric.scale) if metric.scale else value
