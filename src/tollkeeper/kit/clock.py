"""The only reader of clocks: wall time in microseconds since 1970 UTC, and a monotonic one for durations."""

from __future__ import annotations

import time
from datetime import UTC, datetime

monotonic_ns = time.monotonic_ns
monotonic_s = time.monotonic
TIME_US_MAX = 4_102_444_800_000_000
"""2100-01-01 UTC: far beyond any call, and calendars of every timezone can show it and add to it."""


def now_us() -> int:
    """Return the wall clock in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def utc(at_us: int) -> datetime:
    """Return microseconds since 1970 as an aware UTC datetime."""
    return datetime.fromtimestamp(at_us / 1_000_000, tz=UTC)
