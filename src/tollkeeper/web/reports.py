"""The pages of reports: those that were made, one as it was made or as it would be, sending it, and what is sent when."""

from __future__ import annotations

from datetime import date
from typing import get_args

from starlette.responses import Response

from tollkeeper.control import report_settings, reports
from tollkeeper.control.report_settings import SettingsChanges
from tollkeeper.control.reports import FullReport
from tollkeeper.domain.errors import Conflict, InvalidRequest
from tollkeeper.domain.report_calendar import REPORT_KINDS, WEEKDAYS, ReportKind
from tollkeeper.refusals import classify
from tollkeeper.web.answers import go, page
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.charts import Series, bar_chart
from tollkeeper.web.fields import whole_number
from tollkeeper.web.visitor import Sent, Visitor

_PAGE = 50


KINDS: dict[ReportKind, str] = {"weekly": _("Week"), "monthly": _("Month")}
DAY_NAMES = {
    "monday": _("Monday"),
    "tuesday": _("Tuesday"),
    "wednesday": _("Wednesday"),
    "thursday": _("Thursday"),
    "friday": _("Friday"),
    "saturday": _("Saturday"),
    "sunday": _("Sunday"),
}


async def show(visitor: Visitor) -> Response:
    """Answer the list, with what is sent when."""
    return await _list(visitor)


async def _list(visitor: Visitor, *, wrong: InvalidRequest | None = None) -> Response:
    """Answer the list; `wrong` is why a preview cannot be shown, told beside the form that asks for one."""
    after = visitor.query["after"] or None
    found = await visitor.look(reports.list_reports, after=after, limit=_PAGE + 1)
    state = await visitor.look(report_settings.get_settings, visitor.people.rules)
    return await page(
        visitor,
        "reports.html",
        status=classify(wrong)[0] if wrong else 200,
        wrong=wrong,
        wanted=visitor.query if wrong else Sent([]),
        reports=found[:_PAGE],
        next_after=found[_PAGE - 1].entry.id if len(found) > _PAGE else "",
        state=state,
        kinds=KINDS,
        weekdays=[(each, DAY_NAMES[each]) for each in WEEKDAYS],
        may_set=visitor.may_at("org:manage", visitor.whole),
    )


async def change(visitor: Visitor) -> Response:
    """Set what is sent when."""
    sent = visitor.form
    weekday = next((each for each in WEEKDAYS if each == sent["weekday"]), None)
    hour = whole_number(sent, "hour")
    if weekday is None or hour is None or hour > 23:
        raise InvalidRequest("Choose a day of the week and an hour from 0 to 23.", param="hour")
    changes = SettingsChanges(bool(sent["weekly"]), bool(sent["monthly"]), weekday, hour)
    await visitor.change(report_settings.change_settings, visitor.people.rules, changes)
    return go(f"{visitor.home}/reports", notice="saved")


async def show_one(visitor: Visitor) -> Response:
    """Answer a report as it was made."""
    return await _answer(visitor, await visitor.look(reports.get_report, visitor.path["report"]))


async def preview(visitor: Visitor) -> Response:
    """Answer what the report of a week or month says."""
    try:
        kind = _kind(visitor.query["kind"] or "weekly")
        found = await visitor.look(reports.preview_report, kind, day=_day(visitor.query["day"]))
    except InvalidRequest as wrong:
        return await _list(visitor, wrong=wrong)
    return await _answer(visitor, found)


async def send(visitor: Visitor) -> Response:
    """Send the report that is shown to all who get reports.

    Raises:
        Conflict: it tells of no calls. A program that asks for such a letter gets it.
    """
    kind, day = _kind(visitor.form["kind"]), _day(visitor.form["day"])
    content = await visitor.look(reports.prepare_report, kind, day=day)
    if content.has_nothing_to_tell:
        raise Conflict("There were no calls in this period and in the one before: such a report is not sent.")
    sent = await visitor.change(reports.send_report, content, rules=visitor.people.rules)
    return go(f"{visitor.home}/reports/{sent.entry.id}", notice="sent")


async def _answer(visitor: Visitor, found: FullReport) -> Response:
    content, figures = found.content, visitor.figures
    receivers = (await visitor.look(report_settings.get_settings, visitor.people.rules)).receivers
    chart_data = bar_chart(
        title=visitor._("Cost per day"),
        labels=[figures.day_of(each.day) for each in content.days],
        series=[
            Series(
                visitor._("Cost"),
                [each.sums.amount_nanos for each in content.days],
                [figures.usd_text(each.sums.amount_nanos) for each in content.days],
            )
        ],
    )
    parts = [
        (visitor._("By model"), content.models),
        (visitor._("By team"), content.teams),
        (visitor._("By project"), content.projects),
    ]
    return await page(
        visitor,
        "report.html",
        content=content,
        state=found.state,
        parts=parts,
        kinds=KINDS,
        chart_data=chart_data,
        receivers=receivers,
        may_send=visitor.may_at("org:manage", visitor.whole) and visitor.people.rules.sends_email,
    )


def _kind(text: str) -> ReportKind:
    found = next((each for each in REPORT_KINDS if each == text), None)
    if found is None:
        raise InvalidRequest(f"A report is {' or '.join(get_args(ReportKind))}.", param="kind")
    return found


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest("A day is written like 2026-11-23.", param="day") from None
