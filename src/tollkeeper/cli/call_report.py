"""How single calls look at the command line: a page of them as a table, or one opened with its steps, limits and charge."""

from __future__ import annotations

from typing import Any

import typer
from rich.console import Console

from tollkeeper.cli.listing import counted, print_table
from tollkeeper.cli.operator import Operator
from tollkeeper.cli.usage_records import show_record
from tollkeeper.cli.usage_table import dollars, places_of, plain
from tollkeeper.control.call_views import describe_opened
from tollkeeper.control.calls import CallPage, FoundCall, OpenedCall
from tollkeeper.control.refused_calls import FoundRefusal, RefusalPage
from tollkeeper.control.usage_records import request_id_of
from tollkeeper.domain.call_decision import LookedAt
from tollkeeper.domain.call_steps import CallTimes, steps_of, times_of
from tollkeeper.domain.money import format_usd
from tollkeeper.domain.usage import tokens_of

_TITLES = ("time", "request", "status", "model", "project", "key", "input", "output", "cost")
_REFUSED_TITLES = ("time", "request", "status", "reason", "model", "project", "key", "limit")
_PERIODS = {
    "minute": "per minute",
    "daily": "per day",
    "weekly": "per week",
    "monthly": "per month",
    "total": "in all",
}
_NUMBERS = ("status", "input", "output", "cost")


def show_page(page: CallPage, operator: Operator) -> None:
    """Print a page of calls, and where it goes on."""
    if page.calls:
        places = places_of([each.record.amount_nanos for each in page.calls])
        rows = [_row(each, page, operator, places) for each in page.calls]
        print_table(_TITLES, rows, numbers=_NUMBERS)
    elif page.end is None:
        typer.echo("No such call. Say less, or look at what there is with: tollkeeper calls")
    if page.end is not None:
        searched = operator.moment(page.searched_to_us)
        typer.echo(f"\nLooked back to {searched}. Look on with: --after {page.end.hex()}")


def show_refusals(page: RefusalPage, operator: Operator) -> None:
    """Print a page of refused calls, and where it goes on."""
    if page.refused:
        print_table(_REFUSED_TITLES, [_refused_row(each, page, operator) for each in page.refused], numbers=("status",))
        typer.echo("\nWhy one was refused, with all figures: tollkeeper explain REQUEST")
    elif page.end is None:
        typer.echo(
            "No such refused call; they are kept for 30 days. Say less, or look at all: tollkeeper calls --refused"
        )
    if page.end is not None:
        searched = operator.moment(page.searched_to_us)
        typer.echo(f"\nLooked back to {searched}. Look on with: --after {page.end.hex()}")


def show_opened(opened: OpenedCall, operator: Operator) -> None:
    """Print one call whole."""
    record = opened.call.record
    show_record(record, operator.organization, opened.names)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    times = times_of(record)
    console.print()
    for number, step in enumerate(steps_of(record), start=1):
        facts = ", ".join(f"{_fact(name, value)}" for name, value in step.facts.items() if value is not None)
        took = "" if step.duration_us is None else f"  [{_ms(step.duration_us)}]"
        console.print(plain(f"{number}. {step.name:<13}{facts}{took}"))
    console.print(f"   {_told(times)}")
    limits = describe_opened(opened)["limits"] or []
    if limits:
        console.print(f"\nLet in by {len(limits)} limits; their figures: tollkeeper explain {request_id_of(record)}")


def _told(times: CallTimes) -> str:
    if times.is_by_step:
        own = f"Tollkeeper's own part of it {_ms(times.own_us)}"
        return f"in all {_ms(times.total_us)}, {own}; settling writes this down, so its time is not in it"
    return f"all steps but the waiting together: {_ms(times.own_us)}; what one of them took is not recorded"


def _row(found: FoundCall, page: CallPage, operator: Operator, places: int) -> tuple[str, ...]:
    record = found.record
    inputs, outputs = tokens_of(record.quantities)
    status = str(record.status or "–")
    return (
        operator.moment(record.started_at_us),
        request_id_of(record),
        status if record.outcome == "complete" else f"{status} {record.outcome.value}",
        str(plain(record.model_served)),
        str(plain(page.names["project_id"].get(record.project_id, record.project_id))),
        str(plain(page.names["api_key_id"].get(record.api_key_id, record.api_key_id))),
        f"{inputs:,}",
        f"{outputs:,}",
        dollars(record.amount_nanos, places),
    )


def _refused_row(found: FoundRefusal, page: RefusalPage, operator: Operator) -> tuple[str, ...]:
    decision, limit = found.decision, found.limit
    return (
        operator.moment(decision.at_us),
        f"req_{decision.call_id.hex()}",
        str(decision.status),
        decision.code,
        str(plain(decision.model)) or "–",
        str(plain(page.names["project_id"].get(decision.project_id, decision.project_id))),
        str(plain(page.names["api_key_id"].get(decision.api_key_id, decision.api_key_id))),
        "–" if limit is None else str(plain(_refuser(limit))),
    )


def _refuser(limit: LookedAt) -> str:
    """Say which limit it is: how much of what, what is used of it, and what the call would have needed."""
    whose = f"{limit.scope_kind.replace('_', ' ')} {limit.scope_name or limit.scope_id or limit.id}".strip()
    terms = f"{limit.period} {limit.kind} of {limit.unit}" if limit.limit is None else _amount(limit, limit.limit)
    period = f" {_PERIODS.get(limit.period, limit.period)}" if limit.limit is not None and limit.period else ""
    figures = [
        f"{_amount(limit, amount)} {name}"
        for name, amount in (("used", limit.used), ("reserved", limit.reserved), ("needed", limit.needed))
        if amount is not None and (amount or name != "reserved")
    ]
    return ", ".join([f"{whose}: {terms.strip()}{period}", *([limit.model] if limit.model else []), *figures])


def _amount(limit: LookedAt, amount: int) -> str:
    return dollars(amount) if limit.unit == "usd" else counted(amount, limit.unit)


def _fact(name: str, value: Any) -> str:
    if name.endswith("_nanos"):
        return f"{name.removesuffix('_nanos')} ${format_usd(value)}"
    if name.endswith("_us"):
        return f"{name.removesuffix('_us').replace('_', ' ')} {_ms(value)}"
    return f"{name.replace('_', ' ')} {value}"


def _ms(duration_us: int) -> str:
    return f"{duration_us // 1000:,}.{duration_us % 1000:03d} ms"
