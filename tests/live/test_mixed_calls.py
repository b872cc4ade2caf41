"""Thousands of mixed calls through real processes: the sum of the records is the provider's bill, to the nano-dollar."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.live.conftest import SHORT_DEADLINES
from tests.live.databases import read_records
from tests.live.mixed_calls import CallMaker, MadeCall, make_calls
from tests.live.judge import Verdict, judge
from tests.live.processes import GatewayProcess, SimulatorProcess

CALLS = int(os.environ.get("TOLLKEEPER_CALLS", "600"))
SEED = int(os.environ.get("TOLLKEEPER_SEED", "20261122"))


def test_records_equal_the_providers_bill(tmp_path: Path, new_database_url: str) -> None:
    simulator = SimulatorProcess(tmp_path)
    gateway = GatewayProcess(tmp_path, simulator, new_database_url, extra=SHORT_DEADLINES).start()
    try:
        maker = CallMaker(SEED)
        is_sqlite = new_database_url.startswith("sqlite")
        plans = [maker.plan() for _ in range(CALLS if is_sqlite else CALLS // 3)]
        made = asyncio.run(make_calls(gateway.port, gateway.key, plans, concurrency=16))
        assert gateway.stop() == 0
        records, bill = read_records(gateway.database_url), simulator.bill()
    finally:
        gateway.kill()
        simulator.stop()
    verdict = judge(records, bill)
    print(f"\n{verdict.table()}\nestimated, one by one:\n{verdict.estimated_list()}")
    assert "Traceback" not in gateway.log
    assert verdict.faults == []
    assert_clients_were_told_the_truth(made, records, verdict)


def assert_clients_were_told_the_truth(made: list[MadeCall], records: list, verdict: Verdict) -> None:
    by_call = {record.call_id: record for record in records}
    assert {call.plan.number for call in made if call.plan.must_be_refused}.isdisjoint(
        int(record.labels["number"]) for record in records
    )
    assert all(400 <= call.reply.status < 500 for call in made if call.plan.must_be_refused)
    forwarded = [call for call in made if not call.plan.must_be_refused]
    assert len(records) == len(forwarded) == verdict.lines
    stated = 0
    for call in forwarded:
        if call.reply.status and call.cost_nanos is not None:
            record = by_call[call.call_id]
            assert record.labels["number"] == str(call.plan.number)
            assert record.amount_nanos == call.cost_nanos
            stated += 1
    assert stated > len(made) // 3
