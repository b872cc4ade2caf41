"""Analytics of a place over a period: exact sums, every day, and no more than the caller's role lets be seen."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.analytics.ledger import DAY_US, HOUR_US, Known, Ledger, grouped, local_day, sums_of_calls, us

from tollkeeper.control import analytics
from tollkeeper.control.analytics import Analytics, analyze, period_of
from tollkeeper.control.usage_access import Level
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.store.usage_breakdowns import CallSums

NOW_US = us("2026-11-10T12:34", "Asia/Seoul")
ZONE = "Asia/Seoul"


@pytest.fixture
async def busy(ledger: Ledger) -> Ledger:
    dice = random.Random(9)
    await ledger.add([NOW_US - dice.randrange(12 * DAY_US) for _ in range(300)], seed=1)
    return ledger


async def ask(ledger: Ledger, who: Any, kind: str, place_id: str, period: str = "7d") -> Analytics:
    found: Analytics = await ledger.acting(who, analyze, kind, place_id, period=period, now_us=NOW_US)
    return found


def flat(sums: CallSums) -> tuple[int, ...]:
    requests, errors, inputs, outputs, amount, unpriced, latency = sums
    return requests, errors, unpriced, amount, inputs, outputs, latency


def of_team(ledger: Ledger, call: Known) -> bool:
    return call.team_id == ledger.workshop.team.id


async def test_a_team_is_the_sum_of_its_projects_calls_in_every_breakdown(busy: Ledger) -> None:
    found = await ask(busy, busy.workshop.lead, "team", busy.workshop.team.id)
    from_us = us("2026-11-04", ZONE)
    calls = [call for call in busy.within(from_us, NOW_US + 1) if of_team(busy, call)]
    assert (found.from_us, found.to_us, found.level) == (from_us, NOW_US + 1, Level.FULL)
    assert flat(found.total) == sums_of_calls(calls)
    for part, breakdown in found.parts.items():
        expected = grouped(calls, lambda call, part=part: call.value(part))
        assert {value: flat(sums) for value, sums in breakdown.lines.items()} == expected, part
        assert breakdown.others == CallSums()
        amounts = [sums.amount_nanos for sums in breakdown.lines.values()]
        assert amounts == sorted(amounts, reverse=True)
    by_day = grouped(calls, lambda call: local_day(call.hour, ZONE))
    assert [day for day, _ in found.days] == [f"2026-11-{day:02}" for day in range(4, 11)]
    assert {day: flat(sums) for day, sums in found.days if sums.requests} == by_day
    assert found.names["project_id"] == {
        busy.workshop.search.id: "search",
        busy.workshop.chat.id: "chat",
    }
    assert found.names["member_id"][busy.workshop.developer.member_id] == "developer@example.com"


async def test_archived_projects_count_for_their_team(busy: Ledger) -> None:
    from tollkeeper.control import projects

    before = await ask(busy, None, "team", busy.workshop.team.id)
    await busy.workshop.company.change(None, projects.archive_project, busy.workshop.chat.id)
    after = await ask(busy, None, "team", busy.workshop.team.id)
    assert after.total == before.total
    assert busy.workshop.chat.id in after.parts["project_id"].lines


async def test_the_organization_and_a_project_are_asked_the_same_way(busy: Ledger) -> None:
    calls = busy.within(us("2026-11-04", ZONE), NOW_US + 1)
    whole = await ask(busy, busy.workshop.admin, "organization", busy.id)
    assert flat(whole.total) == sums_of_calls(calls)
    part = await ask(busy, busy.workshop.admin, "project", busy.workshop.ops.id)
    assert flat(part.total) == sums_of_calls([each for each in calls if each.record.project_id == busy.workshop.ops.id])
    assert {*part.parts["project_id"].lines} == {busy.workshop.ops.id}


async def test_who_reads_totals_sees_neither_keys_nor_people(busy: Ledger) -> None:
    found = await ask(busy, busy.workshop.viewer, "project", busy.workshop.search.id)
    assert found.level is Level.AGGREGATE
    assert {*found.parts} == {"model", "project_id"}
    full = await ask(busy, busy.workshop.lead, "project", busy.workshop.search.id)
    assert found.total == full.total


async def test_who_may_see_the_own_usage_sees_the_own_keys_only(busy: Ledger) -> None:
    developer = busy.workshop.developer
    found = await ask(busy, developer, "project", busy.workshop.search.id)
    own = [call for call in busy.within(us("2026-11-04", ZONE), NOW_US + 1) if call.member_id == developer.member_id]
    assert found.level is Level.OWN
    assert flat(found.total) == sums_of_calls(own)
    assert {*found.parts["api_key_id"].lines} == {busy.keys["developer"].id}
    assert "member_id" not in found.parts


async def test_what_the_caller_may_not_see_is_refused_or_not_there(busy: Ledger) -> None:
    workshop = busy.workshop
    for who, kind, place_id, refusal in (
        (workshop.lead, "project", workshop.ops.id, NotFound),
        (workshop.lead, "organization", busy.id, PermissionDenied),
        (workshop.developer, "project", workshop.chat.id, NotFound),
        (workshop.developer, "team", workshop.team.id, PermissionDenied),
        (None, "team", "team_unknown", NotFound),
        (None, "organization", "org_unknown", NotFound),
        (None, "project", workshop.team.id, NotFound),
    ):
        with pytest.raises(refusal):
            await ask(busy, who, kind, place_id)


async def test_the_rest_behind_the_dearest_lines_is_added_up(busy: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analytics, "LINES_MAX", 2)
    found = await ask(busy, None, "organization", busy.id)
    for part in found.parts.values():
        assert len(part.lines) <= 2
        assert CallSums.total([*part.lines.values(), part.others]) == found.total
    assert found.parts["api_key_id"].others.requests > 0


async def test_no_calls_are_days_without_calls(ledger: Ledger) -> None:
    found = await ask(ledger, None, "organization", ledger.id, "3d")
    assert found.total == CallSums()
    assert [sums for _, sums in found.days] == [CallSums()] * 3


def test_periods_are_days_of_the_timezone_or_hours() -> None:
    assert period_of("1d", NOW_US, ZONE)[0] == us("2026-11-10", ZONE)
    assert period_of("365d", NOW_US, ZONE)[0] == us("2025-11-11", ZONE)
    assert period_of("24h", NOW_US, ZONE)[0] == us("2026-11-09T13:00", ZONE)
    assert period_of("1h", NOW_US, "UTC") == (us("2026-11-10T12:00", ZONE), NOW_US + 1)
    # the clocks went back on 1 November: a week of seven local days has 169 hours
    noon = us("2026-11-02T00:00", "America/New_York")
    assert noon - period_of("2d", noon, "America/New_York")[0] == 25 * HOUR_US


@pytest.mark.parametrize("text", ["", "0d", "366d", "169h", "30", "d", "-1d", "1w", "30D", "٣d", "1d\n", "9999d"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        period_of(text, NOW_US, ZONE)
