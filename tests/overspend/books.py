"""The books at the end of a scenario, everything stopped: nodes, leases and records against the provider's bill."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from tests.live.databases import read_records
from tests.live.judge import Verdict, judge
from tests.live.processes import get_json
from tests.overspend.fleet import Fleet
from tests.overspend.places import Places
from tests.overspend.tables import read_leases, read_nodes
from tests.overspend.watch import billed_under


@dataclass(slots=True)
class Books:
    """What was found. `used_part` is the bill under the project as a part of 1 of its limit."""

    verdict: Verdict = field(default_factory=Verdict)
    used_part: float = 0.0
    escrow_left: int = 0
    problems: list[str] = field(default_factory=list)


def check_books(fleet: Fleet, places: Places, *, is_exact: bool) -> Books:
    """Compare everything. `is_exact` says that nothing may be estimated: then what is used is the bill, to the nano."""
    books = Books()
    summary = _idle_summary(fleet)
    records = read_records(fleet.database_url)
    books.verdict = judge(records, fleet.simulator.bill())
    books.problems += books.verdict.faults
    if is_exact and (books.verdict.estimated or books.verdict.crashed):
        books.problems.append(f"estimated: {books.verdict.estimated[:3]} crashed: {books.verdict.crashed[:3]}")
    rows = asyncio.run(read_nodes(fleet.database_url))
    books.escrow_left = sum(row.escrow for row in rows.values())
    if books.escrow_left:
        books.problems.append(f"escrow is left: {[row for row in rows.values() if row.escrow]}")
    if living := [each for each in asyncio.run(read_leases(fleet.database_url)) if each.state != "closed"]:
        books.problems.append(f"{len(living)} leases are not closed: {living[:3]}")
    sums = {"usd": sum(record.amount_nanos or 0 for record in records), "requests": len(records)}
    for node in places.nodes:
        billed = billed_under(node, summary)
        used = rows[node.budget_id].used if node.budget_id in rows else 0
        if billed > node.limit:
            books.problems.append(f"OVERSPEND {node.name}: billed {billed}, limit {node.limit}")
        if used < billed:
            books.problems.append(f"{node.name}: used {used} is less than the bill of {billed}")
        if is_exact and used != billed and node.unit == "usd":
            books.problems.append(f"{node.name}: used {used} is not the bill of {billed}")
        if not node.models and (used < sums[node.unit] or (is_exact and used != sums[node.unit])):
            books.problems.append(f"{node.name}: used {used} is not the records' sum of {sums[node.unit]}")
    books.used_part = billed_under(places.project, summary) / places.project.limit
    books.problems += fleet.faults()
    try:
        fleet.tollkeeper("db", "verify")
    except AssertionError as error:
        books.problems.append(f"db verify: {error}")
    return books


def _idle_summary(fleet: Fleet) -> dict[str, Any]:
    summary: dict[str, Any] = get_json(f"{fleet.simulator.origin}/_bill/summary")
    assert summary["in_flight"] == 0, "everything was stopped, and the provider still answers"
    return summary
