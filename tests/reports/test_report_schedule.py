"""Reports go out by themselves: once, in everybody's language, late after an outage, by however many servers look at once."""

from __future__ import annotations

import asyncio
import socket
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, update
from tests.admin.admin_factories import ONLY_SQLITE
from tests.analytics.ledger import DAY_US, HOUR_US, Ledger, open_ledger
from tests.notify.mail_server import serving
from tests.reports.report_factories import (
    MONDAY_NINE_US,
    RULES,
    WEEK_FROM_US,
    WITHOUT_MAIL,
    ZONE,
    add_two_weeks,
    entries,
    let_be_old,
    letters,
)
from tests.tenancy.company import PEPPER, found_company

from tollkeeper import config
from tollkeeper.bootstrap.control_plane import make_schedule
from tollkeeper.control import members, report_schedule, reports, roles
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Administration, Secrets
from tollkeeper.control.outbox import Delivery
from tollkeeper.control.report_schedule import note_letters, send_due_reports
from tollkeeper.control.report_settings import SettingsChanges, change_settings
from tollkeeper.control.report_views import status_of
from tollkeeper.domain.report_calendar import LATE_MAX_US, WEEKDAYS
from tollkeeper.jobs.reports import send_reports
from tollkeeper.kit.clock import now_us, utc
from tollkeeper.notify.smtp import SmtpSender, SmtpSettings
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_control import outbox
from tollkeeper.store.schema_reports import periodic_report, report_settings
from tollkeeper.store.schema_tenancy import account, organization


async def look(ledger: Ledger, at_us: int = MONDAY_NINE_US, rules: AccountRules = RULES) -> int:
    return await send_due_reports(ledger.workshop.company.administration, rules, at_us=at_us)


@pytest.fixture
async def busy(ledger: Ledger) -> Ledger:
    await add_two_weeks(ledger, calls=60)
    await let_be_old(ledger.workshop.store)
    return ledger


def vault_of(ledger: Ledger):
    return ledger.workshop.company.administration.secrets.vault


async def test_it_goes_to_who_may_read_it_in_their_language_and_once(busy: Ledger) -> None:
    workshop = busy.workshop
    second = await workshop.company.hire("김", ("org_admin", busy.id))
    await workshop.store.write(
        lambda c: c.execute(update(account).where(account.c.id == second.account_id).values(language="ko"))
    )
    assert await look(busy, MONDAY_NINE_US - 1) == 0
    assert await look(busy) == 1
    assert await look(busy) == 0
    assert await look(busy, MONDAY_NINE_US + DAY_US) == 0
    told = dict(await letters(workshop.store, vault_of(busy)))
    assert {*told} == {workshop.admin.email, second.email}
    assert "Weekly report" in told[workshop.admin.email].subject
    assert "주간 보고서" in told[second.email].subject
    (entry,) = await entries(workshop.store)
    assert (entry.kind, entry.first_day, entry.unsent_because) == ("weekly", "2026-11-02", "")
    assert entry.scheduled_at_us is not None
    (event,) = await workshop.company.events("report.send")
    assert (event.actor_kind, event.target_id) == ("system", entry.id)


async def test_a_server_that_was_down_sends_it_when_it_is_back_and_not_too_late(busy: Ledger) -> None:
    assert await look(busy, MONDAY_NINE_US + LATE_MAX_US + 1) == 0
    assert await look(busy, MONDAY_NINE_US + 5 * DAY_US) == 1
    assert len(await letters(busy.workshop.store, vault_of(busy))) == 1


async def test_the_months_report_comes_on_its_first_day(busy: Ledger) -> None:
    first_us = MONDAY_NINE_US + 22 * DAY_US  # Tuesday, the first of December
    assert await look(busy, first_us - 1) == 1  # the week's of the day before
    assert await look(busy, first_us) == 1
    months = [each for each in await entries(busy.workshop.store) if each.kind == "monthly"]
    assert [(each.first_day, each.last_day) for each in months] == [("2026-11-01", "2026-11-30")]


async def test_of_servers_that_look_at_once_one_sends(postgres_url: str) -> None:
    stores = [Store.open(postgres_url) for _ in range(3)]
    try:
        ledger = await open_ledger(stores[0])
        await add_two_weeks(ledger, calls=60)
        for number in range(4):
            company = await found_company(stores[0], f"Other {number}")
            await company.hire(f"admin{number}", ("org_admin", company.id))
        await let_be_old(stores[0])
        servers = [Administration(store, Secrets.of(PEPPER)) for store in stores]
        sent = await asyncio.gather(
            *(send_due_reports(each, RULES, at_us=MONDAY_NINE_US) for each in servers for _ in range(3))
        )
        assert sum(sent) == 5
        assert len(await entries(stores[0])) == 5
        assert len(await letters(stores[0], servers[0].secrets.vault)) == 1  # of those without calls nobody hears
    finally:
        for store in stores:
            await store.aclose()


async def test_a_mail_server_that_is_away_gets_it_later(busy: Ledger) -> None:
    store, vault = busy.workshop.store, vault_of(busy)
    assert await look(busy) == 1
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens there
        away = SmtpSettings(host="127.0.0.1", port=closed.getsockname()[1], security="none", sender="T <t@example.com>")
        assert await Delivery(store, vault, SmtpSender(away)).deliver_due() == 1
    (state,) = await busy.workshop.company.look(None, reports.list_reports)
    assert (status_of(state), state.letters[0].status.value) == ("pending", "pending")
    assert state.letters[0].failure
    await store.write(lambda c: c.execute(update(outbox).values(next_attempt_at_us=0)))
    with serving() as server:
        settings = SmtpSettings(host="127.0.0.1", port=server.port, security="none", sender="T <t@example.com>")
        assert await Delivery(store, vault, SmtpSender(settings)).deliver_due() == 1
    (taken,) = server.taken
    assert taken.recipients == [busy.workshop.admin.email]
    assert "Acme" in taken.body("plain")
    assert "<table" in taken.body("html")
    (state,) = await busy.workshop.company.look(None, reports.list_reports)
    assert status_of(state) == "delivered"
    assert await note_letters(busy.workshop.company.administration) == 1
    assert await note_letters(busy.workshop.company.administration) == 0
    await store.write(lambda c: c.execute(delete(outbox)))  # as the outbox forgets it
    (state,) = await busy.workshop.company.look(None, reports.list_reports)
    assert status_of(state) == "delivered"
    assert state.letters[0].delivered_at_us is not None


async def test_without_calls_in_two_weeks_nobody_is_written_to(ledger: Ledger) -> None:
    await let_be_old(ledger.workshop.store)
    assert await look(ledger) == 1
    assert await look(ledger) == 0
    assert await letters(ledger.workshop.store, vault_of(ledger)) == []
    (entry,) = await entries(ledger.workshop.store)
    assert entry.unsent_because == "no_calls"


async def test_a_week_without_calls_after_one_with_some_is_a_short_report(ledger: Ledger) -> None:
    await let_be_old(ledger.workshop.store)
    await ledger.add([WEEK_FROM_US - HOUR_US], seed=2)
    assert await look(ledger) == 1
    ((_, message),) = await letters(ledger.workshop.store, vault_of(ledger))
    assert "There were no calls." in message.text
    assert "By model" not in message.text


async def test_without_a_mail_server_nothing_is_made_unless_somebody_wants_it(busy: Ledger) -> None:
    assert await look(busy, rules=WITHOUT_MAIL) == 0
    await busy.workshop.company.change(None, change_settings, WITHOUT_MAIL, SettingsChanges(weekly=True))
    await _be_on_for_long(busy)
    assert await look(busy, rules=WITHOUT_MAIL) == 1
    (entry,) = await entries(busy.workshop.store)
    assert entry.unsent_because == "no_mail_server"
    assert await letters(busy.workshop.store, vault_of(busy)) == []


async def test_who_is_named_gets_it_as_long_as_they_may_read_it(busy: Ledger) -> None:
    workshop = busy.workshop
    second = await workshop.company.hire("second", ("org_admin", busy.id))
    await workshop.company.change(None, change_settings, RULES, SettingsChanges(recipients=(second.member_id,)))
    assert await look(busy) == 1
    assert [to for to, _ in await letters(workshop.store, vault_of(busy))] == [second.email]
    await workshop.company.change(None, members.remove_member, second.member_id)
    assert await look(busy, MONDAY_NINE_US + 7 * DAY_US) == 1
    assert [to for to, _ in await letters(workshop.store, vault_of(busy))] == [second.email]
    assert sorted(each.unsent_because for each in await entries(workshop.store)) == ["", "nobody"]


async def test_roles_decide_who_may_read_it(busy: Ledger) -> None:
    company = busy.workshop.company
    auditor = await company.change(None, roles.create_role, name="auditor", permissions=frozenset({"analytics:full"}))
    reading = await company.hire("auditor", (auditor.id, busy.id))
    await company.hire("onlooker", ("viewer", busy.id))
    await company.hire("elsewhere", (auditor.id, busy.workshop.team.id))
    assert await look(busy) == 1
    told = [to for to, _ in await letters(busy.workshop.store, vault_of(busy))]
    assert told == [busy.workshop.admin.email, reading.email]


async def test_turning_on_what_is_on_loses_no_report(busy: Ledger) -> None:
    company = busy.workshop.company
    await company.change(None, change_settings, RULES, SettingsChanges(weekly=True, hour=9))
    assert await look(busy) == 1


async def test_what_is_turned_off_and_on_begins_with_the_next_one(busy: Ledger) -> None:
    company = busy.workshop.company
    await company.change(None, change_settings, RULES, SettingsChanges(weekly=False))
    assert await look(busy) == 0
    await company.change(None, change_settings, RULES, SettingsChanges(weekly=True))
    assert await look(busy) == 0


async def test_what_had_its_turn_is_not_collected_again(busy: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await look(busy) == 1

    collected: list[object] = []

    async def collect(*what: object) -> bool:
        collected.append(what)
        return False

    monkeypatch.setattr(report_schedule, "_send", collect)
    assert await look(busy) == 0
    assert collected == []


async def test_what_was_sent_by_hand_goes_out_again_in_its_turn_with_the_same_figures(busy: Ledger) -> None:
    company = busy.workshop.company
    second = await company.hire("second", ("org_admin", busy.id))
    content = await busy.acting(None, reports.prepare_report, "weekly", now_us=MONDAY_NINE_US - HOUR_US)
    sent = await company.change(None, reports.send_report, content, rules=RULES, to=[second.member_id])
    await busy.add([WEEK_FROM_US + HOUR_US], seed=8)
    assert await look(busy) == 1
    assert await look(busy) == 0
    assert [to for to, _ in await letters(busy.workshop.store, vault_of(busy))] == sorted(
        [second.email, second.email, busy.workshop.admin.email]
    )
    kept = await company.look(None, reports.get_report, sent.entry.id)
    assert kept.content == content


@ONLY_SQLITE
async def test_one_organizations_fault_stops_no_others(busy: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    store, other = busy.workshop.store, await found_company(busy.workshop.store, "Other")
    nowhere = await found_company(store, "Nowhere")
    await let_be_old(store)
    content = await busy.acting(None, reports.prepare_report, "weekly", now_us=MONDAY_NINE_US)
    await other.change(None, reports.keep, content)
    broken = update(periodic_report).where(periodic_report.c.organization_id == other.id).values(content="{")
    await store.write(lambda c: c.execute(broken))
    moved = update(organization).where(organization.c.id == nowhere.id).values(timezone="Nowhere/Land")
    await store.write(lambda c: c.execute(moved))
    assert await look(busy) == 1
    assert "Nowhere/Land" in caplog.text
    assert f"the weekly report of organization {other.id} failed" in caplog.text


async def test_the_job_sends_what_is_due_by_the_real_clock(ledger: Ledger) -> None:
    company = ledger.workshop.company
    await let_be_old(ledger.workshop.store)
    today = WEEKDAYS[utc(now_us()).astimezone(ZoneInfo(ZONE)).weekday()]
    await company.change(None, change_settings, RULES, SettingsChanges(monthly=False, weekday=today, hour=0))
    job = send_reports(company.administration, RULES)
    await asyncio.gather(job.run(), job.run())
    await job.run()
    (entry,) = await entries(ledger.workshop.store)
    assert (entry.kind, entry.unsent_because) == ("weekly", "no_calls")


@ONLY_SQLITE
async def test_servers_have_the_job(ledger: Ledger) -> None:
    settings = config.load(environment={config.CONFIG_VARIABLE: "/dev/null"})
    schedule = make_schedule(settings, ledger.workshop.company.administration)
    assert "send_reports" in {job.name for job in schedule._jobs}


async def test_nothing_is_sent_for_the_time_before_there_was_an_organization(ledger: Ledger) -> None:
    await add_two_weeks(ledger, calls=20)
    assert await look(ledger) == 0


async def _be_on_for_long(ledger: Ledger) -> None:
    change = update(report_settings).values(weekly_since_us=0)
    await ledger.workshop.store.write(lambda c: c.execute(change))
