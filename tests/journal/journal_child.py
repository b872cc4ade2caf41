"""A process that reserves and settles as fast as it can and says what it did only after it was done; to be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from journal_fakes import record, reservation, settings

from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.journal.ledger import open_ledger


class FileStore:
    """Commits a batch of call ids with one write; away every third time, and every fifth reply is lost."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._calls = 0

    async def insert_usage(self, records: list[UsageRecord], *, slot: str) -> int:
        assert slot
        self._calls += 1
        if self._calls % 3 == 0:
            raise StoreUnavailable("away")
        os.write(self._file, b"".join(item.call_id for item in records))
        if self._calls % 5 == 0:
            raise StoreUnavailable("the reply was lost")
        await asyncio.sleep(0)
        return len(records)


async def main(directory: Path, store: Path) -> None:
    ledger = await open_ledger(
        settings(directory, segment_bytes=50_000, flush_interval_s=0.02, flush_batch=50), FileStore(store)
    )
    for index in range(1_000_000):
        held = reservation()
        await ledger.reserve(held)
        os.write(1, b"R" + held.call_id)
        if index % 10:
            ledger.settle(record(held.call_id, amount_nanos=int.from_bytes(held.call_id[-4:], "big")))
            os.write(1, b"S" + held.call_id)
        await asyncio.sleep(0)


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
