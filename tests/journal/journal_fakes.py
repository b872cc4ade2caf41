"""What the journal's tests share: realistic records, a store in memory that can fail, a disk that can fail."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import ChargeLine, CostState, Outcome, UsageRecord
from tollkeeper.journal.disk import OsDisk
from tollkeeper.journal.settings import JournalSettings
from tollkeeper.kit.ids import uuid7


def reservation(call_id: bytes | None = None, *, ceiling_nanos: int | None = 1_000_000) -> Reservation:
    return Reservation(
        call_id=call_id or uuid7(),
        organization_id="org_0123456789",
        project_id="proj_0123456789",
        api_key_id="key_0123456789",
        operation="chat.completions",
        model_asked="fast",
        model="gpt-4o-mini",
        provider="openai",
        is_stream=False,
        started_at_us=1_763_700_000_000_000,
        ceiling_nanos=ceiling_nanos,
        end_user="사용자-1",
        labels={"feature": "search"},
    )


def record(call_id: bytes, *, amount_nanos: int = 195_600) -> UsageRecord:
    return UsageRecord(
        call_id=call_id,
        organization_id="org_0123456789",
        project_id="proj_0123456789",
        api_key_id="key_0123456789",
        operation="chat.completions",
        model_asked="fast",
        model_served="gpt-4o-mini-2024-07-18",
        provider="openai",
        status=200,
        outcome=Outcome.COMPLETE,
        is_stream=False,
        started_at_us=1_763_700_000_000_000,
        latency_us=812_345,
        first_byte_us=400_123,
        overhead_us=312,
        service_tier="default",
        quantities={"input": 812, "cache_read": 0, "output": 123},
        reasoning_tokens=0,
        is_estimated=False,
        lines=(
            ChargeLine("input", 812, 150_000, 121_800, "catalogue"),
            ChargeLine("output", 123, 600_000, 73_800, "catalogue"),
        ),
        amount_nanos=amount_nanos,
        cost_state=CostState.COMPUTED,
        labels={"feature": "search"},
        provider_request_id="req_0123456789abcdef",
    )


def settings(directory: Path, **changes: object) -> JournalSettings:
    values: dict[str, object] = {"directory": directory, "flush_interval_s": 0.01, "reserve_bytes": 1 << 16, **changes}
    return JournalSettings(**values)  # type: ignore[arg-type]


class MemoryStore:
    """Keeps the first record of each call id, as the database does. Fails as told, before or after its commit."""

    def __init__(self) -> None:
        self.records: dict[bytes, UsageRecord] = {}
        self.batches: list[int] = []
        self.calls = 0
        self.fail_before = 0
        self.fail_after_commit = 0
        self.gate: asyncio.Event | None = None

    async def insert_usage(self, records: list[UsageRecord], *, slot: str) -> int:
        assert slot
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.fail_before:
            self.fail_before -= 1
            raise StoreUnavailable("the store is away")
        new = [item for item in records if item.call_id not in self.records]
        for item in new:
            self.records[item.call_id] = item
        self.batches.append(len(records))
        if self.fail_after_commit:
            self.fail_after_commit -= 1
            raise StoreUnavailable("the reply was lost")
        return len(new)


class FaultyDisk(OsDisk):
    """A real disk until the nth call of one operation, which fails and is counted, as is any call after it."""

    def __init__(self, operation: str = "", at: int = 1, *, code: int = errno.EIO, is_short: bool = False) -> None:
        self.operation, self.at, self.code, self.is_short = operation, at, code, is_short
        self.seen: dict[str, int] = {}
        self.after_fault: list[str] = []
        self.has_failed = False
        self.free = 1 << 40
        self.log: list[str] = []
        self.removed: list[str] = []
        self.allocated: list[str] = []

    def _pass(self, operation: str) -> bool:
        if self.has_failed and operation != "close":
            self.after_fault.append(operation)
        self.seen[operation] = self.seen.get(operation, 0) + 1
        self.log.append(operation)
        if operation == self.operation and self.seen[operation] == self.at:
            self.has_failed = True
            if not self.is_short:
                raise OSError(self.code, os.strerror(self.code))
            return False
        return True

    def create(self, path: Path) -> int:
        self._pass("create")
        return super().create(path)

    def write(self, descriptor: int, data: bytes, /) -> int:  # type: ignore[override]
        return os.write(descriptor, data if self._pass("write") else data[: len(data) // 2])

    def sync_data(self, descriptor: int) -> None:
        self._pass("sync_data")

    def sync_directory(self, path: Path) -> None:
        self._pass("sync_directory")

    def remove(self, path: Path) -> None:
        self._pass("remove")
        self.removed.append(path.name)
        super().remove(path)

    def free_bytes(self, path: Path) -> int:
        self._pass("free_bytes")
        return self.free

    def allocate(self, path: Path, size: int) -> None:
        self._pass("allocate")
        self.allocated.append(path.name)
        super().allocate(path, size)


async def until(condition: object, *, timeout_s: float = 10) -> None:
    """Wait until a callable says yes; fails loudly when it never does."""
    assert callable(condition)
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.002)
