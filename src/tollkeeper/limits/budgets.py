"""Holds calls to budgets by leases: a warm call draws in memory, the store is asked in the background and in batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.errors import LimitsUnavailable, StoreUnavailable
from tollkeeper.domain.lease import Ask, Draw
from tollkeeper.domain.lease_book import LeaseBook
from tollkeeper.domain.limit import Limit, Unit
from tollkeeper.domain.local_lease import UNITS, USD, Drawn, Need, Path, Waiter
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.kit.ids import uuid7
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.limits.refusals import refusal_of
from tollkeeper.ports.budgets import Budgets, Wanted
from tollkeeper.ports.leases import LeaseStore

PULSE_S = 0.5
BEAT_S = 5.0
SWEEP_S = 5.0
PATIENCE_S = 5.0
"""How long a call waits for the store before it is refused."""
STORE_S = 10.0
"""How long one exchange may take; what became of it is then not known, and it is asked again."""
PATHS_MAX = 50_000
_UNREACHABLE = (
    "Budgets cannot be checked because the database is out of reach, so the call is not admitted; try again shortly."
)
_log = logging.getLogger(__name__)


class LeaseFigures(msgspec.Struct):
    """The leases of one unit: how many there are, what they hold in escrow, and what of that no call has drawn."""

    leases: int = 0
    escrow: int = 0
    free: int = 0


class HeldCall:
    """See `ports.budgets.Held`."""

    __slots__ = ("_budgets", "_drawn", "nanos")

    def __init__(self, budgets: LeasedBudgets, drawn: Drawn) -> None:
        self._budgets, self._drawn = budgets, drawn
        self.nanos = drawn.need[USD]

    @property
    def draws(self) -> tuple[Draw, ...]:
        return self._drawn.draws

    def settle(self, nanos: int, tokens: int) -> tuple[Draw, ...]:
        draws = self._budgets.book.settle(self._drawn, nanos, tokens)
        self._budgets.stir()
        return draws

    def release(self) -> None:
        self._budgets.book.release(self._drawn)
        self._budgets.stir()


class LeasedBudgets:
    """Satisfies `ports.budgets.Budgets` for one process; `start` before use, `aclose` at the end.

    `on_bug` gets what our own code raises: a process that cannot keep its leases must not go on.
    """

    def __init__(self, store: LeaseStore, *, holder: str, on_bug: Callable[[BaseException], None]) -> None:
        self._store, self._holder = store, holder
        self.book = LeaseBook(uuid7)
        self._paths: dict[tuple[str, str, str], tuple[tuple[Limit, ...], Sequence[str], Path]] = {}
        self._waiters: dict[Waiter, asyncio.Future[HeldCall]] = {}
        self._wake = asyncio.Event()
        self._tasks = TaskGroup(on_bug)
        self._is_closing = False
        self._is_reachable = True

    @property
    def replicas(self) -> int:
        """How many replicas are alive, this one among them, as far as is known."""
        return self.book.replicas

    def figures(self) -> dict[Unit, LeaseFigures]:
        """Return what the leases of this replica come to, by unit: nano-USD, requests, tokens, calls at once."""
        found: dict[Unit, LeaseFigures] = {unit: LeaseFigures() for unit in UNITS}
        for lease in self.book.leases.values():
            figures = found[lease.node.limit.unit]
            figures.leases += 1
            figures.escrow += lease.amount
            figures.free += max(lease.free, 0)
        return found

    async def start(self) -> None:
        """Say that this replica is alive, and begin to exchange leases.

        Raises:
            StoreUnavailable: the store is out of reach.
        """
        await self._pulse(is_beating=True)
        self._tasks.start(self._exchange_forever(), "lease-exchange")
        self._tasks.start(self._pulse_forever(), "lease-pulse")

    def hold(self, key: ApiKey, models: Sequence[str], wanted: Wanted) -> HeldCall | None:
        """See `ports.budgets.Budgets`."""
        drawn = self.book.draw(self._path(key, models), (wanted.nanos, 1, wanted.tokens, 1), monotonic_s())
        self.stir()
        return None if drawn is None else HeldCall(self, drawn)

    async def wait(self, key: ApiKey, models: Sequence[str], wanted: Wanted) -> HeldCall:
        """See `ports.budgets.Budgets`."""
        need: Need = (wanted.nanos, 1, wanted.tokens, 1)
        path = self._path(key, models)
        waiter = self.book.wait(path, need, min(wanted.nanos_min, wanted.nanos), now_s=monotonic_s())
        future = self._waiters[waiter] = asyncio.get_running_loop().create_future()
        self.stir()
        held: HeldCall | None = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                held = await future
        except TimeoutError:
            raise LimitsUnavailable(_UNREACHABLE) from None
        finally:
            self._waiters.pop(waiter, None)
            self.book.stop_waiting(waiter)
            if held is None and future.done() and not future.cancelled() and future.exception() is None:
                future.result().release()  # let go in the very moment in which it was cut off: nobody else knows
        assert held is not None, "a future that ends gives what is held"
        return held

    def stir(self) -> None:
        """Let the exchange begin when there is something to ask."""
        if self.book.is_stirred:
            self.book.is_stirred = False
            self._wake.set()

    def flushed(self, records: Iterable[UsageRecord]) -> None:
        """Note that the store has these records."""
        for record in records:
            if record.draws:
                self.book.flushed(record.draws)

    async def aclose(self, timeout_s: float) -> bool:
        """Give every lease back; False when some could not be: the next start ends them, or the reaper suspends them."""
        self._is_closing = True
        self.book.give_up()
        give_up_s = monotonic_s() + timeout_s
        while self.book.leases and monotonic_s() < give_up_s:
            self._wake.set()
            await asyncio.sleep(0.01)
        await self._tasks.cancel()
        return not self.book.leases

    def _path(self, key: ApiKey, models: Sequence[str]) -> Path:
        place = (key.id, key.project_id, models[0])
        known = self._paths.get(place)
        if known is not None and known[0] is key.limits and known[1] == models:
            return known[2]
        limits = [limit for limit in key.limits if not limit.model or limit.model in models]
        if len(self._paths) >= PATHS_MAX:
            self._paths.clear()
            self.book.compact()
        path = self.book.path(key.organization_id, limits, now_s=monotonic_s())
        self._paths[place] = key.limits, models, path
        return path

    async def _exchange_forever(self) -> None:
        while True:
            pause_s = self.book.next_ask_s() - monotonic_s()
            if pause_s > 0:
                self._wake.clear()
                try:
                    async with asyncio.timeout(min(pause_s, 60.0)):
                        await self._wake.wait()
                except TimeoutError:
                    pass
                continue
            if self._waiters:
                self._serve(float("-inf"))
            asks = self.book.asks(monotonic_s())
            if asks:
                await self._exchange(asks)

    async def _exchange(self, asks: list[Ask]) -> None:
        asked_at_s = monotonic_s()
        try:
            async with asyncio.timeout(STORE_S):
                answers = await self._store.exchange(self._holder, asks)
        except (StoreUnavailable, TimeoutError) as error:
            self.book.failed(asks, now_s=monotonic_s())
            self._lost(error)
            return
        except BaseException:
            self.book.failed(asks, now_s=monotonic_s())
            raise
        for ask, answer in zip(asks, answers, strict=True):
            self.book.answered(ask, answer, asked_at_s=asked_at_s)
        self._found()
        self._serve(asked_at_s)

    def _serve(self, asked_at_s: float) -> None:
        """Let go the calls that can, refuse those that never will."""
        now_s = monotonic_s()
        for waiter, future in list(self._waiters.items()):
            if future.done():
                continue
            drawn = self.book.draw(waiter.path, waiter.need, now_s)
            if drawn is None and waiter.came_s <= asked_at_s:
                drawn = self.book.draw_less(waiter, now_s)
            if drawn is not None:
                self.book.stop_waiting(waiter)
                future.set_result(HeldCall(self, drawn))
            elif (refused := self.book.refusal(waiter)) is not None:
                self.book.stop_waiting(waiter)
                future.set_exception(refusal_of(waiter, *refused))

    def _lost(self, error: Exception) -> None:
        if self._is_reachable:
            _log.warning("leases cannot be exchanged; calls go on within those that are held: %s", error)
        self._is_reachable = False
        for waiter, future in list(self._waiters.items()):
            if not future.done():
                self.book.stop_waiting(waiter)
                future.set_exception(LimitsUnavailable(_UNREACHABLE))

    def _found(self) -> None:
        if not self._is_reachable:
            _log.warning("leases can be exchanged again")
        self._is_reachable = True

    async def _pulse_forever(self) -> None:
        beat_at_s = sweep_at_s = monotonic_s()
        while True:
            await asyncio.sleep(PULSE_S)
            now_s = monotonic_s()
            if now_s >= sweep_at_s:
                sweep_at_s = now_s + SWEEP_S
                self.book.sweep(now_s)
            is_beating = now_s >= beat_at_s
            if not is_beating and not self.book.leases:
                continue
            try:
                await self._pulse(is_beating=is_beating)
            except (StoreUnavailable, TimeoutError) as error:
                self._lost(error)
            else:
                if is_beating:
                    beat_at_s = now_s + BEAT_S
            self.stir()

    async def _pulse(self, *, is_beating: bool) -> None:
        asked_at_s = monotonic_s()
        async with asyncio.timeout(STORE_S):
            pulse = await self._store.pulse(self._holder, is_beating=is_beating)
        self.book.heard(pulse)
        if is_beating and not self._is_closing:
            self.book.beaten(asked_at_s=asked_at_s)


if TYPE_CHECKING:

    def _are_budgets(budgets: LeasedBudgets) -> Budgets:
        return budgets
