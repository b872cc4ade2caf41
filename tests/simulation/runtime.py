"""Virtual time for the simulation: events in order, tasks that wait for a store's answers, and a network that loses them."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from itertools import count
from typing import Any, Generic, TypeVar

from tollkeeper.domain.errors import StoreUnavailable

T = TypeVar("T")
US_PER_S = 1_000_000


class Scheduler:
    """What happens when, in microseconds of virtual time; what is due at once happens in the order it was asked for."""

    def __init__(self) -> None:
        self.now_us = 0
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, time_us: int, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(time_us, self.now_us), next(self._numbers), event))

    def after(self, delay_s: float, event: Callable[[], None]) -> None:
        self.at(self.now_us + int(delay_s * US_PER_S), event)

    def run_until(self, end_us: int, after_each: Callable[[], None]) -> None:
        while self._events and self._events[0][0] <= end_us:
            self.now_us, _, event = heapq.heappop(self._events)
            event()
            after_each()
        self.now_us = end_us


class Request(Generic[T]):
    """What a task asks of the store: await it. `holder` names who asks, `work` is the transaction."""

    def __init__(self, holder: str, work: Callable[[], T]) -> None:
        self.holder, self.work = holder, work

    def __await__(self) -> Generator[Request[T], T, T]:
        return (yield self)


class Pause:
    """So long does a task wait: await it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[Pause, None, None]:
        yield self


Task = Coroutine[Any, Any, None]


class Network:
    """The way to the store. `is_away` cuts it; `loss` is how often a request or its answer gets lost."""

    def __init__(self, scheduler: Scheduler, rng: random.Random) -> None:
        self._scheduler, self._rng = scheduler, rng
        self.is_away = False
        self.loss = 0.0
        self._late: list[tuple[str, Callable[[], object]]] = []
        self.lost = self.late = 0

    def send(self, request: Request[Any], answer: Callable[[Any], None], fail: Callable[[Exception], None]) -> None:
        """Carry a transaction to the store and its answer back, or not."""
        chance = self._rng.random() / self.loss if self.loss else 1.0
        way_s, back_s = self._rng.choice((0.001, 0.003, 0.02)), self._rng.choice((0.001, 0.002, 0.05))
        if chance < 0.3:  # it never arrives
            self.lost += 1
            self._scheduler.after(way_s, lambda: fail(StoreUnavailable("the request was lost")))
        elif chance < 0.5:  # it takes longer than anybody waits
            self._late.append((request.holder, request.work))
            self._scheduler.after(1.0, lambda: fail(StoreUnavailable("the store did not answer in time")))
            self._scheduler.after(self._rng.uniform(0.5, 5.0), self._do_late)
        else:
            is_lost = chance < 1.0
            self._scheduler.after(way_s, lambda: self._arrive(request, answer, fail, back_s, is_lost))

    def finish(self, holder: str) -> None:
        """Do what a holder's broken connections had sent: whoever ends its leases waits for that."""
        mine = [each for each in self._late if each[0] == holder]
        self._late = [each for each in self._late if each[0] != holder]
        for _, work in mine:
            self._do(work)

    def _arrive(
        self,
        request: Request[Any],
        answer: Callable[[Any], None],
        fail: Callable[[Exception], None],
        back_s: float,
        is_lost: bool,
    ) -> None:
        if self.is_away:
            self._scheduler.after(back_s, lambda: fail(StoreUnavailable("the store is away")))
            return
        try:
            result = request.work()
        except StoreUnavailable as error:
            fault = error
            self._scheduler.after(back_s, lambda: fail(fault))
            return
        if is_lost:
            self.lost += 1
            self._scheduler.after(1.0, lambda: fail(StoreUnavailable("the answer was lost")))
        else:
            self._scheduler.after(back_s, lambda: answer(result))

    def _do_late(self) -> None:
        if self._late and not self.is_away:
            self._do(self._late.pop(self._rng.randrange(len(self._late)))[1])

    def _do(self, work: Callable[[], object]) -> None:
        self.late += 1
        with suppress(StoreUnavailable):
            work()
