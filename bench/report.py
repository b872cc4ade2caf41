"""The report: the table on the terminal, JSON, and docs/benchmarks.md."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.figures import YARDSTICK, Sample, Summary, Verdict, judge, ratio, summarise
from bench.procfs import Machine
from bench.series import SeriesSample, judge_series, summarise_series
from bench.slow_streams import GAP_MS, SlowSample, judge_slow
from bench.targets import ANSWER_BYTES, CHUNK_BYTES, CHUNKS, REQUEST_BYTES

SERIES_HEADER = ("client to provider", "µs CPU per call", "× passed", "µs CPU per stream", "× passed")
SLOW_HEADER = (
    "streams", "events/s", "added p50 ms", "added p99 ms", "p99 ms through", "p99 ms direct", "CPU % of a core", "resident MB",
)  # fmt: skip
HEADER = (
    "system",
    "µs CPU per call",
    "× nginx",
    "µs CPU per stream",
    "× nginx",
    "p50 / p99 µs at one connection",
    "added p50 µs",
    "calls/s on one core",
    "resident MB (shared pages split)",
)


@dataclass(frozen=True)
class Run:
    """Everything that one run of the benchmark found out. `failures` are contenders that could not be measured."""

    machine: Machine
    versions: Mapping[str, str]
    notes: Mapping[str, Sequence[str]]
    failures: Mapping[str, str]
    samples: Sequence[Sample]
    seconds: int
    rounds: int
    duration_s: int
    load_before: float
    stolen_percent: float
    connections: int
    chunk_gap_ms: int
    series: Sequence[SeriesSample] = ()
    slow: Sequence[SlowSample] = ()

    def verdicts(self) -> list[Verdict]:
        """Hold everything that was measured against its targets."""
        found = judge(self.summaries()) if self.samples else []
        found += judge_series(summarise_series(self.series))
        return [*found, *judge_slow(list(self.slow))] if self.slow else found

    def summaries(self) -> dict[str, Summary]:
        """Fold the samples into one summary per contender, in the order in which they were measured."""
        names = dict.fromkeys(sample.system for sample in self.samples)
        return {name: summarise([sample for sample in self.samples if sample.system == name]) for name in names}


def table(summaries: Mapping[str, Summary]) -> list[list[str]]:
    """Lay out the figures as rows of cells, the header first. A figure that is not valid shows its failures."""
    yardstick = summaries.get(YARDSTICK)
    yardstick_call = yardstick.call_us if yardstick else None
    yardstick_stream = yardstick.stream_us if yardstick else None
    rows = [list(HEADER)]
    for summary in summaries.values():
        invalid = f"invalid: {summary.errors} failed" if summary.errors else "–"
        latency = invalid
        if summary.p50_us is not None and summary.p99_us is not None:
            latency = f"{number(summary.p50_us)} / {number(summary.p99_us)}"
        rows.append(
            [
                summary.system,
                number(summary.call_us, otherwise=invalid),
                number(ratio(summary.call_us, yardstick_call)),
                number(summary.stream_us, otherwise=invalid),
                number(ratio(summary.stream_us, yardstick_stream)),
                latency,
                number(summary.added_p50_us, otherwise=invalid),
                number(summary.calls_per_s),
                f"{number(summary.resident_mb)} ({number(summary.proportional_mb)})",
            ]
        )
    return rows


def series_table(samples: Sequence[SeriesSample]) -> list[list[str]]:
    """Lay out what each way costs, the header first."""
    rows = [list(SERIES_HEADER)]
    for summary in summarise_series(samples):
        invalid = f"invalid: {summary.errors} failed" if summary.errors else "–"
        rows.append(
            [
                summary.name,
                number(summary.call_us, otherwise=invalid),
                decimals(summary.call_ratio),
                number(summary.stream_us, otherwise=invalid),
                decimals(summary.stream_ratio),
            ]
        )
    return rows


def slow_table(run: Run) -> list[list[str]]:
    """Lay out the rounds of slow streams, the header first."""
    rows = [list(SLOW_HEADER)]
    for sample in run.slow:
        failed = f" (invalid: {sample.errors} failed)" if sample.errors else ""
        rows.append(
            [
                f"{sample.streams:,}{failed}",
                number(sample.events / run.seconds),
                decimals(sample.added_p50_ms),
                decimals(sample.added_p99_ms),
                decimals(sample.p99_ms),
                decimals(sample.direct_p99_ms),
                number(sample.cpu_percent),
                number(sample.resident_kb / 1024),
            ]
        )
    return rows


def decimals(figure: float | None) -> str:
    """Write a ratio or milliseconds with two decimals."""
    return "–" if figure is None else f"{figure:.2f}"


def number(figure: float | None, *, otherwise: str = "–") -> str:
    """Write a figure with as many digits as it can bear: 12.3, 123, 12,345."""
    if figure is None:
        return otherwise
    return f"{figure:.1f}" if abs(figure) < 100 else f"{figure:,.0f}"


def as_text(run: Run) -> str:
    """Lay out the figures for a terminal."""
    lines: list[str] = []
    for rows in (table(run.summaries()), series_table(run.series), slow_table(run)):
        if len(rows) > 1:
            widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
            lines += ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines += [f"{verdict.target}: {verdict.figure}, {met(verdict.is_met)}" for verdict in run.verdicts()]
    lines += [f"{name}: not measured: {reason}" for name, reason in run.failures.items()]
    return "\n".join(lines)


def as_json(run: Run) -> str:
    """Return summaries, verdicts and raw samples as one JSON document."""
    document = dataclasses.asdict(run)
    document["summaries"] = {name: dataclasses.asdict(summary) for name, summary in run.summaries().items()}
    document["series_summaries"] = [dataclasses.asdict(summary) for summary in summarise_series(run.series)]
    document["verdicts"] = [dataclasses.asdict(verdict) for verdict in run.verdicts()]
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_markdown(run: Run) -> str:
    """Return the page docs/benchmarks.md."""
    sections = [_opening(run), _figures(run), _series(run), _slow(run), _targets(run), _method(run), _raw(run)]
    return "\n\n".join(section for section in sections if section) + "\n"


def met(is_met: bool | None) -> str:
    """Say in a word whether a target was met."""
    return {True: "met", False: "missed", None: "not measured"}[is_met]


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Write rows, the first one the header, as a Markdown table with figures to the right."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "| --- |" + " ---: |" * (len(rows[0]) - 1))
    return "\n".join(lines)


def _opening(run: Run) -> str:
    machine = run.machine
    return f"""# Benchmarks

<!-- Written by `make bench`. Do not edit: run it again. -->

What a call through the gateway costs, beside a bare reverse proxy and two peers, all in one run.
Taken on {time.strftime("%Y-%m-%d", time.gmtime())} on {machine.cpu_model}, {machine.cores} cores, \
{machine.memory_mb:,} MB, {machine.kernel}; {run.rounds} rounds, {run.seconds} s per burst, \
{run.duration_s} s in all. The load average was {run.load_before:.1f} before it began (other work on the machine makes \
every figure higher), and {run.stolen_percent:.0f} % of the machine's time went to other guests of its host."""


def _figures(run: Run) -> str:
    listed = [
        f"- **{name}** {run.versions.get(name, '')}: {'; '.join(notes)}".replace(" :", ":")
        for name, notes in run.notes.items()
    ]
    listed += [f"- **{name}** was not measured: {reason}" for name, reason in run.failures.items()]
    if not run.samples:
        return "\n".join(listed)
    return (
        "## Figures\n\nMedians of all rounds.\n\n" + markdown_table(table(run.summaries())) + "\n\n" + "\n".join(listed)
    )


def _series(run: Run) -> str:
    if not run.series:
        return ""
    return f"""## Dialects

What a call and a stream of {CHUNKS} chunks cost as they are passed on, and translated for a provider of another dialect, all in
one process; `× passed` is to the same client's dialect as it is passed, in the same round. Medians of all rounds.

{markdown_table(series_table(run.series))}"""


def _slow(run: Run) -> str:
    if not run.slow:
        return ""
    return f"""## Slow streams

Streams that are all open at once, each with a chunk every {GAP_MS} ms, through one gateway on one core. Latency is from the
moment at which the upstream writes a chunk until the client reads it; what is added is that less the same without the
gateway, just before. Server and load share the other core. The memory is the gateway's with all of them open. Every round
by itself.

{markdown_table(slow_table(run))}"""


def _targets(run: Run) -> str:
    rows = [["target", "figure", "met"]]
    rows += [[verdict.target, verdict.figure, met(verdict.is_met)] for verdict in run.verdicts()]
    return "## Targets\n\n" + markdown_table(rows)


def _method(run: Run) -> str:
    tools = ", ".join(
        f"{name} {version}" for name, version in run.versions.items() if name in {"wrk", "python", "node"}
    )
    return f"""## Method

The main figure is CPU time, not the clock: the user and system ticks that Linux books to the gateway's whole process
tree, divided by the calls that it served. Other work on the machine disturbs it far less than it disturbs the clock, and
a ratio inside one run least of all. Ticks are read again only when the gateway has come to rest, so what it put off
(usage records, logs) counts too.

- One core runs the gateway under test, another the upstream and the load. Contenders take turns, round by round.
- Calls: POST of {REQUEST_BYTES} bytes with `max_tokens`, answered by nginx with a fixed {ANSWER_BYTES}-byte chat completion with usage;
  `wrk` with {run.connections} connections. The upstream counts the calls, so calls that are cut off at the end count.
- Streams: {CHUNKS} chunks of about {CHUNK_BYTES} bytes, one write each, {run.chunk_gap_ms} ms apart, then why it ends, the usage
  and the end mark;
  {run.connections} connections, every stream read to its end.
- Latency: `wrk` with one connection; the added latency is its median less that of calls straight to the upstream.
- Memory: resident memory of the process tree after the load; in parentheses with shared pages split among their users.
- Contenders: one worker each, on their documented production settings. A figure with a single failed call is invalid.
- Tools: {tools}.

`make bench` repeats all this: it installs the peers into `.bench/` and rewrites this page."""


def _raw(run: Run) -> str:
    if not run.samples:
        return ""
    rows = [
        [
            "system",
            "round",
            "calls",
            "CPU µs",
            "failed",
            "p50",
            "p99",
            "direct p50",
            "streams",
            "CPU µs",
            "failed",
            "kB",
        ]
    ]
    for sample in run.samples:
        stream = sample.stream
        rows.append(
            [
                sample.system,
                str(sample.round),
                str(sample.call.answers),
                str(sample.call.cpu_us),
                str(sample.call.errors + sample.latency.errors),
                str(sample.latency.p50_us),
                str(sample.latency.p99_us),
                str(sample.latency.direct_p50_us),
                str(stream.answers) if stream else "–",
                str(stream.cpu_us) if stream else "–",
                str(stream.errors) if stream else "–",
                str(sample.resident_kb),
            ]
        )
    return "## Raw rounds\n\n" + markdown_table(rows)
