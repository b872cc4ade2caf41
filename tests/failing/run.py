"""One run of calls to routes of which one deployment fails, judged by what clients saw, the tries recorded and the bill."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.everycall.books import Books, balance
from tests.everycall.calls import FIRST_KEY, SECOND_KEY
from tests.everycall.run import settled_bill
from tests.failing.bad_server import BadServer
from tests.failing.calls import PlannedCall, configuration, plan_calls
from tests.failing.failures import RULES, Failure, Rule
from tests.live.databases import Record, Tried, read_records
from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.live.raw_http import RawConnection, Reply, render

UPSTREAM = """
[upstream]
connect_s = 0.5
first_byte_s = 3.0
idle_s = 2.0
wait_s = 0.0
"""
_CONCURRENCY = 24
_PORTION = 500


@dataclass(slots=True)
class MadeCall:
    """A call and what its client saw."""

    plan: PlannedCall
    reply: Reply

    @property
    def was_served(self) -> bool:
        """Whether its client has a whole answer without an error in it."""
        reply = self.reply
        has_error = b'"error":' in reply.body or b'"code":' in reply.body
        return reply.status == 200 and reply.is_complete and not has_error

    @property
    def had_begun(self) -> bool:
        """Whether its client had its first byte before anything failed."""
        return self.plan.is_stream and self.plan.failure.breaks and self.reply.status == 200

    @property
    def seen(self) -> str:
        """Say what a client saw that was not served."""
        reply = self.reply
        if reply.status != 200:
            return str(reply.status or "nothing")
        return "200, then an error" if reply.is_complete else "200, broken off"


@dataclass(slots=True)
class Fate:
    """What became of the calls whose first deployment fails in one way. Those that are left alone did not meet it."""

    calls: int = 0
    left_alone: int = 0
    served: int = 0
    begun: int = 0
    lost_tries: int = 0
    seen: Counter[str] = field(default_factory=Counter)  # what the clients of the others saw


@dataclass(slots=True)
class Report:
    """What so many calls came to; `problems` is empty when all is well."""

    calls: int = 0
    seed: int = 0
    second: int = 0  # calls whose failing deployment was not the first
    fates: dict[tuple[Rule, str, bool], Fate] = field(default_factory=lambda: defaultdict(Fate))
    books: Books = field(default_factory=Books)
    problems: list[str] = field(default_factory=list)

    def of_rule(self, rule: Rule) -> Fate:
        """Return what became of all calls that met a failure of this rule."""
        whole = Fate()
        for (each, _, _), fate in self.fates.items():
            if each == rule:
                for name in ("calls", "left_alone", "served", "begun", "lost_tries"):
                    setattr(whole, name, getattr(whole, name) + getattr(fate, name))
                whole.seen += fate.seen
        return whole

    def rows(self) -> list[tuple[str, str]]:
        rows = [("calls", f"{self.calls:,}"), ("  whose failing deployment was the second", f"{self.second:,}")]
        for rule, meaning in RULES.items():
            fate = self.of_rule(rule)
            begun = f", {fate.begun:,} had begun" if fate.begun else ""
            rows.append((f"  {meaning}", f"{fate.served:,} of {fate.calls - fate.left_alone:,} served{begun}"))
        left_alone = sum(fate.left_alone for fate in self.fates.values())
        rows.append(("  served by the other one, the failing one being left alone", f"{left_alone:,}"))
        return [*rows, *self.books.rows(), ("problems", f"{len(self.problems):,}")]

    def table(self) -> str:
        """Return the figures, then each way to fail with what clients saw of it."""
        lines = [f"  {what:<80} {figure:>34}" for what, figure in self.rows()]
        for rule, meaning in RULES.items():
            lines.append(f"  {meaning}:")
            for (each, name, is_stream), fate in sorted(self.fates.items()):
                if each == rule:
                    seen = "".join(f"; {what} x {count:,}" for what, count in sorted(fate.seen.items()))
                    met, kind = fate.calls - fate.left_alone, "stream" if is_stream else "whole"
                    records = f", {fate.lost_tries:,} with a record of their own" if fate.lost_tries else ""
                    lines.append(f"    {name:<28} {kind:<7} {fate.served:>6,} of {met:>6,} served{records}{seen}")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        kinds = [
            {
                "rule": rule,
                "failure": name,
                "stream": is_stream,
                "calls": fate.calls,
                "served": fate.served,
                "seen": fate.seen,
            }
            for (rule, name, is_stream), fate in sorted(self.fates.items())
        ]
        figures = {what.strip(): figure for what, figure in self.rows()}
        return {"seed": self.seed, "figures": figures, "failures": kinds, "problems": self.problems}


def run_failing(
    folder: Path, database_url: str, *, calls: int, seed: int, progress: Callable[[str], None] = lambda _: None
) -> Report:
    """Make `calls` calls on an empty database and judge them; the same seed makes the same calls."""
    simulator, bad = SimulatorProcess(folder), BadServer()
    plans = plan_calls(calls, seed)
    env = {"SIMULATOR_KEY": FIRST_KEY, "FIRST_KEY": FIRST_KEY, "SECOND_KEY": SECOND_KEY}
    extra = UPSTREAM + configuration(plans, simulator.origin, bad)
    gateway = GatewayProcess(folder, simulator, database_url, extra=extra, env=env).start()
    report = Report(calls, seed)
    try:
        made = asyncio.run(_make_all(plans, gateway, bad, progress))
        if gateway.stop() != 0:
            report.problems.append("the gateway did not exit with 0 on SIGTERM")
        records, bill = read_records(database_url), settled_bill(simulator)
        gateway.tollkeeper("db", "verify")
    finally:
        gateway.kill()
        simulator.stop()
    if "Traceback" in gateway.log:
        report.problems.append("a traceback in the gateway's log")
    report.books = balance(records, bill)
    report.problems += report.books.problems
    _check_calls(report, made, records, _count_requests(bill, bad))
    return report


async def _make_all(
    plans: list[PlannedCall], gateway: GatewayProcess, bad: BadServer, progress: Callable[[str], None]
) -> list[MadeCall]:
    made: list[MadeCall] = []
    waiting = iter(plans)

    async def client() -> None:
        connection = RawConnection(gateway.port)
        for plan in waiting:
            request = render(f"POST {plan.path}", plan.headers_with(gateway.key), plan.body)
            made.append(MadeCall(plan, await connection.send(request)))
            if len(made) % _PORTION == 0:
                progress(f"{len(made):,}/{len(plans):,} calls")
        connection.drop()

    async with bad.running():
        await asyncio.gather(*(client() for _ in range(_CONCURRENCY)))
    return made


def _count_requests(bill: list[dict[str, Any]], bad: BadServer) -> Counter[int]:
    """Return how many requests of each call any provider has seen."""
    seen = Counter(bad.seen)
    for line in bill:
        label = (line["fault"] or "").partition("label=")[2].partition(";")[0]
        seen[int(label or 0)] += 1
    return seen


def _check_calls(report: Report, made: list[MadeCall], records: list[Record], requests: Counter[int]) -> None:
    of_call: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        of_call[int(record.labels["number"])].append(record)
    for call in made:
        plan, found = call.plan, of_call[call.plan.number]
        if not found:
            report.problems.append(f"{plan.what} has no record; its client saw {call.reply.status}")
            continue
        *lost, last = found
        has_met = last.provider == plan.failing_provider or bool(last.tries)
        if plan.is_first:
            fate = report.fates[plan.rule, plan.failure.name, plan.is_stream]
            fate.calls += 1
            fate.left_alone += not has_met
            fate.lost_tries += len(lost)
            fate.served += call.was_served and has_met
            fate.begun += call.had_begun and not call.was_served
            if not call.was_served:
                fate.seen[call.seen] += 1
        else:
            report.second += 1
        may_fail = has_met and (call.had_begun or plan.rule == "own_fault" or (plan.rule == "passed" and not lost))
        if not call.was_served and not may_fail:
            body = call.reply.body[:300]
            report.problems.append(f"{plan.what} could have been served, and was answered {call.reply.status} {body!r}")
        _check_tries(report, call, found, requests[plan.number])


def _check_tries(report: Report, call: MadeCall, records: list[Record], requests: int) -> None:
    """Every request that a provider saw, and every one that did not reach it, is a try of the record or what it is of."""
    plan, last = call.plan, records[-1]
    if call.reply.status == 200 and int(call.reply.headers.get("x-tollkeeper-tries", 1)) != len(last.tries) + 1:
        report.problems.append(f"{plan.what}: its client was told of other tries than {last.tries}")
    if requests > len(last.tries) + 1:
        report.problems.append(f"{plan.what}: providers saw {requests} requests, its record has only {last.tries}")
    for tried in last.tries:
        if tried.provider != plan.failing_provider or not _fits(plan.failure, tried):
            report.problems.append(f"{plan.what}: its record says that it tried {tried}")
        # Who closes at once may do so before anything could be sent.
        if (plan.rule == "served") == bool(tried.request_id) and plan.failure.where != "at_once":
            report.problems.append(f"{plan.what}: its lost try has no record of its own, or should have none: {tried}")


def _fits(failure: Failure, tried: Tried) -> bool:
    if failure.where == "simulator" and failure.how.startswith("status="):
        asked = int(failure.how[7:10])  # DeepSeek says 402 where others say 429 of a quota
        return tried.status in ({asked, 402} if asked == 429 else {asked})
    return bool(tried.status or tried.reason)
