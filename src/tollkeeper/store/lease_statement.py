"""Asks done in one statement on PostgreSQL: no lock on a node ever waits for a replica, however slow or dead that is.

What is read of nodes and leases is not locked, so it may be old when the statement runs: each lease must then still be at the
operation that was seen, and each node must have what it is to give. What does not hold any more changes nothing, and is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import literal_column

from tollkeeper.store import budget_nodes
from tollkeeper.store.lease_exchange import Exchange, Plan
from tollkeeper.store.lease_rows import read_held_by_others, read_leases

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tollkeeper.domain.lease import Answer, Ask
    from tollkeeper.store.budget_nodes import NodeKey
    from tollkeeper.store.lease_rows import LeaseKey, LeaseRow

# Locks are taken as by everybody: the replica first, then leases, then nodes, each kind in the order of its keys.
_APPLY = """
WITH alive AS MATERIALIZED (
    SELECT holder FROM replica WHERE holder = $1 FOR KEY SHARE
), own AS MATERIALIZED (
    SELECT asked.*
    FROM unnest($3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::text[], $8::bigint[], $9::text[], $10::bigint[],
                $11::bigint[], $12::bigint[], $13::bigint[], $14::bool[])
        AS asked (organization_id, id, budget_id, window_start_us, state_before, operation_before, state, operation,
                  amount, converted, booked, is_node_changed)
    JOIN lease ON lease.organization_id = asked.organization_id AND lease.id = asked.id
    CROSS JOIN alive
    WHERE lease.holder = alive.holder
        AND lease.state = asked.state_before AND lease.operation = asked.operation_before
    ORDER BY lease.organization_id, lease.id
    FOR UPDATE OF lease
), wanted AS MATERIALIZED (
    SELECT budget_node.organization_id, budget_node.budget_id, budget_node.window_start_us,
        change.used, change.overrun, change.escrow, change.growth, change.recalled_at_us
    FROM unnest($15::bytea[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[])
        AS change (lease_id, used, overrun, escrow, growth, recalled_at_us)
    JOIN own ON own.id = change.lease_id
    JOIN budget_node ON budget_node.organization_id = own.organization_id
        AND budget_node.budget_id = own.budget_id AND budget_node.window_start_us = own.window_start_us
    ORDER BY budget_node.organization_id, budget_node.budget_id, budget_node.window_start_us
    FOR NO KEY UPDATE OF budget_node
), changed AS (
    UPDATE budget_node SET
        used = budget_node.used + wanted.used,
        overrun = budget_node.overrun + wanted.overrun,
        escrow = budget_node.escrow + wanted.escrow,
        recalled_at_us = coalesce(wanted.recalled_at_us, budget_node.recalled_at_us),
        updated_at_us = $2
    FROM wanted
    WHERE budget_node.organization_id = wanted.organization_id AND budget_node.budget_id = wanted.budget_id
        AND budget_node.window_start_us = wanted.window_start_us
        AND (wanted.growth = 0
            OR ({fits} AND budget_node.stopped_at_us IS NULL))
    RETURNING {node}
), written AS (
    UPDATE lease SET
        state = own.state, operation = own.operation, amount = own.amount, converted = own.converted,
        booked = own.booked, updated_at_us = $2
    FROM own LEFT JOIN changed ON changed.organization_id = own.organization_id
        AND changed.budget_id = own.budget_id AND changed.window_start_us = own.window_start_us
    WHERE lease.organization_id = own.organization_id AND lease.id = own.id
        AND (changed.budget_id IS NOT NULL OR NOT own.is_node_changed)
    RETURNING lease.organization_id, lease.id, lease.budget_id, lease.window_start_us
)
SELECT written.id AS lease_id, changed.*
FROM written LEFT JOIN changed ON changed.organization_id = written.organization_id
    AND changed.budget_id = written.budget_id AND changed.window_start_us = written.window_start_us
"""


def make_statement(fits: object) -> str:
    """Return the one statement; `fits` is the condition that a node has `wanted.growth` left."""
    node = ", ".join(f"budget_node.{name}" for name in budget_nodes.Node.__struct_fields__)
    return _APPLY.format(fits=fits, node=node)


# Built once: building statements takes longer than running them.
_STATEMENT = make_statement(budget_nodes.fits(literal_column("wanted.growth")))


class QuickExchange(Exchange):
    """The asks of one replica on a connection where every statement is a transaction of its own."""

    async def run_quickly(self, asks: Sequence[Ask]) -> list[Answer | None]:
        """Do what can be done so, and answer in the order of the asks; None for what changed nothing and is left to do."""
        await self._read(asks)
        answers: list[Answer | None] = [self._known(ask) for ask in asks]
        plans: dict[NodeKey, Plan] = {}
        for ask, answer in zip(asks, answers, strict=True):
            row = self._rows.get((ask.organization_id, ask.lease_id))
            if answer is None and row is not None and row.node not in plans and not self._is_outdated(row):
                plans[row.node] = self._plan(ask, row)
        await self._find_others(plans)
        done = {plan.ask.lease_id: answer for plan, answer in await self._apply(list(plans.values()))}
        return [answer or done.get(ask.lease_id) for ask, answer in zip(asks, answers, strict=True)]

    async def _find_rows(self, keys: Collection[LeaseKey]) -> dict[LeaseKey, LeaseRow]:
        return await read_leases(self._connection, keys)

    async def _find_others(self, plans: dict[NodeKey, Plan]) -> None:
        """Complete the plans of what is denied by what other replicas hold."""
        denied = [key for key, plan in plans.items() if plan.is_denied]
        if not denied:
            return
        others = await read_held_by_others(self._connection, denied, holder=self._holder)
        for key in denied:
            plans[key] = msgspec.structs.replace(plans[key], others=others.get(key, 0))

    async def _apply(self, plans: list[Plan]) -> list[tuple[Plan, Answer]]:
        if not plans:
            return []
        changes = [(plan, change := self._change(plan), change != budget_nodes.Change()) for plan in plans]
        leases = [
            (
                *plan.row.key,
                plan.row.budget_id,
                plan.row.window_start_us,
                plan.row.state.value,
                plan.row.operation,
                plan.kept.state.value,
                plan.kept.operation,
                plan.kept.amount,
                plan.kept.converted,
                plan.kept.booked,
                is_changed,
            )
            for plan, _, is_changed in changes
        ]
        nodes = [
            (plan.row.id, change.used, change.overrun, change.escrow, change.growth, change.recalled_at_us)
            for plan, change, is_changed in changes
            if is_changed
        ] or [(b"", 0, 0, 0, 0, None)]
        arguments = (self._holder, self._now_us, *_columns(leases), *_columns(nodes))
        found = await self._connection.exec_driver_sql(_STATEMENT, arguments)
        after = {bytes(row.lease_id): row for row in found}
        answered = []
        for plan in plans:
            row = after.get(plan.row.id)
            if row is not None:
                node = plan.node if row.budget_id is None else budget_nodes.to_node(row[1:])
                answered.append((plan, self._answer_of(plan, node)))
        return answered


def _columns(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
