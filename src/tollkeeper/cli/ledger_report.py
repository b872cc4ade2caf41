"""What `tollkeeper db verify` says of the ledger, to people and to programs."""

from __future__ import annotations

from typing import Any

from tollkeeper.cli.listing import dollars
from tollkeeper.store.engine import Store
from tollkeeper.store.verify_ledger import VerifiedBooks, verify_ledger

_SHOWN_MAX = 50


async def verify_books(store: Store) -> list[VerifiedBooks]:
    """Verify every organization's books."""
    return [books async for books in verify_ledger(store)]


def as_object(verified: list[VerifiedBooks]) -> dict[str, Any]:
    """Return the outcome for programs."""
    return {
        "transactions": sum(books.transactions for books in verified),
        "unbooked_nanos": sum(books.unbooked_nanos for books in verified),
        "differences": [
            {
                "table": each.table,
                "key": each.key,
                "column": each.column,
                "expected": each.expected,
                "found": each.found,
            }
            for books in verified
            for each in books.differences
        ],
    }


def print_report(report: dict[str, Any]) -> None:
    """Print the outcome for a person."""
    differences = report["differences"]
    for entry in differences[:_SHOWN_MAX]:
        figures = "" if entry["expected"] is None else f": expected {entry['expected']}, found {entry['found']}"
        print(f"{entry['table']}.{entry['column']}{figures}")
        print(f"    {' '.join(f'{name}={value}' for name, value in entry['key'].items() if value)}")
    if len(differences) > _SHOWN_MAX:
        print(f"... and {len(differences) - _SHOWN_MAX:,} more; all of them with --json")
    counted = f"{report['transactions']:,} transactions of the ledger"
    if differences:
        print(f"{counted}: {len(differences):,} differences.")
        return
    open_ = report["unbooked_nanos"]
    rest = f" {dollars(open_)} of the last days' usage are still to be booked." if open_ else ""
    print(f"{counted}: balances, credit and usage agree with them.{rest}")
