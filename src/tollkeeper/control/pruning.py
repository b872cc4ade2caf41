"""Deleting what nobody needs any more: of accounts, messages, repeated requests, refused calls, leases, in small transactions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from tollkeeper.kit.clock import now_us
from tollkeeper.store import lease_pruning, people_pruning, pruning, refused_calls
from tollkeeper.store.engine import Store

DAY_US = 86_400 * 1_000_000
ROUNDS_MAX = 1000
"""Transactions of one table in one go; what is left waits for the next."""

KEPT_DAYS: dict[Callable[..., Awaitable[int]], int] = {
    people_pruning.prune_sessions: 0,
    people_pruning.prune_flows: 0,
    people_pruning.prune_tokens: 1,
    people_pruning.prune_results: 30,
    people_pruning.prune_mail: 30,
    refused_calls.prune_refusals: 30,
}
"""How long each is kept after it ended: results of requests with an Idempotency-Key after they were made."""


async def prune_store(store: Store) -> int:
    """Delete what has been kept long enough; returns how many rows.

    Raises:
        StoreUnavailable: the database is out of reach; what was deleted stays deleted.
    """
    at_us = now_us()
    total = await _prune_batches(store, pruning.prune_changes, pruning.CHANGES_AT_ONCE)
    ended = partial(lease_pruning.prune_leases, before_us=at_us - lease_pruning.KEPT_US)
    total += await _prune_batches(store, ended, lease_pruning.AT_ONCE)
    for prune, days in KEPT_DAYS.items():
        batch = partial(prune, before_us=at_us - days * DAY_US)
        total += await _prune_batches(store, batch, people_pruning.BATCH_MAX)
    return total


async def _prune_batches(store: Store, batch: Callable[[Any], Awaitable[int]], batch_max: int) -> int:
    total = 0
    for _ in range(ROUNDS_MAX):
        deleted = await store.write(batch)
        total += deleted
        if deleted < batch_max:
            break
    return total
