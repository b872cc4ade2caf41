"""Checks budgets: that nodes say what their leases say, leases what the usage records say, and that nobody got too much."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from tollkeeper.domain.lease import Draw, LeaseState
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7_ms
from tollkeeper.store.lease_pruning import KEPT_US
from tollkeeper.store.lease_rows import LEASE_COLUMNS, LeaseRow, to_lease
from tollkeeper.store.organizations import list_organization_ids
from tollkeeper.store.schema import usage_record
from tollkeeper.store.schema_limits import budget_node, lease
from tollkeeper.store.verify import Difference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.store.engine import Store

_PAGE_ROWS = 200
"""Few enough that a process which verifies meanwhile still answers its calls."""
_MS_PER_DAY = 86_400_000
_STATES = frozenset(state.value for state in LeaseState)
NodeKey = tuple[str, int]
"""A budget's id and where the window begins, within an organization."""


class VerifiedBudgets(msgspec.Struct, frozen=True):
    """The outcome for one organization. `overrun_nodes` is how many budgets calls went beyond, as is known and counted."""

    organization_id: str
    nodes: int
    leases: int
    overrun_nodes: int
    differences: list[Difference]


class _Drawn(msgspec.Struct):
    """Of a record's detail, what it drew."""

    draws: tuple[Draw, ...] = ()
    draws_cut: int = 0


_decode = msgspec.json.Decoder(_Drawn).decode


async def verify_budgets(store: Store) -> AsyncIterator[VerifiedBudgets]:
    """Verify every organization's budgets, each as of one moment: servers may go on meanwhile.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    for organization_id in await store.read(list_organization_ids):
        yield await store.read(_Verification(organization_id).run, is_snapshot=True)


class _Verification:
    """One organization's budgets: leases and nodes are held in memory, usage records pass by page after page."""

    def __init__(self, organization_id: str) -> None:
        self._organization_id = organization_id
        self._differences: list[Difference] = []
        self._leases: dict[bytes, LeaseRow] = {}
        self._nodes: dict[NodeKey, Row[Any]] = {}

    async def run(self, connection: AsyncConnection) -> VerifiedBudgets:
        mine = select(*LEASE_COLUMNS).where(lease.c.organization_id == self._organization_id)
        for row in await connection.execute(mine):
            if row.state not in _STATES:
                self._differ("lease", {"id": bytes(row.id).hex()}, "state", None, None)
            else:
                kept = to_lease(row)
                self._leases[kept.id] = kept
        of_mine = select(budget_node).where(budget_node.c.organization_id == self._organization_id)
        self._nodes = {(row.budget_id, row.window_start_us): row for row in await connection.execute(of_mine)}
        await self._check_consumed(connection)
        for each in self._leases.values():
            self._check_lease(each)
        overrun_nodes = self._check_nodes()
        found = (len(self._nodes), len(self._leases), overrun_nodes, self._differences)
        return VerifiedBudgets(self._organization_id, *found)

    async def _check_consumed(self, connection: AsyncConnection) -> None:
        """What a lease has consumed is what all records together drew on it. Leases that ended long ago are forgotten."""
        forgotten_before_us = now_us() - KEPT_US
        drawn: dict[bytes, int] = defaultdict(int)
        before = self._first_day(forgotten_before_us // 1000) - 1
        while (day := await self._next_day(connection, before)) is not None:
            before = day
            async for row in self._drawing(connection, day):
                found = _decode(row.detail)
                for draw in found.draws:
                    drawn[draw.lease_id] += draw.amount
                if found.draws_cut:  # what their leases have consumed cannot be told from the records
                    kept = len(found.draws)
                    key = {"call_id": bytes(row.call_id).hex()}
                    self._differ("usage_record", key, "draws", kept + found.draws_cut, kept)
        for lease_id in sorted(drawn.keys() | self._leases.keys()):
            row_of = self._leases.get(lease_id)
            consumed = row_of.consumed if row_of is not None else None
            if consumed is None and uuid7_ms(lease_id) * 1000 < forgotten_before_us:
                continue
            if drawn.get(lease_id, 0) != consumed:
                self._differ("lease", {"id": lease_id.hex()}, "consumed", drawn.get(lease_id, 0), consumed)

    def _first_day(self, forgotten_before_ms: int) -> int:
        """Return the day from which on records can have drawn on a lease that is not forgotten.

        A call may have begun before the lease that it waited for, though not by a day.
        """
        oldest_ms = min((uuid7_ms(each) for each in self._leases), default=forgotten_before_ms)
        return max(0, min(oldest_ms, forgotten_before_ms) // _MS_PER_DAY - 1)

    async def _next_day(self, connection: AsyncConnection, day: int) -> int | None:
        """Return the first day after this one that has records."""
        of = usage_record.c
        later = select(of.day).where(of.organization_id == self._organization_id, of.day > day)
        found: int | None = (await connection.execute(later.order_by(of.day).limit(1))).scalar()
        return found

    async def _drawing(self, connection: AsyncConnection, day: int) -> AsyncIterator[Any]:
        """Yield a day's records that drew on leases, page after page: PostgreSQL plans a page of one partition quickly."""
        of = usage_record.c
        of_day = select(of.call_id, of.detail).where(
            of.organization_id == self._organization_id, of.day == day, of.detail.contains('"draws":')
        )
        after = b""
        while page := list(
            await connection.execute(of_day.where(of.call_id > after).order_by(of.call_id).limit(_PAGE_ROWS))
        ):
            after = bytes(page[-1].call_id)
            for row in page:
                yield row

    def _check_lease(self, row: LeaseRow) -> None:
        key = {"id": row.id.hex(), "budget_id": row.budget_id}
        for column, least in (("consumed", 0), ("converted", 0), ("booked", 0), ("operation", 0)):
            if getattr(row, column) < least:
                self._differ("lease", key, column, least, getattr(row, column))
        if row.converted > row.consumed:
            self._differ("lease", key, "converted", row.consumed, row.converted)
        if row.state is LeaseState.CLOSED:
            if row.amount != row.converted + row.booked:
                self._differ("lease", key, "amount", row.converted + row.booked, row.amount)
        elif row.amount < row.converted or row.booked:
            self._differ("lease", key, "amount", row.converted, row.amount)
        if (row.budget_id, row.window_start_us) not in self._nodes:
            self._differ("lease", key, "window_start_us", None, row.window_start_us)

    def _check_nodes(self) -> int:
        """Compare every node with its leases; returns how many are beyond their limit by known overruns."""
        used: dict[NodeKey, int] = defaultdict(int)
        escrow: dict[NodeKey, int] = defaultdict(int)
        for row in self._leases.values():
            key = (row.budget_id, row.window_start_us)
            used[key] += row.converted + row.booked
            if row.state is not LeaseState.CLOSED:
                escrow[key] += row.amount - row.converted
        overrun_nodes = 0
        for key, node in sorted(self._nodes.items()):
            named = {"budget_id": key[0], "window_start_us": str(key[1])}
            if node.used != node.opened_used + used[key]:
                self._differ("budget_node", named, "used", node.opened_used + used[key], node.used)
            if node.escrow != escrow[key]:
                self._differ("budget_node", named, "escrow", escrow[key], node.escrow)
            if not 0 <= node.overrun <= max(node.used, 0):
                self._differ("budget_node", named, "overrun", 0, node.overrun)
            if not 0 <= node.carried <= max(node.limit_amount, 0):
                self._differ("budget_node", named, "carried", 0, node.carried)
            if node.opened_used < 0:
                self._differ("budget_node", named, "opened_used", 0, node.opened_used)
            taken = node.used + node.escrow
            lawful = max(node.limit_amount, node.limit_highest, node.opened_used)
            if node.is_hard and taken > lawful + node.overrun:
                self._differ("budget_node", named, "limit_amount", taken, lawful + node.overrun)
            overrun_nodes += bool(node.is_hard and node.limit_amount < taken)
        return overrun_nodes

    def _differ(self, table: str, key: dict[str, str], column: str, expected: int | None, found: int | None) -> None:
        whose = {"organization_id": self._organization_id, **key}
        self._differences.append(Difference(table, whose, column, expected, found))
