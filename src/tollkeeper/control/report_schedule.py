"""Sending reports when their turn comes: each is made and sent once, by whichever server looks first, late after an outage."""

from __future__ import annotations

import logging
from zoneinfo import ZoneInfoNotFoundError

from tollkeeper.control import reports
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Administration, server_job
from tollkeeper.control.report_contents import collect_report
from tollkeeper.control.report_recipients import post_report, receivers_of
from tollkeeper.control.report_settings import settings_of
from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.report import ReportContent
from tollkeeper.domain.report_calendar import REPORT_KINDS, ReportKind, ReportPeriod, default_settings, due_period
from tollkeeper.kit.clock import now_us
from tollkeeper.store import organizations, periodic_reports, report_letters, report_settings
from tollkeeper.store.periodic_reports import Unsent
from tollkeeper.store.report_settings import Subscriber

_WHO = "periodic reports"
_PAGE = 500
_log = logging.getLogger(__name__)
_Due = tuple[str, ReportPeriod]


async def send_due_reports(administration: Administration, rules: AccountRules, *, at_us: int | None = None) -> int:
    """Make and send every report whose turn has come; returns how many. One organization's fault stops no other's.

    Safe to run in several processes at once: a row of which there can be one decides who sends.

    Raises:
        StoreUnavailable: the database is out of reach; what was sent is sent, the rest comes with the next look.
    """
    moment_us = now_us() if at_us is None else at_us
    sent = 0
    for organization_id, period in await _list_due(administration, rules, moment_us):
        try:
            sent += await _send(administration, organization_id, period, rules)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001  # a fault in one report must not keep the others from going out
            _log.exception("the %s report of organization %s failed; it is tried again", period.kind, organization_id)
    return sent


async def note_letters(administration: Administration) -> int:
    """Write down how letters of reports ended, before the outbox forgets them; returns how many.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    return await administration.store.write(lambda c: report_letters.note_ends(c, limit=_PAGE))


async def send_in_turn(action: Action, content: ReportContent, *, rules: AccountRules) -> bool:
    """Keep a report and write its letters, in one transaction; False when its turn has come already.

    Where there is nothing to tell, nobody to tell it to, or no way to, the report is kept and no letter written.
    """
    kept = await reports.keep(action, content)
    receivers = [] if not rules.sends_email else await receivers_of(action, await settings_of(action, rules))
    because: Unsent = ""
    if kept.content.has_nothing_to_tell:
        because, receivers = "no_calls", []
    elif not receivers:
        because = "nobody" if rules.sends_email else "no_mail_server"
    if not await periodic_reports.mark_scheduled(
        action.connection, kept.entry, now_us=action.now_us, unsent_because=because
    ):
        return False
    if receivers:
        reports.record_sending(action, kept, await post_report(action, kept, receivers, rules=rules))
    return True


async def _list_due(administration: Administration, rules: AccountRules, at_us: int) -> list[_Due]:
    """Return whose reports are to have been sent by now and have not had their turn."""
    found: list[_Due] = []
    after: str | None = None
    while True:
        page = await administration.store.read(
            lambda c, after=after: report_settings.list_subscribers(c, after=after, limit=_PAGE)  # type: ignore[misc]
        )
        due = {
            (each.organization_id, kind, period.first_day.isoformat()): (each.organization_id, period)
            for each in page
            for kind in REPORT_KINDS
            if (period := _due_of(each, kind, rules, at_us)) is not None
        }
        done = await administration.store.read(
            lambda c, due=due: periodic_reports.find_scheduled(c, due.keys())  # type: ignore[misc]
        )
        found += [each for key, each in due.items() if key not in done]
        if len(page) < _PAGE:
            return found
        after = page[-1].organization_id


def _due_of(each: Subscriber, kind: ReportKind, rules: AccountRules, at_us: int) -> ReportPeriod | None:
    settings = each.settings or default_settings(created_at_us=each.created_at_us, sends_email=rules.sends_email)
    try:
        return due_period(kind, at_us, settings, each.calendar)
    except ZoneInfoNotFoundError:
        known_as = each.calendar.timezone
        _log.warning("no reports for organization %s: there is no timezone '%s' here", each.organization_id, known_as)
        return None


async def _send(
    administration: Administration, organization_id: str, period: ReportPeriod, rules: AccountRules
) -> bool:
    caller = server_job(organization_id, name=_WHO)
    content = await administration.look(caller, _content_of, period)
    return await administration.change(caller, send_in_turn, content, rules=rules)


async def _content_of(action: Action, period: ReportPeriod) -> ReportContent:
    kept = await periodic_reports.find_report(
        action.connection, action.organization_id, period.kind, first_day=period.first_day.isoformat()
    )
    if kept is not None:
        return kept.content
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "it was listed a moment ago, and none is ever deleted"
    return await collect_report(action, period, organization)
