"""One transaction of a replica's asks: read what they need, then change node after node, each under its guard.

Node locks are taken by the last statements only, in the order of the asks; leases are locked before. What was read of a node
without its lock may be old: then the guarded UPDATE changes nothing, and the ask is done once more under the lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tollkeeper.domain.lease import Answer, Ask, LeaseState
from tollkeeper.store import budget_nodes, lease_grants
from tollkeeper.store.budget_nodes import Change, LiveBudget, Node, NodeKey
from tollkeeper.store.lease_rows import LeaseKey, LeaseRow, lock_leases, read_held_by_others, write_leases
from tollkeeper.store.ledger import insert_missing
from tollkeeper.store.node_opening import open_missing
from tollkeeper.store.schema_limits import lease

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.window import Window
    from tollkeeper.store.budget_nodes import BudgetKey


class Plan(msgspec.Struct, frozen=True):
    """What an ask comes to, going by what was read: the lease before and after, and what becomes of its node."""

    ask: Ask
    row: LeaseRow
    node: Node
    refused: Literal["over", "stopped", "gone"] | None
    kept: LeaseRow
    change: Change
    grant: lease_grants.Grant
    others: int = 0  # what other replicas hold and have not used, when it is denied

    @property
    def is_denied(self) -> bool:
        return self.grant.amount is None


class Exchange:
    """The asks of one replica within one transaction. `now_us` is the database's."""

    def __init__(self, connection: AsyncConnection, holder: str, *, now_us: int, replicas: int) -> None:
        self._connection = connection
        self._holder = holder
        self._now_us = now_us
        self._replicas = replicas
        self._rows: dict[LeaseKey, LeaseRow] = {}
        self._changed: dict[LeaseKey, LeaseRow] = {}
        self._budgets: dict[BudgetKey, LiveBudget] = {}
        self._windows: dict[BudgetKey, Window] = {}  # the present ones
        self._nodes: dict[NodeKey, Node] = {}

    async def run(self, asks: Sequence[Ask]) -> list[Answer]:
        """Do the asks, which are sorted by organization and budget, and answer in their order."""
        await self._read(asks)
        answers = [await self._do(ask) for ask in asks]
        await write_leases(self._connection, self._changed.values(), now_us=self._now_us)
        return answers

    async def _read(self, asks: Sequence[Ask]) -> None:
        connection, now_us = self._connection, self._now_us
        keys = {(ask.organization_id, ask.budget_id) for ask in asks}
        self._budgets = await budget_nodes.read_budgets(connection, keys, at_us=now_us)
        self._windows = {key: live.window(now_us) for key, live in self._budgets.items()}
        self._rows = await self._find_rows({(ask.organization_id, ask.lease_id) for ask in asks})
        new = [ask for ask in asks if self._is_new(ask)]
        if new:
            self._rows |= await self._begin(new)
        wanted = {row.node for row in self._rows.values()}
        self._nodes = await budget_nodes.read_nodes(connection, wanted)
        of_new = [
            (self._budgets[key], window) for key, window in self._windows.items() if (*key, window.start_us) in wanted
        ]
        await open_missing(connection, of_new, self._nodes, now_us=now_us)

    def _is_new(self, ask: Ask) -> bool:
        is_known = (ask.organization_id, ask.lease_id) in self._rows
        return not is_known and not ask.is_closing and (ask.organization_id, ask.budget_id) in self._budgets

    async def _begin(self, asks: Sequence[Ask]) -> dict[LeaseKey, LeaseRow]:
        """Make leases in the present windows; they are empty.

        Some may be there after all: asked before, by a connection that broke before the answer came.
        """
        rows = [self._empty(ask) for ask in asks]
        times = {"created_at_us": self._now_us, "updated_at_us": self._now_us}
        await self._connection.execute(
            insert_missing(self._connection, lease), [{**msgspec.structs.asdict(row), **times} for row in rows]
        )
        return await self._find_rows({row.key for row in rows})

    def _empty(self, ask: Ask) -> LeaseRow:
        window = self._windows[ask.organization_id, ask.budget_id]
        numbers = dict.fromkeys(("operation", "amount", "consumed", "converted", "booked"), 0)
        return LeaseRow(
            ask.organization_id,
            ask.lease_id,
            ask.budget_id,
            window.start_us,
            self._holder,
            LeaseState.OPEN,
            **numbers,
        )

    async def _find_rows(self, keys: Collection[LeaseKey]) -> dict[LeaseKey, LeaseRow]:
        return await lock_leases(self._connection, keys)

    async def _do(self, ask: Ask) -> Answer:
        return self._known(ask) or await self._operate(ask, self._rows[ask.organization_id, ask.lease_id])

    def _known(self, ask: Ask) -> Answer | None:
        """Return the answer to what needs nothing done; None for a new operation on a lease that is its holder's."""
        row = self._rows.get((ask.organization_id, ask.lease_id))
        if row is None:
            return Answer(ask.lease_id, "done" if ask.is_closing else "gone")
        if row.holder != self._holder or row.budget_id != ask.budget_id:
            return Answer(ask.lease_id, "lost")
        is_repeated = ask.operation <= row.operation
        if row.state is LeaseState.QUARANTINE or (row.state is LeaseState.CLOSED and not is_repeated):
            return Answer(ask.lease_id, "lost")
        if is_repeated:
            return self._answer("done", row, self._nodes[row.node], is_exact=self._nodes[row.node].recalled_at_us > 0)
        return None

    async def _operate(self, ask: Ask, row: LeaseRow) -> Answer:
        for is_locked in (False, True):
            if is_locked:
                self._nodes[row.node] = await self._lock(self._nodes[row.node])
            elif self._is_outdated(row):
                continue
            plan = self._plan(ask, row)
            if plan.is_denied:
                others = await read_held_by_others(self._connection, [row.node], holder=self._holder)
                plan = msgspec.structs.replace(plan, others=others.get(row.node, 0))
            change, changed = self._change(plan), plan.node
            if change != Change():
                found = await budget_nodes.change_node(self._connection, changed.key, change, now_us=self._now_us)
                if found is None:
                    continue
                changed = found
            self._nodes[changed.key] = changed
            self._rows[row.key] = self._changed[row.key] = plan.kept
            return self._answer_of(plan, changed)
        raise AssertionError  # nobody takes what was seen under the lock

    def _is_outdated(self, row: LeaseRow) -> bool:
        """Tell whether a node's limit is not what its budget says by now."""
        live = self._budgets.get((row.organization_id, row.budget_id))
        return live is not None and _differs(self._nodes[row.node], live)

    def _plan(self, ask: Ask, row: LeaseRow) -> Plan:
        node, refused = self._nodes[row.node], self._refused(ask, row)
        return Plan(ask, row, node, refused, *self._planned(ask, row, node, is_growing=refused is None))

    def _change(self, plan: Plan) -> Change:
        """Return what becomes of the node, the recall of leases included."""
        head = plan.node.head - plan.change.used - plan.change.escrow
        recalled_at_us = self._recalled_at_us(plan.ask, plan.node, head, plan.grant, plan.others)
        return msgspec.structs.replace(plan.change, recalled_at_us=recalled_at_us)

    def _answer_of(self, plan: Plan, node: Node) -> Answer:
        outcome = plan.refused or ("denied" if plan.is_denied else "done")
        return self._answer(outcome, plan.kept, node, is_exact=plan.grant.is_exact, others=plan.others)

    def _planned(
        self, ask: Ask, row: LeaseRow, node: Node, *, is_growing: bool
    ) -> tuple[LeaseRow, Change, lease_grants.Grant]:
        """Return the lease as it will be, what becomes of its node, and what is granted."""
        if ask.is_closing:
            ended, change = msgspec.structs.replace(row, operation=ask.operation).ended()
            return ended, change, lease_grants.Grant(0, is_exact=False)
        kept, change = row.converted_all()
        # Calls may have come to more than was reserved since it was asked: what is used stays.
        given_back = min(ask.give_back, kept.amount - kept.consumed)
        kept = msgspec.structs.replace(kept.grown(-given_back), operation=ask.operation, state=LeaseState.OPEN)
        escrow = change.escrow - given_back
        head = node.head - change.used - escrow
        grant = lease_grants.Grant(0, lease_grants.is_scarce(ask, node, head, self._replicas))
        if is_growing and (ask.need or ask.exact or ask.want):
            grant = lease_grants.grant_of(ask, node, head, self._replicas)
        growth = grant.amount or 0
        change = msgspec.structs.replace(change, escrow=escrow + growth, growth=growth)
        return kept.grown(growth), change, grant

    def _refused(self, ask: Ask, row: LeaseRow) -> Literal["over", "stopped", "gone"] | None:
        """Return why a lease does not grow whatever is left; None when it may, or need not."""
        key = (row.organization_id, row.budget_id)
        if ask.is_closing or not (ask.need or ask.exact or ask.want):
            return None
        if key not in self._budgets:
            return "gone"
        if self._windows[key].start_us != row.window_start_us:
            return "over"
        return "stopped" if self._nodes[row.node].stopped_at_us is not None else None

    async def _lock(self, node: Node) -> Node:
        """Return a node, locked, with its limit as the budget says now."""
        key = (node.organization_id, node.budget_id)
        locked = await budget_nodes.lock_node(self._connection, node.key)
        live = (await budget_nodes.read_budgets(self._connection, {key}, at_us=self._now_us)).get(key)
        if live is not None and _differs(locked, live):
            locked = await budget_nodes.write_terms(self._connection, locked, live, now_us=self._now_us)
        return locked

    def _recalled_at_us(self, ask: Ask, node: Node, head: int, grant: lease_grants.Grant, others: int) -> int | None:
        """Return since when leases are wanted back, when that changes."""
        if grant.amount is None:
            is_useful = others > 0 and head + others >= ask.need
            return self._now_us if is_useful and not node.recalled_at_us else None
        # Of a window that has ended everything is wanted back: a budget that was deleted may come back with less.
        has_ended = node.window_end_us is not None and node.window_end_us <= self._now_us
        is_over = node.recalled_at_us and not has_ended and lease_grants.is_ample(ask, head, self._replicas)
        return 0 if is_over else None

    def _answer(
        self,
        outcome: Literal["done", "denied", "over", "stopped", "gone"],
        row: LeaseRow,
        node: Node,
        *,
        is_exact: bool,
        others: int = 0,
    ) -> Answer:
        ends_in_us = None if node.window_end_us is None else max(node.window_end_us - self._now_us, 0)
        is_denied = outcome == "denied"
        return Answer(
            row.id,
            outcome,
            row.amount,
            node.figures(self._now_us),
            ends_in_us,
            is_exact,
            others,
            self._now_us - node.recalled_at_us if is_denied and node.recalled_at_us else 0,
        )


def _differs(node: Node, live: LiveBudget) -> bool:
    return node.limit_amount != live.limit(node.carried) or node.is_hard != live.is_hard
