"""Tiers: the limits an organization is given, what becomes of them when it gets another one, and who may give it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.tenancy.company import PEPPER, USD, Company

from tollkeeper import config
from tollkeeper.control import budgets, roles
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Secrets, operator
from tollkeeper.control.budgets import Terms
from tollkeeper.control.organizations import create_organization, update_organization
from tollkeeper.control.rate_limits import RateTerms, list_rate_limits, set_rate_limit
from tollkeeper.control.tiers import choose_tier
from tollkeeper.domain.budget import Budget, BudgetKey
from tollkeeper.domain.errors import ConfigurationError, Conflict, InvalidRequest, PermissionDenied
from tollkeeper.domain.rate_limit import RateLimitRow
from tollkeeper.domain.tier import PREDEFINED_TIERS, Tier
from tollkeeper.store import rate_limits
from tollkeeper.store.engine import Store

FREE, PAID = PREDEFINED_TIERS["free"], PREDEFINED_TIERS["paid"]
RULES = AccountRules()


async def give(company: Company, name: str, rules: AccountRules = RULES) -> None:
    await company.change(
        None, update_organization, company.id, tier=choose_tier(company.operator.principal, rules, name)
    )


async def limits(company: Company) -> tuple[dict[str, int], tuple[int | None, int | None] | None]:
    found = await company.look(None, budgets.list_budgets, scope_id=company.id)
    rates = await company.store.read(
        lambda c: rate_limits.find_rate_limit(c, company.id, scope_id=company.id, model="")
    )
    rate = None if rates is None else (rates.requests_per_minute, rates.tokens_per_minute)
    return {each.unit: each.amount for each in found}, rate


async def test_a_tier_brings_its_limits_and_takes_them_away(company: Company) -> None:
    assert await limits(company) == ({}, None)
    await give(company, "free")
    assert await limits(company) == (
        {"usd": 5 * USD, "requests": FREE.requests_per_day, "concurrent": FREE.concurrent_calls},
        (FREE.requests_per_minute, FREE.tokens_per_minute),
    )
    await give(company, "paid")
    assert await limits(company) == (
        {"usd": 1000 * USD, "concurrent": PAID.concurrent_calls},
        (PAID.requests_per_minute, PAID.tokens_per_minute),
    )
    await give(company, "enterprise")
    assert await limits(company) == ({}, None)
    (last,) = (await company.events("organization.update"))[-1:]
    before, after = msgspec.json.decode(last.before or ""), msgspec.json.decode(last.after or "")
    assert (before["tier"], after["tier"]) == ("paid", "enterprise")


async def test_what_an_admin_set_since_stays_when_the_tier_goes(company: Company) -> None:
    await give(company, "free")
    await company.change(None, budgets.set_budget, company.id, terms=Terms(77, "daily", unit="requests"))
    await company.change(None, budgets.set_budget, company.id, terms=Terms(7, "weekly"))
    await give(company, "enterprise")
    found = await company.look(None, budgets.list_budgets, scope_id=company.id)
    assert {each.key: each.amount for each in found} == {
        BudgetKey(company.id, "daily", "requests"): 77,
        BudgetKey(company.id, "weekly"): 7,
    }


async def test_what_was_there_before_the_tier_stays_with_it_and_after_it(company: Company) -> None:
    """A budget that an admin had made was overwritten by one tier, and taken away by the next."""
    own = await company.change(None, budgets.set_budget, company.id, terms=Terms(2 * USD))
    same = Terms(FREE.requests_per_day, "daily", unit="requests")
    await company.change(None, budgets.set_budget, company.id, terms=same)
    rates = RateTerms(FREE.requests_per_minute, FREE.tokens_per_minute)
    await company.change(None, set_rate_limit, company.id, terms=rates)
    before = await limits(company)
    await give(company, "free")
    found, _ = await limits(company)
    assert found == {**before[0], "concurrent": FREE.concurrent_calls}
    await give(company, "paid")
    await give(company, "enterprise")
    assert await limits(company) == before
    (kept,) = [
        each for each in await company.look(None, budgets.list_budgets, scope_id=company.id) if each.unit == "usd"
    ]
    assert kept == own


async def test_what_was_changed_and_changed_back_is_an_admins(company: Company) -> None:
    await give(company, "free")
    for terms in (Terms(9 * USD), Terms(5 * USD)):
        await company.change(None, budgets.set_budget, company.id, terms=terms)
    await give(company, "paid")
    assert (await limits(company))[0]["usd"] == 5 * USD


async def test_what_a_tier_wrote_is_marked_so_until_a_person_changes_it(company: Company) -> None:
    def marks(found: list[Budget]) -> dict[str, bool]:
        return {each.unit: each.is_from_tier for each in found}

    async def rate() -> RateLimitRow:
        (found,) = await company.look(None, list_rate_limits, scope_id=company.id)
        return found

    await give(company, "free")
    found = await company.look(None, budgets.list_budgets, scope_id=company.id)
    assert marks(found) == {"usd": True, "requests": True, "concurrent": True}
    assert (await rate()).is_from_tier
    same = Terms(FREE.requests_per_day, "daily", unit="requests")
    made = await company.change(None, budgets.set_budget, company.id, terms=same)
    rates = RateTerms(FREE.requests_per_minute, FREE.tokens_per_minute)
    limited = await company.change(None, set_rate_limit, company.id, terms=rates)
    assert (made.is_from_tier, limited.is_from_tier) == (False, False)
    found = await company.look(None, budgets.list_budgets, scope_id=company.id)
    assert marks(found) == {"usd": True, "requests": False, "concurrent": True}
    assert not (await rate()).is_from_tier
    events = [msgspec.json.decode(each.after) for each in await company.events("budget.set")]
    assert [each["is_from_tier"] for each in events] == [True, True, True, False]


async def test_what_a_tier_brought_goes_although_the_settings_say_it_no_more(company: Company) -> None:
    await give(company, "free")
    empty = AccountRules(tiers={**PREDEFINED_TIERS, "free": Tier(name="free")})
    await give(company, "enterprise", empty)
    assert await limits(company) == ({}, None)


async def test_a_tier_given_again_brings_what_the_settings_say_now(company: Company) -> None:
    await give(company, "free")
    rules = AccountRules(tiers={**PREDEFINED_TIERS, "free": Tier(name="free", requests_per_day=9)})
    await give(company, "free", rules)
    assert (await limits(company))[0]["requests"] == 9


async def test_a_tier_below_what_is_allotted_is_refused_without_override(company: Company) -> None:
    await company.project("search", monthly_usd=6)
    org_admin = await company.hire("boss", ("org_admin", company.id))
    choice = choose_tier((await company.caller(org_admin)).principal, RULES, "free")
    changed = await company.change(org_admin, update_organization, company.id, tier=choice)
    assert changed.organization.tier == "free", "an org_admin has quota:override"
    await company.change(None, roles.create_role, name="manager", permissions=frozenset({"org:manage"}))
    manager = await company.hire("manager", ("manager", company.id))
    await give(company, "enterprise")
    with pytest.raises(Conflict, match="too much"):
        await company.change(manager, update_organization, company.id, tier=choice)
    assert await limits(company) == ({}, None)


async def test_only_the_operator_gives_tiers_where_anybody_founds_organizations(company: Company) -> None:
    boss = await company.caller(await company.hire("boss", ("org_admin", company.id)))
    rules = AccountRules(sign_up="open")
    with pytest.raises(PermissionDenied, match="operator"):
        choose_tier(boss.principal, rules, "enterprise")
    assert choose_tier(company.operator.principal, rules, "enterprise").tier.name == "enterprise"
    with pytest.raises(InvalidRequest, match="free"):
        choose_tier(company.operator.principal, rules, "fre")


async def test_a_new_organization_begins_with_the_tier_of_the_settings(store: Store) -> None:
    async def found(connection):
        action = Action(connection, operator("", name="a test"), Secrets.of(PEPPER))
        made = await create_organization(action, name="Acme", is_open=False, tier=FREE)
        return Company(store, made.organization, made.project)

    company = await store.write(found)
    assert company.organization.tier == "free"
    assert (await limits(company))[0]["requests"] == FREE.requests_per_day


def test_settings_replace_and_add_tiers(tmp_path: Path) -> None:
    file = tmp_path / "tollkeeper.toml"
    file.write_text(
        '[accounts]\ndefault_tier = "campus"\n[tiers.campus]\nrequests_per_day = 10\nmonthly_budget_usd = "2.5"\n'
        "[tiers.free]\nconcurrent_calls = 1\n"
    )
    tiers = config.load(file, {}).tiers
    assert tiers["campus"] == Tier(name="campus", requests_per_day=10, monthly_budget_nanos=25 * USD // 10)
    assert tiers["free"] == Tier(name="free", concurrent_calls=1)
    assert tiers["paid"] == PAID


@pytest.mark.parametrize(
    "text",
    [
        '[accounts]\ndefault_tier = "gold"\n',
        "[tiers.Gold]\n",
        "[tiers.gold]\nrequests_per_hour = 1\n",
        '[tiers.gold]\nmonthly_budget_usd = "lots"\n',
        "[tiers.gold]\nrequests_per_minute = 0\n",
    ],
)
def test_a_tier_that_cannot_be_stops_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tollkeeper.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="tier"):
        config.load(file, {})
