"""Looks at the provider's running bill and at the nodes all the time: at no moment may one of them be beyond its limit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.live.processes import get_json
from tests.overspend.fleet import Fleet
from tests.overspend.places import Node, Places
from tests.overspend.tables import read_nodes

INTERVAL_S = 0.1
_PROBLEMS_KEPT = 20


@dataclass(slots=True)
class Watched:
    """`highest` is the most that a node's bill ever was of its limit, as a part of 1; `overspend` in its unit."""

    looks: int = 0
    overspend: int = 0
    highest: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Watch:
    """`run` goes on until it is cancelled. A database that is away is no problem here."""

    def __init__(self, fleet: Fleet, places: Places) -> None:
        self._fleet, self._places = fleet, places
        self.seen = Watched()

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL_S)

    async def look(self) -> None:
        """Compare once. The bill is read first: what it says stays true while the nodes are read."""
        seen = self.seen
        summary = await self.bill()
        seen.looks += 1
        for node in self._places.nodes:
            billed = billed_under(node, summary)
            seen.highest[node.name] = max(seen.highest.get(node.name, 0.0), billed / node.limit)
            if billed > node.limit:
                seen.overspend = max(seen.overspend, billed - node.limit)
                self._complain(f"{node.name}: the bill is {billed - node.limit} beyond its limit of {node.limit}")
        try:
            rows = await read_nodes(self._fleet.database_url)
        except Exception:  # away, or busy: others look at that
            return
        for node in self._places.nodes:
            row = rows.get(node.budget_id)
            if row is None:
                continue
            if row.used + row.escrow > row.limit:
                self._complain(f"{node.name}: used {row.used} + escrow {row.escrow} > {row.limit}")
            if billed_under(node, summary) > row.used + row.escrow:
                billed = billed_under(node, summary)
                self._complain(f"{node.name}: billed {billed} > used {row.used} + escrow {row.escrow}")

    async def bill(self) -> dict[str, Any]:
        summary: dict[str, Any] = await asyncio.to_thread(get_json, f"{self._fleet.simulator.origin}/_bill/summary")
        return summary

    def _complain(self, text: str) -> None:
        if len(self.seen.problems) < _PROBLEMS_KEPT:
            self.seen.problems.append(text)


@asynccontextmanager
async def watching(watch: Watch) -> AsyncIterator[Watch]:
    """Watch meanwhile, and look once more at the end."""
    task = asyncio.ensure_future(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await watch.look()


def billed_under(node: Node, summary: dict[str, Any]) -> int:
    """Return what the provider billed under a node so far, in the node's unit."""
    models = summary["by_model"]
    chosen = [models[name] for name in node.models if name in models] if node.models else list(models.values())
    what = "requests" if node.unit == "requests" else "amount_nano"
    return sum(int(each[what]) for each in chosen)
