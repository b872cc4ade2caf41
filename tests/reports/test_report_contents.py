"""What a report says equals usage and analytics to the nano, is kept as it was, and divides by nothing that is nothing."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import msgspec
import pytest
from tests.alerts.alert_factories import put_budget, put_node
from tests.analytics.ledger import DAY_US, HOUR_US, Ledger, add, grouped, local_day, sums_of_calls, sums_of_line, us
from tests.reports.report_factories import (
    NOW_US,
    RULES,
    WEEK_FROM_US,
    WEEK_TO_US,
    ZONE,
    a_content,
    add_two_weeks,
    line,
    sums,
)

from tollkeeper.control import reports
from tollkeeper.control.analytics import analyze
from tollkeeper.control.report_views import shown_content
from tollkeeper.control.reports import FullReport
from tollkeeper.control.usage_lines import Question, parse_grouping
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.report import Breakdown, ReportContent, Sums, break_down, change_between, most_used, movers
from tollkeeper.domain.usage import CostState
from tollkeeper.store import organizations

BEFORE_US = us("2026-10-26", ZONE)


async def preview(ledger: Ledger, who: Any = None, **more: Any) -> ReportContent:
    found: FullReport = await ledger.acting(who, reports.preview_report, "weekly", now_us=NOW_US, **more)
    return found.content


def flat(found: Sums) -> tuple[int, ...]:
    """Return requests, errors, unpriced requests, nanos, input and output tokens, as the ledger has them."""
    return (
        found.requests,
        found.errors,
        found.unpriced_requests,
        found.amount_nanos,
        found.input_tokens,
        found.output_tokens,
    )


def whole(part: Breakdown) -> tuple[int, ...]:
    return flat(Sums.total([*(each.now for each in part.lines), part.others_now]))


async def test_its_figures_are_those_of_the_calls_to_the_nano(ledger: Ledger) -> None:
    await add_two_weeks(ledger)
    found = await preview(ledger)
    now, before = ledger.within(WEEK_FROM_US, WEEK_TO_US), ledger.within(BEFORE_US, WEEK_FROM_US)
    assert now
    assert before
    assert (flat(found.total), flat(found.before)) == (sums_of_calls(now)[:6], sums_of_calls(before)[:6])
    for part, column in ((found.models, "model"), (found.teams, "team_id"), (found.projects, "project_id")):
        for calls, side in ((now, "now"), (before, "before")):
            expected = {value: each[:6] for value, each in grouped(calls, lambda c, n=column: c.value(n)).items()}
            got = {each.value: flat(getattr(each, side)) for each in part.lines if getattr(each, side).requests}
            assert got == expected, (column, side)
        amounts = [each.now.amount_nanos for each in part.lines]
        assert amounts == sorted(amounts, reverse=True)
    by_day = grouped(now, lambda call: local_day(call.hour, ZONE))
    assert [each.day for each in found.days] == [f"2026-11-0{day}" for day in range(2, 9)]
    assert {each.day: flat(each.sums) for each in found.days if each.sums.requests} == {
        day: each[:6] for day, each in by_day.items()
    }
    assert {each.name for each in found.projects.lines} == {"search", "chat", "ops"}
    assert found.total.unpriced_requests == sum(call.record.amount_nanos is None for call in now)


async def test_its_figures_are_those_of_usage_and_analytics(ledger: Ledger) -> None:
    await add_two_weeks(ledger)
    found = await preview(ledger)
    for by, part in (("model", found.models), ("project", found.projects), ("team", found.teams)):
        lines = await ledger.lines(None, Question(parse_grouping([by]), WEEK_FROM_US, WEEK_TO_US))
        assert whole(part) == add(map(sums_of_line, lines))[:6], by
    told = await ledger.acting(None, analyze, "organization", ledger.id, period="7d", now_us=WEEK_TO_US - 1)
    assert (told.from_us, told.to_us) == (found.from_us, found.to_us)
    assert (told.total.requests, told.total.amount_nanos) == (found.total.requests, found.total.amount_nanos)
    assert {model: each.amount_nanos for model, each in told.parts["model"].lines.items()} == {
        each.value: each.now.amount_nanos for each in found.models.lines if each.now.requests
    }


@pytest.mark.parametrize(
    ("day", "hours", "sunday"), [(date(2026, 3, 4), 167, "2026-03-08"), (date(2026, 10, 30), 169, "2026-11-01")]
)
async def test_weeks_in_which_clocks_change_lose_and_double_no_call(
    ledger: Ledger, day: date, hours: int, sunday: str
) -> None:
    zone = "America/New_York"
    await ledger.workshop.store.write(lambda c: organizations.change_organization(c, ledger.id, {"timezone": zone}))
    start_us = us(sunday, zone) - 6 * DAY_US
    await ledger.add([start_us + hour * HOUR_US + 1 for hour in range(-2, 172)], seed=3)
    found: FullReport = await ledger.acting(
        None, reports.preview_report, "weekly", day=day, now_us=us("2026-12-01", zone)
    )
    content = found.content
    assert shown_content(content)["hours"] == hours
    assert content.total.requests == hours
    assert {each.day: each.sums.requests for each in content.days}[sunday] == hours - 6 * 24
    assert flat(content.total) == sums_of_calls(ledger.within(content.from_us, content.to_us))[:6]


async def test_a_month_is_the_fiscal_one(ledger: Ledger) -> None:
    await ledger.workshop.store.write(
        lambda c: organizations.change_organization(c, ledger.id, {"fiscal_month_start": 15})
    )
    await ledger.add([us("2026-09-14T12:00", ZONE), us("2026-09-15T12:00", ZONE), us("2026-10-14T12:00", ZONE)], seed=4)
    found: FullReport = await ledger.acting(None, reports.preview_report, "monthly", now_us=NOW_US)
    assert (found.content.first_day, found.content.last_day) == ("2026-09-15", "2026-10-14")
    assert (found.content.total.requests, found.content.before.requests) == (2, 1)
    assert len(found.content.days) == 30


async def test_estimated_calls_are_counted(ledger: Ledger) -> None:
    made = [ledger.make(random.Random(seed), WEEK_FROM_US + seed).record for seed in range(20)]
    priced = [each for each in made if each.amount_nanos is not None]
    estimated = [
        msgspec.structs.replace(each, cost_state=CostState.ESTIMATED, is_estimated=True) for each in priced[:4]
    ]
    await ledger.workshop.store.insert_usage([*estimated, *priced[4:]], slot="a")
    found = await preview(ledger)
    assert (found.estimated.requests, found.estimated.amount_nanos) == (
        4,
        sum(each.amount_nanos or 0 for each in estimated),
    )


async def test_a_report_that_was_sent_keeps_its_figures(ledger: Ledger) -> None:
    await add_two_weeks(ledger)
    before = await preview(ledger)
    again = await preview(ledger)
    assert again == before  # the same stored calls, the same report
    sent = await ledger.workshop.company.change(None, reports.send_report, before, rules=RULES)
    await ledger.add([WEEK_FROM_US + HOUR_US], seed=7)  # a record that came late
    kept = await ledger.workshop.company.look(None, reports.get_report, sent.entry.id)
    assert kept.content == before
    assert await preview(ledger) == before
    assert await ledger.acting(None, reports.prepare_report, "weekly", now_us=NOW_US) == before


async def test_budgets_at_risk_are_those_that_are_full_will_not_last_or_are_stopped(ledger: Ledger) -> None:
    company, usd = ledger.workshop.company, 10**9
    full = await put_budget(company, ledger.workshop.search.id, 100 * usd, period="total")
    calm = await put_budget(company, ledger.workshop.chat.id, 100 * usd, period="total")
    tokens = await put_budget(company, ledger.id, 1000, period="total", unit="tokens")
    await put_budget(company, ledger.workshop.ops.id, 10 * usd, period="total")  # nothing has asked for it
    for budget_id, limit, used in ((full, 100 * usd, 85 * usd), (calm, 100 * usd, 79 * usd), (tokens, 1000, 1200)):
        await put_node(company, budget_id, limit=limit, used=used)
    found = await preview(ledger)
    assert [(each.budget_id, each.used_permille) for each in found.budgets] == [(tokens, 1200), (full, 850)]
    assert (found.budgets[1].scope_name, found.budgets[0].scope_name) == ("search", "Acme")
    older = await preview(ledger, day=date(2026, 10, 20))
    assert (older.budgets, older.budgets_more) == ((), 0), "how budgets stand now says nothing of a week long past"


async def test_who_may_not_read_everything_reads_no_report(ledger: Ledger) -> None:
    workshop = ledger.workshop
    for who in (workshop.viewer, workshop.developer, workshop.lead):
        with pytest.raises(PermissionDenied):
            await preview(ledger, who)
        with pytest.raises(PermissionDenied):
            await ledger.acting(who, reports.list_reports, now_us=NOW_US)
        with pytest.raises(PermissionDenied):
            await ledger.acting(who, reports.get_report, "rep_1", now_us=NOW_US)
        with pytest.raises(PermissionDenied):
            await ledger.acting(who, reports.prepare_report, "weekly", now_us=NOW_US)
    with pytest.raises(NotFound):
        await ledger.acting(workshop.admin, reports.get_report, "rep_1", now_us=NOW_US)


@pytest.mark.parametrize(
    "day", [date(2026, 11, 10), date(2026, 11, 9), date(2027, 1, 1), date(1, 1, 1), date(9999, 1, 1)]
)
async def test_a_period_that_is_not_over_has_no_report(ledger: Ledger, day: date) -> None:
    with pytest.raises(InvalidRequest):
        await preview(ledger, day=day)


def test_a_change_divides_by_nothing_that_is_nothing():
    assert change_between(sums(200), sums(300)).permille == 500
    assert change_between(sums(300), sums(200)).permille == -333
    assert change_between(sums(1000), sums(1001)).permille == 1
    new = change_between(Sums(), sums(300))
    assert (new.amount_nanos, new.permille, new.is_new) == (300, None, True)
    free = change_between(sums(0), sums(300))
    assert (free.amount_nanos, free.permille, free.is_new) == (300, None, False)
    gone = change_between(sums(300), Sums())
    assert (gone.amount_nanos, gone.permille) == (-300, -1000)
    unknown = change_between(sums(0, 5, unpriced=5), sums(300))
    assert (unknown.amount_nanos, unknown.permille, unknown.is_new) == (None, None, False)
    assert sums(0, 5, unpriced=5).cost_nanos is None  # unknown is never nothing
    assert Sums().cost_nanos == 0


def test_the_rest_behind_the_dearest_lines_is_added_up():
    lines = [line(f"m{at:02}", sums(at), sums(1)) for at in range(30)]
    found = break_down(lines)
    assert [each.value for each in found.lines] == [f"m{at:02}" for at in range(29, 9, -1)]
    assert found.others_count == 10
    assert flat(Sums.total([*(each.now for each in found.lines), found.others_now])) == flat(
        Sums.total(each.now for each in lines)
    )


def test_movers_are_the_biggest_and_unknown_costs_are_none_of_them():
    lines = [
        line("up", sums(900), sums(100)),
        line("new", sums(500)),
        line("down", sums(100), sums(1000)),
        line("gone", Sums(), sums(50)),
        line("same", sums(7), sums(7)),
        line("unknown", sums(0, 5, unpriced=5), sums(9999)),
    ]
    risen, fallen = movers({"model": lines})
    assert [each.line.value for each in risen] == ["up", "new"]
    assert [each.line.value for each in fallen] == ["down", "gone"]


def test_the_most_used_model_is_that_of_most_calls():
    assert (
        most_used([line("dear", sums(10**12, 3)), line("busy", sums(5, 9)), line("gone", Sums(), sums(1, 99))])
        == "busy"
    )
    assert most_used([line("gone", Sums(), sums(1))]) is None


def test_what_programs_get_is_exact():
    shown = shown_content(a_content(total=sums(123_456_789_012_345_678)))
    assert str(shown["total"]["cost_usd"]) == "123456789.012345678"
