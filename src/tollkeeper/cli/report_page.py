"""How a report looks in a terminal: exact amounts, the period before beside them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import typer

from tollkeeper.cli.budget_options import shown_in
from tollkeeper.cli.listing import dollars, print_table
from tollkeeper.control.budget_status import local_time
from tollkeeper.domain.report import (
    Breakdown,
    BudgetAtRisk,
    By,
    Change,
    Mover,
    ReportContent,
    ReportLine,
    Sums,
    change_between,
)

_TITLES = ("calls", "cost", "before", "change")
_UNKNOWN = "–"


def print_report(content: ReportContent) -> None:
    """Print a report for a person."""
    kind = "week" if content.kind == "weekly" else "month"
    typer.echo(
        f"{content.organization_name}, the {kind} from {content.first_day} to {content.last_day} ({content.timezone})\n"
    )
    if content.has_nothing_to_tell:
        typer.echo(f"No calls, and none in the {kind} before.")
    else:
        _print_total(content, kind)
        parts: tuple[tuple[By, Breakdown], ...] = (
            ("model", content.models),
            ("project", content.projects),
            ("team", content.teams),
        )
        for by, part in parts:
            _print_part(by, part)
        _print_movers("risen most", content.risen)
        _print_movers("fallen most", content.fallen)
    _print_budgets(content)
    _print_doubts(content)


def _print_total(content: ReportContent, kind: str) -> None:
    rows = [(f"this {kind}", *_figures(content.total, content.before))]
    print_table(("", *_TITLES), rows, numbers=_TITLES)
    if content.most_used_model is not None:
        typer.echo(f"\nmost used model: {content.most_used_model}")


def _print_part(by: By, part: Breakdown) -> None:
    if not any(each.value for each in part.lines):
        return  # all of it is of none
    rows = [(_name(each), *_figures(each.now, each.before)) for each in part.lines]
    if part.others_now.requests or part.others_before.requests:
        rows.append((f"{part.others_count:,} others", *_figures(part.others_now, part.others_before)))
    if rows:
        typer.echo("")
        print_table((by, *_TITLES), rows, numbers=_TITLES)


def _print_movers(title: str, moved: tuple[Mover, ...]) -> None:
    if moved:
        typer.echo("")
        rows = [(f"{_name(each.line)} ({each.by})", *_figures(each.line.now, each.line.before)) for each in moved]
        print_table((title, *_TITLES), rows, numbers=_TITLES)


def _print_budgets(content: ReportContent) -> None:
    if not content.budgets:
        return
    zone = ZoneInfo(content.timezone)
    typer.echo("")
    rows = [_budget(each, zone) for each in content.budgets]
    typer.echo(f"budgets as of {local_time(content.made_at_us, zone):%Y-%m-%d %H:%M %Z}:")
    print_table(("budget at risk", "used", "of", "expected", "until"), rows, numbers=("used", "of", "expected"))
    if content.budgets_more:
        typer.echo(f"{content.budgets_more:,} more; see all with: tollkeeper budgets status")


def _print_doubts(content: ReportContent) -> None:
    total, estimated = content.total, content.estimated
    if total.unpriced_requests:
        typer.echo(
            f"\n{total.unpriced_requests:,} unpriced: no price is known for these calls, so no amount holds them."
        )
    if estimated.requests:
        typer.echo(f"\n{estimated.requests:,} estimated: {dollars(estimated.cost_nanos)}")


def _figures(now: Sums, before: Sums) -> tuple[str, str, str, str]:
    return (
        f"{now.requests:,}",
        dollars(now.cost_nanos),
        dollars(before.cost_nanos),
        _written(change_between(before, now)),
    )


def _written(change: Change) -> str:
    if change.is_new:
        return "new"
    if change.permille is None:
        return _UNKNOWN
    whole, part = divmod(abs(change.permille), 10)
    sign = "-" if change.permille < 0 else "+"
    return f"{sign}{whole:,}.{part}%"


def _name(line: ReportLine) -> str:
    return line.name or line.value or "(none)"


def _budget(each: BudgetAtRisk, zone: ZoneInfo) -> tuple[str, str, str, str, str]:
    model = f", {each.model}" if each.model else ""
    until = "–" if each.resets_at_us is None else f"{local_time(each.resets_at_us, zone):%Y-%m-%d %H:%M %Z}"
    return (
        f"{each.scope_name or each.scope_id} ({each.scope_kind.replace('_', ' ')}, {each.period}{model})",
        shown_in(each.unit, each.used),
        shown_in(each.unit, each.limit),
        _UNKNOWN if each.projected is None else shown_in(each.unit, each.projected),
        f"{until}, stopped" if each.is_stopped else until,
    )
