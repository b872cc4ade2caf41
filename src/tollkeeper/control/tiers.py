"""An organization's tier: the limits that it is given as a whole, which its own people may then change."""

from __future__ import annotations

import msgspec

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action
from tollkeeper.control.budget_fit import keeping_within
from tollkeeper.control.budget_scopes import scope_of
from tollkeeper.control.budgets import Terms, drop_budget, write_budget
from tollkeeper.control.rate_limits import RateTerms, drop_rate_limit, write_rate_limit
from tollkeeper.domain.access import Principal
from tollkeeper.domain.budget import Budget
from tollkeeper.domain.errors import InvalidRequest, PermissionDenied
from tollkeeper.domain.rate_limit import RateLimitRow
from tollkeeper.domain.tier import ENTERPRISE, Tier
from tollkeeper.kit.nearest import did_you_mean
from tollkeeper.store import budgets, organizations, rate_limits


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
    limits = TierLimits()
    async with keeping_within(action, [action.organization], ["monthly"]):
        await _give_budgets(action, tier, before=before, limits=limits)
    await _give_rates(action, tier, before=before, limits=limits)
    return limits


async def _give_budgets(action: Action, tier: Tier, *, before: Tier, limits: TierLimits) -> None:
    organization_id = action.organization_id
    wanted = {terms.key_of(organization_id): terms for terms in _budgets_of(tier)}
    earlier = [terms.key_of(organization_id) for terms in _budgets_of(before)]
    known = {
        each.key: each for each in await budgets.read_budgets_of(action.connection, organization_id, [organization_id])
    }
    brought = [each.key for each in known.values() if each.is_from_tier]
    for key in dict.fromkeys([*wanted, *earlier, *brought]):
        found, terms = known.get(key), wanted.get(key)
        if found is not None and not found.is_from_tier:
            limits.left.append(found)
        elif terms is not None:
            limits.set.append(await write_budget(action, action.organization, terms, is_from_tier=True))
        elif found is not None:
            limits.removed.append(await drop_budget(action, action.organization, key))


def _budgets_of(tier: Tier) -> list[Terms]:
    amounts = (
        (tier.monthly_budget_nanos, Terms(0)),
        (tier.requests_per_day, Terms(0, "daily", unit="requests")),
        (tier.concurrent_calls, Terms(0, "total", unit="concurrent")),
    )
    return [msgspec.structs.replace(terms, amount=amount) for amount, terms in amounts if amount is not None]


async def _give_rates(action: Action, tier: Tier, *, before: Tier, limits: TierLimits) -> None:
    organization_id, scope = action.organization_id, scope_of(action.organization)
    found = await rate_limits.find_rate_limit(action.connection, organization_id, scope_id=organization_id, model="")
    wanted = _rates_of(tier)
    if found is not None and not found.is_from_tier:
        if wanted is not None or _rates_of(before) is not None:
            limits.left.append(found)
    elif wanted is not None:
        limits.set.append(await write_rate_limit(action, scope, wanted, is_from_tier=True))
    elif found is not None:
        limits.removed.append(await drop_rate_limit(action, scope, found))


def _rates_of(tier: Tier) -> RateTerms | None:
    if tier.requests_per_minute is None and tier.tokens_per_minute is None:
        return None
    return RateTerms(tier.requests_per_minute, tier.tokens_per_minute)
