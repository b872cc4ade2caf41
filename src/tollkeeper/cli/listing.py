"""How lists and single things are shown: tables without lines for people, JSON with ISO times for programs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from rich.console import Console
from rich.table import Table

from tollkeeper.control.blueprint.forms import show_time
from tollkeeper.domain.money import NANOS_PER_USD, format_usd

T = TypeVar("T")
_JSON = msgspec.json.Encoder(decimal_format="number")


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Collection[str] = ()) -> None:
    """Print a table; the columns in `numbers` stand to the right. In a file or a pipe no line is folded."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 400
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(titles))
    for title in titles:
        is_number = title in numbers
        is_whole = is_number or title == "id"
        table.add_column(title, justify="right" if is_number else "left", overflow="fold", no_wrap=is_whole)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_object(value: Any) -> None:
    """Print a value as indented JSON; Decimals are numbers with all their digits."""
    print(json_text(value))


def json_text(value: Any) -> str:
    """Return a value as indented JSON; Decimals are numbers with all their digits."""
    return msgspec.json.format(_JSON.encode(value), indent=2).decode()


def print_list(found: Iterable[T], show: Callable[[T], dict[str, Any]]) -> None:
    """Print a list as the API answers one."""
    print_object({"object": "list", "data": [show(each) for each in found]})


def shown_time(at_us: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC."""
    return None if at_us is None else show_time(at_us)


def shown_usd(nanos: int | None) -> Decimal | None:
    """Return an amount as a JSON number with all its digits."""
    return None if nanos is None else (Decimal(nanos) / NANOS_PER_USD).normalize() + 0


def dollars(nanos: int | None) -> str:
    """Show an amount to a person."""
    return "–" if nanos is None else f"${format_usd(nanos)}"
