"""One gateway process in the simulation: the real lease book, journal, flusher and replay, and a driver like the real one.

The driver does what `limits.budgets` does, but in virtual time. A process can be hung, killed at any event, or shut down.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from tests.simulation.runtime import Pause, Request, Task

from tollkeeper.domain.errors import LimitsUnavailable, StoreUnavailable
from tollkeeper.domain.lease import Answer, Ask, Pulse
from tollkeeper.domain.lease_book import LeaseBook
from tollkeeper.domain.limit import Limit
from tollkeeper.domain.local_lease import NEVER_S, Drawn, Need, Path, Waiter
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.journal.flusher import Flusher
from tollkeeper.journal.replay import replay, replay_slot
from tollkeeper.journal.settings import JournalSettings
from tollkeeper.journal.slots import claim_first_free
from tollkeeper.journal.writer import Journal
from tollkeeper.limits.budgets import BEAT_S, PATIENCE_S, PULSE_S, SWEEP_S

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from tests.simulation.world import Machine, World

RETRY_S = 0.5


class Call(msgspec.Struct, gc=False, eq=False):
    """One call: what it may cost, and what the provider will bill for it. `drawn_us` is when it was let in."""

    id: bytes
    key: str
    limits: tuple[Limit, ...]
    need: Need
    nanos_min: int
    true_nanos: int
    true_tokens: int
    duration_s: float
    holder: str
    reservation: Reservation | None = None
    drawn: Drawn | None = None
    drawn_us: int = 0
    ends_us: int = 0
    is_forwarded: bool = False
    is_over: bool = False
    may_be_lost: bool = False


class SimulatedJournal(Journal):
    """The real one, but finished segments go at once: there is no thread to do it."""

    def append_flushed(self, sequence: int) -> list[FilePath]:
        finished = super().append_flushed(sequence)
        if finished:
            try:
                self.remove(finished)
            except OSError as error:
                self.die(error)
        return []

    def sync(self) -> bool:
        """Make everything durable; False when the disk failed."""
        if self.death is not None:
            return False
        work = self._begin_sync()
        try:
            work()
        except OSError as error:
            self.die(error)
            return False
        self._end_sync()
        return True


class StoreClient:
    """A process's way to the store: `ports.leases.LeaseStore` and `ports.ledger.UsageStore`."""

    def __init__(self, world: World) -> None:
        self._world, self._store = world, world.store

    async def insert_usage(self, records: list[UsageRecord], *, slot: str) -> int:
        kept = [msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=UsageRecord) for record in records]
        return await Request(slot, lambda: self._store.insert_usage(kept))

    async def exchange(self, holder: str, asks: Sequence[Ask]) -> list[Answer]:
        return await Request(holder, lambda: self._store.exchange(holder, asks))

    async def pulse(self, holder: str, *, is_beating: bool) -> Pulse:
        return await Request(holder, lambda: self._store.pulse(holder, is_beating=is_beating))

    async def reclaim(self, holder: str, *, is_exact: bool) -> int:
        def work() -> int:
            self._world.network.finish(holder)
            self._world.reclaiming(holder, is_exact=is_exact)
            return self._store.reclaim(holder, is_exact=is_exact)

        return await Request(holder, work)


class Process:
    """A process on a machine: it takes a slot, replays what the dead left, then serves calls."""

    def __init__(self, world: World, machine: Machine, rng: random.Random) -> None:
        self.world, self.machine, self._rng = world, machine, rng
        self.is_dead = self.is_hung = self.is_closing = self.is_serving = False
        self._frozen: list[Callable[[], None]] = []
        self._tasks: set[Any] = set()
        self.calls: dict[bytes, Call] = {}
        self._waiters: dict[Waiter, Call] = {}
        self._unsynced: list[Call] = []
        self._is_syncing = False
        self._exchanges = 0
        self._pump_at_s = NEVER_S
        self._limits: dict[str, tuple[Limit, ...]] = {}
        self._paths: dict[str, tuple[tuple[Limit, ...], Path]] = {}
        self.slot = claim_first_free(machine.directory)
        self.holder = self.slot.name
        self.client = StoreClient(world)
        self.book = LeaseBook(world.new_id)
        self.settings = JournalSettings(
            directory=machine.directory,
            durability=machine.durability,
            segment_bytes=machine.segment_bytes,
            free_min_bytes=1,
            reserve_bytes=0,
            flush_batch_max=20,
        )
        self.journal: SimulatedJournal | None = None
        self.flusher: Flusher | None = None
        self.spawn(self._start())

    # Time and tasks.

    @property
    def now_s(self) -> float:
        return self.world.scheduler.now_us / 1_000_000 + self.machine.clock_offset_s

    @property
    def is_dying(self) -> bool:
        return self.is_dead or (self.journal is not None and self.journal.death is not None)

    def enter(self, event: Callable[[], None]) -> None:
        """Do something in this process, now, later when it hangs, or never when it is dead."""
        if self.is_dead:
            return
        if self.is_hung:
            self._frozen.append(event)
            return
        self.world.boot = self.machine.boot
        event()

    def after(self, delay_s: float, event: Callable[[], None]) -> None:
        self.world.scheduler.after(delay_s, lambda: self.enter(event))

    def spawn(self, task: Task) -> None:
        self._tasks.add(task)
        self.after(0, partial(self._step, task, None))

    def _step(self, task: Task, value: Any, error: Exception | None = None) -> None:
        try:
            asked = task.throw(error) if error is not None else task.send(value)
        except StopIteration:
            self._tasks.discard(task)
            return
        if isinstance(asked, Pause):
            self.after(asked.seconds, partial(self._step, task, None))
            return
        self.world.network.send(
            asked,
            lambda answer: self.enter(partial(self._step, task, answer)),
            lambda fault: self.enter(partial(self._step, task, None, fault)),
        )

    def hang(self) -> None:
        self.is_hung = True

    def resume(self) -> None:
        self.is_hung = False
        frozen, self._frozen = self._frozen, []
        for event in frozen:
            self.after(0, event)

    def kill(self) -> None:
        """The process ends here: its files stay as they are, its lock falls."""
        if self.is_dead:
            return
        self.is_dead = True
        for task in self._tasks:
            task.close()
        self._tasks = set()
        self.machine.disk.close_all_of(self.slot.path)
        self.slot.release()
        self.world.ended(self)

    # Start and end.

    async def _start(self) -> None:
        try:
            await replay_slot(self.slot, self.client, leases=self.client, is_safe=self.machine.is_safe)
            await replay(self.machine.directory, self.client, leases=self.client, is_safe=self.machine.is_safe)
            await self._pulse(is_beating=True)
        except StoreUnavailable:
            self.after(0, self.kill)
            return
        try:
            self.journal = SimulatedJournal(
                self.slot, self.settings, disk=self.machine.disk, on_fatal=lambda _: self.spawn(self._rescue())
            )
        except OSError:
            self.after(0, self.kill)
            return
        self.flusher = Flusher(self.client, self.journal, settings=self.settings, on_bug=_raise)
        self.flusher._is_last_try = True  # it does not wait by itself
        self.flusher.on_flushed = self._flushed
        self.is_serving = True
        self.refresh()
        self.spawn(self._pulse_forever())
        self.spawn(self._flush_forever())

    async def _rescue(self) -> None:
        """The journal is dead: give what is settled to the store, if it takes it, and end."""
        self.is_closing = True
        await self._flush()
        await Pause(self._rng.uniform(0, 0.5))
        await self._flush()
        self.after(0, self.kill)

    async def shut_down(self) -> None:
        """End in order: no more calls, the last records, the leases, the journal."""
        if self.is_closing:
            return
        assert self.journal is not None
        assert self.flusher is not None
        self.is_closing = True
        for waiter in list(self._waiters):
            self._refuse(waiter)
        until_s = self.now_s + 6.0
        while self.calls and self.now_s < until_s:
            await Pause(0.1)
        self.journal.refuse("The gateway is shutting down.")
        until_s = self.now_s + 2.0
        while self.flusher.queued and self.now_s < until_s:
            await self._flush()
            await Pause(0.05)
        self.book.give_up()
        until_s = self.now_s + 2.0
        while self.book.leases and self.now_s < until_s:
            self._pump()
            await Pause(0.01)
        self.world.gave_back(self)
        self.journal.close()
        self.after(0, self.kill)

    # Leases, as `limits.budgets` does it.

    def stir(self) -> None:
        if self.book.is_stirred:
            self.book.is_stirred = False
            self.after(0, self._pump)

    def _pump(self) -> None:
        if self._exchanges:
            return
        pause_s = self.book.next_ask_s() - self.now_s
        if pause_s > 0:
            if pause_s < 60 and not self.now_s < self._pump_at_s <= self.now_s + pause_s:
                self._pump_at_s = self.now_s + pause_s
                self.after(pause_s + 0.000_002, self._pump)
            return
        self._serve(float("-inf"))
        asks = self.book.asks(self.now_s)
        if asks:
            self._exchanges += 1
            self.spawn(self._exchange(asks))
        else:
            self._pump()

    async def _exchange(self, asks: list[Ask]) -> None:
        asked_at_s = self.now_s
        try:
            answers = await self.client.exchange(self.holder, asks)
        except StoreUnavailable:
            self.book.failed(asks, now_s=self.now_s)
            for waiter in list(self._waiters):
                self._refuse(waiter)
        else:
            for ask, answer in zip(asks, answers, strict=True):
                self.book.answered(ask, answer, asked_at_s=asked_at_s)
            self._serve(asked_at_s)
        finally:
            self._exchanges -= 1
        self._pump()

    def _serve(self, asked_at_s: float) -> None:
        for waiter, call in list(self._waiters.items()):
            drawn = self.book.draw(waiter.path, waiter.need, self.now_s)
            if drawn is None and waiter.came_s <= asked_at_s:
                drawn = self.book.draw_less(waiter, self.now_s)
            if drawn is not None:
                self._stop_waiting(waiter)
                self._admitted(call, drawn)
            elif (refused := self.book.refusal(waiter)) is not None:
                self._stop_waiting(waiter)
                self.world.refused(self, call, refused[0].limit.budget_id)

    async def _pulse_forever(self) -> None:
        beat_at_s = sweep_at_s = self.now_s
        while True:
            await Pause(PULSE_S)
            if self.now_s >= sweep_at_s:
                sweep_at_s = self.now_s + SWEEP_S
                self.book.sweep(self.now_s)
            is_beating = self.now_s >= beat_at_s
            if not is_beating and not self.book.leases:
                continue
            try:
                began_s = self.now_s
                await self._pulse(is_beating=is_beating)
            except StoreUnavailable:
                for waiter in list(self._waiters):
                    self._refuse(waiter)
            else:
                if is_beating:
                    beat_at_s = began_s + BEAT_S
            self.stir()

    async def _pulse(self, *, is_beating: bool) -> None:
        asked_at_s = self.now_s
        pulse = await self.client.pulse(self.holder, is_beating=is_beating)
        self.book.heard(pulse)
        if is_beating and not self.is_closing:
            self.book.beaten(asked_at_s=asked_at_s)

    # Records.

    async def _flush_forever(self) -> None:
        while True:
            await Pause(0.2)
            assert self.journal is not None
            self.journal.check_space()
            await self._flush()

    async def _flush(self) -> None:
        assert self.flusher is not None
        if self.flusher.queued and not self._is_flushing:
            self._is_flushing = True
            await self.flusher._flush_batch()
            self._is_flushing = False

    _is_flushing = False

    def _flushed(self, records: list[UsageRecord]) -> None:
        for record in records:
            self.book.flushed(record.draws)
        self.stir()

    # Calls.

    def refresh(self) -> None:
        """Read again which limits each key has."""
        self._limits = {key: self.world.limits_of(key) for key in self.world.keys}

    def arrive(self, call: Call) -> None:
        """A call comes in."""
        if not self.is_serving or self.is_closing:
            return
        call.limits = self._limits[call.key]
        path = self._path(call)
        drawn = self.book.draw(path, call.need, self.now_s)
        self.stir()
        if drawn is not None:
            self._admitted(call, drawn)
            return
        waiter = self.book.wait(path, call.need, call.nanos_min, now_s=self.now_s)
        self._waiters[waiter] = call
        self.stir()
        self.after(PATIENCE_S, lambda: self._refuse(waiter))

    def _path(self, call: Call) -> Path:
        known = self._paths.get(call.key)
        if known is None or known[0] is not call.limits:
            known = call.limits, self.book.path("org_simulation", call.limits, now_s=self.now_s)
            self._paths[call.key] = known
        return known[1]

    def _stop_waiting(self, waiter: Waiter) -> None:
        del self._waiters[waiter]
        self.book.stop_waiting(waiter)

    def _refuse(self, waiter: Waiter) -> None:
        if waiter in self._waiters:
            self.world.gave_up(self, self._waiters[waiter])
            self._stop_waiting(waiter)

    def _admitted(self, call: Call, drawn: Drawn) -> None:
        assert self.journal is not None
        call.drawn, call.drawn_us = drawn, self.world.scheduler.now_us
        call.reservation = self.world.reservation(call)
        self.world.admitted(self, call)
        self.calls[call.id] = call
        try:
            self.journal.append_reserve(call.reservation)
        except LimitsUnavailable:
            self._let_go(call)
            return
        if not self.machine.is_safe:
            self.after(self._rng.choice((0, 0, 0.001)), lambda: self._forward(call))
            return
        self._unsynced.append(call)
        if not self._is_syncing:
            self._is_syncing = True
            self.after(0.005, self._sync)

    def _sync(self) -> None:
        assert self.journal is not None
        is_durable = self.journal.sync()
        synced, self._unsynced, self._is_syncing = self._unsynced, [], False
        for call in synced:
            if is_durable and self._rng.random() > 0.03:
                self._forward(call)
            else:  # the disk failed, or the client left meanwhile
                self.journal.append_release(call.id)
                self._let_go(call)

    def _let_go(self, call: Call) -> None:
        assert call.drawn is not None
        self.book.release(call.drawn)
        del self.calls[call.id]
        call.is_over = True
        self.stir()

    def _forward(self, call: Call) -> None:
        if self._rng.random() < 0.02:  # no connection to the provider
            call.true_nanos = call.true_tokens = 0
            self._settle(call)
            return
        self.world.forwarded(self, call)
        self.after(call.duration_s, lambda: self._settle(call))

    def _settle(self, call: Call) -> None:
        assert self.journal is not None
        assert self.flusher is not None
        assert call.drawn is not None
        draws = self.book.settle(call.drawn, call.true_nanos, call.true_tokens)
        record = self.world.record(call, draws)
        self.flusher.add(self.journal.append_settle(record), record)
        del self.calls[call.id]
        call.is_over = True
        self.stir()


def _raise(error: BaseException) -> None:
    raise error
