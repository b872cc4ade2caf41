"""How an answer about usage or costs looks: a table for people, JSON for programs. Amounts are exact in both."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tollkeeper.cli.currency_options import shown_beside
from tollkeeper.cli.listing import print_object
from tollkeeper.cli.usage_question import Answer
from tollkeeper.control.display_currency import describe_amount
from tollkeeper.control.usage_lines import COLUMNS, TIME_FORMATS, UsageLine
from tollkeeper.control.usage_records import usd_number
from tollkeeper.domain.money import NANOS_PER_USD, format_usd, known_amount
from tollkeeper.kit.clock import utc

Kind = Literal["usage", "costs"]
NOTHING = "–"
_NOBODY = {"team": "(no team)", "member": "(no member)"}


def show(answer: Answer, kind: Kind) -> None:
    """Print the answer for people."""
    console = Console(highlight=False)
    zone = answer.organization.timezone
    question = answer.question
    console.print(
        f"[bold]{escape(answer.organization.name)}[/bold]  {question.first_day} to {question.last_day} ({zone})\n"
    )
    if not answer.lines:
        console.print("No calls in this time. Send one through the gateway, or look further back with --from.")
        return
    total = total_of(answer.lines)
    print_whole(console, _table(answer, kind, total))
    if beside := shown_beside(total.amount_nanos, answer.organization):
        console.print(f"\n{beside}", markup=False)
    if total.unpriced_requests:
        console.print(
            f"\n{total.unpriced_requests:,} unpriced: no price is known for these calls, so no amount holds them. "
            "List them with: tollkeeper usage --estimated"
        )


def show_json(answer: Answer, kind: Kind) -> None:
    """Print the answer for programs: {"object", "from", "to", "timezone", "by", "data":[…], "total":{…}}.

    `from` and `to` are days, both included. `cost_usd` is an exact number, null when no price is known.
    """
    total, organization = total_of(answer.lines), answer.organization
    print_object(
        {
            "object": f"{kind}.report",
            "organization_id": answer.organization.id,
            "from": answer.question.first_day.isoformat(),
            "to": answer.question.last_day.isoformat(),
            "timezone": answer.organization.timezone,
            "by": list(answer.question.by.titles),
            "data": [{**_described_group(answer, line), **_described_sums(line)} for line in answer.lines],
            "total": _described_sums(total),
            "display": describe_amount(total.amount_nanos, organization.display_currency, organization.language),
        }
    )


def total_of(lines: list[UsageLine]) -> UsageLine:
    """Add lines up; the amount is None when it is not known."""
    unpriced = sum(line.unpriced_requests for line in lines)
    errors = [line.errors for line in lines if line.errors is not None]
    return UsageLine(
        min((line.from_us for line in lines), default=0),
        max((line.to_us for line in lines), default=0),
        {},
        sum(line.requests for line in lines),
        unpriced,
        known_amount(sum(line.amount_nanos or 0 for line in lines), unpriced=unpriced),
        sum(line.input_tokens for line in lines),
        sum(line.output_tokens for line in lines),
        sum(errors) if len(errors) == len(lines) else None,
    )


def print_whole(console: Console, table: Table) -> None:
    """Print a table with every digit: on a narrow terminal the lines run over, no number is cut."""
    needed = Measurement.get(console, console.options.update(max_width=10_000), table).minimum
    console.width = max(console.width, needed)
    console.print(table)


def plain(text: str) -> Text:
    """Return words from outside (labels, models, names) so that they cannot steer the terminal."""
    return Text("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text))


def dollars(nanos: int | None, places: int = 2) -> str:
    """Show an amount exactly, with at least so many decimals: $1,234.50; a dash when it is not known."""
    if nanos is None:
        return NOTHING
    whole, _, part = format_usd(abs(nanos), places_min=places).partition(".")
    return f"{'-' if nanos < 0 else ''}${int(whole):,}.{part}"


def places_of(amounts: list[int | None]) -> int:
    """Return how many decimals show all of these amounts exactly, so that their points align."""
    places = 2
    for amount in amounts:
        rest = abs(amount or 0) % NANOS_PER_USD
        places = max(places, len(f"{rest:09d}".rstrip("0")))
    return places


def share(part: int | None, whole: int | None) -> str:
    """Show a part of a whole in per cent with one decimal."""
    if part is None or not whole:
        return NOTHING
    tenths = (abs(part) * 2000 + abs(whole)) // (2 * abs(whole))
    return f"{tenths // 10}.{tenths % 10} %"


def _table(answer: Answer, kind: Kind, total: UsageLine) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=len(answer.lines) > 1, footer_style="bold")
    titles = answer.question.by.titles or ("",)
    cells = [_group_cells(answer, line) or ("all calls",) for line in answer.lines]
    for position, title in enumerate(titles):
        table.add_column(plain(title.removeprefix("label:")), footer="total" if position == 0 else "", overflow="fold")
    columns = _measures(answer, kind, total)
    for heading, _, footer in columns:
        table.add_column(heading, footer=footer, justify="right", no_wrap=True)
    for number, group in enumerate(cells):
        table.add_row(*map(plain, group), *(values[number] for _, values, _ in columns))
    return table


def _measures(answer: Answer, kind: Kind, total: UsageLine) -> list[tuple[str, list[str], str]]:
    """Return the columns of numbers: heading, a cell per line, the total's cell."""
    lines = answer.lines
    places = places_of([*(line.amount_nanos for line in lines), total.amount_nanos])
    columns = [("requests", [f"{line.requests:,}" for line in lines], f"{total.requests:,}")]
    if kind == "usage":
        if total.errors is not None:
            columns.append(("errors", [f"{line.errors:,}" for line in lines], f"{total.errors:,}"))
        columns.append(("input", [f"{line.input_tokens:,}" for line in lines], f"{total.input_tokens:,}"))
        columns.append(("output", [f"{line.output_tokens:,}" for line in lines], f"{total.output_tokens:,}"))
    amounts = [dollars(line.amount_nanos, places) for line in lines]
    columns.append(("cost", amounts, dollars(total.amount_nanos, places)))
    if kind == "costs":
        shares = [share(line.amount_nanos, total.amount_nanos) for line in lines]
        columns.append(("share", shares, share(total.amount_nanos, total.amount_nanos)))
    if total.unpriced_requests:
        unpriced = [f"{line.unpriced_requests:,}" if line.unpriced_requests else "" for line in lines]
        columns.append(("unpriced", unpriced, f"{total.unpriced_requests:,}"))
    return columns


def _group_cells(answer: Answer, line: UsageLine) -> tuple[str, ...]:
    return tuple(_cell(answer, line, title) for title in answer.question.by.titles)


def _cell(answer: Answer, line: UsageLine, title: str) -> str:
    if title in TIME_FORMATS:
        return _time(answer, line, title)
    if title.startswith("label:"):
        value = line.group["label_value"]
        return "(without)" if value is None else value
    column = COLUMNS[title]
    value = line.group[column] or _NOBODY.get(title, NOTHING)
    names = answer.names.get(column, {})
    if value not in names:
        return value
    name = names[value]
    return f"{name} ({value})" if Counter(names.values())[name] > 1 else name


def _time(answer: Answer, line: UsageLine, title: str) -> str:
    at = utc(line.from_us).astimezone(ZoneInfo(answer.organization.timezone))
    return at.strftime(TIME_FORMATS[title])


def _described_group(answer: Answer, line: UsageLine) -> dict[str, Any]:
    group: dict[str, Any] = {}
    for title in answer.question.by.titles:
        if title in TIME_FORMATS:
            group[title] = _time(answer, line, title)
            group["start_time"] = line.from_us // 1_000_000
        elif title.startswith("label:"):
            group["label"] = line.group["label_value"]
        else:
            group[COLUMNS[title]] = line.group[COLUMNS[title]]
    for column, names in answer.names.items():
        if column in group:
            group[column.removesuffix("_id") + "_name"] = names.get(group[column])
            group[column] = group[column] or None
    return group


def _described_sums(line: UsageLine) -> dict[str, Any]:
    errors = {} if line.errors is None else {"errors": line.errors}
    return {
        "requests": line.requests,
        **errors,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "cost_usd": usd_number(line.amount_nanos),
        "cost_nanos": line.amount_nanos,
        "unpriced_requests": line.unpriced_requests,
    }
