"""Several replicas under one rate on a virtual clock: what they let in together, beside what one bucket would have."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.fakes.ports import make_key

from tollkeeper.domain.errors import RateExceeded
from tollkeeper.domain.rate_limit import ONE, PER_MINUTE, Bucket, RateRule
from tollkeeper.domain.rate_share import FRESH_US, Demand, Supply, divide
from tollkeeper.limits.rates import Rates
from tollkeeper.limits.shares import GATHERING_S, Shares

NS_PER_S = 1_000_000_000
LATENCY_NS = 15_000_000
GATHERING_NS = int(GATHERING_S * NS_PER_S)
WINDOW_S, STEP_S = 60, 10
TOKENS = 800
"""What a call is guessed to count for."""


@dataclass
class Time:
    """A clock that stands still until it is moved."""

    ns: int = 10**15

    def now_ns(self) -> int:
        return self.ns


@dataclass
class Row:
    requests: int
    tokens: int
    told_at_us: int


class MemoryDemands:
    """What the store does, in memory."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self.rows: dict[tuple[str, str], Row] = {}

    def answer(self, holder: str, demands: Sequence[Demand]) -> list[Supply]:
        now_us, found = self._time.ns // 1000, []
        for each in demands:
            whole = self.rows.setdefault((each.rate_limit_id, ""), Row(0, 0, now_us))
            elapsed_us = now_us - whole.told_at_us
            whole.requests = max(max(whole.requests - elapsed_us * each.requests.limit, 0) + each.requests.taken, 0)
            whole.tokens = max(max(whole.tokens - elapsed_us * each.tokens.limit, 0) + each.tokens.taken, 0)
            whole.told_at_us = now_us
            self.rows[each.rate_limit_id, holder] = Row(each.requests.weight, each.tokens.weight, now_us)
            fresh = [
                row
                for (rule_id, of), row in self.rows.items()
                if rule_id == each.rate_limit_id and of and row.told_at_us > now_us - FRESH_US
            ]
            supply = Supply(
                divide(each.requests, debt=whole.requests, weights=sum(row.requests for row in fresh)),
                divide(each.tokens, debt=whole.tokens, weights=sum(row.tokens for row in fresh)),
            )
            whole.requests += max(supply.requests.claim, 0)
            whole.tokens += max(supply.tokens.claim, 0)
            found.append(supply)
        return found


@dataclass(frozen=True)
class Load:
    """`weights(second)` is how the calls divide among the replicas; `per_minute(second)` how many come."""

    name: str
    per_minute: Callable[[int], int]
    weights: Callable[[int], list[float]]


@dataclass
class Outcome:
    """What was let in, by the second of its arrival: calls, or tokens as they came to in the end."""

    limit: int
    cluster: list[int] = field(default_factory=list)
    single: list[int] = field(default_factory=list)

    def errors(self) -> Iterator[float]:
        """Yield, for each minute that begins at a multiple of ten seconds, how much more than one bucket, in parts of the limit."""
        for start in range(0, len(self.cluster) - WINDOW_S + 1, STEP_S):
            window = slice(start, start + WINDOW_S)
            yield (sum(self.cluster[window]) - sum(self.single[window])) / self.limit

    @property
    def beyond(self) -> float:
        """How much more than one bucket ever lets in, over whatever time, in per cent of the limit."""
        level, most = 0.0, 0.0
        for calls in self.cluster:
            level += calls
            most = max(most, level - self.limit)
            level = max(level - self.limit / 60, 0.0)
        return 100 * (most - self.limit / 60) / self.limit  # the figures are by the second

    @property
    def worst(self) -> tuple[float, float]:
        """The least and the most, in per cent."""
        errors = [100 * each for each in self.errors()]
        return min(errors), max(errors)


def run(
    load: Load, *, replicas: int, limit: int, seconds: int = 240, seed: int = 1, is_tokens: bool = False
) -> Outcome:
    """Drive the replicas with a load; calls last up to eight seconds and then count for what they came to."""
    return _Run(load, replicas=replicas, limit=limit, seconds=seconds, seed=seed, is_tokens=is_tokens).run()


class _Run:
    """One run: events in the order of their time, beside one bucket that sees the same calls."""

    def __init__(self, load: Load, *, replicas: int, limit: int, seconds: int, seed: int, is_tokens: bool) -> None:
        self.load, self.replicas, self.seconds, self.is_tokens = load, replicas, seconds, is_tokens
        self.dice, self.time = random.Random(seed), Time()
        rule = RateRule("r", "project", "proj_a", "p", "", None if is_tokens else limit, limit if is_tokens else None)
        self.key = make_key(rates=(rule,))
        self.store = MemoryDemands(self.time)
        self.rates = [Rates(self.time.now_ns) for _ in range(replicas)]
        self.shares = [
            Shares(each, self.store, holder=f"h{at}", replicas=lambda: replicas)  # type: ignore[arg-type]
            for at, each in enumerate(self.rates)
        ]
        self.is_woken, self.is_busy = [False] * replicas, [False] * replicas
        self.single = Bucket(limit * PER_MINUTE, self.time.ns)
        self.outcome = Outcome(limit, [0] * seconds, [0] * seconds)
        self.start_ns, self.order = self.time.ns, itertools.count()
        self.queue: list[tuple[int, int, Callable[[], None]]] = []

    def run(self) -> Outcome:
        for number in range(self.replicas):
            self.at(self.start_ns - self.dice.randrange(NS_PER_S), partial(self.tick, number))
        self.at(self.start_ns, partial(self.arrivals, 0))
        while self.queue and self.queue[0][0] < self.start_ns + self.seconds * NS_PER_S:
            self.time.ns, _, work = heapq.heappop(self.queue)
            work()
        return self.outcome

    def at(self, ns: int, work: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (ns, next(self.order), work))

    def soon(self, within_ns: int, work: Callable[[], None]) -> None:
        self.at(self.time.ns + self.dice.randrange(within_ns), work)

    def tick(self, number: int) -> None:
        self.shares[number].count_replicas()
        self.rates[number].on_demand = partial(self.wake, number)
        self.exchange(number, is_urgent=False)
        self.at(self.time.ns + NS_PER_S + self.dice.randrange(20_000_000), partial(self.tick, number))

    def wake(self, number: int) -> None:
        if not self.is_woken[number]:
            self.is_woken[number] = True
            self.at(self.time.ns + GATHERING_NS, partial(self.speak, number))

    def speak(self, number: int) -> None:
        self.is_woken[number] = False
        self.exchange(number, is_urgent=True)

    def exchange(self, number: int, *, is_urgent: bool) -> None:
        if self.is_busy[number]:
            self.at(self.time.ns + NS_PER_S // 1000, partial(self.exchange, number, is_urgent=is_urgent))
            return
        shares = self.shares[number]
        told = shares.tell_urgent() if is_urgent else shares.tell_all()
        if not told:
            return
        self.is_busy[number] = True

        def arrive() -> None:
            supplies = self.store.answer(f"h{number}", [each.demand for each in told])
            self.soon(LATENCY_NS, partial(hear, supplies))

        def hear(supplies: list[Supply]) -> None:
            self.is_busy[number] = False
            shares.hear(told, supplies)

        self.soon(LATENCY_NS, arrive)

    def arrivals(self, second: int) -> None:
        exact = self.load.per_minute(second) / 60 / (TOKENS if self.is_tokens else 1)
        for _ in range(int(exact) + (self.dice.random() < exact % 1)):
            self.soon(NS_PER_S, partial(self.call, second))
        if second + 1 < self.seconds:
            self.at(self.start_ns + (second + 1) * NS_PER_S, partial(self.arrivals, second + 1))

    def call(self, second: int) -> None:
        dice, time = self.dice, self.time
        number = dice.choices(range(self.replicas), self.load.weights(second))[0]
        taken, used = (TOKENS, dice.randrange(100, 1500)) if self.is_tokens else (1, 1)
        ends_ns = time.ns + dice.randrange(8 * NS_PER_S)
        if not self.single.take(time.ns, taken * ONE):
            self.outcome.single[second] += used
            self.at(ends_ns, partial(self.correct_single, used - taken))
        try:
            admission = self.rates[number].admit(self.key, ("m",), taken)
        except RateExceeded:
            return
        self.outcome.cluster[second] += used
        self.at(ends_ns, partial(admission.release, used))

    def correct_single(self, by: int) -> None:
        if by > 0:
            self.single.add(self.time.ns, by * ONE)
        else:
            self.single.give_back(-by * ONE)


def loads(replicas: int, limit: int) -> list[Load]:
    """Return even, uneven and shifting loads, above and below the limit."""
    even, skewed = [1.0] * replicas, [1.0 / (1 + at) ** 1.5 for at in range(replicas)]

    def one_by_one(every_s: int) -> Callable[[int], list[float]]:
        return lambda second: [1.0 if at == second // every_s % replicas else 0.0 for at in range(replicas)]

    def drifting(second: int) -> list[float]:
        return skewed[second // 7 % replicas :] + skewed[: second // 7 % replicas]

    def steady(times: float) -> Callable[[int], int]:
        return lambda _: int(limit * times)

    def in_bursts(second: int) -> int:
        return limit * 20 if second % 45 < 4 else limit // 3

    return [
        Load("even, three times the limit", steady(3), lambda _: even),
        Load("even, 1.1 times the limit", steady(1.1), lambda _: even),
        Load("even, nine tenths of the limit", steady(0.9), lambda _: even),
        Load("uneven, three times", steady(3), lambda _: skewed),
        Load("uneven, 1.1 times", steady(1.1), lambda _: skewed),
        Load("all at one, three times", steady(3), one_by_one(10**6)),
        Load("to the next replica every 20 s, 3 times", steady(3), one_by_one(20)),
        Load("to the next replica every 7 s, 3 times", steady(3), one_by_one(7)),
        Load("to the next replica every 2 s, 1.5 times", steady(1.5), one_by_one(2)),
        Load("uneven, drifting every 7 s, twice", steady(2), drifting),
        Load("in bursts of four seconds, even", in_bursts, lambda _: even),
        Load("in bursts of four seconds, drifting", in_bursts, drifting),
    ]
