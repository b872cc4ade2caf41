"""What `tollkeeper db verify` says of budgets and leases, to people and to programs."""

from __future__ import annotations

from typing import Any

from tollkeeper.store.engine import Store
from tollkeeper.store.verify_leases import VerifiedBudgets, verify_budgets

_SHOWN_MAX = 50


async def verify_all_budgets(store: Store) -> list[VerifiedBudgets]:
    """Verify every organization's budgets."""
    return [verified async for verified in verify_budgets(store)]


def as_object(verified: list[VerifiedBudgets]) -> dict[str, Any]:
    """Return the outcome for programs."""
    return {
        "nodes": sum(each.nodes for each in verified),
        "leases": sum(each.leases for each in verified),
        "overrun_nodes": sum(each.overrun_nodes for each in verified),
        "differences": [
            {
                "table": each.table,
                "key": each.key,
                "column": each.column,
                "expected": each.expected,
                "found": each.found,
            }
            for organization in verified
            for each in organization.differences
        ],
    }


def print_report(report: dict[str, Any]) -> None:
    """Print the outcome for a person."""
    differences = report["differences"]
    for entry in differences[:_SHOWN_MAX]:
        print(f"{entry['table']}.{entry['column']}: expected {entry['expected']}, found {entry['found']}")
        print(f"    {' '.join(f'{name}={value}' for name, value in entry['key'].items() if value)}")
    if len(differences) > _SHOWN_MAX:
        print(f"... and {len(differences) - _SHOWN_MAX:,} more; all of them with --json")
    counted = f"{report['leases']:,} leases on {report['nodes']:,} budgets and windows"
    if differences:
        print(f"{counted}: {len(differences):,} differences.")
        return
    beyond = report["overrun_nodes"]
    rest = (
        f" {beyond:,} are beyond their limit, as is known: it was lowered, or calls came to more than was reserved."
        if beyond
        else ""
    )
    print(f"{counted}: limits, leases and usage records agree.{rest}")
