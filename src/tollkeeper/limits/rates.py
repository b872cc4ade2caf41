"""The limiter of rates: the buckets of this replica in memory, and which of them a call must pass.

One event loop, no locks and nothing to wait for. A bucket that is empty again is dropped sooner or later: a new one is
the same. So what is kept is bounded by twice the rules that calls came under within the last minute or so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.rate_limit import ONE, RATE_UNITS, RateRule
from tollkeeper.domain.rate_share import Meter
from tollkeeper.domain.usage import RateFigure
from tollkeeper.kit.clock import monotonic_ns
from tollkeeper.limits.rate_figures import headers_of, refusal_of
from tollkeeper.ports.limiter import Admission, AdmitAll, Headers, Limiter

_SWEPT_AT_FIRST = 4096
_MODELS_MAX = 256
_UNLIMITED = AdmitAll()


class RuleMeters:
    """The buckets of one rule: for requests, for tokens, or both."""

    __slots__ = ("meters", "organization_id", "rule_id")

    def __init__(self, organization_id: str, rule: RateRule, now_ns: int, *, replicas: int) -> None:
        self.organization_id, self.rule_id = organization_id, rule.id
        self.meters: tuple[Meter, ...] = ()
        self.adopt(rule, now_ns, replicas=replicas)

    def adopt(self, rule: RateRule, now_ns: int, *, replicas: int) -> None:
        """Go by the rule as it is now; what calls took before still counts."""
        known = {meter.unit: meter for meter in self.meters}
        found = []
        for unit in RATE_UNITS:
            if not rule.limit(unit):
                continue
            meter = known.get(unit)
            if meter is None:
                meter = Meter(self.organization_id, rule, unit, now_ns, replicas=replicas)
            else:
                meter.change_limit(now_ns, rule, replicas=replicas)
            found.append(meter)
        self.meters = tuple(found)

    def is_idle(self, now_ns: int) -> bool:
        """Tell whether it may be dropped: nothing would be forgotten."""
        return not any(meter.drain(now_ns) or meter.is_told or meter.claim for meter in self.meters)


class _Gate:
    """The buckets that a call must pass, apart by what it counts for in them."""

    __slots__ = ("meters", "of_requests", "of_tokens")

    def __init__(self, meters: list[Meter]) -> None:
        self.of_requests = tuple(meter for meter in meters if not meter.is_tokens)
        self.of_tokens = tuple(meter for meter in meters if meter.is_tokens)
        self.meters = self.of_requests + self.of_tokens


class _Path:
    """What the calls of one key must pass; `rules` are kept, so that their identity stays theirs."""

    __slots__ = ("by_models", "found", "rules")

    def __init__(self, rules: tuple[RateRule, ...], found: tuple[tuple[str, RuleMeters], ...]) -> None:
        self.rules, self.found = rules, found
        self.by_models: dict[tuple[str, ...], _Gate] = {}

    def gate_for(self, models: tuple[str, ...]) -> _Gate:
        """Return what a call must pass that may go to one of these models, and remember it."""
        if len(self.by_models) >= _MODELS_MAX:
            self.by_models.clear()
        gate = _Gate([meter for model, each in self.found if not model or model in models for meter in each.meters])
        self.by_models[models] = gate
        return gate


class Rates:
    """Satisfies `ports.limiter.Limiter`. Alone it needs nothing more; with other replicas `limits.shares` divides.

    `on_demand` is there while there are others; it is called when this replica should speak with them at once.
    """

    def __init__(self, now_ns: Callable[[], int] = monotonic_ns) -> None:
        self.now_ns = now_ns
        self.replicas = 1
        self.on_demand: Callable[[], None] | None = None
        self._paths: dict[int, _Path] = {}
        self._rules: dict[tuple[str, str], RuleMeters] = {}
        self._swept_at = _SWEPT_AT_FIRST

    def __len__(self) -> int:
        return len(self._rules)

    def __iter__(self) -> Iterator[RuleMeters]:
        return iter(self._rules.values())

    def admit(self, key: ApiKey, models: tuple[str, ...], tokens: int) -> Admission:
        """See `ports.limiter.Limiter`."""
        rules = key.rates
        if not rules:
            return _UNLIMITED
        path = self._paths.get(id(rules)) or self._make_path(key.organization_id, rules)
        gate = path.by_models.get(models) or path.gate_for(models)
        now_ns = self.now_ns()
        amount = tokens * ONE
        for meter in gate.of_requests:
            if meter.take(now_ns, ONE):
                self._refuse(now_ns, gate, tokens, taken_until=meter)
        for meter in gate.of_tokens:
            if meter.take(now_ns, amount):
                self._refuse(now_ns, gate, tokens, taken_until=meter)
        if self.on_demand is not None:
            self._note_demand(gate, tokens)
        return _Admitted(self, gate, tokens)

    def count_late(self, meter: Meter, by: int) -> None:
        """Count what a call came to at the end of which its bucket was dropped already: now it is not empty any more."""
        if by <= 0:
            return
        now_ns, rule = self.now_ns(), meter.rule
        found = self._rules.get((meter.organization_id, rule.id))
        if found is None:
            found = RuleMeters(meter.organization_id, rule, now_ns, replicas=self.replicas)
            self._rules[meter.organization_id, rule.id] = found
        for each in found.meters:
            if each.is_tokens:
                each.taken += by
                each.add(now_ns, by * ONE)

    def _refuse(self, now_ns: int, gate: _Gate, tokens: int, *, taken_until: Meter) -> NoReturn:
        """Give back what was taken before a bucket had not enough, and refuse by the one that takes longest."""
        waits = []
        is_taken = True
        for meter in gate.meters:
            amount = tokens * ONE if meter.is_tokens else ONE
            if meter is taken_until:
                is_taken = False
            if is_taken:
                meter.level -= amount
            wait_ns = meter.take(now_ns, amount)
            if not wait_ns:
                meter.level -= amount
            waits.append(wait_ns)
        if self.on_demand is not None:
            self._note_refusal(now_ns, gate, tokens)
        longest_ns = max(waits)
        raise refusal_of(gate.meters[waits.index(longest_ns)], longest_ns, gate.meters, tokens)

    def _note_demand(self, gate: _Gate, tokens: int) -> None:
        """Count what was taken, which other replicas hear of: at once when little is left here and there is more."""
        is_short = False
        for meter in gate.meters:
            cost = tokens if meter.is_tokens else 1
            meter.asked += cost
            meter.taken += cost
            is_short = is_short or not meter.is_told or meter.level > meter.low
        if is_short and self.on_demand is not None:
            self.on_demand()

    def _note_refusal(self, now_ns: int, gate: _Gate, tokens: int) -> None:
        """Count what was asked for and not let in, and ask for it when it may be had."""
        is_short = False
        for meter in gate.meters:
            cost = tokens if meter.is_tokens else 1
            meter.asked += cost
            meter.need = max(meter.need, cost)
            is_short = is_short or not meter.is_told or meter.may_have_more(now_ns)
        if is_short and self.on_demand is not None:
            self.on_demand()

    def _make_path(self, organization_id: str, rules: tuple[RateRule, ...]) -> _Path:
        if len(self._rules) + len(self._paths) >= self._swept_at:
            self._sweep()
        now_ns, found = self.now_ns(), []
        for rule in rules:
            meters = self._rules.get((organization_id, rule.id))
            if meters is None:
                meters = RuleMeters(organization_id, rule, now_ns, replicas=self.replicas)
                self._rules[organization_id, rule.id] = meters
            else:
                meters.adopt(rule, now_ns, replicas=self.replicas)
            found.append((rule.model, meters))
        path = _Path(rules, tuple(found))
        self._paths[id(rules)] = path
        return path

    def _sweep(self) -> None:
        """Drop all paths, which are found again, and what nobody used lately."""
        now_ns = self.now_ns()
        self._paths.clear()
        for name, each in list(self._rules.items()):
            if each.is_idle(now_ns):
                del self._rules[name]
                for meter in each.meters:
                    meter.is_dropped = True
        self._swept_at = max(_SWEPT_AT_FIRST, 2 * len(self._rules))


class _Admitted:
    """A call under way, with what it took; see `ports.limiter.Admission`."""

    __slots__ = ("_gate", "_is_released", "_rates", "_tokens")

    def __init__(self, rates: Rates, gate: _Gate, tokens: int) -> None:
        self._rates, self._gate, self._tokens = rates, gate, tokens
        self._is_released = False

    @property
    def figures(self) -> tuple[RateFigure, ...]:
        return tuple(
            [RateFigure(meter.rule.id, meter.unit, meter.limit, meter.remaining) for meter in self._gate.meters]
        )

    def release(self, tokens: int | None) -> None:
        assert not self._is_released, "released twice"
        self._is_released = True
        if tokens is None or tokens == self._tokens or not self._gate.of_tokens:
            return
        rates, by = self._rates, tokens - self._tokens
        for meter in self._gate.of_tokens:
            if meter.is_dropped:
                rates.count_late(meter, by)
                continue
            meter.taken += by
            if by < 0:
                meter.give_back(-by * ONE)
            else:
                meter.add(rates.now_ns(), by * ONE)

    def headers(self) -> Headers:
        return headers_of(self._gate.meters, self._rates.now_ns())


if TYPE_CHECKING:

    def _is_limiter(rates: Rates) -> Limiter:
        return rates
