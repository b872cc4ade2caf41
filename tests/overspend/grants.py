"""How long a grant takes when a hundred replicas share one hot budget on PostgreSQL, at a stated rate of grants."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import event

from tollkeeper.domain.budget import Budget
from tollkeeper.domain.lease import Ask
from tollkeeper.domain.tenancy import OrganizationId
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.budgets import set_budget
from tollkeeper.store.engine import Store
from tollkeeper.store.leases import StoreLeases

HOLDERS = 100
RATES = (20, 50, 100)
P99_S = 0.020
_STORES = 8
_ENOUGH = 10**15


@dataclass(slots=True)
class Measured:
    """One rate. Seconds are from when a grant was due until it was answered: a late start counts too."""

    rate: int
    seconds: list[float] = field(default_factory=list)
    statements: int = 0

    def at(self, part: float) -> float:
        return sorted(self.seconds)[min(int(len(self.seconds) * part), len(self.seconds) - 1)]

    def line(self) -> str:
        times = ", ".join(
            f"{name} {self.at(part) * 1000:.1f} ms" for name, part in (("p50", 0.5), ("p99", 0.99), ("longest", 1))
        )
        return f"{times}, {self.statements / len(self.seconds):.1f} statements each, {len(self.seconds):,} grants"


@dataclass(slots=True)
class GrantsReport:
    """`missed` is empty when the 99th percentile is within bounds at every rate."""

    measured: list[Measured] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, str]]:
        return [(f"{each.rate} grants per second", each.line()) for each in self.measured]


def measure_grants(
    folder: Path, database_url: str, *, seconds: float, progress: Callable[[str], None] = lambda _: None
) -> GrantsReport:
    """Let 100 holders ask for parts of one budget, in turn, on an empty database."""
    config = folder / "tollkeeper.toml"
    config.write_text(
        f'[database]\nurl = "{database_url}"\n[journal]\ndirectory = "{folder / "journal"}"\n'
        f'[keys]\npepper_file = "{folder / "pepper"}"\n'
    )
    command = [sys.executable, "-m", "tollkeeper", "init", "--org", "acme", "--json", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return asyncio.run(_measure(database_url, seconds, progress))


async def _measure(url: str, seconds: float, progress: Callable[[str], None]) -> GrantsReport:
    report = GrantsReport()
    stores = [Store.open(url) for _ in range(_STORES)]
    counted: list[str] = []
    for store in stores:
        event.listen(
            store._engine.sync_engine, "before_cursor_execute", lambda *arguments: counted.append(arguments[2])
        )
    try:
        organization_id = await _organization_id(stores[0])
        budget = Budget(OrganizationId(organization_id), "organization", organization_id, "monthly", _ENOUGH)
        kept = await stores[0].write(lambda c: set_budget(c, organization_id, budget))
        holders = [_Holder(stores[n % _STORES], f"replica-{n}", organization_id, kept.id) for n in range(HOLDERS)]
        for holder in holders:
            await holder.begin()
        for rate in RATES:
            counted.clear()
            measured = Measured(rate)
            await _run(holders, measured, seconds)
            measured.statements = len(counted)
            report.measured.append(measured)
            progress(f"{rate}/s done")
            if measured.at(0.99) > P99_S:
                report.missed.append(f"p99 of a grant at {rate}/s is {measured.at(0.99) * 1000:.1f} ms")
    finally:
        for store in stores:
            await store.aclose()
    return report


async def _run(holders: list[_Holder], measured: Measured, seconds: float) -> None:
    began_s = monotonic_s()

    async def one(number: int) -> None:
        due_s = began_s + number / measured.rate
        await asyncio.sleep(max(0.0, due_s - monotonic_s()))
        await holders[number % HOLDERS].grow()
        measured.seconds.append(monotonic_s() - due_s)

    await asyncio.gather(*(one(number) for number in range(int(measured.rate * seconds))))


class _Holder:
    """A replica as the store sees it, with one lease."""

    def __init__(self, store: Store, name: str, organization_id: str, budget_id: str) -> None:
        self._leases, self._name = StoreLeases(store), name
        self._ask = Ask(organization_id, budget_id, uuid7(), 0)
        self._turn = asyncio.Lock()  # one exchange at a time, as in a process

    async def begin(self) -> None:
        await self._leases.pulse(self._name, is_beating=True)
        await self.grow()

    async def grow(self) -> None:
        async with self._turn:
            last = self._ask
            self._ask = Ask(last.organization_id, last.budget_id, last.lease_id, last.operation + 1, want=1_000_000)
            [answer] = await self._leases.exchange(self._name, [self._ask])
            assert answer.outcome == "done", answer


async def _organization_id(store: Store) -> str:
    from sqlalchemy import text

    async def read(connection: object) -> str:
        found = await connection.execute(text("SELECT id FROM organization"))  # type: ignore[attr-defined]
        return str(found.scalar_one())

    return await store.read(read)
