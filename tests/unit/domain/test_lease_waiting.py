"""Calls that wait for one budget: a large one is refused at once, a small one behind it gets what there is."""

from __future__ import annotations

import time
from itertools import count

import pytest

from tollkeeper.domain.lease import Answer, Ask, Figures
from tollkeeper.domain.lease_book import DENIED_PAUSE_S, LeaseBook
from tollkeeper.domain.limit import Limit
from tollkeeper.domain.local_lease import RECALL_US, Need, Path, Waiter

BUDGET = Limit("b", "project", "proj_1", "p", "usd", "total")
OTHER = Limit("c", "organization", "org_1", "o", "usd", "total")


class Replica:
    """A book whose store has a budget of 1000, of which others have used or hold some."""

    def __init__(self, *, used: int = 0, others: int = 0) -> None:
        self.now_s = 1.0
        ids = count(1)
        self.book = LeaseBook(lambda: next(ids).to_bytes(16, "big"))
        self.book.beaten(asked_at_s=self.now_s)
        self.used, self.others, self.recalled_us = used, others, 0
        self.is_giving_what_is_needed = False
        self.amounts: dict[bytes, int] = {}
        self.asked: list[int] = []
        self.waiters: list[Waiter] = []

    @property
    def path(self) -> Path:
        return self.book.path("org_1", [BUDGET], now_s=self.now_s)

    @property
    def left(self) -> int:
        return 1000 - self.used - self.others - sum(self.amounts.values())

    def wait(self, amount: int, *, least: int | None = None) -> Waiter:
        need: Need = (amount, 1, 1, 1)
        waiter = self.book.wait(self.path, need, amount if least is None else least, now_s=self.now_s)
        self.waiters.append(waiter)
        return waiter

    def exchange(self) -> None:
        """Ask what is due, after the pause that there may be."""
        self.now_s += DENIED_PAUSE_S
        for ask in self.book.asks(self.now_s):
            self.asked.append(ask.need)
            self.book.answered(ask, self._answer(ask), asked_at_s=self.now_s)

    def served(self, waiter: Waiter) -> bool:
        if self.book.draw(waiter.path, waiter.need, self.now_s) is None:
            return False
        self.book.stop_waiting(waiter)
        return True

    def _answer(self, ask: Ask) -> Answer:
        held = self.amounts.get(ask.lease_id, 0) - ask.give_back
        is_denied = ask.need > self.left
        most = ask.need if self.is_giving_what_is_needed else max(ask.need, ask.exact)
        self.amounts[ask.lease_id] = held = held + (0 if is_denied else min(most, self.left))
        figures = Figures(1000, self.used, self.others + sum(self.amounts.values()), 0, None, 0)
        outcome = "denied" if is_denied else "done"
        recalled_us = self.recalled_us if is_denied else 0
        return Answer(ask.lease_id, outcome, held, figures, None, False, self.others if is_denied else 0, recalled_us)


@pytest.mark.parametrize("sizes", [(5000, 10), (10, 5000), (900, 10, 10)])
def test_small_calls_get_what_there_is_when_a_large_one_waits(sizes: tuple[int, ...]) -> None:
    replica = Replica(used=200)
    waiters = {size: replica.wait(size) for size in sizes}
    small, large = waiters[10], waiters[max(sizes)]
    for _ in range(3):
        replica.exchange()
        if replica.served(small):
            break
        assert replica.book.refusal(small) is None
    else:
        pytest.fail("the small call was never let in")
    for _ in range(2):
        if replica.book.refusal(large) is not None:
            break
        replica.exchange()
    refused = replica.book.refusal(large)
    assert refused is not None
    assert refused[1].is_final


def test_a_denial_for_a_large_call_refuses_no_small_one() -> None:
    replica = Replica(used=200)
    large = replica.wait(5000)
    replica.exchange()
    assert replica.asked == [5000]
    replica.now_s -= DENIED_PAUSE_S / 2  # it came before the answer, to the same denial
    small = replica.wait(800)
    small.came_s = large.came_s
    exhausting = replica.wait(801)
    exhausting.came_s = large.came_s

    assert replica.book.refusal(large) is not None
    assert replica.book.refusal(small) is None
    assert replica.book.refusal(exhausting) is not None


def test_a_call_that_others_can_still_make_room_for_has_its_turn_among_smaller_ones() -> None:
    replica = Replica(others=700)
    replica.is_giving_what_is_needed = True
    large = replica.wait(600)
    for _ in range(4):
        small = replica.wait(10)
        replica.exchange()
        replica.served(small)
    assert any(need > 500 for need in replica.asked), "small calls came at every ask, and it was asked for nonetheless"
    assert replica.book.refusal(large) is None, "others have not had the time to give back"
    replica.recalled_us = RECALL_US
    for _ in range(2):
        replica.exchange()
    assert replica.book.refusal(large) is not None


def test_a_call_that_others_could_not_make_room_for_is_refused_at_once() -> None:
    replica = Replica(others=700)
    large = replica.wait(1001)
    replica.exchange()
    assert replica.book.refusal(large) is not None


def test_what_can_never_be_let_in_is_not_asked_for_with_what_can() -> None:
    replica = Replica()
    replica.served(replica.wait(10))
    replica.exchange()
    replica.wait(5000)
    replica.wait(20)
    replica.now_s += DENIED_PAUSE_S
    [ask] = replica.book.asks(replica.now_s)
    assert ask.exact < 1000


def test_calls_that_wait_for_another_budget_do_not_ask_all_the_time() -> None:
    """Each fits alone, all together do not, and there is no more: asking again at once would bring nothing."""
    replica = Replica(used=990)
    replica.wait(10)
    replica.exchange()
    replica.wait(10)
    replica.exchange()
    replica.now_s += 0.001
    assert replica.book.asks(replica.now_s) == []
    assert replica.book.next_ask_s() > replica.now_s


def test_thousands_stop_waiting_in_no_time() -> None:
    replica = Replica()
    path = replica.book.path("org_1", [BUDGET, OTHER], now_s=0.0)
    waiters = [replica.book.wait(path, (10, 1, 1, 1), 10, now_s=0.0) for _ in range(20_000)]
    began_s = time.process_time()
    for waiter in reversed(waiters):
        replica.book.stop_waiting(waiter)
    assert time.process_time() - began_s < 1.0
    assert not any(node.waiting for node in path)


def test_a_window_that_ends_while_a_call_waits_for_another_budget_is_followed_by_the_next() -> None:
    """The call drew nothing yet, and its own ask for that budget was answered: nothing else would bring it up again."""
    ids = count(1)
    book = LeaseBook(lambda: next(ids).to_bytes(16, "big"))
    book.beaten(asked_at_s=1.0)
    path = book.path("org_1", [BUDGET, OTHER], now_s=1.0)
    waiter = book.wait(path, (10, 1, 1, 1), 10, now_s=1.0)
    first, second = book.asks(1.0)
    ends_in_us = {BUDGET.budget_id: 1_000_000, OTHER.budget_id: None}
    for ask in (first, second):
        figures = Figures(1000, 0, 10, 0, None, 0)
        amount = 10 if ask.budget_id == BUDGET.budget_id else 0
        book.answered(
            ask, Answer(ask.lease_id, "done", amount, figures, ends_in_us[ask.budget_id], False, 0, 0), asked_at_s=1.0
        )
    (again,) = [ask for ask in book.asks(1.5) if ask.budget_id == OTHER.budget_id]
    book.answered(
        again, Answer(again.lease_id, "done", 10, Figures(1000, 0, 10, 0, None, 0), None, False, 0, 0), asked_at_s=1.9
    )
    book.asks(1.95)
    assert book.draw(waiter.path, waiter.need, 2.1) is None, "the first window has ended"
    assert [ask.budget_id for ask in book.asks(2.1) if ask.need] == [BUDGET.budget_id]


def test_an_answer_from_before_a_budget_came_back_lets_nothing_in() -> None:
    replica = Replica()
    replica.wait(10)
    replica.now_s += DENIED_PAUSE_S
    [ask] = replica.book.asks(replica.now_s)
    asked_at_s = replica.now_s
    replica.now_s += 1.0
    path = replica.path  # a key names it again, since it was made anew
    replica.book.answered(ask, Answer(ask.lease_id, "gone"), asked_at_s=asked_at_s)
    assert replica.book.draw(path, (10, 1, 1, 1), replica.now_s) is None


def test_a_budget_that_is_gone_holds_nothing_back() -> None:
    replica = Replica()
    replica.wait(10)
    replica.now_s += DENIED_PAUSE_S
    [ask] = replica.book.asks(replica.now_s)
    replica.book.answered(ask, Answer(ask.lease_id, "gone"), asked_at_s=replica.now_s)
    assert replica.book.draw(replica.waiters[0].path, (10, 1, 1, 1), replica.now_s) is not None
