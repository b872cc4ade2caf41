"""Whether the audit log is whole: walks every chain, each as of one moment, and the installation's list of the chains."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.domain.audit import INSTALLATION
from tollkeeper.domain.audit_chain import ChainCheck, Fault, FaultKind, Head
from tollkeeper.domain.errors import Conflict
from tollkeeper.store import audit
from tollkeeper.store.engine import Connection, Store

EVENTS_MAX = 100_000
"""Events that are checked while somebody waits; a longer log is checked by the command."""
_PAGE = 2_000
_BEFORE_EVERYTHING = -(2**63)
Progress = Callable[[int], None]
"""Told how many further events were checked."""
KeptHeads = Mapping[str, tuple[Head, ...]]
"""Ends that chains had earlier, by organization."""


class ChainReport(msgspec.Struct, frozen=True):
    """What was found in one chain; `faults` has a thousand at most, `faults_count` counts all."""

    organization_id: str
    events: int
    head: Head | None
    faults: tuple[Fault, ...]
    faults_count: int


async def chains_to_verify(store: Store, kept: KeptHeads | None = None) -> list[str]:
    """Return the organizations that have an audit log or should have one, the installation's "" first.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    begun = await store.read(audit.list_begun)  # first: a log that begins meanwhile is not missed
    return sorted({*begun, *await store.read(audit.list_chains), *(kept or {})})


async def verify_chains(
    store: Store,
    key: bytes,
    organization_ids: list[str],
    *,
    kept: KeptHeads | None = None,
    on_progress: Progress = lambda _: None,
) -> AsyncIterator[ChainReport]:
    """Verify each chain as of one moment; servers may go on writing meanwhile.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    for organization_id in organization_ids:
        verification = _Verification(organization_id, key, (kept or {}).get(organization_id, ()), on_progress)
        yield await store.read(verification.run, is_snapshot=True)


async def check_own_log(action: Action) -> ChainReport:
    """Verify the log of the caller's organization, as of one moment.

    Raises:
        PermissionDenied: the caller may not read it.
        Conflict: it is too long to be checked while somebody waits.
    """
    action.require("audit:read", action.organization)
    head = await audit.read_head(action.connection, action.organization_id)
    if head is not None and head.number > EVENTS_MAX:
        raise Conflict(
            f"The log has {head.number:,} events, which takes too long here; the operator checks it by: tollkeeper audit verify"
        )
    verification = _Verification(action.organization_id, action.secrets.audit_key, (), lambda _: None)
    return await verification.run(action.connection)


class _Verification:
    """One chain, read page by page."""

    def __init__(self, organization_id: str, key: bytes, kept: tuple[Head, ...], on_progress: Progress) -> None:
        self._organization_id, self._key, self._on_progress = organization_id, key, on_progress
        self._kept = {head.number: head.mac for head in kept}

    async def run(self, connection: Connection) -> ChainReport:
        head = await audit.read_head(connection, self._organization_id)
        check = ChainCheck(self._organization_id, head, self._key, kept=self._kept)
        number = _BEFORE_EVERYTHING
        while page := await audit.events_after(connection, self._organization_id, number, limit=_PAGE):
            for event in page:
                check.feed(event)
            number = page[-1].number
            self._on_progress(len(page))
        found = check.finish()
        general: list[Fault] = []
        if self._organization_id != INSTALLATION:
            begun = await audit.count_beginnings(connection, self._organization_id)
            general = _faults_of_beginning(begun, is_there=head is not None or check.events > 0)
        end = Head(head.number, head.mac) if head is not None else None
        faults_count = len(general) + check.faults_count
        return ChainReport(self._organization_id, check.events, end, (*general, *found), faults_count)


def _faults_of_beginning(begun: int, *, is_there: bool) -> list[Fault]:
    """Compare a chain with what the installation's log says of it."""
    if not is_there:
        return [Fault(FaultKind.GONE)]
    if begun == 0:
        return [Fault(FaultKind.NEVER_BEGUN)]
    return [Fault(FaultKind.BEGUN_AGAIN)] if begun > 1 else []
