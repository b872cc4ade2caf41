"""The series of dialects and of slow streams: bodies of stated sizes, ratios within a round, latencies, what the page says."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from bench.__main__ import parse_arguments
from bench.dialects import DIALECTS, END_MARKS, Dialect, answer_of, events_of, path_of, request_of
from bench.figures import Load
from bench.procfs import Machine
from bench.report import Run, as_markdown, as_text
from bench.series import SeriesSample, judge_series, series_of, summarise_series
from bench.slow_streams import Latencies, SlowSample, judge_slow


def sample(client: Dialect, provider: Dialect, cpu_us: int, *, number: int = 1, errors: int = 0) -> SeriesSample:
    load = Load(answers=1_000, errors=errors, cpu_us=cpu_us, duration_us=1_000_000)
    return SeriesSample(client, provider, number, load, load)


def slow(*, p99_ms: float = 4.0, errors: int = 0) -> SlowSample:
    return SlowSample(1, 1_000, 120_000, errors, 1.0, p99_ms, 0.5, 1.0, 60.0, 150 * 1024)


def run(**parts: object) -> Run:
    given: dict[str, object] = {
        "machine": Machine("A CPU", 2, "Linux 6", 24_000),
        "versions": {},
        "notes": {},
        "failures": {},
        "samples": (),
        "seconds": 6,
        "rounds": 1,
        "duration_s": 60,
        "load_before": 0.2,
        "stolen_percent": 0.0,
        "connections": 32,
        "chunk_gap_ms": 0,
    }
    return Run(**{**given, **parts})  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_requests_and_answers_have_the_same_size_in_every_dialect(dialect: Dialect) -> None:
    assert len(request_of(dialect, "m", stream=False)) == 250
    assert len(answer_of(dialect)) == 700
    assert json.loads(answer_of(dialect))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_streams_have_100_chunks_of_230_bytes_and_end_with_their_mark(dialect: Dialect) -> None:
    events = events_of(dialect)
    assert sum(len(event) == 230 and b"yyyy" in event for event in events) == 100
    assert END_MARKS[dialect].encode() in b"".join(events)[-512:]


def test_every_way_has_its_own_path_and_key_header() -> None:
    ways = {way.name: way for way in series_of("http://127.0.0.1:1", "k")}
    assert len(ways) == 7
    assert ways["gemini to gemini"].stream.url.endswith(
        path_of("gemini", "gemini-streams/gemini-2.5-flash", stream=True)
    )
    assert ways["anthropic to openai"].call.headers["x-api-key"] == "k"


def test_a_translated_way_is_divided_by_the_same_clients_passed_one_of_its_round() -> None:
    samples = [
        *(sample("openai", "openai", 100_000 * number, number=number) for number in (1, 2)),
        *(sample("openai", "gemini", 250_000 * number, number=number) for number in (1, 2)),
        sample("anthropic", "gemini", 1),
    ]
    passed, translated, alone = summarise_series(samples)
    assert (passed.call_ratio, passed.is_translated) == (1.0, False)
    assert (translated.call_us, translated.call_ratio, translated.stream_ratio) == (375.0, 2.5, 2.5)
    assert alone.call_ratio is None
    assert [verdict.is_met for verdict in judge_series([passed, translated])] == [False, True]


def test_a_failed_call_makes_a_ways_figures_invalid() -> None:
    summary = summarise_series([sample("openai", "openai", 100), sample("openai", "gemini", 100, errors=1)])[1]
    assert (summary.call_us, summary.call_ratio) == (None, None)


def test_percentiles_of_latencies_are_in_milliseconds() -> None:
    seen = Latencies(streams=1, events=100, tenths=Counter({4: 98, 79: 2}))
    assert (seen.percentile_ms(50), seen.percentile_ms(99)) == (0.5, 8.0)


def test_slow_streams_are_held_against_their_worst_round() -> None:
    assert [verdict.is_met for verdict in judge_slow([slow(), slow(p99_ms=6.5)])] == [False, True]
    assert [verdict.is_met for verdict in judge_slow([slow(), slow(errors=1)])] == [None, None]


def test_the_page_has_both_parts_when_they_were_measured() -> None:
    whole = run(series=[sample("openai", "openai", 100), sample("openai", "gemini", 150)], slow=[slow()])
    page = as_markdown(whole)
    assert "| openai to gemini | 0.1 | 1.50 | 0.1 | 1.50 |" in page
    assert "| 1,000 | 20,000 | 0.50 | 3.00 | 4.00 | 1.00 | 60.0 | 150 |" in page
    assert "1,000 slow streams: added p99 at most 5 ms" in as_text(whole)
    assert "## Dialects" not in as_markdown(run())


def test_parts_can_be_asked_for_alone() -> None:
    asked = parse_arguments(["--only", "dialects,streams"])
    assert (asked.only, asked.parts, asked.output) == ([], ["dialects", "streams"], None)
    assert parse_arguments([]).parts == ["dialects", "streams"]
