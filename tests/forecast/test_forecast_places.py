"""Forecasts of organizations, teams and projects on both databases: by their calendar, within what the caller may see."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from admin_factories import client_of, running_app
from tests.analytics.ledger import DAY_US, Known, Ledger, us
from tests.tenancy.company import found_company

from tollkeeper.admin.forecast import ForecastAnswer
from tollkeeper.control.forecast import MonthForecast, forecast_month
from tollkeeper.control.organizations import update_organization
from tollkeeper.control.usage_access import Level
from tollkeeper.domain.currency import DisplayCurrency
from tollkeeper.domain.errors import NotFound, PermissionDenied
from tollkeeper.domain.forecast import Basis
from tollkeeper.domain.usage import CostState
from tollkeeper.kit.clock import now_us

USD = 10**9
SEOUL = "Asia/Seoul"


async def use(ledger: Ledger, key: str, days: list[int], *, nanos: int = USD) -> None:
    """Make one call with a key at each of these times, of which each costs so much."""
    dice = random.Random(len(ledger.calls))
    made: list[Known] = []
    for at_us in days:
        record = ledger.make(dice, at_us).record
        whose = ledger.keys[key]
        made.append(
            Known(
                msgspec.structs.replace(
                    record,
                    api_key_id=whose.id,
                    project_id=whose.project_id,
                    amount_nanos=nanos,
                    cost_state=CostState.COMPUTED,
                    lines=(),
                ),
                "",
                whose.member_id,
            )
        )
    await ledger.workshop.store.insert_usage([each.record for each in made], slot=f"use{len(ledger.calls)}")
    ledger.calls += made


async def asked(ledger: Ledger, who: Any, kind: str, place_id: str, *, at: str, zone: str = SEOUL) -> MonthForecast:
    found: MonthForecast = await ledger.acting(who, forecast_month, kind, place_id, now_us=us(at, zone))
    return found


def noons(first: str, count: int, zone: str = SEOUL) -> list[int]:
    return [us(first, zone) + 12 * 3_600_000_000 + day * DAY_US for day in range(count)]


async def test_a_month_is_the_organizations_and_its_rest_is_reckoned_from_eight_weeks(ledger: Ledger) -> None:
    await use(ledger, "search", noons("2026-08-01", 80))  # up to 19 October
    found = await asked(ledger, None, "organization", ledger.id, at="2026-10-20T00:00:00")
    assert found.window.start_us == us("2026-10-01", SEOUL)
    assert (found.used_nanos, found.requests) == (19 * USD, 19)
    told = found.forecast
    assert (told.basis, told.days_known) == (Basis.WEEKS, 56)
    assert (told.low_nanos, told.likely_nanos, told.high_nanos) == (31 * USD, 31 * USD, 31 * USD)
    assert found.days[0] == ("2026-10-01", USD)
    assert len(found.days) == 19


async def test_a_fiscal_month_and_another_timezone_move_the_window(ledger: Ledger) -> None:
    await use(ledger, "search", noons("2026-08-01", 80))
    await ledger.workshop.company.change(None, update_organization, ledger.id, fiscal_month_start=15)
    found = await asked(ledger, None, "organization", ledger.id, at="2026-10-20T00:00:00")
    assert found.window.start_us == us("2026-10-15", SEOUL)
    assert found.forecast.likely_nanos == (5 + 26) * USD
    await ledger.workshop.company.change(None, update_organization, ledger.id, timezone="America/New_York")
    found = await asked(ledger, None, "organization", ledger.id, at="2026-10-20T00:00:00")
    assert found.window.start_us == us("2026-10-15", "America/New_York")


async def test_a_day_of_25_hours_is_one_day(ledger: Ledger) -> None:
    zone = "America/New_York"  # clocks go back on 1 November 2026
    await ledger.workshop.company.change(None, update_organization, ledger.id, timezone=zone)
    await use(ledger, "search", noons("2026-09-06", 56, zone))  # up to 31 October
    found = await asked(ledger, None, "organization", ledger.id, at="2026-11-01T00:00:00", zone=zone)
    assert found.forecast.days_known == 56
    assert found.forecast.likely_nanos == 30 * USD
    noon = await asked(ledger, None, "organization", ledger.id, at="2026-11-01T12:00:00", zone=zone)
    assert noon.forecast.likely_nanos == 29 * USD + USD * 12 // 25


async def test_teams_and_projects_have_their_own_and_people_see_what_they_may(ledger: Ledger) -> None:
    workshop, at = ledger.workshop, "2026-10-20T00:00:00"
    await use(ledger, "search", noons("2026-08-01", 80))
    await use(ledger, "developer", noons("2026-08-01", 80), nanos=2 * USD)
    await use(ledger, "ops", noons("2026-08-01", 80), nanos=5 * USD)

    async def likely(who: Any, kind: str, place_id: str) -> tuple[int | None, Level]:
        found = await asked(ledger, who, kind, place_id, at=at)
        return found.forecast.likely_nanos, found.level

    assert await likely(workshop.admin, "organization", ledger.id) == (31 * 8 * USD, Level.FULL)
    assert await likely(workshop.lead, "team", workshop.team.id) == (31 * 3 * USD, Level.FULL)
    assert await likely(workshop.viewer, "project", workshop.search.id) == (31 * 3 * USD, Level.AGGREGATE)
    assert await likely(workshop.developer, "project", workshop.search.id) == (31 * 2 * USD, Level.OWN)
    for who in (workshop.lead, workshop.developer, workshop.viewer):
        with pytest.raises(PermissionDenied):
            await likely(who, "organization", ledger.id)
        with pytest.raises(NotFound):
            await likely(who, "project", workshop.ops.id)
    other = await found_company(workshop.store, "Globex")
    for kind, place_id in (("organization", ledger.id), ("team", workshop.team.id), ("project", workshop.ops.id)):
        with pytest.raises(NotFound):
            await other.look(None, forecast_month, kind, place_id)


async def test_unpriced_calls_are_counted_beside_and_in_no_amount(ledger: Ledger) -> None:
    await use(ledger, "search", noons("2026-10-01", 10))
    dice = random.Random(4)
    record = msgspec.structs.replace(
        ledger.make(dice, us("2026-10-05", SEOUL)).record, amount_nanos=None, cost_state=CostState.UNPRICED, lines=()
    )
    await ledger.workshop.store.insert_usage([record], slot="unpriced")
    found = await asked(ledger, None, "organization", ledger.id, at="2026-10-11T00:00:00")
    assert (found.used_nanos, found.requests, found.unpriced_requests) == (10 * USD, 11, 1)


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    key = await ledger.workshop.admin_key()
    async with running_app(ledger.workshop.store) as app, client_of(app, key.key) as client:
        yield client


async def test_the_routes_answer_exact_dollars_and_the_display_currency_beside(
    client: httpx.AsyncClient, ledger: Ledger
) -> None:
    await use(ledger, "search", [now_us() - back * DAY_US - 1 for back in range(1, 40)])
    won = DisplayCurrency("KRW", 1_385_250_000, "2025-01-31", "Bank of Korea")
    for place in (
        f"organizations/{ledger.id}",
        f"teams/{ledger.workshop.team.id}",
        f"projects/{ledger.workshop.search.id}",
    ):
        answer = await client.get(f"/v1/{place}/forecast")
        ForecastAnswer.model_validate_json(answer.content)
        found = json.loads(answer.text, parse_float=Decimal)
        assert found["low_usd"] <= found["likely_usd"] <= found["high_usd"]
        assert found["display"] is None
    await ledger.workshop.company.change(None, update_organization, ledger.id, display_currency=won)
    found = json.loads((await client.get(f"/v1/organizations/{ledger.id}/forecast")).text, parse_float=Decimal)
    shown = found["display"]["likely"]
    assert shown["amount"] == round(found["likely_usd"] * Decimal("1385.25"))
    assert (shown["currency"], shown["rate"], shown["rate_date"], shown["source"]) == (
        "KRW", Decimal("1385.25"), "2025-01-31", "Bank of Korea",
    )  # fmt: skip
    assert shown["text"] == f"₩{int(shown['amount']):,}"
    assert (await client.get("/v1/teams/team_none/forecast")).status_code == 404


async def test_too_early_says_so_and_nothing_else(client: httpx.AsyncClient, ledger: Ledger) -> None:
    found = (await client.get(f"/v1/organizations/{ledger.id}/forecast")).json()
    assert (found["basis"], found["days_known"]) == ("too_early", 0)
    assert (found["low_usd"], found["likely_usd"], found["high_usd"]) == (None, None, None)
