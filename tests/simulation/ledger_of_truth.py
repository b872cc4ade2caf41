"""What the provider has really billed in the simulation, and what must hold of the store at every moment (I1 to I5)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tests.simulation.memory_store import LeaseRow, MemoryStore, NodeKey, NodeRow

from tollkeeper.domain.lease import LeaseState
from tollkeeper.domain.limit import Unit

if TYPE_CHECKING:
    from tests.simulation.process import Call


class Violation(AssertionError):
    """An invariant does not hold."""


class Truth:
    """The provider's own account of each node, and the checks against it.

    A node's `slack` is by how much its limit was lowered below what was used and held just then; its `overrun` what
    calls cost beyond their reservations; its `estimated` what was booked beyond the bill for calls whose end is lost.
    The bill may exceed a limit by the first two, the books by all three, and nothing by anything else.
    """

    def __init__(self, store: MemoryStore, calls: dict[bytes, Call]) -> None:
        self._store, self._calls = store, calls
        self.estimated: dict[NodeKey, int] = defaultdict(int)
        self.unsure: set[str] = set()  # holders whose journal may have lost ends of calls
        self._seen: set[NodeKey] = set()
        self.billed: dict[NodeKey, int] = defaultdict(int)
        self.overrun: dict[NodeKey, int] = defaultdict(int)
        self.slack: dict[NodeKey, int] = defaultdict(int)
        self.unlimited: set[NodeKey] = set()  # that were not hard for a time
        self.changed: set[str] = set()  # budgets that were written meanwhile
        self.unrecorded: dict[bytes, Call] = {}
        self.at_once: dict[NodeKey, list[Call]] = defaultdict(list)
        self.taken_for_dead: set[str] = (
            set()
        )  # until they start anew; calls that they forward after all count for nobody
        self.checks = 0
        self._dirty: set[NodeKey] = set()

    def bill(self, call: Call, now_us: int) -> None:
        """The provider has the call, and will bill it."""
        assert call.drawn is not None
        self.unrecorded[call.id] = call
        for limit in call.limits:
            live = self._store.budgets.get(limit.budget_id)
            if live is None:
                continue
            key = (live.id, self._store._window(live, call.drawn_us).start_us)
            if live.unit == "concurrent":
                if call.holder not in self.taken_for_dead:
                    self.at_once[key].append(call)
            else:
                amount = amount_of(call, live.unit)
                self.billed[key] += amount
                self.overrun[key] += max(0, amount - reserved_of(call, live.unit))
            self._dirty.add(key)

    def lowered(self, node: NodeRow) -> None:
        """A node's limit was changed just now. Overruns that the store has not converted are not in what it says yet."""
        over = node.used + node.escrow - node.limit - node.overrun
        self.slack[node.key] = max(0, over)

    def forget_at_once(self, lease: LeaseRow) -> None:
        """Somebody said that a lease's holder is dead: what it has under way counts for nobody any more."""
        self.taken_for_dead.add(lease.holder)
        calls = self.at_once[lease.node]
        self.at_once[lease.node] = [call for call in calls if call.holder != lease.holder]

    def open_calls(self, key: NodeKey, now_us: int) -> int:
        """Return how many calls are at the provider."""
        calls = self.at_once[key] = [call for call in self.at_once[key] if not call.is_over and call.ends_us > now_us]
        return len(calls)

    def check(self, now_us: int) -> None:
        """Check what changed since the last time."""
        if self._store.fresh:
            self._take_in()
        dirty = self._dirty | self._store.dirty
        if not dirty:
            return
        self._dirty, self._store.dirty = set(), set()
        for key in sorted(dirty):
            node = self._store.nodes.get(key)
            if node is not None:
                self._check(node, now_us)
            elif key[0] in self._store.budgets:
                self._expect(self.billed[key] == 0, f"{key} was drawn on without a lease")

    def _take_in(self) -> None:
        """Look at the records that the store got."""
        fresh, self._store.fresh = self._store.fresh, []
        for record in fresh:
            call = self._calls.get(record.call_id)
            if call is None:
                message = f"call {record.call_id.hex()} is in the books and was never let in"
                raise Violation(message)
            self.unrecorded.pop(call.id, None)
            for draw in record.draws:
                lease = self._store.leases.get(draw.lease_id)
                if lease is not None and lease.holder in self.unsure:
                    unit = self._store.units[lease.node[0]]
                    billed = amount_of(call, unit) if call.is_forwarded else 0
                    self.estimated[lease.node] += max(0, draw.amount - billed)

    def _check(self, node: NodeRow, now_us: int) -> None:
        self.checks += 1
        key, leases = node.key, self._store.of_node[node.key]
        living = sum(lease.amount - lease.converted for lease in leases if lease.state is not LeaseState.CLOSED)
        self._expect(node.escrow == living, f"I2 {key}: escrow {node.escrow}, leases hold {living}")
        used = node.opened_used + sum(lease.converted + lease.booked for lease in leases)
        self._expect(node.used == used, f"I4 {key}: used {node.used}, by its leases {used}")
        if key not in self._seen:
            self._seen.add(key)
            self.lowered(node)
        if not node.is_hard:
            self.unlimited.add(key)
        live = self._store.budgets.get(node.budget_id)
        if live is None or key in self.unlimited:
            return
        billed = self.open_calls(key, now_us) if live.unit == "concurrent" else self.billed[key]
        overrun, most = self.overrun[key], node.used + node.escrow
        self.slack[key] = max(0, min(self.slack[key], most - node.limit))
        limit = node.limit + self.slack[key] + overrun
        booked = limit + self.estimated[key]
        self._expect(most <= booked, f"I1 {key}: {most} used and held of {booked}")
        self._expect(billed <= most + overrun, f"I3 {key}: {billed} billed, {most}+{overrun} used and held")
        self._expect(billed <= limit, f"I5 {key}: {billed} billed of {limit}")
        if node.carried and node.budget_id not in self.changed:
            self._check_carried(node, live.amount)

    def _check_carried(self, node: NodeRow, amount: int) -> None:
        live = self._store.budgets[node.budget_id]
        before = (node.budget_id, self._store._window(live, node.window.start_us - 1).start_us)
        both = self.billed[before] + self.billed[node.key] - self.overrun[before] - self.overrun[node.key]
        earlier = self._store.nodes.get(before)
        limit = amount + (earlier.limit if earlier is not None else amount)
        self._expect(both <= limit, f"{node.key}: {both} billed in two windows of {limit}")

    def check_records(self) -> None:
        """Check that each lease counts exactly the records that drew on it."""
        drawn: dict[bytes, int] = defaultdict(int)
        for record in self._store.records.values():
            for draw in record.draws:
                drawn[draw.lease_id] += draw.amount
        for lease in self._store.leases.values():
            expected = drawn.pop(lease.id, 0)
            self._expect(
                lease.consumed == expected, f"I4 lease {lease.id.hex()}: {lease.consumed}, records say {expected}"
            )
        self._expect(not drawn, "records drew on leases that never were")

    def _expect(self, is_so: bool, message: str) -> None:
        if not is_so:
            raise Violation(message)


def amount_of(call: Call, unit: Unit) -> int:
    """Return what a call really came to."""
    return {"usd": call.true_nanos, "requests": 1, "tokens": call.true_tokens, "concurrent": 0}[unit]


def reserved_of(call: Call, unit: Unit) -> int:
    """Return what was drawn for a call."""
    assert call.drawn is not None
    return call.drawn.need[{"usd": 0, "requests": 1, "tokens": 2, "concurrent": 3}[unit]]
