"""Keys in memory for the data plane, kept at most 1 s behind the store by polling its numbered list of changes.

Only digests that exist take room among the keys; unknown ones have a small memory of their own, so that guessing
cannot push good keys out. A look-up that was under way when a change arrived is not remembered. A key is dropped when
it changes, when its project, its member or a limit does, and with all others when its organization does; the numbers of the
changes have no gaps, so whoever finds one has missed rows that were pruned, and forgets everything.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from tollkeeper.domain.errors import DirectoryUnavailable, StoreUnavailable
from tollkeeper.kit.clock import monotonic_s
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.store import key_lookup, revision
from tollkeeper.store.held_keys import HeldKeys, Stale

if TYPE_CHECKING:
    from collections.abc import Callable

    from tollkeeper.domain.api_key import ApiKey
    from tollkeeper.ports.directory import Directory
    from tollkeeper.store.engine import Store

POLL_INTERVAL_S = 0.4  # with the query itself, a change is seen well within the promised second
KEYS_MAX = 50_000
UNKNOWN_MAX = 10_000
UNKNOWN_TTL_S = 60.0
_log = logging.getLogger(__name__)


class StoreDirectory:
    """Satisfies `ports.directory.Directory` over a store. `start` before use, `aclose` at the end.

    While the store is out of reach, keys in memory go on for `staleness_max_s` seconds after the last time that the
    changes could be read; then nothing is known any more.
    """

    def __init__(self, store: Store, *, staleness_max_s: float = 300.0) -> None:
        self._store = store
        self._staleness_max_s = staleness_max_s
        self._keys = HeldKeys(KEYS_MAX)
        self._unknown: dict[bytes, float] = {}  # digest -> when to ask again
        self._lookups: dict[bytes, asyncio.Task[ApiKey | None]] = {}
        self._tasks = TaskGroup()
        self._on_change: dict[str, list[Callable[[], None]]] = {}
        self._number = 0
        self._generation = 0  # grows with every batch of changes
        self._fresh_until_s = float("-inf")
        self._is_reachable = True

    async def start(self) -> None:
        """Read where the list of changes stands and begin to follow it.

        Raises:
            StoreUnavailable: the store is out of reach.
        """
        self._number = await self._store.read(revision.last_number)
        self._fresh_until_s = monotonic_s() + self._staleness_max_s
        self._tasks.start(self._follow(), "directory-poll")

    async def aclose(self) -> None:
        """Stop following and forget everything."""
        await self._tasks.cancel()
        self._fresh_until_s = float("-inf")
        self._keys.clear()
        self._unknown.clear()

    def on_change(self, kind: revision.ChangeKind, callback: Callable[[], None]) -> None:
        """Call back after changes of a kind were seen, once for all that came together."""
        self._on_change.setdefault(kind, []).append(callback)

    def recall(self, digest: bytes) -> ApiKey | None:
        """See `ports.directory.Directory`."""
        key = self._keys.get(digest)
        return key if key is not None and monotonic_s() < self._fresh_until_s else None

    async def find(self, digest: bytes) -> ApiKey | None:
        """See `ports.directory.Directory`; callers that ask for the same digest at the same time share one query."""
        if (key := self.recall(digest)) is not None:
            return key
        ask_again_s = self._unknown.get(digest)
        if ask_again_s is not None and monotonic_s() < min(ask_again_s, self._fresh_until_s):
            return None
        lookup = self._lookups.get(digest)
        if lookup is None:
            lookup = self._lookups[digest] = self._tasks.start(self._look_up(digest), "directory-look-up")
            lookup.add_done_callback(lambda _: self._lookups.pop(digest, None))
        try:
            return await asyncio.shield(lookup)  # a caller that leaves must not end it for the others
        except StoreUnavailable as error:
            message = "API keys cannot be checked because the database is out of reach; try again shortly."
            raise DirectoryUnavailable(message) from error

    async def poll(self) -> None:
        """Read the changes since the last time and forget what they touch.

        Raises:
            StoreUnavailable: the store is out of reach.
        """
        asked_at_s = monotonic_s()
        while changes := await self._store.read(lambda connection: revision.changes_after(connection, self._number)):
            self._forget(changes)
        self._fresh_until_s = asked_at_s + self._staleness_max_s

    def _forget(self, changes: list[revision.Change]) -> None:
        self._generation += 1
        kinds = {change.kind for change in changes}
        if changes[0].number != self._number + 1:
            self._keys.clear()
            self._unknown.clear()
            kinds |= self._on_change.keys()
        stale: dict[str, Stale] = {}  # by organization: a thousand changes of one cost one pass over its keys
        for change in changes:
            if change.kind in Stale.KINDS:
                of_organization = stale.setdefault(change.organization_id, Stale(change.organization_id))
                of_organization.add(change.kind, change.entity_id)
        for organization_id, what in stale.items():
            self._keys.drop(organization_id, what)
        if "api_key" in kinds:
            self._unknown.clear()  # one of them may have just been made
        self._number = changes[-1].number
        for kind in kinds:
            for callback in self._on_change.get(kind, ()):
                callback()

    async def _look_up(self, digest: bytes) -> ApiKey | None:
        generation = self._generation
        find = partial(key_lookup.find_by_digest, digest=digest)
        key = await self._store.read(find, is_snapshot=True)  # between two moments a key has no budgets: see rotation
        if generation != self._generation:
            # What was read may be older than a change already dealt with. Read once more, and remember neither.
            return await self._store.read(find, is_snapshot=True)
        if key is not None:
            self._keys.put(digest, key)
        else:
            if len(self._unknown) >= UNKNOWN_MAX:
                del self._unknown[next(iter(self._unknown))]
            self._unknown[digest] = monotonic_s() + UNKNOWN_TTL_S
        return key

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            try:
                await self.poll()
            except StoreUnavailable as error:
                if self._is_reachable:
                    _log.warning("changes to keys cannot be read, keys in memory go on for now: %s", error)
                self._is_reachable = False
            else:
                if not self._is_reachable:
                    _log.warning("changes to keys can be read again")
                self._is_reachable = True


if TYPE_CHECKING:

    def _is_directory(directory: StoreDirectory) -> Directory:
        return directory
