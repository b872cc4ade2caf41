"""A replica that was silent for so long that its leases may have been ended draws on none of them when it is back."""

from __future__ import annotations

from itertools import count

import msgspec
import pytest
from tests.simulation.memory_store import ORGANIZATION, BudgetRow, MemoryStore

from tollkeeper.domain.lease import LeaseState
from tollkeeper.domain.lease_book import ALIVE_S, FAILED_PAUSE_S, LeaseBook
from tollkeeper.domain.local_lease import Drawn, Path
from tollkeeper.domain.window import FOREVER

CALL = (10, 1, 1, 1)
SILENCE_S = 100.0


class Replica:
    """A book and its store, asked by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        ids = count(1)
        self.store = MemoryStore(
            clock=lambda: int(self.now_s * 1_000_000), window=lambda budget, at_us: FOREVER, longest_call_us=0
        )
        self.budget = BudgetRow("b", "organization", ORGANIZATION, "usd", "total", 100_000)
        self.store.write_budget(self.budget)
        self.book = LeaseBook(lambda: next(ids).to_bytes(16, "big"))

    @property
    def path(self) -> Path:
        return self.book.path(ORGANIZATION, [self.budget.limit()], now_s=self.now_s)

    def beat(self) -> None:
        self.book.heard(self.store.pulse("r", is_beating=True))
        self.book.beaten(asked_at_s=self.now_s)

    def exchange(self) -> None:
        asks = self.book.asks(self.now_s)
        for ask, answer in zip(asks, self.store.exchange("r", asks), strict=True):
            self.book.answered(ask, answer, asked_at_s=self.now_s)

    def draw(self) -> Drawn | None:
        return self.book.draw(self.path, CALL, self.now_s)

    def take_a_lease(self) -> None:
        waiter = self.book.wait(self.path, CALL, CALL[0], now_s=self.now_s)
        self.exchange()
        self.book.stop_waiting(waiter)


@pytest.fixture
def replica() -> Replica:
    made = Replica()
    made.beat()
    made.take_a_lease()
    assert made.draw() is not None
    return made


def test_a_silent_replica_draws_on_nothing(replica: Replica) -> None:
    replica.now_s = ALIVE_S - 0.1
    assert replica.draw() is not None
    replica.now_s = ALIVE_S
    assert replica.draw() is None


def test_a_lease_that_ended_meanwhile_is_not_drawn_on_when_asking_for_it_has_to_wait(replica: Replica) -> None:
    [lease] = replica.store.leases.values()
    replica.book.wait(replica.path, (1 << 40, 1, 1, 1), 1 << 40, now_s=0.0)
    asks = replica.book.asks(0.0)
    replica.now_s = SILENCE_S
    replica.store.reap()
    replica.store.settle_quarantined(lease.id, 10)
    assert lease.state is LeaseState.CLOSED
    replica.book.failed(asks, now_s=replica.now_s)
    replica.beat()
    assert replica.draw() is None
    replica.now_s += FAILED_PAUSE_S
    assert replica.draw() is None


def test_it_soon_has_leases_again(replica: Replica) -> None:
    replica.now_s = SILENCE_S
    replica.beat()
    assert replica.draw() is None
    replica.take_a_lease()
    assert replica.draw() is not None


def test_no_lease_is_drawn_on_before_the_store_has_made_it() -> None:
    """Not even where more than there is may be drawn: records of a lease that is not there count nowhere."""
    replica = Replica()
    replica.store.write_budget(msgspec.structs.replace(replica.budget, is_hard=False))
    replica.budget = replica.store.budgets["b"]
    replica.beat()
    replica.book.wait(replica.path, CALL, CALL[0], now_s=0.0)
    asks = replica.book.asks(0.0)
    assert replica.draw() is None
    replica.book.failed(asks, now_s=0.0)
    assert replica.draw() is None
    replica.now_s = FAILED_PAUSE_S
    replica.exchange()
    assert replica.draw() is not None
