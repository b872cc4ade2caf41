"""A rotation gives nobody more: while the replaced key still works, both draw on the same budgets and rates, used ones too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.keys.workshop import PEPPER, Workshop
from tests.store.store_factories import make_record

from tollkeeper.control import api_keys, budget_status, budgets, rate_limits
from tollkeeper.control.api_keys import NewApiKey
from tollkeeper.control.budgets import Terms
from tollkeeper.domain.api_key import ApiKey, KeyStatus
from tollkeeper.domain.errors import Conflict, QuotaExceeded
from tollkeeper.domain.key_terms import KeyTerms, RateChange, RateLimit
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.limits.budgets import LeasedBudgets
from tollkeeper.ports.budgets import Held, Wanted
from tollkeeper.store import directory as directories
from tollkeeper.store import key_succession
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.leases import StoreLeases

GRACE = {"grace_seconds": 3600}
THREE_A_DAY = Terms(3, "daily", unit="requests")


class Calls:
    """Calls as the gateway makes them: the key is looked up, and held to its budgets."""

    def __init__(self, workshop: Workshop, leased: LeasedBudgets) -> None:
        self._workshop, self._leased = workshop, leased

    async def make(self, made: NewApiKey, *, count: int = 1, nanos: int = 0) -> list[Held]:
        """Make calls that cost so much at most; they go on until the test ends."""
        key = await self._workshop.held(made)
        wanted = Wanted(nanos, 0, nanos)
        return [
            self._leased.hold(key, ("gpt-4o",), wanted) or await self._leased.wait(key, ("gpt-4o",), wanted)
            for _ in range(count)
        ]

    async def pay(self, made: NewApiKey, held: Held, nanos: int) -> None:
        """End a call that came to so much, and let the store have its record."""
        whose = {"organization_id": self._workshop.company.id, "project_id": self._workshop.search.id}
        record = make_record(
            **whose, api_key_id=made.record.id, draws=held.settle(nanos, 0), amount_nanos=nanos, lines=()
        )
        await self._workshop.store.insert_usage([record], slot="a")
        self._leased.flushed([record])


@pytest.fixture
async def calls(workshop: Workshop) -> AsyncIterator[Calls]:
    async with replica(workshop, "a replica") as found:
        yield found


@pytest.fixture
async def other_calls(workshop: Workshop) -> AsyncIterator[Calls]:
    async with replica(workshop, "another replica") as found:
        yield found


@asynccontextmanager
async def replica(workshop: Workshop, name: str) -> AsyncIterator[Calls]:
    def fail(error: BaseException) -> None:
        raise error

    leased = LeasedBudgets(StoreLeases(workshop.store), holder=name, on_bug=fail)
    await leased.start()
    yield Calls(workshop, leased)
    await leased.aclose(5)


@pytest.fixture
async def directory(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StoreDirectory]:
    """A server's memory that follows only when told to."""
    monkeypatch.setattr(directories, "POLL_INTERVAL_S", 3600)
    made = StoreDirectory(workshop.store)
    await made.start()
    yield made
    await made.aclose()


async def give(workshop: Workshop, made: NewApiKey | ApiKey, terms: Terms = THREE_A_DAY) -> str:
    key_id = (made.record if isinstance(made, NewApiKey) else made).id
    return (await workshop.company.change(None, budgets.set_budget, key_id, terms=terms)).id


async def used_of(workshop: Workshop, scope_id: str) -> dict[str, int]:
    found = await workshop.company.look(None, budget_status.read_status, scope_id=scope_id)
    return {each.budget.unit: each.standing.used for each in found.root.budgets}


async def test_a_replaced_key_that_still_works_uses_up_what_the_new_one_has(workshop: Workshop, calls: Calls) -> None:
    old = await workshop.service(name="prod")
    await give(workshop, old)
    first = (await workshop.rotate(None, old, **GRACE)).new
    second = (await workshop.rotate(None, first, **GRACE)).new
    await calls.make(old)
    await calls.make(first)
    await calls.make(second)
    for each in (old, first, second):
        with pytest.raises(QuotaExceeded, match="quota of 3 requests exceeded for api key 'prod'"):
            await calls.make(each)


async def test_both_come_under_the_same_budgets_and_rules_of_rate(workshop: Workshop) -> None:
    old = await workshop.service(terms=KeyTerms(rate_limit=RateLimit(7, 40, 700)))
    rule = {"model": "gpt-4o", "requests_per_minute": 2, "tokens_per_minute": None}
    await workshop.company.change(None, rate_limits.set_rate_limit, old.record.id, terms=rate_limits.RateTerms(**rule))
    before = await workshop.held(old)
    new = (await workshop.rotate(None, old, **GRACE)).new
    a, b = await workshop.held(old), await workshop.held(new)
    assert a.limits == b.limits
    assert [each.budget_id for each in b.limits] == [each.budget_id for each in before.limits] != []
    assert a.rates == b.rates
    assert [(each.id, each.model) for each in b.rates] == [(before.rates[0].id, "gpt-4o"), (new.record.id, "")]
    changed = await workshop.update(None, new, rate_limit=RateChange(requests_per_day=4, tokens_per_minute=None))
    assert changed.terms.rate_limit == RateLimit(7, 4, None)
    shown = await workshop.company.look(None, api_keys.get_key, old.record.id)
    assert shown.terms.rate_limit == RateLimit(7, 4, None), "what holds is shown of the old key, too"
    listed = {each.id: each for each in await workshop.company.look(None, api_keys.list_keys)}
    assert listed[old.record.id].terms == shown.terms


async def test_what_was_used_before_the_budget_was_made_is_not_forgotten(workshop: Workshop, calls: Calls) -> None:
    old = await workshop.service()
    whose = {"organization_id": workshop.company.id, "project_id": workshop.search.id, "api_key_id": old.record.id}
    await workshop.store.insert_usage([make_record(**whose) for _ in range(3)], slot="a")
    budget_id = await give(workshop, old, Terms(4, "daily", unit="requests"))
    new = (await workshop.rotate(None, old, **GRACE)).new
    assert await used_of(workshop, new.record.id) == {"requests": 3}
    await calls.make(old)
    with pytest.raises(QuotaExceeded, match="3 used"):
        await calls.make(new)
    (limit,) = (await workshop.held(new)).limits
    assert limit.budget_id == budget_id


async def test_a_deleted_new_key_gives_the_old_one_its_budgets_back(workshop: Workshop, calls: Calls) -> None:
    old = await workshop.service(terms=KeyTerms(rate_limit=RateLimit(7, 3)))
    middle = (await workshop.rotate(None, old, **GRACE)).new
    new = (await workshop.rotate(None, middle, **GRACE)).new
    await calls.make(new, count=2)
    await workshop.delete(None, middle)
    await workshop.delete(None, new)
    found = await workshop.held(old)
    assert found.check_usable(0) is None
    assert (found.held_as, found.terms.rate_limit) == ("", RateLimit(7, 3))
    assert [each.id for each in found.rates] == [old.record.id]
    await calls.make(old)
    with pytest.raises(QuotaExceeded, match="3 requests"):
        await calls.make(old)
    await workshop.delete(None, old)
    assert await workshop.company.look(None, budgets.list_budgets) == []


async def test_a_budget_given_to_the_old_key_meanwhile_holds_for_it_too(workshop: Workshop, calls: Calls) -> None:
    old = await workshop.service()
    await give(workshop, old)
    new = (await workshop.rotate(None, old, **GRACE)).new
    await give(workshop, old, Terms(1, "daily", unit="requests"))
    await calls.make(old)
    with pytest.raises(QuotaExceeded, match="quota of 1 requests"):
        await calls.make(old)
    await calls.make(new, count=2)
    await workshop.delete(None, new)
    (left,) = (await workshop.held(old)).limits
    listed = await workshop.company.look(None, budgets.list_budgets)
    assert [(each.id, each.amount) for each in listed] == [(left.budget_id, 1)]


async def test_the_old_keys_own_limits_are_those_of_the_new_one(workshop: Workshop) -> None:
    old = await workshop.service(terms=KeyTerms(rate_limit=RateLimit(7, 3)))
    new = (await workshop.rotate(None, old, **GRACE)).new
    with pytest.raises(Conflict, match=new.record.id):
        await workshop.update(None, old, rate_limit=RateLimit())
    await workshop.update(None, old, labels={"feature": "search"})
    assert len(await workshop.company.look(None, budgets.list_budgets)) == 1
    assert (await workshop.held(old)).terms.rate_limit == RateLimit(7, 3)


async def test_a_server_sees_at_the_old_key_what_changes_of_the_new_one(
    workshop: Workshop, directory: StoreDirectory
) -> None:
    old = await workshop.service(terms=KeyTerms(rate_limit=RateLimit(7)))
    digest = keyed_digest(PEPPER, old.key.encode())
    new = (await workshop.rotate(None, old, **GRACE)).new
    await directory.poll()
    assert await directory.find(digest) is not None
    await workshop.update(None, new, rate_limit=RateLimit(5))
    await directory.poll()
    found = await directory.find(digest)
    assert [each.requests_per_minute for each in found.rates] == [5]
    await give(workshop, new)
    await directory.poll()
    found = await directory.find(digest)
    assert [each.unit for each in found.limits] == ["requests"]


async def test_a_key_whose_chain_cannot_be_followed_does_not_work(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [await workshop.service()]
    for _ in range(3):
        keys.append((await workshop.rotate(None, keys[-1], **GRACE)).new)
    monkeypatch.setattr(key_succession, "STEPS_MAX", 2)
    assert [(await workshop.held(each)).status for each in keys] == [KeyStatus.DISABLED, *[KeyStatus.ACTIVE] * 3]
