"""`tollkeeper reports`: list, show, preview and send the reports of weeks and months, and set when they go to whom."""

from __future__ import annotations

from datetime import date
from typing import Annotated, cast

import typer

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import dollars, print_list, print_object, print_table
from tollkeeper.cli.naming import named_member
from tollkeeper.cli.operator import Operator, as_operator, rules_of
from tollkeeper.cli.report_page import print_report
from tollkeeper.control import report_settings, reports
from tollkeeper.control.report_settings import SettingsChanges, SettingsState
from tollkeeper.control.report_views import shown_entry, shown_report, shown_settings, shown_state, status_of
from tollkeeper.control.reports import FullReport, ReportState
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.report_calendar import REPORT_KINDS, WEEKDAYS, ReportKind, Weekday
from tollkeeper.kit.nearest import did_you_mean

app = typer.Typer(help="List, show, preview, send and set the reports of weeks and months.", no_args_is_help=True)
KindArgument = Annotated[str, typer.Argument(help="weekly or monthly.")]
PeriodOption = Annotated[
    str | None,
    typer.Option("--period", help="Any day of the week or month: 2026-11-16. Without, the last one that is over."),
]
_NAMED = {"weekly": "week", "monthly": "month"}
_HOUR_MAX = 23


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option("--kind", help="Only weekly or monthly ones.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="The most to show.")] = 50,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the reports that were made, the last one first, and what became of them."""
    wanted = None if kind is None else _kind(kind)

    async def work(operator: Operator) -> tuple[list[ReportState], Operator]:
        return await operator.look(reports.list_reports, kind=wanted, limit=limit), operator

    found, operator = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, shown_entry)
    elif not found:
        typer.echo("No reports yet. Look at the last week with: tollkeeper reports preview weekly")
    else:
        print_table(
            ("id", "days", "calls", "cost", "status"),
            [_row(each, operator) for each in found],
            numbers=("calls", "cost"),
        )


@app.command("show")
def show(
    report: Annotated[str, typer.Argument(help="The report's id (rep_…).")],
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a report with exact figures, as it was when it was made."""

    async def work(operator: Operator) -> FullReport:
        return await operator.look(reports.get_report, report)

    _print(as_operator(load(config, database), org, work), as_json=as_json)


@app.command("preview")
def preview(
    kind: KindArgument,
    period: PeriodOption = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a report says, without sending it: as it was sent if it was, else as of now."""
    wanted, day = _kind(kind), _day(period)

    async def work(operator: Operator) -> FullReport:
        return await operator.look(reports.preview_report, wanted, day=day)

    _print(as_operator(load(config, database), org, work), as_json=as_json)


@app.command("send")
def send(
    kind: KindArgument,
    period: PeriodOption = None,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="A member who may read reports, by id or e-mail address; may be repeated."),
    ] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a report by hand: to these members, or to everybody who gets reports."""
    configuration = load(config, database)
    rules, wanted, day = rules_of(configuration), _kind(kind), _day(period)

    async def work(operator: Operator) -> ReportState:
        members = [(await operator.look(named_member, each)).id for each in to] if to else None
        content = await operator.look(reports.prepare_report, wanted, day=day)
        return await operator.change(reports.send_report, content, rules=rules, to=members)

    sent = as_operator(configuration, org, work)
    if as_json:
        print_object(shown_state(sent))
    else:
        whom = ", ".join(each.recipient for each in sent.letters)
        typer.echo(f"{sent.entry.id} goes to {whom} within seconds of a server running.")


@app.command("settings")
def settings(
    weekly: Annotated[bool | None, typer.Option("--weekly/--no-weekly", help="Send the week's report.")] = None,
    monthly: Annotated[bool | None, typer.Option("--monthly/--no-monthly", help="Send the month's report.")] = None,
    weekday: Annotated[
        str | None, typer.Option("--weekday", help="When the week's report goes out: monday, tuesday ….")
    ] = None,
    hour: Annotated[
        int | None, typer.Option("--hour", min=0, max=_HOUR_MAX, help="At which hour, in the organization's timezone.")
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="Only to this member, by id or e-mail address; may be repeated."),
    ] = None,
    to_all: Annotated[bool, typer.Option("--to-all", help="To everybody who may read reports.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show when reports go out and to whom; with options, change it."""
    if to and to_all:
        raise InvalidRequest("Say --to or --to-all, not both.", param="to")
    configuration = load(config, database)
    rules = rules_of(configuration)
    on = None if weekday is None else _weekday(weekday)

    async def work(operator: Operator) -> tuple[SettingsState, Operator]:
        recipients = tuple([(await operator.look(named_member, each)).id for each in to]) if to else None
        wanted = SettingsChanges(weekly, monthly, on, hour, () if to_all else recipients)
        if wanted == SettingsChanges():
            return await operator.look(report_settings.get_settings, rules), operator
        return await operator.change(report_settings.change_settings, rules, wanted), operator

    state, operator = as_operator(configuration, org, work)
    if as_json:
        print_object(shown_settings(state))
    else:
        _print_settings(state, operator)


def _print(report: FullReport, *, as_json: bool) -> None:
    if as_json:
        print_object(shown_report(report))
    else:
        print_report(report.content)


def _print_settings(state: SettingsState, operator: Operator) -> None:
    set_ = state.settings
    for kind in REPORT_KINDS:
        next_us = state.next_us.get(kind)
        what = "off" if next_us is None else f"on, next {operator.moment(next_us)}"
        typer.echo(f"{kind:<8} {what}")
    typer.echo(
        f"when     {WEEKDAYS[set_.weekday]}, the month's on its first day, at {set_.hour:02}:00 ({state.timezone})"
    )
    whom = ", ".join(each.email for each in state.receivers) or "nobody: give somebody a role with analytics:full"
    typer.echo(f"to       {whom}" + ("" if set_.recipients else " (everybody who may read reports)"))
    if not state.sends_email:
        typer.echo("No mail server is set (email.host): reports are made when they are on, and not sent.")


def _row(each: ReportState, operator: Operator) -> tuple[str, str, str, str, str]:
    entry = each.entry
    status = status_of(each).replace("_", " ")
    told = (
        f"{status} ({entry.unsent_because.replace('_', ' ')})" if not each.letters and entry.unsent_because else status
    )
    return (
        f"{entry.id}\n{entry.kind}, made {operator.moment(entry.made_at_us)}",
        f"{entry.first_day} to {entry.last_day}",
        f"{entry.requests:,}",
        dollars(entry.cost_nanos),
        "\n".join([told, *(f"{letter.recipient}: {letter.status.value}" for letter in each.letters)]),
    )


def _kind(text: str) -> ReportKind:
    found = next((each for each in REPORT_KINDS if text in {each, _NAMED[each]}), None)
    if found is None:
        raise InvalidRequest(f"There is no kind '{text}'; there are weekly and monthly.", param="kind")
    return found


def _weekday(text: str) -> Weekday:
    if text.lower() not in WEEKDAYS:
        raise InvalidRequest(f"There is no weekday '{text}'.{did_you_mean(text, WEEKDAYS)}", param="weekday")
    return cast("Weekday", text.lower())


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"'{text}' is no day such as 2026-11-16.", param="period") from None
