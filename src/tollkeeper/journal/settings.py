"""How the journal is kept: where, how durable, and its bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

_MIB = 1 << 20


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the journal is kept. `fast` survives the death of the process, `safe` also the loss of power."""

    directory: Path
    durability: Literal["fast", "safe"] = "fast"
    segment_bytes: int = 64 * _MIB
    free_min_bytes: int = 64 * _MIB
    reserve_bytes: int = 16 * _MIB
    sync_window_s: float = 0.005
    sync_batch_max: int = 64
    unflushed_max: int = 100_000  # settled records in memory, about 1.3 KB each, before admission stops
    flush_interval_s: float = 0.5  # how old a record gets in memory, unless `flush_batch` came first
    flush_batch: int = 500
    flush_batch_max: int = 2_000  # when it is behind
    rescue_s: float = 5.0  # how long a process whose journal died may try to give its queue to the store
