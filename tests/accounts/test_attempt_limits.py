"""How often something may be tried: exactly so often, again after a while, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.control.attempts import Attempts, place_of
from tollkeeper.domain.errors import TooManyAttempts


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def is_taken(attempts: Attempts, key: str = "kim") -> bool:
    try:
        attempts.take(key)
    except TooManyAttempts:
        return False
    return True


def test_so_many_at_once_and_one_more_each_while() -> None:
    clock = Clock()
    attempts = Attempts(at_once=3, every_s=60, clock_s=clock)
    assert [is_taken(attempts) for _ in range(5)] == [True, True, True, False, False]
    clock.now_s += 59
    assert not is_taken(attempts)
    clock.now_s += 1
    assert [is_taken(attempts), is_taken(attempts)] == [True, False]
    assert is_taken(attempts, "lee")
    clock.now_s += 1000
    assert [is_taken(attempts) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 200)), max_size=60), st.integers(1, 5), st.integers(1, 90))
def test_what_is_refused_says_exactly_when_it_would_be_taken(steps, at_once, every_s) -> None:
    clock = Clock()
    attempts = Attempts(at_once=at_once, every_s=every_s, clock_s=clock)
    taken: list[float] = []
    for is_asking, wait_s in steps:
        clock.now_s += wait_s
        if not is_asking:
            continue
        try:
            attempts.take("kim")
            taken.append(clock.now_s)
        except TooManyAttempts as refused:
            wait = refused.fields["retry_after_seconds"]
            assert wait > 0
            clock.now_s += wait - 1
            assert not is_taken(attempts)
            clock.now_s += 1
            assert is_taken(attempts)
            taken.append(clock.now_s)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= at_once + (taken[last] - taken[first]) / every_s


def test_a_good_try_is_given_back() -> None:
    attempts = Attempts(at_once=1, every_s=60)
    for _ in range(5):
        assert is_taken(attempts)
        attempts.give_back("kim")
    attempts.give_back("nobody")
    assert is_taken(attempts, "nobody")


def test_memory_is_bounded_and_the_busiest_is_not_forgotten() -> None:
    attempts = Attempts(at_once=1, every_s=60, keys_max=10)
    for number in range(1000):
        is_taken(attempts, f"user{number}")
        assert is_taken(attempts) is (number == 0)
    assert len(attempts._empty_until_s) <= 10


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("", "", True),
    ],
)
def test_one_household_is_one_place(one: str, other: str, is_same: bool) -> None:
    assert (place_of(one) == place_of(other)) is is_same
