"""Several replicas on a virtual clock keep one rate together as one bucket would, within the stated tolerance."""

from __future__ import annotations

import pytest
from tests.fakes.ports import make_key
from tests.rates.cluster import NS_PER_S, Load, MemoryDemands, Time, loads, run

from tollkeeper.domain.errors import RateExceeded
from tollkeeper.domain.rate_limit import ONE, RateRule
from tollkeeper.domain.rate_share import DEBT_ONE, UnitDemand, divide
from tollkeeper.limits.rates import Rates
from tollkeeper.limits.shares import RULES_AT_ONCE, Shares

TOLERANCE = 5.0


class Replica:
    def __init__(self, time: Time, store: MemoryDemands, name: str, *, replicas: int, closes: bool = False) -> None:
        self.alive, self.store, self.name = replicas, store, name
        self.rates = Rates(time.now_ns)
        self.urgent = 0
        when = "closed" if closes else "open"
        self.shares = Shares(self.rates, store, holder=name, replicas=lambda: self.alive, when_unavailable=when)  # type: ignore[arg-type]

    def admit(self, key, count: int) -> int:
        """Return how many of the calls were let in."""
        admitted = 0
        for _ in range(count):
            try:
                self.rates.admit(key, ("m",), 1)
                admitted += 1
            except RateExceeded:
                continue
        return admitted

    def tick(self, *, is_urgent: bool = False) -> None:
        if self.shares.count_replicas() > 1:
            told = self.shares.tell_urgent() if is_urgent else self.shares.tell_all()
            self.shares.hear(told, self.store.answer(self.name, [each.demand for each in told]))


def a_key(limit: int):
    return make_key(rates=(RateRule("r", "project", "p", "p", "", limit),))


@pytest.mark.parametrize("load", loads(8, 600), ids=lambda load: load.name)
def test_eight_replicas_let_in_what_one_bucket_would(load: Load):
    outcome = run(load, replicas=8, limit=600, seconds=150)
    least, most = outcome.worst
    assert -TOLERANCE <= least <= most <= TOLERANCE
    assert outcome.beyond <= TOLERANCE
    assert sum(outcome.cluster) > 600


@pytest.mark.parametrize("load", loads(3, 400_000)[3:10:3], ids=lambda load: load.name)
def test_tokens_are_shared_with_their_corrections(load: Load):
    outcome = run(load, replicas=3, limit=400_000, seconds=150, is_tokens=True)
    least, most = outcome.worst
    assert -TOLERANCE <= least <= most <= TOLERANCE
    assert outcome.beyond <= TOLERANCE


def test_alone_there_is_nothing_to_tell():
    time = Time()
    store = MemoryDemands(time)
    only = Replica(time, store, "a", replicas=1)
    assert only.admit(a_key(60), 100) == 60
    only.tick()
    assert (store.rows, only.rates.on_demand) == ({}, None)


def test_who_comes_first_among_several_has_an_equal_part_and_then_what_is_free():
    time = Time()
    store = MemoryDemands(time)
    first = Replica(time, store, "a", replicas=4)
    first.tick()
    key = a_key(400)
    assert first.admit(key, 150) == 100
    first.tick(is_urgent=True)
    assert first.admit(key, 20) == 13  # what flows out in two seconds at most, while there is more
    for _ in range(60):
        first.tick(is_urgent=True)
        first.admit(key, 50)
    assert 399 * DEBT_ONE < store.rows["r", ""].requests <= 400 * DEBT_ONE


def test_a_second_one_finds_out_that_nothing_is_left():
    time = Time()
    store = MemoryDemands(time)
    one, two = (Replica(time, store, name, replicas=2) for name in "ab")
    for each in (one, two):
        each.tick()
    key = a_key(600)
    for _ in range(100):
        one.admit(key, 50)
        one.tick(is_urgent=True)
    assert two.admit(key, 5) == 5  # before it has heard anything
    two.tick(is_urgent=True)
    assert two.admit(key, 5) == 0
    assert 595 * DEBT_ONE <= store.rows["r", ""].requests <= 605 * DEBT_ONE  # with what it let in


def test_calls_let_in_while_the_store_is_spoken_with_count_too():
    time = Time()
    store = MemoryDemands(time)
    one = Replica(time, store, "a", replicas=2)
    one.tick()
    key = a_key(600)
    one.admit(key, 5)
    told = one.shares.tell_all()
    supplies = store.answer("a", [each.demand for each in told])
    one.admit(key, 4)
    one.shares.hear(told, supplies)
    meter = one.rates._rules["org_a", "r"].meters[0]
    assert meter.burst - meter.level == supplies[0].requests.claim * (ONE // DEBT_ONE) - 4 * ONE
    one.tick()
    assert store.rows["r", ""].requests - meter.claim == 9 * DEBT_ONE


def test_what_was_taken_alone_is_owed_among_several():
    time = Time()
    store = MemoryDemands(time)
    one, two = (Replica(time, store, name, replicas=1) for name in "ab")
    key = a_key(60)
    assert one.admit(key, 60) == 60
    for each in (one, two):
        each.alive = 2
        each.tick()
    assert one.admit(key, 5) == 0
    two.admit(key, 1)
    two.tick(is_urgent=True)
    assert two.admit(key, 5) == 0


def test_a_share_that_changes_grants_no_second_burst():
    """However often replicas come and go, no more than the limit goes at once."""
    time = Time()
    store = MemoryDemands(time)
    one, two = (Replica(time, store, name, replicas=2) for name in "ab")
    key = a_key(1000)
    admitted = 0
    for turn in range(40):
        for each in (one, two):
            each.alive = 2 + turn % 3
            each.tick()
            admitted += each.admit(key, 60)
            each.tick(is_urgent=True)
            admitted += each.admit(key, 60)
    assert 1000 <= admitted <= 1010


def test_the_claim_of_a_replica_that_died_flows_out():
    time = Time()
    store = MemoryDemands(time)
    dead, alive = (Replica(time, store, name, replicas=2) for name in "ab")
    key = a_key(600)
    for each in (dead, alive):
        each.tick()
    dead.admit(key, 10)
    dead.tick()
    assert 0 < dead.rates._rules["org_a", "r"].meters[0].claim <= 600 * DEBT_ONE // 30
    time.ns += 60 * NS_PER_S
    alive.admit(key, 1)
    alive.tick()
    assert store.rows["r", ""].requests <= 21 * DEBT_ONE


@pytest.mark.parametrize(("closes", "expected"), [(False, 590), (True, 300)])
def test_without_the_store_the_last_share_goes_on_or_an_equal_part(closes: bool, expected: int):
    time = Time()
    store = MemoryDemands(time)
    busy, idle = (Replica(time, store, name, replicas=2, closes=closes) for name in "ab")
    key = a_key(600)
    for each in (busy, idle):
        each.tick()
    for _ in range(20):
        busy.admit(key, 60)
        idle.admit(key, 1)
        busy.tick()
        idle.tick()
        time.ns += NS_PER_S
    busy.shares._heard_at_s -= 60
    busy.shares.lose_touch()
    busy.admit(key, 10_000)
    admitted = 0
    for _ in range(600):
        time.ns += NS_PER_S // 10
        admitted += busy.admit(key, 10)
        busy.shares.lose_touch()
    assert admitted == pytest.approx(expected, abs=15)


def test_a_rule_that_nobody_asks_for_is_told_of_once_more_and_then_no_more():
    time = Time()
    store = MemoryDemands(time)
    one = Replica(time, store, "a", replicas=2)
    one.tick()
    one.admit(a_key(600), 5)
    for _ in range(6):
        time.ns += NS_PER_S
        one.tick()
    assert one.shares.tell_all() == []
    assert store.rows["r", "a"].requests == 0


def test_of_too_many_rules_those_that_need_most_are_told():
    time = Time()
    store = MemoryDemands(time)
    one = Replica(time, store, "a", replicas=2)
    one.tick()
    keys = [make_key(rates=(RateRule(f"r{at}", "project", "p", "p", "", 60),)) for at in range(RULES_AT_ONCE + 50)]
    for at, key in enumerate(keys):
        one.admit(key, 1 if at < 50 else 2)
    told = {each.demand.rate_limit_id for each in one.shares.tell_all()}
    assert told == {f"r{at}" for at in range(50, RULES_AT_ONCE + 50)}


def test_one_call_is_granted_whole_or_not_at_all():
    demand = UnitDemand(limit=60, weight=1, need=DEBT_ONE)
    assert divide(demand, debt=57 * DEBT_ONE, weights=100).claim == DEBT_ONE
    assert divide(demand, debt=60 * DEBT_ONE - 1, weights=100).claim == 0
    assert divide(demand, debt=70 * DEBT_ONE, weights=10).claim == -DEBT_ONE
