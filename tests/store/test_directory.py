"""Keys in memory: right at once or unknown, at most a second old, and not to be pushed out by guessing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from store_factories import add_key, add_organization, make_key

from tollkeeper.domain.api_key import ApiKey, KeyStatus
from tollkeeper.domain.errors import DirectoryUnavailable, StoreUnavailable
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.store import api_keys, directory, revision
from tollkeeper.store.api_keys import KeyChanges
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store


class ScriptedStore:
    """A store in front of another: counts reads, can be out of reach, and can hold a read back half-way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = 0
        self.is_reachable = True
        self.before_answer: Callable[[], Awaitable[None]] | None = None

    async def read(self, work: Callable[[Any], Awaitable[Any]], *, is_snapshot: bool = False) -> Any:
        self.reads += 1
        if not self.is_reachable:
            raise StoreUnavailable("out of reach")
        answer = await self._store.read(work, is_snapshot=is_snapshot)
        if (hook := self.before_answer) is not None:
            self.before_answer = None
            await hook()
        return answer

    async def write(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        return await self._store.write(work)


@pytest.fixture
async def key(store: Store) -> tuple[ApiKey, bytes]:
    organization, project = await add_organization(store)
    made = make_key(organization.id, project.id)
    return made, await add_key(store, made)


@pytest.fixture
def scripted(store: Store) -> ScriptedStore:
    return ScriptedStore(store)


@pytest.fixture
async def keys(scripted: ScriptedStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StoreDirectory]:
    """A directory that polls only when told to."""
    monkeypatch.setattr(directory, "POLL_INTERVAL_S", 3600)
    made = StoreDirectory(scripted)
    await made.start()
    yield made
    await made.aclose()


async def _disable(store: Any, key: ApiKey) -> None:
    disabled = KeyChanges(status=KeyStatus.DISABLED)
    await store.write(lambda c: api_keys.change_api_key(c, key.organization_id, key.id, disabled))


async def test_a_found_key_is_recalled_without_the_store(
    keys: StoreDirectory, scripted: ScriptedStore, key: tuple[ApiKey, bytes]
) -> None:
    made, digest = key
    assert keys.recall(digest) is None
    assert await keys.find(digest) == made
    reads = scripted.reads
    assert keys.recall(digest) == made
    assert await keys.find(digest) == made
    assert scripted.reads == reads


async def test_a_change_reaches_a_running_directory_within_a_second(store: Store, key: tuple[ApiKey, bytes]) -> None:
    made, digest = key
    running = StoreDirectory(store)
    await running.start()
    try:
        assert await running.find(digest) == made
        await _disable(store, made)
        deadline_s = monotonic_s() + 1.0
        while running.recall(digest) is not None and monotonic_s() < deadline_s:
            await asyncio.sleep(0.02)
        found = await running.find(digest)
        assert found is not None
        assert found.status is KeyStatus.DISABLED
    finally:
        await running.aclose()


async def test_a_change_touches_only_its_own_key(
    keys: StoreDirectory, scripted: ScriptedStore, key: tuple[ApiKey, bytes]
) -> None:
    made, digest = key
    other = make_key(made.organization_id, made.project_id)
    other_digest = await add_key(scripted, other)  # type: ignore[arg-type]
    await keys.poll()
    await keys.find(digest)
    await keys.find(other_digest)
    await _disable(scripted, made)
    await keys.poll()
    assert keys.recall(digest) is None
    assert keys.recall(other_digest) == other


async def test_a_look_up_overtaken_by_a_change_is_not_remembered(
    keys: StoreDirectory, scripted: ScriptedStore, key: tuple[ApiKey, bytes]
) -> None:
    made, digest = key

    async def change_meanwhile() -> None:
        await _disable(scripted, made)
        await keys.poll()

    scripted.before_answer = change_meanwhile
    found = await keys.find(digest)
    assert found is not None
    assert found.status is KeyStatus.DISABLED, "read again after the change"
    remembered = keys.recall(digest)
    assert remembered is None or remembered.status is KeyStatus.DISABLED


async def test_simultaneous_look_ups_of_one_key_ask_once(
    keys: StoreDirectory, scripted: ScriptedStore, key: tuple[ApiKey, bytes]
) -> None:
    made, digest = key
    reads = scripted.reads
    assert await asyncio.gather(*(keys.find(digest) for _ in range(20))) == [made] * 20
    assert scripted.reads == reads + 1


async def test_a_caller_that_leaves_does_not_end_the_look_up_of_others(
    keys: StoreDirectory, scripted: ScriptedStore, key: tuple[ApiKey, bytes]
) -> None:
    made, digest = key
    held = asyncio.Event()
    scripted.before_answer = held.wait  # type: ignore[assignment]
    first = asyncio.ensure_future(keys.find(digest))
    second = asyncio.ensure_future(keys.find(digest))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    held.set()
    assert await second == made


async def test_an_unknown_key_asks_the_store_once_until_a_key_is_made(
    keys: StoreDirectory, scripted: ScriptedStore, key: tuple[ApiKey, bytes]
) -> None:
    assert await keys.find(b"to be made") is None
    reads = scripted.reads
    assert await keys.find(b"to be made") is None
    assert scripted.reads == reads
    made = make_key(key[0].organization_id, key[0].project_id)
    await add_key(scripted, made, b"to be made")  # type: ignore[arg-type]
    await keys.poll()
    assert await keys.find(b"to be made") == made


async def test_guessing_pushes_no_good_key_out_and_takes_bounded_room(
    keys: StoreDirectory, key: tuple[ApiKey, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "UNKNOWN_MAX", 10)
    made, digest = key
    await keys.find(digest)
    for number in range(50):
        assert await keys.find(b"guess %d" % number) is None
    assert keys.recall(digest) == made
    assert len(keys._unknown) == 10


async def test_memory_is_bounded_and_keeps_keys_in_use(
    scripted: ScriptedStore, key: tuple[ApiKey, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "KEYS_MAX", 8)
    made, digest = key
    keys = StoreDirectory(scripted)  # type: ignore[arg-type]
    await keys.start()
    others = [make_key(made.organization_id, made.project_id) for _ in range(16)]
    digests = [await add_key(scripted, other) for other in others]  # type: ignore[arg-type]
    await keys.poll()
    await keys.find(digest)
    for other, other_digest in zip(others, digests, strict=True):
        assert await keys.find(other_digest) == other
        assert keys.recall(digest) == made
    assert keys.recall(digests[0]) is None
    assert await keys.find(digests[0]) == others[0], "a key that had to go is not an unknown one"
    assert len(keys._keys) <= 8
    assert sum(map(len, keys._keys._digests.values())) == len(keys._keys)
    await keys.aclose()


async def test_keys_in_memory_outlive_a_store_out_of_reach_for_a_while_only(
    scripted: ScriptedStore, key: tuple[ApiKey, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, digest = key
    now_s = 1000.0
    monkeypatch.setattr(directory, "monotonic_s", lambda: now_s)
    keys = StoreDirectory(scripted, staleness_max_s=300)  # type: ignore[arg-type]
    await keys.start()
    assert await keys.find(digest) == made
    scripted.is_reachable = False
    now_s += 299
    assert keys.recall(digest) == made
    with pytest.raises(DirectoryUnavailable):
        await keys.find(b"not in memory")
    now_s += 2
    assert keys.recall(digest) is None
    with pytest.raises(DirectoryUnavailable):
        await keys.find(digest)
    scripted.is_reachable = True
    assert await keys.find(digest) == made
    await keys.poll()
    assert keys.recall(digest) == made
    await keys.aclose()


async def test_polling_goes_on_after_the_store_was_out_of_reach(
    scripted: ScriptedStore, key: tuple[ApiKey, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "POLL_INTERVAL_S", 0.01)
    made, digest = key
    keys = StoreDirectory(scripted)  # type: ignore[arg-type]
    await keys.start()
    await keys.find(digest)
    scripted.is_reachable = False
    await asyncio.sleep(0.05)
    await _disable(scripted, made)
    scripted.is_reachable = True
    deadline_s = monotonic_s() + 5
    while keys.recall(digest) is not None and monotonic_s() < deadline_s:
        await asyncio.sleep(0.01)
    assert keys.recall(digest) is None
    await keys.aclose()


async def test_listeners_hear_of_their_kind_of_change_only(
    keys: StoreDirectory, scripted: ScriptedStore, key: tuple[ApiKey, bytes]
) -> None:
    heard: list[str] = []
    keys.on_change("price", lambda: heard.append("price"))
    await _disable(scripted, key[0])
    await keys.poll()
    assert heard == []
    for _ in range(2):
        await scripted.write(lambda c: revision.record_change(c, "price", organization_id="", entity_id="price_1"))
    await keys.poll()
    await keys.poll()
    assert heard == ["price"]


async def test_changes_are_numbered_in_the_order_of_their_commits(store: Store) -> None:
    async def change(number: int) -> None:
        await store.write(lambda c: revision.record_change(c, "price", organization_id="", entity_id=f"price_{number}"))

    seen: list[int] = []

    async def follow() -> None:
        while len(seen) < 40:
            seen.extend(
                change.number
                for change in await store.read(lambda c: revision.changes_after(c, seen[-1] if seen else 0))
            )

    await asyncio.wait_for(asyncio.gather(follow(), *(change(number) for number in range(40))), 20)
    assert seen == list(range(1, 41)), "a reader that follows the numbers misses none"
