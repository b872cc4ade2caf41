"""The store of the simulation: budgets, nodes, leases and usage records in memory, by the rules of `ports.leases.LeaseStore`.

It is written from the rules, not from the SQL, and everything in it happens at once: what a transaction does between two
moments is the databases' own test. `test_lease_store_twins.py` holds it and `store.leases` to the same answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from tollkeeper.domain.lease import Answer, Ask, Figures, LeaseState, Pulse
from tollkeeper.domain.limit import Limit, LimitScope, Unit
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.domain.window import Window

TTL_US = 30_000_000
GRACE_US = 2_000_000
TAKEN_MAX = 2**62
ORGANIZATION = "org_simulation"
NodeKey = tuple[str, int]
"""A budget's id and where the window begins."""


class BudgetRow(msgspec.Struct, gc=False):
    """A budget as an administrator wrote it."""

    id: str
    scope_kind: LimitScope
    scope_id: str
    unit: Unit
    period: Literal["daily", "total"]
    amount: int
    is_hard: bool = True
    is_carried_over: bool = False
    created_at_us: int = 0

    def limit(self) -> Limit:
        return Limit(
            self.id, self.scope_kind, self.scope_id, self.scope_id, self.unit, self.period, is_hard=self.is_hard
        )


class NodeRow(msgspec.Struct, gc=False):
    """A budget in one window."""

    budget_id: str
    window: Window
    limit: int
    is_hard: bool
    carried: int = 0
    used: int = 0
    opened_used: int = 0
    escrow: int = 0
    recalled_at_us: int = 0
    stopped_at_us: int | None = None
    overrun: int = 0

    @property
    def key(self) -> NodeKey:
        return self.budget_id, self.window.start_us

    @property
    def head(self) -> int:
        return self.limit - self.used - self.escrow


class LeaseRow(msgspec.Struct, gc=False):
    """A replica's part of a node."""

    id: bytes
    node: NodeKey
    holder: str
    state: LeaseState = LeaseState.OPEN
    operation: int = 0
    amount: int = 0
    consumed: int = 0
    converted: int = 0
    booked: int = 0


class MemoryStore:
    """`window` says which window of a budget an instant lies in, `clock` what time it is."""

    def __init__(
        self,
        *,
        clock: Callable[[], int],
        window: Callable[[BudgetRow, int], Window],
        longest_call_us: int,
        teams: dict[str, str] | None = None,
    ) -> None:
        self._clock, self._window, self._silent_us = clock, window, TTL_US + longest_call_us + GRACE_US
        self._teams = teams or {}  # of projects
        self.budgets: dict[str, BudgetRow] = {}
        self.nodes: dict[NodeKey, NodeRow] = {}
        self.leases: dict[bytes, LeaseRow] = {}
        self.of_node: dict[NodeKey, list[LeaseRow]] = defaultdict(list)
        self.of_holder: dict[str, list[LeaseRow]] = defaultdict(list)
        self.heard_at_us: dict[str, int] = {}
        self.records: dict[bytes, UsageRecord] = {}
        self.fresh: list[UsageRecord] = []  # that came since somebody looked
        self.units: dict[str, Unit] = {}  # of deleted budgets too
        self.dirty: set[NodeKey] = set()  # what changed since somebody looked
        self._replicas: dict[str, int] = {}  # how many were alive at a holder's last sign of life

    # What an administrator does.

    def write_budget(self, row: BudgetRow) -> None:
        """Write a budget; a lowered one wants idle leases back."""
        before = self.budgets.get(row.id)
        self.budgets[row.id] = row
        self.units[row.id] = row.unit
        key = (row.id, self._window(row, self._clock()).start_us)
        node = self.nodes.get(key)
        if node is None:
            return
        self._take_terms(node)
        if before is not None and row.amount < before.amount:
            node.recalled_at_us = self._clock()

    def delete_budget(self, budget_id: str) -> None:
        del self.budgets[budget_id]

    # `ports.leases.LeaseStore`.

    def exchange(self, holder: str, asks: Sequence[Ask]) -> list[Answer]:
        """Do the asks one after the other, in the order of their budgets; answer in theirs."""
        self.heard_at_us.setdefault(holder, self._clock())
        self._replicas.setdefault(holder, self._alive())
        order = sorted(range(len(asks)), key=lambda at: asks[at].budget_id)
        answers = {at: self._do(holder, asks[at]) for at in order}
        return [answers[at] for at in range(len(asks))]

    def pulse(self, holder: str, *, is_beating: bool) -> Pulse:
        """Note a sign of life, and say what its holder must hear."""
        if is_beating:
            self.heard_at_us[holder] = self._clock()
            for lease in self.of_holder[holder]:
                if lease.state is LeaseState.SUSPENSE:
                    lease.state = LeaseState.OPEN
        recalled, lost = [], []
        for lease in self.of_holder[holder]:
            if lease.state is LeaseState.QUARANTINE:
                lost.append(lease.id)
            elif (
                lease.state is LeaseState.OPEN
                and lease.amount > lease.consumed
                and self.nodes[lease.node].recalled_at_us
            ):
                recalled.append(lease.id)
        alive = self._replicas[holder] = self._alive()
        return Pulse(alive, tuple(recalled), tuple(lost))

    def reclaim(self, holder: str, *, is_exact: bool) -> int:
        """End what a dead process held, or put it into quarantine; returns how many leases ended."""
        self.heard_at_us.setdefault(holder, 0)
        ended = 0
        for lease in list(self.of_holder[holder]):
            if lease.state not in {LeaseState.OPEN, LeaseState.SUSPENSE}:
                continue
            if is_exact or self._is_at_once(lease):
                self._end(lease)
                ended += 1
            else:
                self._convert(lease)
                lease.state = LeaseState.QUARANTINE
        return ended

    # What runs by itself, and what a person decides.

    def reap(self) -> None:
        """Suspend what silent replicas hold; end their calls at once; book records that came late."""
        for holder, heard_at_us in self.heard_at_us.items():
            if heard_at_us >= self._clock() - self._silent_us:
                continue
            for lease in list(self.of_holder[holder]):
                if lease.state is LeaseState.OPEN:
                    lease.state = LeaseState.SUSPENSE
                if lease.state is LeaseState.SUSPENSE and self._is_at_once(lease):
                    self._end(lease)
        for lease in self.leases.values():
            if lease.state is LeaseState.CLOSED and lease.consumed > lease.converted:
                self._convert(lease)
        for node in self.nodes.values():
            if node.window.end_us is not None and node.window.end_us < self._clock():
                node.recalled_at_us = 0

    def settle_quarantined(self, lease_id: bytes, amount: int | None) -> None:
        """End a lease of the dead: `amount` of it counts as used, all of it when None."""
        lease = self.leases[lease_id]
        assert lease.state in {LeaseState.QUARANTINE, LeaseState.SUSPENSE}
        most = max(lease.amount, lease.consumed)
        used = most if amount is None else amount
        assert lease.consumed <= used <= most
        self._end(lease, booked=used - lease.consumed)

    # Usage.

    def insert_usage(self, records: Iterable[UsageRecord]) -> int:
        """Keep the first record of each call, and count what it drew on its leases; returns how many were new."""
        new = 0
        for record in records:
            if record.call_id in self.records:
                continue
            new += 1
            self.records[record.call_id] = record
            self.fresh.append(record)
            for draw in record.draws:
                lease = self.leases.get(draw.lease_id)
                if lease is not None:
                    self._consume(lease, draw.amount)
        return new

    def _consume(self, lease: LeaseRow, amount: int) -> None:
        lease.consumed += amount
        self.dirty.add(lease.node)

    # One ask.

    def _do(self, holder: str, ask: Ask) -> Answer:
        lease = self.leases.get(ask.lease_id)
        live = self.budgets.get(ask.budget_id)
        if lease is None:
            if live is None or ask.is_closing:
                return Answer(ask.lease_id, "done" if ask.is_closing else "gone")
            lease = self._begin(holder, ask, live)
        if lease.holder != holder or lease.node[0] != ask.budget_id:
            return Answer(ask.lease_id, "lost")
        node = self.nodes[lease.node]
        is_repeated = self._is_repeated(ask, lease)
        if lease.state is LeaseState.QUARANTINE or (lease.state is LeaseState.CLOSED and not is_repeated):
            return Answer(ask.lease_id, "lost")
        if is_repeated:
            return self._answer("done", lease, node, is_exact=node.recalled_at_us > 0)
        self._take_terms(node)
        lease.operation = ask.operation
        if ask.is_closing:
            self._end(lease)
            self._call_off(ask, lease, node)
            return self._answer("done", lease, node, is_exact=False)
        lease.state = LeaseState.OPEN
        self._convert(lease)
        # Calls may have come to more than was reserved since it was asked: what is used stays.
        self._change(lease, node, -min(ask.give_back, lease.amount - lease.consumed))
        return self._grow(ask, lease, node)

    def _is_repeated(self, ask: Ask, lease: LeaseRow) -> bool:
        return ask.operation <= lease.operation

    def _grow(self, ask: Ask, lease: LeaseRow, node: NodeRow) -> Answer:
        replicas = self._replicas[lease.holder]
        is_exact = _is_scarce(ask, node, replicas)
        refused = self._refused(ask, lease, node) if ask.need or ask.exact or ask.want else None
        amount = 0 if refused or not (ask.need or ask.exact or ask.want) else _granted(ask, node, replicas)
        if amount is None:
            others = self._held_by_others(lease)
            if 0 < others >= ask.need - node.head and not node.recalled_at_us:
                node.recalled_at_us = self._clock()
            return self._answer("denied", lease, node, is_exact=is_exact, others=others)
        self._change(lease, node, amount)
        self._call_off(ask, lease, node)
        return self._answer(refused or "done", lease, node, is_exact=is_exact)

    def _call_off(self, ask: Ask, lease: LeaseRow, node: NodeRow) -> None:
        """Want nothing back any more when there is enough again."""
        if _is_ample(ask, node, self._replicas[lease.holder]):
            node.recalled_at_us = 0

    def _refused(self, ask: Ask, lease: LeaseRow, node: NodeRow) -> Literal["over", "stopped", "gone"] | None:
        live = self.budgets.get(ask.budget_id)
        if live is None:
            return "gone"
        if self._window(live, self._clock()).start_us != node.window.start_us:
            return "over"
        return None if node.stopped_at_us is None else "stopped"

    def _answer(
        self,
        outcome: Literal["done", "denied", "over", "stopped", "gone"],
        lease: LeaseRow,
        node: NodeRow,
        *,
        is_exact: bool,
        others: int = 0,
    ) -> Answer:
        now_us, window = self._clock(), node.window
        return Answer(
            lease.id,
            outcome,
            lease.amount,
            Figures(node.limit, node.used, node.escrow, window.start_us, window.end_us, now_us),
            None if window.end_us is None else max(window.end_us - now_us, 0),
            is_exact,
            others,
            now_us - node.recalled_at_us if outcome == "denied" and node.recalled_at_us else 0,
        )

    def _begin(self, holder: str, ask: Ask, live: BudgetRow) -> LeaseRow:
        window = self._window(live, self._clock())
        key = (live.id, window.start_us)
        if key not in self.nodes:
            self._open(live, window)
        lease = LeaseRow(ask.lease_id, key, holder)
        self.leases[lease.id] = lease
        self.of_node[key].append(lease)
        self.of_holder[holder].append(lease)
        return lease

    # Nodes.

    def _open(self, live: BudgetRow, window: Window) -> None:
        carried = self._carried(live, window)
        used = 0 if live.unit == "concurrent" else self._used_before(live, window)
        node = NodeRow(live.id, window, live.amount + carried, live.is_hard, carried, used, used)
        self.nodes[node.key] = node
        self.dirty.add(node.key)

    def _carried(self, live: BudgetRow, window: Window) -> int:
        if not live.is_carried_over or window.start_us == 0:
            return 0
        before = self.nodes.get((live.id, self._window(live, window.start_us - 1).start_us))
        if before is None:
            return live.amount if live.created_at_us < window.start_us else 0
        return min(max(live.amount + before.carried - before.used - before.escrow, 0), live.amount)

    def _used_before(self, live: BudgetRow, window: Window) -> int:
        used = 0
        for record in self.records.values():
            if record.started_at_us >= window.start_us and live.scope_id in self._scopes(record):
                used += {"usd": record.amount_nanos or 0, "requests": 1, "tokens": sum(record.quantities.values())}[
                    live.unit
                ]
        return used

    def _scopes(self, record: UsageRecord) -> tuple[str, ...]:
        team = self._teams.get(record.project_id, "")
        return record.organization_id, team, record.project_id, record.api_key_id

    def _take_terms(self, node: NodeRow) -> None:
        live = self.budgets.get(node.budget_id)
        if live is not None:
            limit = live.amount + node.carried
            if limit < min(node.limit, node.used + node.escrow) and not node.recalled_at_us:
                node.recalled_at_us = self._clock()
            node.limit, node.is_hard = limit, live.is_hard
            self.dirty.add(node.key)

    # Leases.

    def _change(self, lease: LeaseRow, node: NodeRow, by: int) -> None:
        """Let a lease grow or shrink; growth is guarded once more, whatever was reckoned before."""
        if by > 0:
            assert self._fits(node, by), "more was granted than there is"
        lease.amount += by
        node.escrow += by
        self.dirty.add(node.key)

    def _fits(self, node: NodeRow, by: int) -> bool:
        return (node.head if node.is_hard else TAKEN_MAX - node.used - node.escrow) >= by

    def _convert(self, lease: LeaseRow) -> None:
        """Move what is settled from the escrow to what is used, overruns in full; late records replace what was booked."""
        node = self.nodes[lease.node]
        fresh = lease.consumed - lease.converted
        of_booked = min(fresh, lease.booked)
        held = min(lease.consumed, lease.amount) - lease.converted if lease.state is not LeaseState.CLOSED else 0
        node.escrow -= held
        node.used += fresh - of_booked
        node.overrun += fresh - of_booked - held
        lease.amount = max(lease.amount, lease.consumed)
        lease.booked -= of_booked
        lease.converted = lease.consumed
        self.dirty.add(node.key)

    def _end(self, lease: LeaseRow, *, booked: int = 0) -> None:
        """Close a lease: what is settled is used, and `booked` of the rest; what remains goes back."""
        self._convert(lease)
        node = self.nodes[lease.node]
        node.escrow -= lease.amount - lease.converted
        node.used += booked
        lease.booked += booked
        lease.amount = lease.converted + booked
        lease.state = LeaseState.CLOSED

    def _held_by_others(self, lease: LeaseRow) -> int:
        return sum(
            max(other.amount - other.consumed, 0)
            for other in self.of_node[lease.node]
            if other.holder != lease.holder and other.state is LeaseState.OPEN
        )

    def _is_at_once(self, lease: LeaseRow) -> bool:
        live = self.budgets.get(lease.node[0])
        return live is not None and live.unit == "concurrent"

    def _alive(self) -> int:
        since_us = self._clock() - TTL_US
        return max(1, sum(heard_at_us > since_us for heard_at_us in self.heard_at_us.values()))


def _granted(ask: Ask, node: NodeRow, replicas: int) -> int | None:
    room = node.head if node.is_hard else TAKEN_MAX - node.used - node.escrow
    if room < ask.need:
        return None
    least = max(ask.need, ask.exact)
    if _is_scarce(ask, node, replicas):
        return max(0, min(least, node.head))
    ahead = min(ask.want, max(node.limit // 200, 1))
    if node.is_hard:
        ahead = min(ahead, max(node.head // (2 * replicas), 0))
    return max(0, min(max(least, ahead), room))


def _is_scarce(ask: Ask, node: NodeRow, replicas: int) -> bool:
    need, exact = ask.need, ask.exact
    if need > node.head:  # who is denied counts as a usual call
        need = exact = min(need, max(node.limit // 200, 1))
    is_little = node.head < 8 * replicas * max(need, 1) or node.head < 2 * exact
    return node.is_hard and (node.recalled_at_us > 0 or is_little)


def _is_ample(ask: Ask, node: NodeRow, replicas: int) -> bool:
    return node.head >= max(16 * replicas * max(ask.need, 1), 4 * ask.exact)
