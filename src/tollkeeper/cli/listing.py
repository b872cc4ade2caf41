"""How lists and single things are shown: tables without lines for people, JSON with ISO times for programs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from tollkeeper.control.blueprint.forms import show_time
from tollkeeper.domain.money import NANOS_PER_USD, format_usd

T = TypeVar("T")
_UNBOUNDED, _GAP = 400, 2
"""Columns of characters: of a line that never breaks, and between two columns of a table."""
_JSON = msgspec.json.Encoder(decimal_format="number")


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Collection[str] = ()) -> None:
    """Print a table; the columns in `numbers` stand to the right.

    Lines break between words. A cell may have lines of its own, which stand in one where nothing bounds the width: in a
    file or a pipe, unless COLUMNS says otherwise.
    """
    console = wide_console()
    cells = [tuple(titles), *(tuple(row) for row in rows)]
    if console.width == _UNBOUNDED:
        cells = [tuple("  ".join(cell.split("\n")) for cell in row) for row in cells]
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(titles))
    for title, width in zip(titles, _widths(cells, console.width), strict=True):
        table.add_column(title, justify="right" if title in numbers else "left", overflow="fold", width=width)
    for row in cells[1:]:
        table.add_row(*row)
    console.print(table)


def wide_console() -> Console:
    """Return a console as wide as the terminal; in a file or a pipe as wide as COLUMNS says, or so that nothing breaks."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = shutil.get_terminal_size((_UNBOUNDED, 24)).columns
    return console


def counted(amount: int, unit: str) -> str:
    """Show a count with its unit, in words that agree: 1 request, 2 requests, 3 calls at once."""
    one, many = ("call at once", "calls at once") if unit == "concurrent" else (unit.removesuffix("s"), unit)
    return f"{amount:,} {one if amount == 1 else many}".rstrip()


def _widths(cells: Sequence[Sequence[str]], total: int) -> list[int]:
    """Return how wide columns are: as wide as their longest word, and what is left over for those that would need more."""
    columns = list(zip(*cells, strict=True))
    wanted = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]
    widths = [max((cell_len(word) for cell in column for word in cell.split()), default=0) for column in columns]
    free = total - sum(widths) - _GAP * (len(columns) - 1)
    while free < 0 and max(widths) > 1:  # longer words than there is room: the longest break
        widths[widths.index(max(widths))] -= 1
        free += 1
    while free > 0 and widths != wanted:
        short = [at for at, width in enumerate(widths) if width < wanted[at]]
        nearest = min(short, key=lambda at: wanted[at] - widths[at])  # so that as many as possible need no break
        more = min(free, wanted[nearest] - widths[nearest])
        widths[nearest] += more
        free -= more
    return widths


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
