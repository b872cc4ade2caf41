"""What was measured and what follows from it: samples per round, medians, ratios, targets. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

YARDSTICK = "nginx"


@dataclass(frozen=True)
class Load:
    """A burst of calls or streams, with the CPU that the contender's processes used for it, in microseconds."""

    answers: int
    errors: int
    cpu_us: int
    duration_us: int

    @property
    def cpu_us_each(self) -> float | None:
        """CPU per answer; None when one of them failed, because a failure costs something else than an answer."""
        return self.cpu_us / self.answers if self.answers and not self.errors else None


@dataclass(frozen=True)
class Latency:
    """Microseconds at one connection, through the contender and straight to the upstream just before."""

    p50_us: int
    p99_us: int
    direct_p50_us: int
    direct_p99_us: int
    errors: int


@dataclass(frozen=True)
class Sample:
    """One contender in one round. `stream` is None when the contender's streams do not come through whole."""

    system: str
    round: int
    call: Load
    latency: Latency
    stream: Load | None
    resident_kb: int
    proportional_kb: int


@dataclass(frozen=True)
class Summary:
    """Medians over a contender's rounds. None is a figure that is not valid; `errors` then says how many failed."""

    system: str
    call_us: float | None
    calls_per_s: float
    p50_us: float | None
    p99_us: float | None
    added_p50_us: float | None
    stream_us: float | None
    resident_mb: float
    proportional_mb: float
    errors: int


@dataclass(frozen=True)
class Verdict:
    """A target, the figure that it is held against, and whether it was met; None when there is no valid figure."""

    target: str
    figure: str
    is_met: bool | None


def summarise(samples: Sequence[Sample]) -> Summary:
    """Fold one contender's rounds into medians.

    A single failed call anywhere makes the figure invalid: it is not averaged away.
    """
    assert samples
    assert len({sample.system for sample in samples}) == 1, "samples of different contenders"
    calm = all(sample.latency.errors == 0 for sample in samples)
    streams = [sample.stream for sample in samples]
    latency = [sample.latency for sample in samples]
    return Summary(
        system=samples[0].system,
        call_us=median_or_none([sample.call.cpu_us_each for sample in samples]),
        calls_per_s=median(sample.call.answers * 1_000_000 / max(1, sample.call.duration_us) for sample in samples),
        p50_us=median(each.p50_us for each in latency) if calm else None,
        p99_us=median(each.p99_us for each in latency) if calm else None,
        added_p50_us=median(each.p50_us - each.direct_p50_us for each in latency) if calm else None,
        stream_us=median_or_none([stream.cpu_us_each if stream else None for stream in streams]),
        resident_mb=median(sample.resident_kb for sample in samples) / 1024,
        proportional_mb=median(sample.proportional_kb for sample in samples) / 1024,
        errors=sum(
            sample.call.errors + sample.latency.errors + (sample.stream.errors if sample.stream else 0)
            for sample in samples
        ),
    )


def ratio(figure: float | None, yardstick: float | None) -> float | None:
    """Divide two figures of one run; None when either is not valid."""
    return figure / yardstick if figure is not None and yardstick else None


def judge(summaries: dict[str, Summary], *, subject: str = "tollkeeper") -> list[Verdict]:
    """Hold the subject's figures against the targets. The peers are divided by the subject, the yardstick divides it."""

    def figure(system: str, choose: Callable[[Summary], float | None]) -> float | None:
        return choose(summaries[system]) if system in summaries else None

    def call(system: str) -> float | None:
        return figure(system, lambda summary: summary.call_us)

    def stream(system: str) -> float | None:
        return figure(system, lambda summary: summary.stream_us)

    own = summaries.get(subject)
    return [
        at_most("CPU per call at most 8 × nginx's", ratio(call(subject), call(YARDSTICK)), 8, "× nginx"),
        at_least("CPU per call at most 1/100 of LiteLLM's", ratio(call("litellm"), call(subject)), 100, "litellm"),
        at_least("CPU per call at most 1/15 of Portkey's", ratio(call("portkey"), call(subject)), 15, "portkey"),
        at_most("CPU per stream at most 3 × nginx's", ratio(stream(subject), stream(YARDSTICK)), 3, "× nginx"),
        at_most("resident memory at most 120 MB", own.resident_mb if own else None, 120, "MB"),
    ]


def median_or_none(figures: Sequence[float | None]) -> float | None:
    valid = [figure for figure in figures if figure is not None]
    return median(valid) if len(valid) == len(figures) else None


def at_most(target: str, figure: float | None, limit: float, unit: str) -> Verdict:
    if figure is None:
        return Verdict(target, "no valid figure", None)
    return Verdict(target, f"{figure:.1f} {unit}", figure <= limit)


def at_least(target: str, figure: float | None, limit: float, peer: str) -> Verdict:
    if figure is None:
        return Verdict(target, "no valid figure", None)
    return Verdict(target, f"1/{figure:.1f} of {peer}", figure >= limit)
