"""A replica's share of a rate: what it claims of the one bucket that all replicas have together, and lets calls in by.

The store keeps a bucket per rule. About once a second each replica puts in what it has let in, gives back what is left of
its claim, and claims anew: the part of what is free that its weight gives, the weight being what is asked for there. What
is claimed counts as taken, so no two replicas let calls in by the same part, and no debt is lost or counted twice. In
between a replica's room grows by its part of the rate. Who runs short while there is more to be had asks at once.

Whoever meets a rule for the first time begins with 1/R of it, R being the replicas alive, and learns within milliseconds
how much of that is gone already. A claim that never comes back, because its replica died, flows out like all else.
"""

from __future__ import annotations

import msgspec

from tollkeeper.domain.rate_limit import NS_PER_MINUTE, ONE, PER_MINUTE, Bucket, RateRule, RateUnit

DEBT_ONE = 60_000_000
"""One request or token as the store counts: what flows out in a microsecond is the limit per minute."""
LEVELS_PER_DEBT = ONE // DEBT_ONE
FRESH_US = 3_000_000
"""How long what a replica has told counts for."""
SECONDS_PER_MINUTE = 60
CLAIM_S = 2
HUNGRY_NS = 250_000_000
"""How long a replica that refuses calls waits before it asks again, if it did not hear that there is more."""
_NEVER = 1 << 100


class UnitDemand(msgspec.Struct, frozen=True):
    """What a replica tells of one unit of a rule. `weight` is what was asked for lately, let in or not.

    In `DEBT_ONE`: `taken` is what was let in since the last time less what was claimed then (so it may be negative),
    `need` is what the largest call wanted that was refused. `limit` is per minute; 0 when the rule has none.
    """

    limit: int = 0
    weight: int = 0
    taken: int = 0
    need: int = 0


class Demand(msgspec.Struct, frozen=True):
    """What a replica tells of a rule."""

    organization_id: str
    rate_limit_id: str
    requests: UnitDemand = UnitDemand()
    tokens: UnitDemand = UnitDemand()


class UnitSupply(msgspec.Struct, frozen=True):
    """What a replica may let in until it asks again, and what is free beside: in `DEBT_ONE`, negative for a debt.

    `weights` is the weight of all replicas together.
    """

    claim: int = 0
    free: int = 0
    weights: int = 0


class Supply(msgspec.Struct, frozen=True):
    """What a replica hears of a rule."""

    requests: UnitSupply
    tokens: UnitSupply


def divide(demand: UnitDemand, *, debt: int, weights: int) -> UnitSupply:
    """Return what a replica gets when the bucket of all stands at `debt` and all of them together weigh `weights`.

    It is not much more than was asked for lately, nor than flows out in `CLAIM_S`, so that the rest is there for whoever
    comes; and no less than one call needs, as long as there is that much.
    """
    free = demand.limit * DEBT_ONE - debt
    if not demand.weight:
        return UnitSupply(0, free, weights)
    weights = max(weights, demand.weight)
    claim = free * demand.weight // weights
    if free > 0:
        useful = max(2 * demand.weight * DEBT_ONE, claim // 8)
        useful = min(useful, demand.limit * DEBT_ONE * CLAIM_S // SECONDS_PER_MINUTE)
        claim = max(min(claim, useful), min(demand.need, free))
        if claim < DEBT_ONE:
            claim = 0  # parts of a call at several replicas are of use to none
    return UnitSupply(claim, free - max(claim, 0), weights)


class Meter(Bucket):
    """The bucket of one rule and unit at this replica: the whole of it when alone, else what it has claimed."""

    __slots__ = (
        "asked",
        "beside",
        "carried",
        "claim",
        "heard_at_ns",
        "is_dropped",
        "is_tokens",
        "is_told",
        "limit",
        "low",
        "need",
        "organization_id",
        "rule",
        "taken",
        "unit",
        "weight",
    )

    def __init__(self, organization_id: str, rule: RateRule, unit: RateUnit, now_ns: int, *, replicas: int) -> None:
        limit = rule.limit(unit)
        assert limit, "no meter without a limit"
        super().__init__(_equal_part(limit, replicas), now_ns)
        self.organization_id, self.rule, self.unit, self.limit = organization_id, rule, unit, limit
        self.is_tokens = unit == "tokens"
        self.is_dropped = False  # what calls under way come to is another one's to count
        self.is_told = False  # other replicas know that there is demand here
        # None of these is counted while this replica is alone.
        self.asked = 0  # since the last weighing
        self.weight = 0
        self.need = 0  # of the largest call that was refused since the last time
        self.taken = 0  # and not told yet
        self.carried = 0  # in DEBT_ONE: what was taken while this replica was alone, and not told yet
        self.claim = 0  # in DEBT_ONE: what the store counts as taken by this replica in advance
        self.beside = 0  # what nobody had claimed when it was last heard; as the level counts
        self.heard_at_ns = now_ns
        self.low = _NEVER  # the level from which on more is to be claimed at once

    def weigh(self) -> int:
        """Return what was asked for since the last weighing, with a quarter of what that one came to, and begin anew."""
        self.weight = self.asked + self.weight // 4
        self.asked = 0
        return self.weight

    def demand(self) -> UnitDemand:
        """Return what the store must know. It counts as told once `hear` was called with it."""
        taken = self.taken * DEBT_ONE + self.carried - self.claim
        return UnitDemand(self.limit, max(self.weight, self.asked), taken, self.need * DEBT_ONE)

    @property
    def is_in_use(self) -> bool:
        """Tell whether there is something to tell."""
        return bool(self.is_told or self.weight or self.asked or self.taken or self.carried or self.claim)

    def may_have_more(self, now_ns: int) -> bool:
        """Tell whether there is more to be had: it was heard, or enough time went by since."""
        return self.low != _NEVER or now_ns >= self.heard_at_ns + HUNGRY_NS

    @property
    def remaining(self) -> int:
        """For how much calls may still count: what was claimed, and what is free beside for which it can be asked."""
        room = self.burst - self.level
        return max((room + self.beside if room >= ONE else room) // ONE, 0)

    @property
    def empty_in_ns(self) -> int:
        """When the whole limit is there again, if nothing comes."""
        return -(-max(self.level - self.beside, 0) // (self.rate if not self.is_told else self.limit * PER_MINUTE))

    def is_urgent(self, now_ns: int) -> bool:
        """Tell whether the store should be spoken with at once."""
        if not self.is_told:
            return bool(self.asked)
        return self.level > self.low or bool(self.need and self.may_have_more(now_ns))

    def hear(self, now_ns: int, told: UnitDemand, supply: UnitSupply, *, replicas: int) -> None:
        """Let calls in by the new claim, less what was let in since `told` was said."""
        self.taken -= (told.taken + self.claim - self.carried) // DEBT_ONE
        self.carried = self.need = 0
        self.claim = max(supply.claim, 0)
        if not told.weight and not self.asked:
            self._stand_by(now_ns, replicas, room=supply.free * LEVELS_PER_DEBT // replicas)
            return
        rate = self.limit * PER_MINUTE * told.weight // max(supply.weights, told.weight, 1)
        self.rate = max(rate, 1 if self.is_told else _equal_part(self.limit, replicas))
        self.burst = self.limit * ONE
        claimed = supply.claim * LEVELS_PER_DEBT
        self.level = self.burst - claimed + self.taken * ONE
        self.at_ns = now_ns
        self.beside = max(supply.free, 0) * LEVELS_PER_DEBT
        has_more = supply.free * SECONDS_PER_MINUTE > self.limit * DEBT_ONE  # than flows out in a second
        self.low = self.burst - claimed // 2 if has_more else _NEVER
        self.heard_at_ns = now_ns
        self.is_told = True

    def stand_by(self, now_ns: int, *, replicas: int) -> None:
        """Go back to an equal part, with what room there is: nothing is heard of the others."""
        self._stand_by(now_ns, replicas, room=self.burst - self.drain(now_ns))

    def go_on_alone(self, now_ns: int) -> None:
        """Keep the share of the rate without hearing of the others: no more than a minute's worth of it gathers."""
        room = self.burst - self.drain(now_ns)
        self.burst, self.low, self.beside = self.rate * NS_PER_MINUTE, _NEVER, 0
        self.level = max(self.burst - room, 0)

    def become_the_only_one(self, now_ns: int) -> None:
        """Have the whole of it from now on."""
        self.stand_by(now_ns, replicas=1)
        self.asked = self.weight = self.need = self.taken = self.carried = self.claim = 0

    def become_one_of(self, now_ns: int, *, replicas: int) -> None:
        """Become one of several: all that was taken lately here is told first."""
        self.carried = -(-self.drain(now_ns) // LEVELS_PER_DEBT)
        self.taken = 0
        self.stand_by(now_ns, replicas=replicas)

    def change_limit(self, now_ns: int, rule: RateRule, *, replicas: int) -> None:
        """Go by a rule that was changed; what was taken under the old one still counts."""
        limit = rule.limit(self.unit)
        assert limit, "no meter without a limit"
        self.rule = rule
        if limit == self.limit:
            return
        self.limit = limit
        if replicas > 1:
            self.stand_by(now_ns, replicas=replicas)
        else:
            self._stand_by(now_ns, 1, room=limit * ONE - self.drain(now_ns))

    def _stand_by(self, now_ns: int, replicas: int, *, room: int) -> None:
        self.is_told = False
        self.low, self.beside = _NEVER, 0
        self.rate = _equal_part(self.limit, replicas)
        self.burst = self.rate * NS_PER_MINUTE
        self.level = max(self.burst - room, 0)
        self.at_ns = now_ns


def _equal_part(limit: int, replicas: int) -> int:
    return max(limit * PER_MINUTE // replicas, 1)
