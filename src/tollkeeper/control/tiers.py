"""An organization's tier: the limits that it is given as a whole, which its own people may then change."""

from __future__ import annotations

from typing import Any

import msgspec

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.budget_fit import keeping_within
from tollkeeper.control.budgets import Terms, budget_of, drop_budget, shown_budget, target_of, terms_of
from tollkeeper.domain.access import Principal
from tollkeeper.domain.budget import Budget
from tollkeeper.domain.errors import InvalidRequest, PermissionDenied
from tollkeeper.domain.rate_limit import RateLimitRow
from tollkeeper.domain.tier import ENTERPRISE, Tier
from tollkeeper.kit.nearest import did_you_mean
from tollkeeper.store import audit, budgets, organizations, rate_limits


class TierChoice(msgspec.Struct, frozen=True):
    """A tier that an organization is to have, and all that there are by name: what the one before brought goes."""

    tier: Tier
    tiers: dict[str, Tier]


class TierLimits(msgspec.Struct):
    """What became of an organization's limits with a tier: those it `set`, those `left` that people made or changed, though
    this tier or the one before has such, and those `removed`.
    """

    set: list[Budget | RateLimitRow] = []
    left: list[Budget | RateLimitRow] = []
    removed: list[Budget | RateLimitRow] = []


def choose_tier(principal: Principal, rules: AccountRules, name: str) -> TierChoice:
    """Return the choice of a tier by its name.

    Where anybody may found organizations, only the operator gives tiers.

    Raises:
        InvalidRequest: there is none of this name.
        PermissionDenied: it takes the operator.
    """
    if rules.sign_up == "open" and not principal.is_operator:
        raise PermissionDenied(
            "On this installation tiers are given by its operator (`tollkeeper orgs update --tier`)."
        )
    found = rules.tiers.get(name)
    if found is None:
        nearest = did_you_mean(name, list(rules.tiers))
        raise InvalidRequest(f"There is no tier '{name}'; there are {', '.join(rules.tiers)}.{nearest}", param="tier")
    return TierChoice(found, rules.tiers)


async def change_tier(action: Action, choice: TierChoice, *, before: str) -> TierLimits:
    """Write the limits of a tier in place of those of the tier before, by its name; it need not be another one.

    Only what is not there, or what a tier wrote and nobody changed since, is written or taken away.

    Raises:
        Conflict: teams and projects have more than the tier allows, and the caller may not override that.
    """
    return await _give_limits(action, choice.tier, before=choice.tiers.get(before, ENTERPRISE))


async def begin_with(action: Action, tier: Tier) -> None:
    """Give a new organization its first tier; `action` is of that organization."""
    if tier.name != ENTERPRISE.name:
        await organizations.change_organization(action.connection, action.organization_id, {"tier": tier.name})
    await _give_limits(action, tier, before=ENTERPRISE)


async def _give_limits(action: Action, tier: Tier, *, before: Tier) -> TierLimits:
    earlier = {terms.key_of(action.organization_id): terms for terms in _budgets_of(before)}
    wanted = {terms.key_of(action.organization_id): terms for terms in _budgets_of(tier)}
    limits = TierLimits()
    async with keeping_within(action, [action.organization], ["monthly"]):
        for key in [*wanted, *(key for key in earlier if key not in wanted)]:
            terms = wanted.get(key)
            found = await budgets.get_budget(action.connection, action.organization_id, key)
            if found is not None and not await _is_tiers_budget(action, found, earlier.get(key)):
                limits.left.append(found)
            elif terms is not None:
                limits.set.append(await _write_budget(action, tier, terms, before=found))
            elif found is not None:
                limits.removed.append(await drop_budget(action, action.organization, key))
    await _give_rates(action, tier, before=before, limits=limits)
    return limits


def _budgets_of(tier: Tier) -> list[Terms]:
    amounts = (
        (tier.monthly_budget_nanos, Terms(0)),
        (tier.requests_per_day, Terms(0, "daily", unit="requests")),
        (tier.concurrent_calls, Terms(0, "total", unit="concurrent")),
    )
    return [
        Terms(amount, terms.period, unit=terms.unit, enforcement=terms.enforcement)
        for amount, terms in amounts
        if amount is not None
    ]


async def _is_tiers_budget(action: Action, found: Budget, earlier: Terms | None) -> bool:
    """Tell whether a budget is what a tier made of it; without a word in the audit log, by what the earlier tier has."""
    written = await _last_written(action, "budget.set", found.id)
    if written is None:
        return terms_of(found) == earlier
    return "tier" in written and written == {**msgspec.to_builtins(shown_budget(found)), "tier": written["tier"]}


async def _write_budget(action: Action, tier: Tier, terms: Terms, *, before: Budget | None) -> Budget:
    wanted = budget_of(action.organization_id, action.organization, terms)
    written = await budgets.set_budget(action.connection, action.organization_id, wanted)
    after = {**shown_budget(written), "tier": tier.name}
    action.record("budget.set", target_of(written), before=before and shown_budget(before), after=after)
    return written


async def _give_rates(action: Action, tier: Tier, *, before: Tier, limits: TierLimits) -> None:
    connection, organization_id = action.connection, action.organization_id
    found = await rate_limits.find_rate_limit(connection, organization_id, scope_id=organization_id, model="")
    if _rates_of(tier) == _rates_of(before) == (None, None):
        return
    if found is not None and not await _are_tiers_rates(action, found, before):
        limits.left.append(found)
    elif _rates_of(tier) != (None, None):
        row = RateLimitRow(organization_id, "", "organization", organization_id, "", *_rates_of(tier))
        written = await rate_limits.set_rate_limit(connection, organization_id, row)
        after = {**_noted(written), "tier": tier.name}
        action.record("rate_limit.set", _target(written), before=found and _noted(found), after=after)
        limits.set.append(written)
    elif found is not None:
        await rate_limits.delete_rate_limit(connection, organization_id, found)
        action.record("rate_limit.delete", _target(found), before=_noted(found))
        limits.removed.append(found)


async def _are_tiers_rates(action: Action, found: RateLimitRow, before: Tier) -> bool:
    written = await _last_written(action, "rate_limit.set", found.id)
    if written is None:
        return (found.requests_per_minute, found.tokens_per_minute) == _rates_of(before)
    return "tier" in written and written == {**_noted(found), "tier": written["tier"]}


async def _last_written(action: Action, kind: str, target_id: str) -> dict[str, Any] | None:
    """Return what the audit log says of how a limit was written last; None when it says nothing."""
    wanted = audit.AuditFilter(action=kind, target_id=target_id)
    events = await audit.list_events(action.connection, action.organization_id, wanted, limit=1)
    return msgspec.json.decode(events[0].after, type=dict[str, Any]) if events else None


def _target(rule: RateLimitRow) -> Target:
    return Target("rate_limit", rule.id, rule.scope_id)


def _noted(rule: RateLimitRow) -> dict[str, Any]:
    """Return what the audit log keeps of a rule, as `control.rate_limits` writes it."""
    names = ("model", "requests_per_minute", "tokens_per_minute")
    return {"scope": rule.scope_id, **{name: getattr(rule, name) for name in names}}


def _rates_of(tier: Tier) -> tuple[int | None, int | None]:
    return tier.requests_per_minute, tier.tokens_per_minute
