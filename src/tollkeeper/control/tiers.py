"""An organization's tier: the limits that it is given as a whole, which its own people may then change."""

from __future__ import annotations

import msgspec

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action
from tollkeeper.control.budget_fit import keeping_within
from tollkeeper.control.budgets import Terms, drop_budget, write_budget
from tollkeeper.domain.access import Principal
from tollkeeper.domain.budget import BudgetKey
from tollkeeper.domain.errors import InvalidRequest, PermissionDenied
from tollkeeper.domain.rate_limit import RateLimitRow
from tollkeeper.domain.tier import ENTERPRISE, Tier
from tollkeeper.kit.nearest import did_you_mean
from tollkeeper.store import budgets, organizations, rate_limits


class TierChoice(msgspec.Struct, frozen=True):
    """A tier that an organization is to have, and all that there are by name: what the one before brought goes."""

    tier: Tier
    tiers: dict[str, Tier]


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


async def change_tier(action: Action, choice: TierChoice, *, before: str) -> None:
    """Write the limits of a tier in place of those of the tier before, by its name; it need not be another one.

    Raises:
        Conflict: teams and projects have more than the tier allows, and the caller may not override that.
    """
    await _give_limits(action, choice.tier, before=choice.tiers.get(before, ENTERPRISE))


async def begin_with(action: Action, tier: Tier) -> None:
    """Give a new organization its first tier; `action` is of that organization."""
    if tier.name != ENTERPRISE.name:
        await organizations.change_organization(action.connection, action.organization_id, {"tier": tier.name})
    await _give_limits(action, tier, before=ENTERPRISE)


async def _give_limits(action: Action, tier: Tier, *, before: Tier) -> None:
    """Write a tier's limits; what only the tier before had is taken away, unless it was changed since.

    Raises:
        Conflict: teams and projects have more than the tier allows, and the caller may not override that.
    """
    earlier = {terms.key_of(action.organization_id): terms for terms in _budgets_of(before)}
    wanted = {terms.key_of(action.organization_id): terms for terms in _budgets_of(tier)}
    async with keeping_within(action, [action.organization], ["monthly"]):
        for terms in wanted.values():
            await write_budget(action, action.organization, terms)
        for key, terms in earlier.items():
            if key not in wanted and await _is_still(action, key, terms):
                await drop_budget(action, action.organization, key)
    await _write_rates(action, tier, before=before)


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


async def _is_still(action: Action, key: BudgetKey, terms: Terms) -> bool:
    found = await budgets.get_budget(action.connection, action.organization_id, key)
    return found is not None and found.amount == terms.amount


async def _write_rates(action: Action, tier: Tier, *, before: Tier) -> None:
    organization_id, wanted = action.organization_id, _rates_of(tier)
    if wanted != (None, None):
        row = RateLimitRow(organization_id, "", "organization", organization_id, "", *wanted)
        await rate_limits.set_rate_limit(action.connection, organization_id, row)
        return
    found = await rate_limits.find_rate_limit(action.connection, organization_id, scope_id=organization_id, model="")
    if found is not None and (found.requests_per_minute, found.tokens_per_minute) == _rates_of(before):
        await rate_limits.delete_rate_limit(action.connection, organization_id, found)


def _rates_of(tier: Tier) -> tuple[int | None, int | None]:
    return tier.requests_per_minute, tier.tokens_per_minute
