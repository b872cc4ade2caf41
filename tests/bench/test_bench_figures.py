"""From rounds to figures: medians, no figure from failed calls, ratios inside one run, targets."""

from __future__ import annotations

import dataclasses

from bench.figures import Latency, Load, Sample, Summary, judge, ratio, summarise

CALM = Latency(p50_us=100, p99_us=200, direct_p50_us=20, direct_p99_us=40, errors=0)


def sample(cpu_us: int, *, system: str = "tollkeeper", errors: int = 0, stream: Load | None = None) -> Sample:
    call = Load(answers=1000, errors=errors, cpu_us=cpu_us, duration_us=1_000_000)
    return Sample(system, 1, call, CALM, stream, resident_kb=50 * 1024, proportional_kb=40 * 1024)


def summary(system: str, call_us: float | None, *, stream_us: float | None = None, resident_mb: float = 50) -> Summary:
    one = summarise([sample(1, system=system)])
    return dataclasses.replace(one, call_us=call_us, stream_us=stream_us, resident_mb=resident_mb)


def test_the_median_round_counts() -> None:
    found = summarise([sample(60_000), sample(900_000), sample(70_000)])
    assert found.call_us == 70
    assert found.calls_per_s == 1000
    assert found.added_p50_us == 80
    assert found.resident_mb == 50


def test_one_failed_call_makes_the_figure_invalid_and_is_counted() -> None:
    found = summarise([sample(60_000), sample(60_000, errors=1), sample(60_000)])
    assert found.call_us is None
    assert found.errors == 1


def test_failed_calls_at_one_connection_make_the_latency_invalid_but_not_the_cpu() -> None:
    failed = dataclasses.replace(sample(60_000), latency=dataclasses.replace(CALM, errors=2))
    found = summarise([sample(60_000), failed])
    assert (found.p50_us, found.p99_us, found.added_p50_us) == (None, None, None)
    assert found.call_us == 60
    assert found.errors == 2


def test_no_answers_is_no_figure_rather_than_zero() -> None:
    assert Load(answers=0, errors=0, cpu_us=5, duration_us=1).cpu_us_each is None


def test_streams_that_were_not_measured_have_no_figure() -> None:
    whole = Load(answers=10, errors=0, cpu_us=5_000, duration_us=1)
    assert summarise([sample(1, stream=whole)]).stream_us == 500
    assert summarise([sample(1, stream=whole), sample(1)]).stream_us is None


def test_a_ratio_needs_both_figures() -> None:
    assert ratio(90, 12) == 7.5
    assert ratio(None, 12) is None
    assert ratio(90, None) is None


def test_every_target_is_judged_on_its_own_side_of_the_limit() -> None:
    peers = [summary("nginx", 10, stream_us=500), summary("portkey", 1200), summary("litellm", 8000)]
    good = summary("tollkeeper", 80, stream_us=1500, resident_mb=120)
    bad = summary("tollkeeper", 81, stream_us=1501, resident_mb=120.5)
    assert [verdict.is_met for verdict in judge({one.system: one for one in [*peers, good]})] == [True] * 5
    assert [verdict.is_met for verdict in judge({one.system: one for one in [*peers, bad]})] == [False] * 5


def test_a_target_without_a_valid_figure_is_neither_met_nor_missed() -> None:
    invalid = summary("tollkeeper", None)
    assert [verdict.is_met for verdict in judge({"tollkeeper": invalid})] == [None, None, None, None, True]
    assert [verdict.is_met for verdict in judge({})] == [None] * 5
