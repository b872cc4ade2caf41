"""Divides rates among replicas: about once a second this one tells what it needs of each rule, and takes its share.

Alone there is nobody to tell, and no SQL. A rule that is met here for the first time is told of at once. While the store
is out of reach, shares stay as they are (`open`), or fall back to an equal part after three seconds (`closed`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.rate_share import FRESH_US, Demand, Supply
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.limits.rates import Rates, RuleMeters
from tollkeeper.ports.rate_demands import RateDemands

INTERVAL_S = 1.0
GATHERING_S = 0.01
EXCHANGE_S = 2.0
RULES_AT_ONCE = 2000
_PRUNED_EVERY = 600
_log = logging.getLogger(__name__)


class _Told(msgspec.Struct):
    """What is told of a rule."""

    rule: RuleMeters
    demand: Demand


class Shares:
    """Keeps the shares of `rates`. `start` before use, `aclose` at the end.

    `holder` names the replica; `replicas` says how many are alive, this one included.
    """

    def __init__(
        self,
        rates: Rates,
        demands: RateDemands,
        *,
        holder: str,
        replicas: Callable[[], int],
        when_unavailable: Literal["open", "closed"] = "open",
    ) -> None:
        self._rates, self._demands, self._holder, self._replicas = rates, demands, holder, replicas
        self._is_closing = when_unavailable == "closed"
        self._tasks = TaskGroup()
        self._woken = asyncio.Event()
        self._heard_at_s = monotonic_s()
        self._is_reachable = True

    def start(self) -> None:
        """Begin to exchange."""
        self._tasks.start(self._run(), "shares of rates")

    async def aclose(self) -> None:
        """Stop exchanging; buckets stay as they are."""
        await self._tasks.cancel()

    def count_replicas(self) -> int:
        """Look how many replicas are alive, and go by it."""
        before, alive, rates = self._rates.replicas, max(self._replicas(), 1), self._rates
        if alive == before:
            return alive
        now_ns = rates.now_ns()
        for rule in rates:
            for meter in rule.meters:
                if before == 1:
                    meter.become_one_of(now_ns, replicas=alive)
                elif alive == 1:
                    meter.become_the_only_one(now_ns)
                elif not meter.is_told:
                    meter.stand_by(now_ns, replicas=alive)
        rates.replicas = alive
        rates.on_demand = self._woken.set if alive > 1 else None
        return alive

    def tell_all(self) -> list[_Told]:
        """Return what there is to tell of every rule that is in use; of too many, those that need most of their limit."""
        found = []
        for rule in self._rates:
            for meter in rule.meters:
                meter.weigh()
            if any(meter.is_in_use for meter in rule.meters):
                found.append(rule)
        if len(found) > RULES_AT_ONCE:
            found.sort(key=lambda rule: max(meter.weight * 10**9 // meter.limit for meter in rule.meters), reverse=True)
            self._leave(found[RULES_AT_ONCE:])
        return [_told_of(rule) for rule in found[:RULES_AT_ONCE]]

    def tell_urgent(self) -> list[_Told]:
        """Return what there is to tell of rules that others do not know to be in use here, or of which more is needed."""
        now_ns = self._rates.now_ns()
        found = [rule for rule in self._rates if any(meter.is_urgent(now_ns) for meter in rule.meters)]
        return [_told_of(rule) for rule in found[:RULES_AT_ONCE]]

    def hear(self, told: Sequence[_Told], supplies: Sequence[Supply]) -> None:
        """Go by what an exchange has given."""
        now_ns, replicas = self._rates.now_ns(), self._rates.replicas
        for each, supply in zip(told, supplies, strict=True):
            for meter in each.rule.meters:
                demand, unit = (
                    (each.demand.tokens, supply.tokens) if meter.is_tokens else (each.demand.requests, supply.requests)
                )
                if demand.limit == meter.limit:  # else the rule was changed meanwhile, and the next time will do
                    meter.hear(now_ns, demand, unit, replicas=replicas)

    def lose_touch(self) -> None:
        """Go on without the store, once what was heard last is too old to go by."""
        if monotonic_s() - self._heard_at_s <= FRESH_US / 1_000_000:
            return
        if self._is_closing:
            self._leave(list(self._rates))
            return
        now_ns = self._rates.now_ns()
        for rule in self._rates:
            for meter in rule.meters:
                if meter.is_told:
                    meter.go_on_alone(now_ns)

    async def exchange(self, told: list[_Told]) -> bool:
        """Tell and hear; False when the store is out of reach."""
        try:
            async with asyncio.timeout(EXCHANGE_S):
                supplies = await self._demands.exchange(self._holder, [each.demand for each in told])
        except (StoreUnavailable, TimeoutError) as error:
            if self._is_reachable:
                _log.warning("rates cannot be divided among replicas, the last shares go on for now: %s", error)
            self._is_reachable = False
            self.lose_touch()
            return False
        if not self._is_reachable:
            _log.warning("rates are divided among replicas again")
        self._is_reachable, self._heard_at_s = True, monotonic_s()
        self.hear(told, supplies)
        return True

    def _leave(self, rules: Sequence[RuleMeters]) -> None:
        now_ns = self._rates.now_ns()
        for rule in rules:
            for meter in rule.meters:
                meter.stand_by(now_ns, replicas=self._rates.replicas)

    async def _run(self) -> None:
        rounds, next_s = 0, monotonic_s()
        while True:
            if self._is_reachable and await self._is_woken(next_s - monotonic_s()):
                await asyncio.sleep(GATHERING_S)  # calls come in swarms
                self._woken.clear()
                if told := self.tell_urgent():
                    await self.exchange(told)
                continue
            await asyncio.sleep(max(next_s - monotonic_s(), 0))
            next_s = monotonic_s() + INTERVAL_S
            if self.count_replicas() == 1:
                continue
            if told := self.tell_all():
                await self.exchange(told)
            rounds += 1
            if rounds % _PRUNED_EVERY == 0 and self._is_reachable:
                await self._prune()

    async def _is_woken(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(max(timeout_s, 0.001)):  # wait_for may lose a cancellation (Python 3.11)
                await self._woken.wait()
        except TimeoutError:
            return False
        return True

    async def _prune(self) -> None:
        try:
            await self._demands.prune()
        except StoreUnavailable:
            _log.warning("old demands for rates could not be removed; the next time will do")


def _told_of(rule: RuleMeters) -> _Told:
    units = {meter.unit: meter.demand() for meter in rule.meters}
    return _Told(rule, Demand(rule.organization_id, rule.rule_id, **units))
