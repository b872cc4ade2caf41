"""kill -9 under streaming load, again and again on one database and journal: what must hold afterwards.

Goal: no record is lost, none is doubled, replaying twice is replaying once. Method: clients stream through a gateway that
is killed after a random time and started again on what it left; at the end every call that a client saw and every line of
the provider's bill is looked for in the database, which was read without Tollkeeper's code.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.databases import Record, read_records, read_rollups
from tests.live.judge import Verdict, judge
from tests.live.mixed_calls import CallMaker, MadeCall
from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.live.raw_http import RawConnection

CLIENTS = 12
TOKENS_PER_SECOND = 600  # an answer takes 0.1 to 0.5 s, so that most kills meet many in the middle
LOAD_S = (0.05, 0.9)


@dataclass(slots=True)
class KillReport:
    """What so many kills came to."""

    kills: int = 0
    made: list[MadeCall] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    problems: list[str] = field(default_factory=list)
    seen_complete: int = 0
    cut_by_kill: int = 0
    done_but_cut: int = 0  # `[DONE]` was there, the end of the answer was not: settled either way

    def rows(self) -> list[tuple[str, str]]:
        return [
            ("kill -9", f"{self.kills:,}"),
            ("calls made by the clients", f"{len(self.made):,}"),
            ("  seen complete by their client", f"{self.seen_complete:,}"),
            ("  cut in the middle by a kill", f"{self.cut_by_kill:,}"),
            ("  cut between [DONE] and the end", f"{self.done_but_cut:,}"),
            *self.verdict.rows(),
            ("problems", f"{len(self.problems):,}"),
        ]

    def table(self) -> str:
        return "\n".join(f"  {what:<40} {figure:>34}" for what, figure in self.rows())


def kill_again_and_again(
    folder: Path, database_url: str, *, kills: int, seed: int, progress: Callable[[str], None] = lambda _: None
) -> KillReport:
    """Run the whole experiment in `folder` on an empty database; `problems` is empty when all is well."""
    rng = random.Random(seed)
    report = KillReport()
    maker = CallMaker(seed, has_faults=False, only_streams=True)
    simulator = SimulatorProcess(folder, "--tokens-per-second", str(TOKENS_PER_SECOND))
    gateway = GatewayProcess(folder, simulator, database_url)
    try:
        for number in range(1, kills + 1):
            gateway.start()
            report.made += asyncio.run(_load_until_killed(gateway, maker, rng.uniform(*LOAD_S)))
            report.kills = number
            progress(f"kill {number}/{kills}, {len(report.made):,} calls made")
        report.problems += _check_replay(gateway)
        _wait_until_idle(simulator)
        records = read_records(database_url)
        report.verdict = judge(records, simulator.bill())
        report.problems += report.verdict.faults
        report.problems += _check_clients(report, {record.call_id: record for record in records}, simulator)
        if "Traceback" in gateway.log:
            report.problems.append(
                f"a traceback in the gateway's log: {gateway.log[gateway.log.index('Traceback') :][:3000]}"
            )
    finally:
        if gateway.process is not None:
            gateway.kill()
        simulator.stop()
    return report


async def _load_until_killed(gateway: GatewayProcess, maker: CallMaker, after_s: float) -> list[MadeCall]:
    made: list[MadeCall] = []
    is_killed = asyncio.Event()

    async def client() -> None:
        connection = RawConnection(gateway.port)
        while not is_killed.is_set():
            plan = maker.plan()
            headers = {"x-tollkeeper-labels": f"number={plan.number}"}
            made.append(MadeCall(plan, await connection.post(plan.path, plan.body, key=gateway.key, headers=headers)))
        connection.drop()

    clients = [asyncio.ensure_future(client()) for _ in range(CLIENTS)]
    await asyncio.sleep(after_s)
    gateway.kill()
    is_killed.set()
    await asyncio.gather(*clients)
    return made


def _check_replay(gateway: GatewayProcess) -> list[str]:
    """Start and stop twice: the second time changes nothing, and the books agree with themselves."""
    found = []
    states = []
    for _ in range(2):
        gateway.start()
        if gateway.stop() != 0:
            found.append("the gateway did not exit with 0 on SIGTERM")
        states.append((read_records(gateway.database_url), read_rollups(gateway.database_url)))
    if states[0] != states[1]:
        found.append("replaying twice is not replaying once: records or rollups changed")
    if segments := list((gateway.folder / "journal").glob("*/*.journal")):
        found.append(f"the journal is not empty after an orderly stop: {segments}")
    if damaged := list((gateway.folder / "journal").glob("*/*.damaged")):
        found.append(f"damaged segments: {damaged}")
    gateway.tollkeeper("db", "verify")
    return found


def _check_clients(report: KillReport, records: dict[str, Record], simulator: SimulatorProcess) -> list[str]:
    """Every answer that a client saw begin has its record, and that of a complete one is exact."""
    found = []
    billed = {line["request_id"]: line["amount_nano"] for line in simulator.bill()}
    for call in report.made:
        reply = call.reply
        record = records.get(call.call_id)
        if reply.status == 0:
            report.cut_by_kill += 1
        elif record is None:
            if reply.status == 200:
                found.append(f"call {call.plan.number} ({call.call_id}) was seen by its client and has no record")
        elif reply.is_complete:
            report.seen_complete += 1
            if record.is_estimated or record.amount_nanos != billed.get(record.provider_request_id):
                found.append(f"call {call.plan.number} was complete, but its record is not exact: {record}")
        else:
            report.cut_by_kill += 1
            report.done_but_cut += reply.is_done
        if reply.status not in {0, 200}:
            found.append(f"call {call.plan.number} was answered {reply.status}: {reply.body[:200]!r}")
    return found


def _wait_until_idle(simulator: SimulatorProcess) -> None:
    from tests.live.processes import get_json

    deadline = time.monotonic() + 30
    while get_json(f"{simulator.origin}/_bill/summary")["in_flight"] and time.monotonic() < deadline:
        time.sleep(0.05)
