"""One run of every kind of call through real processes, judged call by call against the providers' bill."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.everycall.books import Books, balance
from tests.everycall.calls import FIRST_KEY, KINDS, PAIRS, SECOND_KEY, SLOW, SPARE, CallMaker, PlannedCall, Route
from tests.everycall.talks import MODELS, Place
from tests.live.databases import Record, read_records
from tests.live.processes import GatewayProcess, SimulatorProcess, get_json
from tests.live.raw_http import RawConnection, Reply, count_events, render

UPSTREAM = """
[upstream]
idle_s = 2.0
wait_s = 0.0
first_byte_s = 4.0
drain_s = 1.0
drains_max = 12
"""
_CONCURRENCY = 16
_PORTION = 500
_SWEEPS_MAX = 100
_SLOW_BUFFER_BYTES = 4_096


@dataclass(slots=True)
class MadeCall:
    """A call and what its client saw."""

    plan: PlannedCall
    reply: Reply

    @property
    def cost_nanos(self) -> int | None:
        """What the answer said that the call cost."""
        stated = self.reply.headers.get("x-tollkeeper-cost-usd")
        if stated is not None:
            return int(Decimal(stated) * 10**9)
        if self.plan.dialect == "openai" and self.reply.is_complete:
            for event in self.reply.events():
                if isinstance(event, dict) and "cost" in (event.get("usage") or {}):
                    return int(Decimal(str(event["usage"]["cost"])) * 10**9)
        return None


@dataclass(slots=True)
class Report:
    """What so many calls came to; `problems` is empty when all is well."""

    calls: int = 0
    seed: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    left: int = 0
    left_before: int = 0
    slow: int = 0
    swept: Counter[str] = field(default_factory=Counter)  # by pair: the number of events at which somebody left
    taken_over: int = 0
    costs_told: int = 0
    books: Books = field(default_factory=Books)
    problems: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        swept = sum(self.swept.values())
        return [
            ("calls", f"{self.calls:,}"),
            ("  refused by Tollkeeper, as they should", f"{self.refused:,}"),
            ("  answered after another deployment failed", f"{self.taken_over:,}"),
            ("  left by their client", f"{self.left:,}"),
            ("    streams left after each of their events", f"{swept:,} in {len(self.swept)} sweeps"),
            ("  read slowly", f"{self.slow:,}"),
            ("  costs told to clients, all exact", f"{self.costs_told:,}"),
            *((f"  {pair}", f"{count:,}") for pair, count in sorted(self.pairs.items())),
            *self.books.rows(),
            ("problems", f"{len(self.problems):,}"),
        ]

    def table(self) -> str:
        return "\n".join(f"  {what:<44} {figure:>34}" for what, figure in self.rows())

    def as_json(self) -> dict[str, Any]:
        """Return the figures, and the calls without a usage one by one."""
        estimated, untold = (
            [
                {"call": each.number, "record_nanos": each.record.amount_nanos, "bill_nanos": each.billed_nanos}
                for each in found
            ]
            for found in (self.books.estimated, self.books.untold)
        )
        return {
            "seed": self.seed,
            "figures": {what.strip(): figure for what, figure in self.rows()},
            "estimated": estimated,
            "untold": untold,
            "problems": self.problems,
        }


def run_every_call(
    folder: Path,
    database_url: str,
    *,
    calls: int,
    seed: int,
    sweep_tokens: int = 12,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Make `calls` calls on an empty database and judge them; the same seed makes the same calls."""
    simulator = SimulatorProcess(folder)
    maker = CallMaker(seed, "", sweep_tokens)
    env = {"SIMULATOR_KEY": FIRST_KEY, "FIRST_KEY": FIRST_KEY, "SECOND_KEY": SECOND_KEY}
    extra = configuration(simulator.origin, maker.routes)
    gateway = GatewayProcess(folder, simulator, database_url, extra=extra, env=env).start()
    maker.key = gateway.key
    report = Report(calls, seed)
    try:
        made = asyncio.run(_make_all(report, maker, gateway.port, calls, progress))
        if gateway.stop() != 0:
            report.problems.append("the gateway did not exit with 0 on SIGTERM")
        records = read_records(database_url)
        bill = settled_bill(simulator)
        gateway.tollkeeper("db", "verify")
    finally:
        gateway.kill()
        simulator.stop()
    if "Traceback" in gateway.log:
        report.problems.append("a traceback in the gateway's log")
    report.books = balance(records, bill)
    report.problems += report.books.problems
    _check_clients(report, made, records)
    return report


def configuration(origin: str, routes: Iterable[Route]) -> str:
    """Return the providers of every kind, each twice with a key of its own, and the routes over them."""
    parts = [UPSTREAM]
    for kind, (suffix, variable) in itertools.product(KINDS, (("", "FIRST_KEY"), (SPARE, "SECOND_KEY"))):
        if (kind, suffix) != ("openai", ""):  # the process itself has that one
            path = "/v1beta" if kind == "gemini" else "/v1"
            place = f'kind = "{kind}"\nbase_url = "{origin}{path}"\napi_key_env = "{variable}"\n'
            parts.append(f'[[providers]]\nname = "{kind}{suffix}"\n{place}')
    for route in routes:
        first, second = route.places
        parts.append(
            f'[[models]]\nname = "{route.name}"\ndeployments = [\n'
            f'  {{ provider = "{first.kind}", model = "{first.model}" }},\n'
            f'  {{ provider = "{second.kind}{SPARE}", model = "{second.model}" }},\n]\n'
        )
    return "".join(parts)


def settled_bill(simulator: SimulatorProcess) -> list[dict[str, Any]]:
    """Return the bill once nothing is being answered any more."""
    deadline = time.monotonic() + 20
    while get_json(f"{simulator.origin}/_bill/summary")["in_flight"] and time.monotonic() < deadline:
        time.sleep(0.05)
    return simulator.bill()


async def _make_all(
    report: Report, maker: CallMaker, port: int, calls: int, progress: Callable[[str], None]
) -> list[MadeCall]:
    made = await _sweep(report, maker, port, calls // 3)
    progress(f"{len(made):,}/{calls:,} calls, every event of {len(report.swept)} streams left once")
    while len(made) < calls:
        plans = [maker.plan() for _ in range(min(_PORTION, calls - len(made)))]
        made += await make_calls(port, plans)
        progress(f"{len(made):,}/{calls:,} calls")
    return made


async def _sweep(report: Report, maker: CallMaker, port: int, calls_max: int) -> list[MadeCall]:
    """Leave streams after each of their events, as many as there is room for: of each pair one that talks, then one that
    calls a tool, then the same with the next model of each provider.
    """
    made: list[MadeCall] = []
    for turn, calls_tool, (dialect, kind) in itertools.product(range(_SWEEPS_MAX), (False, True), PAIRS):
        place = Place(kind, MODELS[kind][turn % len(MODELS[kind])])
        whole = await make_calls(port, [maker.sweep(dialect, place, None, calls_tool=calls_tool)])
        made += whole
        events = count_events(whole[0].reply.body)
        if len(made) + events + 1 > calls_max:
            return made
        plans = [maker.sweep(dialect, place, after, calls_tool=calls_tool) for after in range(events + 1)]
        made += await make_calls(port, plans)
        report.swept[f"{dialect} to {place.kind}/{place.model}, {'a tool' if calls_tool else 'a text'}"] += events + 1
    return made


async def make_calls(port: int, plans: list[PlannedCall]) -> list[MadeCall]:
    """Make calls over kept-alive connections, each in the plans' order as far as it takes them."""
    waiting = iter(plans)
    made: list[MadeCall] = []

    async def client() -> None:
        usual = RawConnection(port)
        for plan in waiting:
            is_slow = plan.manners is SLOW
            connection = RawConnection(port, buffer_bytes=_SLOW_BUFFER_BYTES) if is_slow else usual
            request = render(f"POST {plan.path}", plan.headers, plan.body)
            made.append(MadeCall(plan, await connection.send(request, plan.manners)))
            if is_slow:
                connection.drop()
        usual.drop()

    await asyncio.gather(*(client() for _ in range(_CONCURRENCY)))
    return made


def _check_clients(report: Report, made: list[MadeCall], records: list[Record]) -> None:
    by_number = {int(record.labels["number"]): record for record in records}  # of several, the last
    for call in made:
        plan, reply, record = call.plan, call.reply, by_number.get(call.plan.number)
        report.statuses[reply.status] += 1
        report.left += reply.did_leave
        report.slow += plan.manners is SLOW
        if plan.places:
            report.pairs[f"{plan.dialect} to {plan.places[0].kind}"] += 1
        if plan.must_be_refused:
            report.refused += 1
            if record is not None or not 400 <= reply.status < 500:
                report.problems.append(f"{plan.what} should have been refused without a trace, got {reply.status}")
        elif record is None:
            if plan.manners.leave_after == 0 and reply.status == 0:
                report.left_before += 1  # gone before its call was forwarded: the bill knows nothing of it either
            else:
                report.problems.append(f"{plan.what} has no record; its client saw {reply.status} {reply.body[:300]!r}")
        else:
            _check_answer(report, call, record)


def _check_answer(report: Report, call: MadeCall, record: Record) -> None:
    plan, reply = call.plan, call.reply
    report.taken_over += bool(record.tries) and reply.status == 200
    if not plan.fault and not plan.manners.does_leave and not (reply.status == 200 and reply.is_complete):
        report.problems.append(f"{plan.what} was answered {reply.status} {reply.body[:300]!r}")
    if int(reply.headers.get("x-tollkeeper-tries", 1)) != len(record.tries) + 1 and reply.status == 200:
        report.problems.append(f"{plan.what}: its client was told of other tries than the record: {record.tries}")
    if (told := call.cost_nanos) is not None:
        report.costs_told += 1
        if record.amount_nanos != told:
            report.problems.append(f"{plan.what}: its client was told {told}, the record is {record}")
