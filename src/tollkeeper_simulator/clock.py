"""The simulator's own clock and identifiers; nothing else in it asks the system for time or randomness."""

from __future__ import annotations

import secrets
import time


def now_s() -> int:
    """Return UTC as whole Unix seconds."""
    return int(time.time())


def monotonic_ms() -> int:
    """Return milliseconds of a clock that never goes back."""
    return time.monotonic_ns() // 1_000_000


def request_id() -> str:
    """Return a fresh `req_…` id, as OpenAI puts it into `x-request-id`."""
    return "req_" + secrets.token_hex(16)


def object_id(prefix: str) -> str:
    """Return a fresh id such as `chatcmpl-…`; `prefix` includes its separator."""
    return prefix + secrets.token_hex(12)
