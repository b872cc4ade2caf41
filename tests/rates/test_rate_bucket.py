"""The bucket decides as the other form of the algorithm does, exactly, whatever the clock does."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from tollkeeper.domain.rate_limit import NS_PER_MINUTE, ONE, PER_MINUTE, Bucket, estimate_tokens, shown_duration

STEPS = 1_000_000
LIMITS = (1, 7, 60, 333, 9_973, 1_000_003)


class ArrivalTime:
    """Virtual scheduling: the theoretical arrival time, times the limit so that it stays whole."""

    def __init__(self, limit: int, now_ns: int) -> None:
        self.limit, self.tat, self.last_ns = limit, now_ns * limit, now_ns

    def look(self, now_ns: int) -> int:
        if now_ns < self.last_ns:  # set back: what lies ahead stays as far ahead
            self.tat = now_ns * self.limit + max(self.tat - self.last_ns * self.limit, 0)
        self.last_ns = now_ns
        return now_ns * self.limit

    def take(self, now_ns: int, cost: int) -> int:
        now = self.look(now_ns)
        after = max(self.tat, now) + cost * NS_PER_MINUTE
        burst = NS_PER_MINUTE * self.limit
        if after - now <= burst or self.tat <= now:
            self.tat = after
            return 0
        allowed_at = max(after - burst, now if cost * NS_PER_MINUTE <= burst else after - cost * NS_PER_MINUTE)
        return -(-(min(allowed_at, self.tat) - now) // self.limit)

    def add(self, now_ns: int, by: int) -> None:
        now = self.look(now_ns)
        self.tat = max(self.tat, now) + by * NS_PER_MINUTE

    def give_back(self, by: int) -> None:
        self.tat -= by * NS_PER_MINUTE
        self.tat = max(self.tat, self.last_ns * self.limit)


def test_a_million_steps_equal_the_other_form_of_the_algorithm():
    dice = random.Random(20261122)
    for limit in LIMITS:
        now_ns = 10**15
        bucket, oracle = Bucket(limit * PER_MINUTE, now_ns), ArrivalTime(limit, now_ns)
        pause_ns = max(NS_PER_MINUTE // limit, 1)
        admitted = refused = 0
        for step in range(STEPS // len(LIMITS)):
            chance = dice.random()
            if chance < 0.0005:
                now_ns = max(now_ns + dice.randrange(-86_400 * 10**9, 86_400 * 10**9), 0)
            else:
                now_ns += int(dice.random() * 2.2 * pause_ns)
            if chance > 0.97:
                by = dice.randrange(1, max(limit // 3, 2))
                if chance > 0.985:
                    bucket.add(now_ns, by * ONE)
                    oracle.add(now_ns, by)
                else:
                    bucket.give_back(by * ONE)
                    oracle.give_back(by)
                continue
            cost = 1 if chance < 0.8 else dice.randrange(0, limit + limit // 20 + 2)
            wait_ns, expected_ns = bucket.take(now_ns, cost * ONE), oracle.take(now_ns, cost)
            assert wait_ns == expected_ns, (limit, step, now_ns, cost)
            assert wait_ns >= 0
            admitted, refused = admitted + (wait_ns == 0), refused + (wait_ns > 0)
        assert min(admitted, refused) > STEPS // len(LIMITS) // 100, "both happen"


@pytest.mark.parametrize("limit", [1, 7, 13, 1000, 59_999])
def test_no_fraction_is_lost_over_a_day(limit: int):
    """A limit that does not divide a minute lets in exactly the burst and what flows out, by fractions."""
    bucket, now_ns = Bucket(limit * PER_MINUTE, 0), 0
    admitted = 0
    dice = random.Random(limit)
    for _ in range(20_000):
        now_ns += dice.randrange(1, max(NS_PER_MINUTE // limit // 15, 2))
        admitted += bucket.take(now_ns, ONE) == 0
        assert Fraction(admitted) <= limit + Fraction(limit * now_ns, NS_PER_MINUTE)
    assert admitted >= min(20_000, Fraction(limit * now_ns, NS_PER_MINUTE) * 9 / 10), (
        "calls come some thirty times as often"
    )


def test_a_call_goes_when_its_wait_is_over_and_not_before():
    dice = random.Random(7)
    for _ in range(3000):
        limit = dice.choice(LIMITS)
        bucket = Bucket(limit * PER_MINUTE, 0)
        bucket.level = dice.randrange(0, 3 * limit * ONE)
        cost = dice.randrange(0, limit + 2)
        wait_ns = bucket.take(0, cost * ONE)
        if wait_ns:
            assert bucket.take(wait_ns - 1, cost * ONE) > 0
            assert bucket.take(wait_ns, cost * ONE) == 0


def test_a_call_larger_than_the_limit_goes_from_an_empty_bucket_and_is_paid_for():
    bucket = Bucket(100 * PER_MINUTE, 0)
    assert bucket.take(0, 250 * ONE) == 0
    assert bucket.take(0, ONE) == (150 + 1) * NS_PER_MINUTE // 100
    assert bucket.remaining == 0


def test_what_was_given_back_is_no_credit():
    bucket = Bucket(60 * PER_MINUTE, 0)
    bucket.take(0, 10 * ONE)
    bucket.give_back(50 * ONE)
    assert (bucket.level, bucket.remaining) == (0, 60)
    bucket.take(0, 60 * ONE)
    assert bucket.take(0, ONE) > 0


def test_a_debt_delays_later_calls():
    bucket = Bucket(60 * PER_MINUTE, 0)
    bucket.take(0, ONE)
    bucket.add(0, 89 * ONE)
    assert bucket.take(0, ONE) == 31_000_000_000
    assert (bucket.remaining, bucket.empty_in_ns) == (0, 90_000_000_000)


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (0, "0s"),
        (1, "1ms"),
        (12_000_000, "12ms"),
        (999_000_001, "1s"),
        (1_500_000_000, "1.5s"),
        (8_640_000_000, "8.64s"),
        (63_000_000_000, "1m3s"),
        (360_000_000_000, "6m0s"),
        (3_600_000_000_000, "1h0m0s"),
        (5_025_010_000_000, "1h23m45.01s"),
    ],
)
def test_durations_are_written_as_go_writes_them(ns: int, shown: str):
    assert shown_duration(ns) == shown


def test_a_call_counts_for_its_text_and_a_usual_answer():
    assert estimate_tokens(400) == 100 + 500
    assert estimate_tokens(401, 20) == 101 + 20
    assert estimate_tokens(0, 100_000) == 500
    assert estimate_tokens(30_000_000, 0) == 128_000
