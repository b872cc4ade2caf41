"""The series of dialects: what a call and a stream cost as they are passed, and as they are translated, in one process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.dialects import END_MARKS, MODELS, Dialect, headers_of, path_of, request_of
from bench.figures import Load, Verdict, at_most, median_or_none, ratio
from bench.measure import CONNECTIONS, wait_until_quiet
from bench.procfs import cpu_us_of
from bench.stream_load import run_stream_burst
from bench.targets import CHUNKS, Target, check_text
from bench.upstream import JSON_HEADERS, Upstream
from bench.wrk import Wrk, run_burst

CALL_RATIO_MAX, STREAM_RATIO_MAX = 2, 3
WAYS: tuple[tuple[Dialect, Dialect], ...] = (
    ("openai", "openai"),
    ("anthropic", "anthropic"),
    ("gemini", "gemini"),
    ("openai", "anthropic"),
    ("openai", "gemini"),
    ("anthropic", "openai"),
    ("anthropic", "gemini"),
)
"""The client's dialect and the provider's."""


@dataclass(frozen=True)
class Series:
    """One way through the gateway."""

    client: Dialect
    provider: Dialect
    call: Target
    stream: Target

    @property
    def name(self) -> str:
        return f"{self.client} to {self.provider}"


@dataclass(frozen=True)
class SeriesSample:
    """One way in one round."""

    client: Dialect
    provider: Dialect
    round: int
    call: Load
    stream: Load

    @property
    def name(self) -> str:
        return f"{self.client} to {self.provider}"


@dataclass(frozen=True)
class SeriesSummary:
    """Medians over the rounds. The ratios are to the same client's dialect as it is passed, each within its round."""

    name: str
    is_translated: bool
    call_us: float | None
    call_ratio: float | None
    stream_us: float | None
    stream_ratio: float | None
    errors: int


def series_of(origin: str, key: str) -> list[Series]:
    """Return every way through a gateway."""
    return [
        Series(client, provider, *(_target(origin, key, client, provider, stream=stream) for stream in (False, True)))
        for client, provider in WAYS
    ]


def _target(origin: str, key: str, client: Dialect, provider: Dialect, *, stream: bool) -> Target:
    model = f"{provider_name(provider, stream=stream)}/{MODELS[provider]}"
    path, headers = path_of(client, model, stream=stream), {**JSON_HEADERS, **headers_of(client, key)}
    return Target(origin + path, headers, request_of(client, model, stream=stream), END_MARKS[client])


def provider_name(dialect: Dialect, *, stream: bool) -> str:
    """Return under which name the provider of a dialect is configured: one for calls, one for streams."""
    if dialect == "openai":
        return "streams" if stream else "openai"
    return f"{dialect}-streams" if stream else dialect


def check_series(each: Series) -> str | None:
    """Make one call and one stream; None when both came whole, else what is wrong."""
    return check_text(each.call, texts=1) or check_text(each.stream, texts=CHUNKS)


def measure_series(
    all_series: Sequence[Series],
    pid: int,
    *,
    wrk: Wrk,
    upstream: Upstream,
    seconds: int,
    number: int,
    say: Callable[[str], None],
) -> list[SeriesSample]:
    """Take one round of every way, one after the other in the same process.

    Raises:
        ProcessLookupError: the gateway has ended.
        ValueError: the load itself broke.
    """
    samples = []
    for each in all_series:
        say(f"round {number}: {each.name}")
        call = _measure_calls(each, pid, wrk, upstream, seconds)
        stream = _measure_streams(each, pid, wrk, seconds)
        samples.append(SeriesSample(each.client, each.provider, number, call, stream))
    return samples


def _measure_calls(each: Series, pid: int, wrk: Wrk, upstream: Upstream, seconds: int) -> Load:
    run_burst(wrk, each.call, connections=CONNECTIONS, seconds=1)
    wait_until_quiet(pid)
    served, cpu_us = upstream.served(), cpu_us_of(pid)
    burst = run_burst(wrk, each.call, connections=CONNECTIONS, seconds=seconds)
    wait_until_quiet(pid)
    used_us = cpu_us_of(pid) - cpu_us
    answers = upstream.served() - served - 1
    strays = max(0, burst.answers - answers) + max(0, answers - burst.answers - CONNECTIONS)
    return Load(answers=answers, errors=burst.errors + strays, cpu_us=used_us, duration_us=burst.duration_us)


def _measure_streams(each: Series, pid: int, wrk: Wrk, seconds: int) -> Load:
    run_stream_burst(each.stream, connections=8, seconds=1, core=wrk.core)
    wait_until_quiet(pid)
    cpu_us = cpu_us_of(pid)
    burst = run_stream_burst(each.stream, connections=CONNECTIONS, seconds=seconds, core=wrk.core)
    wait_until_quiet(pid)
    used_us = cpu_us_of(pid) - cpu_us
    return Load(answers=burst.streams, errors=burst.errors, cpu_us=used_us, duration_us=burst.duration_us)


def summarise_series(samples: Sequence[SeriesSample]) -> list[SeriesSummary]:
    """Fold the rounds into one summary per way, in the order in which they were measured."""
    by_name: dict[str, list[SeriesSample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    passed = {(sample.client, sample.round): sample for sample in samples if sample.client == sample.provider}
    return [
        _summary(name, each, [passed.get((one.client, one.round)) for one in each]) for name, each in by_name.items()
    ]


def _summary(name: str, samples: Sequence[SeriesSample], passed: Sequence[SeriesSample | None]) -> SeriesSummary:
    pairs = [(sample, one) for sample, one in zip(samples, passed, strict=True) if one is not None]
    call_ratios = [ratio(sample.call.cpu_us_each, one.call.cpu_us_each) for sample, one in pairs]
    stream_ratios = [ratio(sample.stream.cpu_us_each, one.stream.cpu_us_each) for sample, one in pairs]
    return SeriesSummary(
        name=name,
        is_translated=samples[0].client != samples[0].provider,
        call_us=median_or_none([sample.call.cpu_us_each for sample in samples]),
        call_ratio=median_or_none(call_ratios) if call_ratios else None,
        stream_us=median_or_none([sample.stream.cpu_us_each for sample in samples]),
        stream_ratio=median_or_none(stream_ratios) if stream_ratios else None,
        errors=sum(sample.call.errors + sample.stream.errors for sample in samples),
    )


def judge_series(summaries: Sequence[SeriesSummary]) -> list[Verdict]:
    """Hold each translated way against what is passed."""
    verdicts = []
    for each in summaries:
        if each.is_translated:
            call, stream = f"CPU per call {each.name}", f"CPU per stream {each.name}"
            passed = "× the passed one's"
            verdicts += [
                at_most(f"{call} at most {CALL_RATIO_MAX} {passed}", each.call_ratio, CALL_RATIO_MAX, "× passed"),
                at_most(
                    f"{stream} at most {STREAM_RATIO_MAX} {passed}", each.stream_ratio, STREAM_RATIO_MAX, "× passed"
                ),
            ]
    return verdicts
