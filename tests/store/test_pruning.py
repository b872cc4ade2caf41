"""Changes are forgotten from the oldest on, and only those that no running server can be waiting for."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from tollkeeper.kit.clock import now_us
from tollkeeper.store import pruning, revision
from tollkeeper.store.engine import Store
from tollkeeper.store.pruning import prune_changes
from tollkeeper.store.schema import change


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "CHANGES_KEPT", 5)


async def record(store: Store, count: int) -> None:
    for _ in range(count):
        await store.write(lambda c: revision.record_change(c, "api_key", organization_id="org_a", entity_id="key_a"))


async def make_old(store: Store, *numbers: int) -> None:
    query = update(change).where(change.c.number.in_(numbers)).values(changed_at_us=now_us() - 86_400_000_001)
    await store.write(lambda c: c.execute(query))


async def numbers_left(store: Store) -> list[int]:
    return list(await store.read(lambda c: c.scalars(select(change.c.number).order_by(change.c.number))))


async def test_old_changes_beyond_the_last_ones_are_removed(store: Store) -> None:
    await record(store, 12)
    await make_old(store, *range(1, 13))
    assert await store.write(prune_changes) == 7
    assert await numbers_left(store) == [8, 9, 10, 11, 12]
    assert await store.write(prune_changes) == 0
    assert await store.read(revision.last_number) == 12, "numbers go on where they were"


async def test_young_changes_stay_however_many(store: Store) -> None:
    await record(store, 12)
    await make_old(store, 1, 2)
    assert await store.write(prune_changes) == 2
    assert await numbers_left(store) == list(range(3, 13))


async def test_no_hole_is_left_when_a_clock_was_ahead(store: Store) -> None:
    await record(store, 12)
    await make_old(store, 1, 2, 4, 5)  # 3 was written by a machine whose clock is ahead
    assert await store.write(prune_changes) == 2
    assert await numbers_left(store) == list(range(3, 13))


async def test_many_are_removed_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "CHANGES_AT_ONCE", 3)
    await record(store, 12)
    await make_old(store, *range(1, 13))
    assert [await store.write(prune_changes) for _ in range(4)] == [3, 3, 1, 0]


async def test_where_nothing_ever_changed_nothing_is_removed(store: Store) -> None:
    assert await store.write(prune_changes) == 0
