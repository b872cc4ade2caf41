"""What the simulator can be told before it starts; every field has a working default."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """How the simulator behaves.

    `port` 0 lets the operating system choose. `tokens_per_second` paces generation (one request; None = as fast as
    possible). `bill_file` gets one JSON line for each finished bill record, written before the last byte of the answer
    leaves. `costs_as_text` makes the costs API send `amount.value` as a JSON string, as the live API has been seen to do
    (steipete/CodexBar issue 999, read 2026-11-21); the published specification says number. `priority_capacity` has
    Anthropic serve `"service_tier": "auto"` at its priority tier. `peak_hours` sets DeepSeek's time of day; None = the clock's.
    `grok_percent` is what xAI bills of its list prices: below 100 only `cost_in_usd_ticks` tells the caller.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tokens_per_second: int | None = None
    bill_file: Path | None = None
    organization: str = "org-simulator"
    project: str = "proj_simulator"
    requests_per_minute: int = 10_000
    tokens_per_minute: int = 2_000_000
    body_bytes_max: int = 64 * 1024 * 1024
    prompt_cache_entries_max: int = 65_536
    costs_as_text: bool = False
    priority_capacity: bool = False
    peak_hours: bool | None = None
    grok_percent: int = 100

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.tokens_per_second is not None and self.tokens_per_second < 1:
            msg = "tokens_per_second must be at least 1"
            raise ValueError(msg)
        if not 0 <= self.port <= 65_535:
            msg = f"port {self.port} is outside 0..65535"
            raise ValueError(msg)
