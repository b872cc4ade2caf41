"""Finding calls on both databases: what matches is found, once, in order, however little a page may read."""

from __future__ import annotations

import random

import msgspec
import pytest
from tests.analytics.ledger import DAY_US, HOUR_US, Known, Ledger
from tests.calls.varied_calls import add_at, add_varied, all_pages, expected, random_filters
from tests.tenancy.company import found_company

from tollkeeper.control import calls
from tollkeeper.control.calls import CallFilters, CallSearch, find_calls
from tollkeeper.control.usage import parse_request_id
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.kit.clock import TIME_US_MAX, now_us
from tollkeeper.store import call_hours, call_search
from tollkeeper.store.engine import Store


@pytest.mark.parametrize(
    ("records_max", "lines_max", "searches"), [(20_000, 20_000, 25), (7, 20_000, 12), (7, 3, 8), (1, 1, 3)]
)
async def test_every_call_that_matches_is_found_once_and_newest_first(
    busy: Ledger, monkeypatch: pytest.MonkeyPatch, records_max: int, lines_max: int, searches: int
) -> None:
    monkeypatch.setattr(call_search, "RECORDS_MAX", records_max)
    monkeypatch.setattr(call_hours, "LINES_MAX", lines_max)
    dice = random.Random(records_max)
    for number in range(searches):
        filters = random_filters(dice, busy) if number else CallFilters()
        search = CallSearch(filters=filters, limit=dice.choice([1, 3, 50]))
        assert await all_pages(busy, None, search) == expected(busy, filters), filters


async def test_a_time_range_is_kept_to_the_millisecond(busy: Ledger) -> None:
    moments = sorted(each.record.started_at_us for each in busy.calls)
    for from_us, to_us in (
        (moments[10], moments[60]),
        (moments[30], moments[30] + 1000),
        (moments[-1] + 1000, TIME_US_MAX),
    ):
        found = await all_pages(busy, None, CallSearch(from_us=from_us, to_us=to_us, limit=7))
        assert found == expected(busy, CallFilters(), from_us=from_us, to_us=to_us)


async def test_paging_loses_and_repeats_nothing_while_calls_arrive(
    busy: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_search, "RECORDS_MAX", 9)
    before = expected(busy, CallFilters())
    oldest_us = min(each.record.started_at_us for each in busy.calls)
    rounds = iter(range(1, 1000))

    async def arrive() -> None:
        seed = 1000 + next(rounds)
        if seed < 1030:  # new ones, and late ones of a time that was not looked at yet
            await add_at(busy, [now_us(), now_us() - 1000, oldest_us - seed * 1_000_000], seed=seed)

    found = await all_pages(busy, None, CallSearch(limit=5), between=arrive)
    assert len(found) == len(set(found))
    assert found == sorted(found, reverse=True)
    assert set(before) <= set(found)
    assert len(found) > len(before), "late calls of older times are found too"


async def test_a_page_that_finds_nothing_says_how_far_it_looked_and_goes_on(
    busy: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_search, "RECORDS_MAX", 10)
    wanted = CallFilters(columns={"end_user": ("nobody",)})
    page = await busy.workshop.company.look(None, find_calls, CallSearch(filters=wanted))
    newest_first = expected(busy, CallFilters())
    assert (page.calls, page.end) == ([], newest_first[9])
    assert page.searched_to_us is not None
    assert await all_pages(busy, None, CallSearch(filters=wanted)) == []


async def test_hours_without_such_a_call_are_passed_over(busy: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that was last used weeks ago is found by the first page, though that may read few records."""
    key = busy.keys["ops"]
    busy.keys = {"ops": key}
    await add_at(busy, [now_us() - 90 * DAY_US], seed=77)
    monkeypatch.setattr(call_search, "RECORDS_MAX", 2)
    label = CallFilters(columns={"api_key_id": (key.id,)}, labels=tuple(busy.calls[-1].record.labels.items())[:1])
    old = CallSearch(filters=CallFilters(columns={"api_key_id": (key.id,)}), to_us=now_us() - 60 * DAY_US)
    for search in (old, msgspec.structs.replace(old, filters=label)):
        page = await busy.workshop.company.look(None, find_calls, search)
        assert [each.record for each in page.calls] == [busy.calls[-1].record]
        assert page.end is None, "the rollups know of no older one"


async def test_one_request_id_is_looked_up_and_must_match_besides(busy: Ledger) -> None:
    call = busy.calls[5]
    reference = f"req_{call.record.call_id.hex()}"
    search = CallSearch(request_id=reference)
    page = await busy.workshop.company.look(None, find_calls, search)
    (found,) = page.calls
    assert (found.record, found.team_id, found.member_id) == (call.record, call.team_id, call.member_id)
    assert page.names["project_id"][call.record.project_id]
    assert page.names["api_key_id"][call.record.api_key_id]
    other = CallFilters(columns={"provider": ("nobody",)})
    assert await all_pages(busy, None, msgspec.structs.replace(search, filters=other)) == []
    with pytest.raises(InvalidRequest):
        await busy.workshop.company.look(None, find_calls, CallSearch(request_id="req_nonsense"))


async def test_everybody_finds_what_they_may_see_and_nothing_else(
    busy: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_search, "RECORDS_MAX", 11)
    workshop = busy.workshop
    team_calls = lambda call: call.team_id == workshop.team.id  # noqa: E731
    cases = (
        (workshop.admin, lambda _: True),
        (workshop.lead, lambda call: team_calls(call) or call.member_id == workshop.lead.member_id),
        (workshop.developer, lambda call: call.member_id == workshop.developer.member_id),
    )
    for who, seen in cases:
        want = expected(busy, CallFilters(), seen)
        assert 0 < len(want) <= len(busy.calls)
        assert await all_pages(busy, who, CallSearch(limit=4)) == want
    for who in (workshop.viewer, await workshop.as_key(await workshop.service())):
        with pytest.raises(PermissionDenied):
            await workshop.company.look(who, find_calls, CallSearch())


async def test_a_service_with_analytics_of_its_own_finds_its_own_calls(busy: Ledger) -> None:
    made = await busy.workshop.service(name="observer", permissions=frozenset({"chat:create", "analytics:own"}))
    caller = await busy.workshop.as_key(made)
    assert await all_pages(busy, caller, CallSearch()) == []
    busy.keys = {"observer": made.record}
    await add_varied(busy, 5, seed=9)
    mine = lambda call: call.record.api_key_id == made.record.id  # noqa: E731
    assert await all_pages(busy, caller, CallSearch()) == expected(busy, CallFilters(), mine) != []


async def test_another_organizations_calls_are_never_found(busy: Ledger, store: Store) -> None:
    other = await found_company(store, "Globex")
    some = busy.calls[0].record
    for filters in (
        CallFilters(),
        CallFilters(columns={"project_id": (some.project_id,)}),
        CallFilters(columns={"api_key_id": (some.api_key_id,)}),
        CallFilters(columns={"team_id": (busy.workshop.team.id,)}),
        CallFilters(columns={"member_id": (busy.workshop.developer.member_id,)}),
    ):
        assert (await other.look(None, find_calls, CallSearch(filters=filters))).calls == []
    reference = f"req_{some.call_id.hex()}"
    assert (await other.look(None, find_calls, CallSearch(request_id=reference))).calls == []
    with pytest.raises(NotFound):
        await other.look(None, calls.open_call, reference)


async def test_one_call_is_opened_by_who_may_see_it(busy: Ledger) -> None:
    workshop = busy.workshop
    own = next(each for each in busy.calls if each.member_id == workshop.developer.member_id)
    others = next(each for each in busy.calls if each.record.project_id == workshop.ops.id)
    reference = f"req_{own.record.call_id.hex()}"
    opened = await workshop.company.look(workshop.developer, calls.open_call, reference)
    assert opened.call.record == own.record
    assert opened.decision is not None
    assert opened.decision.call_id == parse_request_id(reference)
    for who in (workshop.developer, workshop.lead, workshop.viewer):
        with pytest.raises(NotFound):
            await workshop.company.look(who, calls.open_call, f"req_{others.record.call_id.hex()}")
    seen = await workshop.company.look(workshop.admin, calls.open_call, reference)
    assert seen.names["member_id"][workshop.developer.member_id] == "developer@example.com"


async def test_whoever_may_not_read_quotas_sees_no_limits(busy: Ledger) -> None:
    made = await busy.workshop.service(name="observer", permissions=frozenset({"chat:create", "analytics:own"}))
    busy.keys = {"observer": made.record}
    await add_varied(busy, 1, seed=10)
    reference = f"req_{busy.calls[-1].record.call_id.hex()}"
    opened = await busy.workshop.company.look(await busy.workshop.as_key(made), calls.open_call, reference)
    assert opened.decision is None


@pytest.mark.parametrize(
    ("search", "param"),
    [
        (CallSearch(from_us=10, to_us=10), "to"),
        (CallSearch(from_us=-1), "to"),
        (CallSearch(to_us=TIME_US_MAX + 1), "to"),
        (CallSearch(filters=CallFilters(cost_from_nanos=2, cost_to_nanos=1)), "cost_to_usd"),
    ],
)
async def test_a_range_that_makes_no_sense_is_refused(ledger: Ledger, search: CallSearch, param: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await ledger.workshop.company.look(None, find_calls, search)
    assert refusal.value.param == param


def test_words_for_statuses_and_labels_are_read_or_refused() -> None:
    assert calls.parse_statuses(["404", "5xx", "0"]) == ((404, 404), (500, 599), (0, 0))
    assert calls.parse_statuses(["errors"]) == ((0, 0), (400, 999))
    assert calls.parse_labels(["feature", "feature=", "a.b=c=d"]) == (
        ("feature", None),
        ("feature", ""),
        ("a.b", "c=d"),
    )
    for word in ("6xx", "-1", "1000", "4XX", "", "404 "):
        with pytest.raises(InvalidRequest):
            calls.parse_statuses([word])
    for word in ("", "=x", "a b", "a=\x00", "x" * 65, "a=" + "x" * 129):
        with pytest.raises(InvalidRequest):
            calls.parse_labels([word])
    for text in ("", "zz", "f" * 31, "F" * 32, "f" * 33):
        with pytest.raises(InvalidRequest):
            calls.parse_cursor(text)


async def test_calls_at_the_edges_of_hours_and_days_are_found(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    midnight = now_us() // DAY_US * DAY_US
    edges = [midnight + offset for offset in (-1000, 0, 1000, -HOUR_US, -HOUR_US - 1000, -DAY_US, -DAY_US - 1000)]
    await add_at(ledger, edges, seed=5)
    monkeypatch.setattr(call_search, "RECORDS_MAX", 1)
    monkeypatch.setattr(call_hours, "LINES_MAX", 1)
    for filters in (CallFilters(), *(CallFilters(columns={"api_key_id": (key.id,)}) for key in ledger.keys.values())):
        assert await all_pages(ledger, None, CallSearch(filters=filters, limit=1)) == expected(ledger, filters)


def _is_error(call: Known) -> bool:
    return call.record.status == 0 or call.record.status >= 400


async def test_errors_are_what_reports_count_as_errors(busy: Ledger) -> None:
    filters = CallFilters(statuses=calls.parse_statuses(["errors"]))
    assert await all_pages(busy, None, CallSearch(filters=filters)) == expected(busy, CallFilters(), _is_error)
