"""The command `python -m bench`: install, start every contender, measure in turns, report, end every process."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bench.figures import Sample
from bench.install import InstallFailure, Tools, install, version_of
from bench.measure import CONNECTIONS, Bench, Contender
from bench.processes import ROOT, Fleet, StartFailure, choose_cores, free_port
from bench.procfs import read_cpu_times, read_machine
from bench.report import Run, as_json, as_markdown, as_text
from bench.series import SeriesSample, check_series, measure_series, series_of
from bench.slow_streams import SlowSample, allow_files, measure_slow_streams
from bench.systems import SYSTEMS, Site, System, custom, tollkeeper
from bench.targets import check_call, check_stream
from bench.upstream import SERVERS, Upstream, start_upstream
from bench.wrk import Wrk

BUSY = 0.7
PARTS = ("dialects", "streams")
"""What is measured of Tollkeeper alone, after the contenders."""
PLACE = ROOT / ".bench"
SUBJECT = "tollkeeper"
PAGE = ROOT / "docs/benchmarks.md"


class Session:
    """One run: contenders that fail are left out with their reason, the others go on."""

    def __init__(self, *, tools: Tools, seconds: int, upstream: Upstream) -> None:
        self._gateway_core, load_core = choose_cores()
        self._tools = tools
        self._fleet = Fleet(PLACE / "run")
        self._upstream, self._seconds = upstream, seconds
        start_upstream(self._fleet, tools, upstream, folder=PLACE / "run", core=load_core)
        self._bench = Bench(Wrk(tools.wrk, tools.library_path, load_core), self._upstream, seconds)
        self.contenders: list[Contender] = []
        self.failures: dict[str, str] = {}
        self.samples: list[Sample] = []
        self.series: list[SeriesSample] = []
        self.slow: list[SlowSample] = []

    def start(self, name: str, build: Callable[[Site], System]) -> None:
        """Start a contender, check that a call and a stream come through, warm it up."""
        folder = PLACE / "run" / name
        folder.mkdir(parents=True, exist_ok=True)
        say(f"starting {name}")
        try:
            system = build(Site(self._tools, self._upstream, folder))
            pid = self._fleet.start(name, system.command, core=self._gateway_core, folder=system.folder)
            self._wait_for_call(system)
            contender = Contender(system, pid, check_stream(system.stream))
            if contender.stream_fault:
                say(f"{name}: streams are left out: {contender.stream_fault}")
            self._bench.warm_up(contender)
            self._fleet.check(SERVERS)
            self.contenders.append(contender)
        except (StartFailure, OSError, ValueError, subprocess.SubprocessError) as failure:
            self._give_up(name, failure)

    def measure(self, number: int, rounds: int) -> None:
        """Take one round of every contender that still runs.

        Raises:
            StartFailure: the upstream has ended, so no figure of this run can be trusted.
        """
        for contender in list(self.contenders):
            name = contender.system.name
            say(f"round {number} of {rounds}: {name}")
            try:
                self.samples.append(self._bench.measure(contender, number=number))
            except (OSError, ValueError, subprocess.SubprocessError) as failure:
                self.contenders.remove(contender)
                self._give_up(name, failure)
            self._fleet.check(SERVERS)

    def measure_alone(self, parts: Sequence[str], rounds: int) -> None:
        """Measure parts of Tollkeeper in a process of its own, once the contenders are gone.

        Raises:
            StartFailure: it could not be started, or one of its ways does not work.
        """
        for contender in self.contenders:
            self._fleet.stop(contender.system.name)
        name, folder = f"{SUBJECT} alone", PLACE / "run" / "alone"
        folder.mkdir(parents=True, exist_ok=True)
        say(f"starting {name}")
        system = tollkeeper(Site(self._tools, self._upstream, folder))
        pid = self._fleet.start(name, system.command, core=self._gateway_core, folder=system.folder)
        self._wait_for_call(system, name)
        place = urlsplit(system.call.url)
        origin, key = f"{place.scheme}://{place.netloc}", system.call.headers["authorization"].removeprefix("Bearer ")
        ways = series_of(origin, key) if "dialects" in parts else []
        for way in ways:
            if wrong := check_series(way):
                raise StartFailure(f"{way.name}: {wrong}")
        wrk, seconds = self._bench.wrk, self._seconds
        for number in range(1, rounds + 1):
            self.series += measure_series(
                ways, pid, wrk=wrk, upstream=self._upstream, seconds=seconds, number=number, say=say
            )
            if "streams" in parts:
                say(f"round {number} of {rounds}: slow streams")
                slow_url = self._upstream.slow_url
                self.slow.append(
                    measure_slow_streams(
                        origin, key, pid, slow_url=slow_url, core=wrk.core, seconds=seconds, number=number
                    )
                )
            self._fleet.check(SERVERS)

    def close(self) -> None:
        """End every process."""
        self._fleet.stop()

    def _wait_for_call(self, system: System, name: str = "") -> None:
        fault: list[str] = []

        def is_ready() -> bool:
            wrong = check_call(system.call, timeout_s=10)
            fault[:] = [wrong] if wrong else []
            return wrong is None

        try:
            self._fleet.wait_until(name or system.name, is_ready, timeout_s=system.ready_s)
        except StartFailure as failure:
            raise StartFailure(f"{failure}\nlast call: {fault[0] if fault else 'none'}") from failure

    def _give_up(self, name: str, failure: Exception) -> None:
        say(f"{name} is left out: {failure}")
        first = (str(failure) or type(failure).__name__).splitlines()[0]
        self.failures[name] = first
        self._fleet.stop(name)
        self._fleet.check(SERVERS)


def main() -> int:
    """Run the benchmark; exit code 1 when the gateway under test could not be measured."""
    arguments = parse_arguments()
    wanted = dict(arguments.system)
    for name in arguments.only:
        wanted[name] = SYSTEMS[name]
    try:
        tools = install(PLACE, peers=list(wanted))
        begun, times, busy = time.monotonic(), read_cpu_times(), os.getloadavg()[0]
        if busy > BUSY:
            say(f"the machine is busy (load average {busy:.1f}): every figure will be too high")
        upstream = Upstream(arguments.upstream_port or free_port(), free_port(), arguments.chunk_gap_ms, free_port())
        allow_files()
        session = Session(tools=tools, seconds=arguments.seconds, upstream=upstream)
        for name, build in wanted.items():
            session.start(name, build)
        for number in range(1, arguments.rounds + 1):
            session.measure(number, arguments.rounds)
        if arguments.parts:
            session.measure_alone(arguments.parts, arguments.rounds)
    except (InstallFailure, StartFailure, ValueError, OSError) as failure:
        say(str(failure))
        return 1
    session.close()
    ticks, stolen = (now - before for now, before in zip(read_cpu_times(), times, strict=True))
    run = Run(
        machine=read_machine(),
        versions=versions(tools, session.contenders),
        notes={contender.system.name: notes(contender) for contender in session.contenders},
        failures=session.failures,
        samples=session.samples,
        seconds=arguments.seconds,
        rounds=arguments.rounds,
        duration_s=round(time.monotonic() - begun),
        load_before=busy,
        stolen_percent=100 * stolen / max(1, ticks),
        connections=CONNECTIONS,
        chunk_gap_ms=arguments.chunk_gap_ms,
        series=session.series,
        slow=session.slow,
    )
    deliver(run, arguments)
    return 1 if SUBJECT in session.failures else 0


def deliver(run: Run, arguments: argparse.Namespace) -> None:
    """Print the figures and write the page."""
    (PLACE / "results.json").write_text(as_json(run) + "\n")
    print(as_json(run) if arguments.json else as_text(run))
    if SUBJECT in run.failures and arguments.output == PAGE:
        say(f"{PAGE} is left as it was: {SUBJECT} was not measured")
    elif arguments.output:
        arguments.output.write_text(as_markdown(run))
        say(f"wrote {arguments.output}")


def notes(contender: Contender) -> tuple[str, ...]:
    """Say what the reader of a contender's figures must know."""
    fault = contender.stream_fault
    return (*contender.system.notes, f"streams were not measured: {fault}") if fault else contender.system.notes


def versions(tools: Tools, contenders: Sequence[Contender]) -> dict[str, str]:
    """Name the versions of everything that took part."""
    found = {contender.system.name: contender.system.version for contender in contenders}
    found |= {"wrk": version_of(tools, "wrk"), "python": platform.python_version()}
    if any(contender.system.name == "portkey" for contender in contenders) and (node := shutil.which("node")):
        done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
        found["node"] = done.stdout.strip().removeprefix("v")
    return found


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line. A short or partial run prints its figures but writes the page only where --output says."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Tollkeeper beside nginx and its peers."
    )
    parser.add_argument("--only", type=_names, metavar="A,B", help=f"of {', '.join([*SYSTEMS, *PARTS])}")
    parser.add_argument(
        "--system", type=_custom, action="append", default=[], metavar="NAME=COMMAND|URL", help="a further contender"
    )
    parser.add_argument("--seconds", type=int, default=6, help="length of a burst (default 6)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts (default 3)")
    parser.add_argument("--quick", action="store_true", help="one round of two-second bursts")
    parser.add_argument("--upstream-port", type=int, help="where calls are answered (default: any free port)")
    parser.add_argument("--chunk-gap-ms", type=int, default=0, help="pause between a stream's chunks (default 0)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--output", type=Path, help="page to write (default: docs/benchmarks.md after a full run)")
    parsed = parser.parse_args(arguments)
    is_full = parsed.only is None and not (parsed.system or parsed.quick or parsed.chunk_gap_ms)
    chosen = [*SYSTEMS, *PARTS] if parsed.only is None else parsed.only
    parsed.only = [name for name in chosen if name in SYSTEMS]
    parsed.parts = [name for name in chosen if name in PARTS]
    if parsed.quick:
        parsed.seconds, parsed.rounds = 2, 1
    if parsed.seconds < 1 or parsed.rounds < 1:
        parser.error("--seconds and --rounds are at least 1")
    if parsed.output is None and is_full:
        parsed.output = PAGE
    return parsed


def say(line: str) -> None:
    """Tell progress on stderr, so that stdout holds only the figures."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def _names(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    known = [*SYSTEMS, *PARTS]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown) or text!r} (known: {', '.join(known)})")
    return names


def _custom(text: str) -> tuple[str, Callable[[Site], System]]:
    try:
        return custom(text)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from fault


if __name__ == "__main__":
    sys.exit(main())
