"""Reports of weeks and months as people use them: listed, read, previewed, sent by hand; each is made once and then kept."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import msgspec

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.report_contents import collect_report
from tollkeeper.control.report_recipients import READ, check_recipients, post_report, receivers_of
from tollkeeper.control.report_settings import MANAGE, settings_of
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, TooManyAttempts
from tollkeeper.domain.report import ReportContent
from tollkeeper.domain.report_calendar import Calendar, ReportKind, ReportPeriod, last_closed, period_with
from tollkeeper.domain.tenancy import Organization
from tollkeeper.kit.ids import new_id
from tollkeeper.store import organizations, periodic_reports, report_letters
from tollkeeper.store.periodic_reports import KeptReport, ReportEntry
from tollkeeper.store.report_letters import ReportLetter

LETTERS_PER_HOUR_MAX = 500
"""How many letters of reports an organization may send within an hour when somebody asks for them."""
FIRST_DAY, LAST_DAY = date(1971, 1, 1), date(2099, 12, 31)
"""What a day that names a period may be."""
_HOUR_US = 3_600_000_000


class ReportState(msgspec.Struct, frozen=True):
    """A report that was made, without its content, and the letters that went out with it."""

    entry: ReportEntry
    letters: tuple[ReportLetter, ...]


class FullReport(msgspec.Struct, frozen=True):
    """A report with its content. Of one that is only a preview there is no `state`."""

    content: ReportContent
    state: ReportState | None = None


async def list_reports(
    action: Action, *, kind: ReportKind | None = None, after: str | None = None, limit: int = 100
) -> list[ReportState]:
    """Return the reports that were made, the last one first.

    Raises:
        PermissionDenied: the caller may not read the whole organization's usage.
    """
    action.require(READ, action.organization)
    found = await periodic_reports.list_reports(
        action.connection, action.organization_id, kind=kind, after=after, limit=limit
    )
    letters = await report_letters.list_letters(action.connection, action.organization_id, [each.id for each in found])
    return [ReportState(each, tuple(letters[each.id])) for each in found]


async def get_report(action: Action, report_id: str) -> FullReport:
    """Return a report as it was when it was made.

    Raises:
        PermissionDenied: the caller may not read the whole organization's usage.
        NotFound: the organization has none of this id.
    """
    action.require(READ, action.organization)
    found = await periodic_reports.get_report(action.connection, action.organization_id, report_id)
    if found is None:
        raise NotFound(f"There is no report '{report_id}'.")
    return await _with_letters(action, found)


async def preview_report(action: Action, kind: ReportKind, *, day: date | None = None) -> FullReport:
    """Return what the report of the week or month with a day says, of the last one without: the kept one, else as of now.

    Raises:
        PermissionDenied: the caller may not read the whole organization's usage.
        InvalidRequest: the period is not over.
    """
    action.require(READ, action.organization)
    organization = await _organization(action)
    period = choose_period(action, organization, kind, day=day)
    kept = await _find(action, period)
    if kept is not None:
        return await _with_letters(action, kept)
    return FullReport(await collect_report(action, period, organization))


async def prepare_report(action: Action, kind: ReportKind, *, day: date | None = None) -> ReportContent:
    """Return what `send_report` is to send; collecting it there would keep other writers waiting.

    Raises:
        PermissionDenied: the caller may not send reports.
        InvalidRequest: the period is not over.
    """
    require_send(action)
    organization = await _organization(action)
    period = choose_period(action, organization, kind, day=day)
    kept = await _find(action, period)
    return kept.content if kept is not None else await collect_report(action, period, organization)


async def send_report(
    action: Action, content: ReportContent, *, rules: AccountRules, to: Collection[str] | None = None
) -> ReportState:
    """Send a report to members, to all who get reports without `to`. One that was made before is sent as it was made.

    That it is sent by hand does not keep it from being sent when its turn comes.

    Raises:
        PermissionDenied: the caller may not send reports.
        NotFound, InvalidRequest: `to` names somebody who is no member, or may not read reports.
        Conflict: there is no mail server, or nobody to write to.
        TooManyAttempts: the organization has sent as many letters as it may within an hour.
    """
    require_send(action)
    await organizations.lock_organization(
        action.connection, action.organization_id
    )  # so that no two count the same letters
    if not rules.sends_email:
        raise Conflict("No mail server is set (email.host), so nothing can be sent; read the report instead.")
    if to is not None:
        receivers = await check_recipients(action, to, param="to")
    else:
        receivers = await receivers_of(action, await settings_of(action, rules))
    if not receivers:
        raise Conflict(f"Nobody here may read reports; give somebody a role with '{READ}' for the whole organization.")
    await _require_few(action, len(receivers))
    kept = await keep(action, content)
    letters = await post_report(action, kept, receivers, rules=rules)
    record_sending(action, kept, letters)
    return ReportState(kept.entry, tuple(letters))


async def keep(action: Action, content: ReportContent) -> KeptReport:
    """Keep a report and return it; the one that was made of this period before, if there is one."""
    made = ReportEntry(
        organization_id=action.organization_id,
        id=new_id("rep"),
        kind=content.kind,
        first_day=content.first_day,
        last_day=content.last_day,
        made_at_us=content.made_at_us,
        requests=content.total.requests,
        unpriced_requests=content.total.unpriced_requests,
        amount_nanos=content.total.amount_nanos,
    )
    return await periodic_reports.keep_report(action.connection, KeptReport(made, content))


def record_sending(action: Action, kept: KeptReport, letters: Collection[ReportLetter]) -> None:
    """Note in the audit log what went to whom."""
    action.record(
        "report.send",
        Target("report", kept.entry.id, f"{kept.entry.kind} {kept.entry.first_day}"),
        after={"recipients": sorted(each.member_id for each in letters)},
    )


def choose_period(action: Action, organization: Organization, kind: ReportKind, *, day: date | None) -> ReportPeriod:
    """Return the week or month with a day, the last one that is over without.

    Raises:
        InvalidRequest: it is not over, or the day is none of any calls.
    """
    calendar = Calendar(organization.timezone, organization.fiscal_month_start)
    if day is None:
        return last_closed(kind, action.now_us, calendar)
    if not FIRST_DAY <= day <= LAST_DAY:
        raise InvalidRequest(f"A period is named by a day from {FIRST_DAY} to {LAST_DAY}.", param="period")
    period = period_with(kind, day, calendar)
    if period.to_us > action.now_us:
        what = "week" if kind == "weekly" else "month"
        message = f"The {what} with {day} is not over; a report is of one that is."
        raise InvalidRequest(message, param="period")
    return period


def require_send(action: Action) -> None:
    """Pass when the caller may send reports.

    Raises:
        PermissionDenied: the caller does not manage the organization.
    """
    action.require(MANAGE, action.organization)


async def _organization(action: Action) -> Organization:
    found = await organizations.get_organization(action.connection, action.organization_id)
    assert found is not None, "its callers are gone with it"
    return found


async def _find(action: Action, period: ReportPeriod) -> KeptReport | None:
    return await periodic_reports.find_report(
        action.connection, action.organization_id, period.kind, first_day=period.first_day.isoformat()
    )


async def _with_letters(action: Action, kept: KeptReport) -> FullReport:
    letters = await report_letters.list_letters(action.connection, action.organization_id, [kept.entry.id])
    return FullReport(kept.content, ReportState(kept.entry, tuple(letters[kept.entry.id])))


async def _require_few(action: Action, count: int) -> None:
    sent = await report_letters.count_letters(
        action.connection, action.organization_id, since_us=action.now_us - _HOUR_US
    )
    if sent + count > LETTERS_PER_HOUR_MAX:
        raise TooManyAttempts(
            f"An organization can have {LETTERS_PER_HOUR_MAX} letters of reports sent within an hour.",
            retry_after_seconds=_HOUR_US // 1_000_000,
        )
