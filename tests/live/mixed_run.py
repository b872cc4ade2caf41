"""One run of mixed calls through real processes, judged against the provider's bill and what the clients were told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.databases import Record, read_records
from tests.live.judge import Verdict, judge
from tests.live.mixed_calls import CallMaker, MadeCall, make_calls
from tests.live.processes import GatewayProcess, SimulatorProcess

SHORT_DEADLINES = """
[upstream]
idle_s = 1.0
"""
_PORTION = 1_000


@dataclass(slots=True)
class MixedReport:
    """What so many calls came to; `problems` is empty when all is well."""

    calls: int = 0
    models: int = 0
    refused: int = 0
    left: int = 0
    left_before: int = 0
    costs_told: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    problems: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        return [
            ("calls", f"{self.calls:,}"),
            ("  models on the bill", f"{self.models:,}"),
            ("  refused by Tollkeeper, as they should", f"{self.refused:,}"),
            ("  left by their client in the middle", f"{self.left:,}"),
            ("  costs told to clients, all exact", f"{self.costs_told:,}"),
            *self.verdict.rows(),
            ("problems", f"{len(self.problems):,}"),
        ]

    def table(self) -> str:
        return "\n".join(f"  {what:<40} {figure:>34}" for what, figure in self.rows())


def run_mixed_calls(
    folder: Path, database_url: str, *, calls: int, seed: int, progress: Callable[[str], None] = lambda _: None
) -> MixedReport:
    """Make `calls` calls on an empty database and judge them; the same seed makes the same calls."""
    simulator = SimulatorProcess(folder)
    gateway = GatewayProcess(folder, simulator, database_url, extra=SHORT_DEADLINES).start()
    report = MixedReport(calls)
    maker = CallMaker(seed)
    made: list[MadeCall] = []
    try:
        while len(made) < calls:
            plans = [maker.plan() for _ in range(min(_PORTION, calls - len(made)))]
            made += asyncio.run(make_calls(gateway.port, gateway.key, plans, concurrency=16))
            progress(f"{len(made):,}/{calls:,} calls")
        if gateway.stop() != 0:
            report.problems.append("the gateway did not exit with 0 on SIGTERM")
        records, bill = read_records(database_url), simulator.bill()
        gateway.tollkeeper("db", "verify")
    finally:
        gateway.kill()
        simulator.stop()
    report.verdict = judge(records, bill)
    report.models = len({line["model"] for line in bill})
    report.problems += [*report.verdict.faults, *(["a traceback in the log"] if "Traceback" in gateway.log else [])]
    _check_clients(report, made, records)
    return report


def _check_clients(report: MixedReport, made: list[MadeCall], records: list[Record]) -> None:
    by_call = {record.call_id: record for record in records}
    by_number = {int(record.labels["number"]): record for record in records}
    if len(by_number) != len(records):
        report.problems.append("two records carry the number of the same call")
    for call in made:
        number, reply = call.plan.number, call.reply
        report.left += reply.did_leave
        if call.plan.must_be_refused:
            report.refused += 1
            if number in by_number or not 400 <= reply.status < 500:
                report.problems.append(f"call {number} should have been refused without a trace, got {reply.status}")
        elif number not in by_number and call.plan.leave_after == 0 and reply.status == 0:
            report.left_before += 1  # gone before its call was forwarded: the bill knows nothing of it either
        elif number not in by_number:
            report.problems.append(f"call {number} has no record; its client saw {reply.status} {reply.body[:200]!r}")
        elif (told := call.cost_nanos) is not None:
            report.costs_told += 1
            if by_call[call.call_id].amount_nanos != told or by_call[call.call_id] is not by_number[number]:
                report.problems.append(f"call {number}: its client was told {told}, the record is {by_number[number]}")
