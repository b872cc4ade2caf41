"""What a scrape gets is Prometheus' format, exact, with a line for every figure and every worker."""

from __future__ import annotations

from decimal import Decimal

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from scripts.reference import metrics as reference

from tollkeeper.observability.exposition import render
from tollkeeper.observability.figures import Figures, FigureSheet
from tollkeeper.observability.metric_list import METRICS, WORKER

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def figures_of(nanos: int = 0) -> Figures:
    sheet = FigureSheet()
    sheet.add("tollkeeper_cost_usd_total", nanos, "openai", 'a "model"\n', "computed")
    sheet.add("tollkeeper_calls_in_flight", 3)
    by_bits = [0] * 64
    by_bits[14] = 5  # from 8,192 up to 16,384 µs
    sheet.add_histogram("tollkeeper_call_duration_seconds", ("anthropic", "m"), by_bits, total=57_000)
    return sheet.figures


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(text.decode())
        for each in family.samples
    }


def test_the_text_is_prometheus_own_and_says_what_was_counted() -> None:
    content_type, text = render({"": figures_of(1_234_567_891)}, "")
    assert content_type.startswith("text/plain")
    found = samples(text)
    labels = (("model", 'a "model"\n'), ("provider", "openai"), ("state", "computed"))
    assert Decimal(str(found["tollkeeper_cost_usd_total", labels])) == Decimal("1.234567891")
    assert found["tollkeeper_calls_in_flight", ()] == 3
    at = (("model", "m"), ("provider", "anthropic"))
    assert found["tollkeeper_call_duration_seconds_count", at] == 5
    assert Decimal(str(found["tollkeeper_call_duration_seconds_sum", at])) == Decimal("0.057")
    buckets = {
        dict(labels)["le"]: value
        for (name, labels), value in found.items()
        if name == "tollkeeper_call_duration_seconds_bucket"
    }
    assert (buckets["0.008192"], buckets["0.016384"], buckets["+Inf"]) == (0, 5, 5)


def test_every_figure_is_named_even_without_a_line() -> None:
    _, text = render({"": {}}, "")
    for metric in METRICS:
        assert f"# TYPE {metric.name} {metric.kind}\n" in text.decode()
        assert f"# HELP {metric.name} " in text.decode()


def test_openmetrics_is_spoken_to_who_asks_for_it() -> None:
    content_type, text = render({"": figures_of(5)}, OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")
    assert {family.name for family in parse_openmetrics(text.decode())} >= {"tollkeeper_cost_usd"}


@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "nonsense;;q=x", "\x00"])
def test_any_accept_header_gets_an_answer(accept: str) -> None:
    assert render({"": {}}, accept)[1]


def test_workers_are_told_apart() -> None:
    _, text = render({"0": figures_of(1), "1": figures_of(2)}, "")
    found = samples(text)
    assert found["tollkeeper_calls_in_flight", ((WORKER, "0"),)] == 3
    assert found["tollkeeper_calls_in_flight", ((WORKER, "1"),)] == 3
    assert text.count(b"# TYPE tollkeeper_calls_in_flight") == 1


def test_names_are_unique_and_follow_the_customs() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith(("tollkeeper_", "process_"))
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.meaning.endswith("."), metric.name
        assert not set(metric.labels) & {"job", "instance", WORKER, "le"}, "Prometheus' own"


def test_every_label_is_explained() -> None:
    assert {label for metric in METRICS for label in metric.labels} | {WORKER} == set(reference.LABELS)


def test_a_row_with_other_labels_than_its_metric_is_our_bug() -> None:
    with pytest.raises(AssertionError):
        FigureSheet().add("tollkeeper_tokens_total", 1, "openai")
