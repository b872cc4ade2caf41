"""The world of one seed: machines, their processes, keys and budgets, the calls that come, and all that can go wrong."""

from __future__ import annotations

import logging
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from tests.simulation.faults import Faults
from tests.simulation.ledger_of_truth import Truth
from tests.simulation.lossy_disk import LossyDisk
from tests.simulation.memory_store import ORGANIZATION, BudgetRow, MemoryStore
from tests.simulation.process import Call, Process
from tests.simulation.runtime import Network, Scheduler

from tollkeeper.domain.lease import Draw
from tollkeeper.domain.limit import Limit
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import CostState, Outcome, UsageRecord
from tollkeeper.domain.window import FOREVER, Window
from tollkeeper.journal import replay, writer
from tollkeeper.journal.replay import crashed_record

START_US = 1_763_700_000_000_000
LONGEST_CALL_S = 3.0
TEAMS = {"project_1": "team_a", "project_2": "team_a", "project_3": "team_b"}
KEYS = {"key_1": "project_1", "key_2": "project_1", "key_3": "project_2", "key_4": "project_3"}


class Machine:
    """A computer with one journal directory. `boot` names its run; `wanted` is how many processes it should have."""

    def __init__(self, folder: Path, rng: random.Random, number: int) -> None:
        self.directory = folder / f"machine-{number}"
        self.directory.mkdir()
        (self.directory / "replica").write_text(f"machine{number}")
        self.number, self.boots = number, 0
        self.durability = rng.choice(("fast", "safe"))
        self.disk = LossyDisk(rng)
        self.segment_bytes = rng.choice((2_000, 20_000, 1 << 26))
        self.clock_offset_s = rng.uniform(0, 100_000)
        self.wanted = rng.choice((1, 1, 2))
        self.is_dead = False

    @property
    def boot(self) -> str:
        return f"{self.number}-{self.boots}"

    @property
    def is_safe(self) -> bool:
        return self.durability == "safe"


class Terms(msgspec.Struct):
    """What kind of world a seed makes."""

    window_us: int
    call_rate: float
    usd_max: int
    has_overruns: bool
    loss: float
    seconds: float


class World:
    """One seed's world. `run` raises `Violation` (or what our own code raises) when something is wrong."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        *,
        seconds: float | None = None,
    ) -> None:
        self.seed, self.rng = seed, random.Random(seed)
        rng = self.rng
        self.terms = Terms(
            window_us=rng.randint(30, 100) * 1_000_000,
            call_rate=rng.choice((1.0, 3.0, 6.0)),
            usd_max=rng.choice((40, 40, 400)),
            has_overruns=rng.random() < 0.3,
            loss=rng.choice((0.0, 0.0, 0.0, 0.2)),
            seconds=rng.choice((30.0, 60.0, 120.0)) if seconds is None else seconds,
        )
        self.scheduler = Scheduler()
        self.scheduler.now_us = START_US
        self.network = Network(self.scheduler, rng)
        self.network.loss = self.terms.loss
        self.store = MemoryStore(
            clock=lambda: self.scheduler.now_us,
            window=self.window,
            longest_call_us=int(LONGEST_CALL_S * 1_000_000),
            teams=TEAMS,
        )
        self.boot = ""
        self.figures: Counter[str] = Counter()
        self.keys = tuple(KEYS)
        self.is_ending = False
        self.calls: dict[bytes, Call] = {}
        self.truth = Truth(self.store, self.calls)
        self.story: list[str] = []
        self._ids = 0
        for row in self._budgets():
            self.store.write_budget(row)
        self.machines = [Machine(folder, rng, number) for number in range(rng.choice((1, 2, 2, 3)))]
        self.processes: list[Process] = []
        self.faults = Faults(self)

    def run(self) -> Counter[str]:
        """Live through the whole of it; returns what happened how often."""
        with self._boots():
            for machine in self.machines:
                for _ in range(machine.wanted):
                    self.start(machine)
            self.scheduler.after(0.1, self._calls_come)
            self.scheduler.after(1.0, self.faults.happen)
            self.scheduler.after(10.0, self._reap)
            self.run_for(self.terms.seconds)
            self.faults.end()
        self.figures["checks"] = self.truth.checks
        self.figures["records"] = len(self.store.records)
        self.figures["messages lost"] = self.network.lost
        self.figures["late transactions"] = self.network.late
        return self.figures

    def run_for(self, seconds: float) -> None:
        end_us = self.scheduler.now_us + int(seconds * 1_000_000)
        self.scheduler.run_until(end_us, lambda: self.truth.check(self.scheduler.now_us))

    @contextmanager
    def _boots(self) -> Iterator[None]:
        """Let each process see its own machine's boot id, and keep the logs quiet."""
        logging.disable(logging.CRITICAL)
        with mock.patch.object(writer, "boot_id", self._boot), mock.patch.object(replay, "boot_id", self._boot):
            try:
                yield
            finally:
                for process in list(self.processes):
                    process.kill()
                logging.disable(logging.NOTSET)

    def _boot(self) -> str:
        return self.boot

    def tell(self, what: str) -> None:
        """Note what happened, for whoever replays the seed."""
        self.story.append(f"{(self.scheduler.now_us - START_US) / 1_000_000:10.3f} s  {what}")

    # Budgets.

    def _budgets(self) -> Iterator[BudgetRow]:
        rng, unit = self.rng, self.terms.usd_max
        yield BudgetRow("b01", "organization", ORGANIZATION, "usd", "total", unit * rng.randint(40, 400))
        for name, scope in (("b02", "team_a"), ("b03", "team_b")):
            yield BudgetRow(
                name,
                "team",
                scope,
                "usd",
                rng.choice(("daily", "total")),
                unit * rng.randint(10, 150),
                is_hard=rng.random() < 0.8,
                is_carried_over=rng.random() < 0.5,
            )
        for name, scope in (("b04", "project_1"), ("b05", "project_3")):
            yield BudgetRow(name, "project", scope, "usd", "daily", unit * rng.randint(5, 80), is_carried_over=True)
        yield BudgetRow("b06", "api_key", "key_1", "usd", "daily", unit * rng.randint(2, 60))
        yield BudgetRow("b07", "api_key", "key_2", "requests", "daily", rng.randint(5, 120))
        yield BudgetRow("b08", "api_key", "key_3", "requests", rng.choice(("daily", "total")), rng.randint(5, 300))
        yield BudgetRow("b09", "project", "project_1", "concurrent", "total", rng.randint(1, 12))
        yield BudgetRow("b10", "organization", ORGANIZATION, "tokens", "daily", rng.randint(2_000, 40_000))
        yield BudgetRow("b11", "team", "team_b", "concurrent", "total", rng.randint(1, 30))

    def window(self, budget: BudgetRow, at_us: int) -> Window:
        """Days are short here."""
        if budget.period == "total":
            return FOREVER
        start_us = at_us - at_us % self.terms.window_us
        return Window(start_us, start_us + self.terms.window_us)

    def limits_of(self, key: str) -> tuple[Limit, ...]:
        project = KEYS[key]
        scopes = (ORGANIZATION, TEAMS[project], project, key)
        return tuple(row.limit() for row in self.store.budgets.values() if row.scope_id in scopes)

    # Processes.

    def start(self, machine: Machine) -> None:
        if machine.is_dead or sum(each.machine is machine for each in self.processes) >= machine.wanted:
            return
        self.boot = machine.boot
        self.figures["starts"] += 1
        self.processes.append(Process(self, machine, self.rng))
        self.truth.taken_for_dead.discard(self.processes[-1].holder)
        self.tell(f"started {self.processes[-1].holder}, {machine.durability}")

    def ended(self, process: Process) -> None:
        """A process is no more; another takes its place after a while."""
        self.processes.remove(process)
        for call in process.calls.values():
            call.is_over = True
        self.scheduler.after(self.rng.choice((0.2, 2.0, 15.0)), lambda: self.start(process.machine))

    def reclaiming(self, holder: str, *, is_exact: bool) -> None:
        """The leases of a dead process end; without a whole journal some of its calls may be lost."""
        self.tell(f"reclaim {holder} exact={is_exact}")
        self.figures["reclaimed exactly" if is_exact else "reclaimed in doubt"] += 1
        if not is_exact:
            for call in self.truth.unrecorded.values():
                if call.holder == holder:
                    call.may_be_lost = True

    # Calls.

    def new_id(self) -> bytes:
        self._ids += 1
        return (self.scheduler.now_us // 1000).to_bytes(6, "big") + self._ids.to_bytes(10, "big")

    def _calls_come(self) -> None:
        if self.is_ending:
            return
        serving = [process for process in self.processes if process.is_serving and not process.is_hung]
        if serving:
            process = self.rng.choice(serving)
            for _ in range(self.rng.choice((1, 1, 1, 2, 8))):
                process.enter(lambda: process.arrive(self.new_call(process)))
        self.scheduler.after(self.rng.expovariate(self.terms.call_rate / 2), self._calls_come)

    def new_call(self, process: Process, *, key: str = "", nanos: int = 0) -> Call:
        rng = self.rng
        nanos, tokens = nanos or rng.randint(1, self.terms.usd_max), rng.randint(1, 100)
        true_nanos = rng.choice((nanos, rng.randint(0, nanos)))
        if self.terms.has_overruns and rng.random() < 0.03:
            true_nanos = nanos + rng.randint(1, nanos)
        self.figures["calls"] += 1
        return Call(
            self.new_id(),
            key or rng.choice(self.keys),
            (),
            (nanos, 1, tokens, 1),
            rng.choice((nanos, nanos // 2)),
            true_nanos,
            rng.randint(0, tokens),
            rng.choice((0.01, 0.2, rng.uniform(0, LONGEST_CALL_S))),
            process.holder,
        )

    def reservation(self, call: Call) -> Reservation:
        assert call.drawn is not None
        ceiling = call.drawn.need[0]
        return Reservation(
            call_id=call.id,
            organization_id=ORGANIZATION,
            project_id=KEYS[call.key],
            api_key_id=call.key,
            operation="chat.completions",
            model_asked="m",
            model="m",
            provider="p",
            is_stream=False,
            started_at_us=self.scheduler.now_us,
            ceiling_nanos=ceiling,
            draws=tuple([Draw(each.lease_id, each.amount) for each in call.drawn.draws]),
        )

    def record(self, call: Call, draws: tuple[Draw, ...]) -> UsageRecord:
        record = crashed_record(_known(call.reservation))
        return msgspec.structs.replace(
            record,
            outcome=Outcome.COMPLETE,
            cost_state=CostState.REPORTED,
            is_estimated=False,
            amount_nanos=call.true_nanos,
            quantities={"output": call.true_tokens},
            draws=draws,
        )

    def admitted(self, process: Process, call: Call) -> None:
        """A call was let in: by what it drew when it draws on less than its path, something is wrong."""
        self.figures["admitted"] += 1
        self.calls[call.id] = call
        drawn = _known(call.drawn)
        if drawn.need[0] < call.need[0]:
            self.figures["admitted with less"] += 1
            call.true_nanos = min(call.true_nanos, drawn.need[0])

    def forwarded(self, process: Process, call: Call) -> None:
        """The provider has the call: it will bill it, whatever becomes of us."""
        call.is_forwarded = True
        call.ends_us = self.scheduler.now_us + int(call.duration_s * 1_000_000)
        self.truth.bill(call, self.scheduler.now_us)

    def refused(self, process: Process, call: Call, budget_id: str) -> None:
        self.figures["refused"] += 1
        self.faults.refused(process, call, budget_id)

    def gave_up(self, process: Process, call: Call) -> None:
        self.figures["not admitted"] += 1
        self.faults.gave_up(process, call)

    def gave_back(self, process: Process) -> None:
        """A process shut down in order; what it could not give back its next start ends."""
        self.figures["shut down with leases" if process.book.leases else "shut down"] += 1
        if process.book.leases:
            self.faults.shut_down_with(process)
        self.tell(f"{process.holder} shut down with {len(process.book.leases)} leases")

    def _reap(self) -> None:
        self.store.reap()
        self.faults.give_up_silent()
        self.scheduler.after(10.0, self._reap)


def run_seed(seed: int, **options: Any) -> Counter[str]:
    """Run one seed in a folder of its own; `Violation` says what did not hold."""
    with tempfile.TemporaryDirectory(prefix="tollkeeper-simulation-") as folder:
        return World(seed, Path(folder), **options).run()


def _known(value: Any) -> Any:
    assert value is not None
    return value
