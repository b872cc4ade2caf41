"""What was used of a budget stays used, and what is held stays held: over rotations, new calendars, and budgets made anew."""

from __future__ import annotations

import asyncio

import pytest
from tests.keys.test_rotation_limits import GRACE, Calls, calls, give, other_calls, used_of
from tests.keys.workshop import Workshop
from tests.store.store_factories import make_record

from tollkeeper.control import budgets
from tollkeeper.control import organizations as organizations_of
from tollkeeper.control.api_keys import NewApiKey
from tollkeeper.control.budgets import Terms
from tollkeeper.domain.errors import QuotaExceeded, RateExceeded

__all__ = ["calls", "other_calls"]

FOUR_A_MONTH = Terms(4, "monthly", unit="requests")
FOUR_A_DAY = Terms(4, "daily", unit="requests")


async def use(workshop: Workshop, made: NewApiKey, count: int) -> None:
    whose = {
        "organization_id": workshop.company.id,
        "project_id": workshop.search.id,
        "api_key_id": made.record.id,
    }
    await workshop.store.insert_usage([make_record(**whose) for _ in range(count)], slot="a")


async def take_away(workshop: Workshop, made: NewApiKey, terms: Terms) -> None:
    await workshop.company.change(
        None, budgets.delete_budget, made.record.id, period=terms.period, unit=terms.unit, model=terms.model
    )


@pytest.mark.parametrize(
    "change", [{"fiscal_month_start": 2}, {"timezone": "Asia/Seoul"}, {"timezone": "UTC"}], ids=str
)
@pytest.mark.parametrize("terms", [FOUR_A_MONTH, FOUR_A_DAY], ids=["monthly", "daily"])
async def test_a_new_calendar_forgets_nothing_that_the_replaced_key_used(
    workshop: Workshop, calls: Calls, terms: Terms, change: dict[str, object]
) -> None:
    if terms.period == "daily" and "fiscal_month_start" in change:
        return
    old = await workshop.service()
    await give(workshop, old, terms)
    await use(workshop, old, 4)
    new = (await workshop.rotate(None, old, **GRACE)).new
    with pytest.raises(QuotaExceeded):
        await calls.make(new)
    await workshop.company.change(None, organizations_of.update_organization, workshop.company.id, **change)
    assert await used_of(workshop, new.record.id) == {"requests": 4}
    with pytest.raises(QuotaExceeded):
        await calls.make(new)


async def test_a_budget_made_anew_after_a_rotation_counts_what_both_keys_used(workshop: Workshop, calls: Calls) -> None:
    old = await workshop.service()
    await give(workshop, old, FOUR_A_MONTH)
    await use(workshop, old, 3)
    new = (await workshop.rotate(None, old, **GRACE)).new
    await use(workshop, new, 1)
    await take_away(workshop, new, FOUR_A_MONTH)
    await give(workshop, new, FOUR_A_MONTH)
    with pytest.raises(QuotaExceeded):
        await calls.make(new)


async def test_a_budget_that_comes_back_to_the_replaced_key_counts_what_its_successor_used(
    workshop: Workshop, calls: Calls
) -> None:
    old = await workshop.service()
    await give(workshop, old, FOUR_A_MONTH)
    new = (await workshop.rotate(None, old, **GRACE)).new
    await use(workshop, new, 4)
    await workshop.delete(None, new)
    await workshop.company.change(None, organizations_of.update_organization, workshop.company.id, fiscal_month_start=2)
    with pytest.raises(QuotaExceeded):
        await calls.make(old)


async def test_a_budget_made_anew_counts_calls_under_way(workshop: Workshop, calls: Calls) -> None:
    key = await workshop.service()
    first = await give(workshop, key, FOUR_A_MONTH)
    held = await calls.make(key, count=3)
    await take_away(workshop, key, FOUR_A_MONTH)
    assert await give(workshop, key, FOUR_A_MONTH) == first
    await calls.make(key)
    with pytest.raises(QuotaExceeded):
        await calls.make(key)
    held[0].release()  # it never went out
    await calls.make(key)
    with pytest.raises(QuotaExceeded):
        await calls.make(key)


async def test_a_budget_made_anew_counts_what_was_used_while_there_was_none(workshop: Workshop, calls: Calls) -> None:
    key = await workshop.service()
    await give(workshop, key, FOUR_A_MONTH)
    await calls.make(key)
    await take_away(workshop, key, FOUR_A_MONTH)
    await use(workshop, key, 3)
    await give(workshop, key, FOUR_A_MONTH)
    assert await used_of(workshop, key.record.id) == {"requests": 3}
    with pytest.raises(QuotaExceeded):
        await calls.make(key, count=2)


async def test_a_limit_of_calls_at_once_made_anew_counts_those_under_way(workshop: Workshop, calls: Calls) -> None:
    key = await workshop.service()
    two_at_once = Terms(2, "total", unit="concurrent")
    await give(workshop, key, two_at_once)
    await calls.make(key, count=2)
    await take_away(workshop, key, two_at_once)
    await give(workshop, key, two_at_once)
    with pytest.raises(RateExceeded):
        await calls.make(key)


async def test_a_budget_made_anew_with_less_is_what_it_says(workshop: Workshop, calls: Calls) -> None:
    key = await workshop.service()
    await give(workshop, key, Terms(100, "monthly", unit="requests"))
    await calls.make(key, count=2)
    await take_away(workshop, key, FOUR_A_MONTH)
    await give(workshop, key, FOUR_A_MONTH)
    await calls.make(key, count=2)
    with pytest.raises(QuotaExceeded):
        await calls.make(key)


@pytest.mark.parametrize("wait_s", [0.0, 1.0], ids=["at once", "a second later"])
async def test_a_budget_made_anew_with_less_lets_nothing_in_by_what_is_still_held_of_the_old_one(
    workshop: Workshop, calls: Calls, other_calls: Calls, wait_s: float
) -> None:
    key = await workshop.service()
    cent = 10_000_000
    await give(workshop, key, Terms(1000 * cent, "monthly"))
    for replica in (calls, other_calls):
        [held] = await replica.make(key, nanos=100 * cent)
        await replica.pay(key, held, 100 * cent)
        [held] = await replica.make(key, nanos=cent)  # which leaves something to draw on
        await replica.pay(key, held, cent)
    await take_away(workshop, key, Terms(0, "monthly"))
    await asyncio.sleep(wait_s)
    await give(workshop, key, Terms(50 * cent, "monthly"))
    await asyncio.sleep(1.0)  # in which a budget that is lowered holds everywhere
    for replica in (calls, other_calls):
        with pytest.raises(QuotaExceeded):
            await replica.make(key, nanos=cent)


@pytest.mark.parametrize("over_nanos", [0, 1])
async def test_what_is_free_passes_a_budget_that_is_used_up(workshop: Workshop, calls: Calls, over_nanos: int) -> None:
    key = await workshop.service()
    cent = 10_000_000
    await give(workshop, key, Terms(cent, "monthly"))
    [held] = await calls.make(key, nanos=cent)
    await calls.pay(key, held, cent + over_nanos)
    with pytest.raises(QuotaExceeded):
        await calls.make(key, nanos=1)
    await calls.make(key, nanos=0)
