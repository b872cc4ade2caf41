"""What a dialect hands to delivery: a plain answer or a stream of events, each saying what it adds to the bill."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tollkeeper_simulator.bill import Usage
    from tollkeeper_simulator.prices import Tier

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Caller:
    """Who asked: the request's id, path and key, as they will stand on the bill."""

    request_id: str
    path: str
    api_key_id: str


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its bytes, the output tokens that were generated for it, and whether it states the usage."""

    data: bytes
    output_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    tells_usage: bool = False


@dataclass(slots=True)
class Job:
    """A request that a model works on: what it will have cost when it is done."""

    model: str
    served_model: str
    tier: Tier
    usage: Usage


@dataclass(slots=True)
class Answer:
    """An answer ready to be sent: `body` for a plain one, `events` for a stream; `job` None means that nothing is billed.

    `tells_usage` says that the caller finds its usage in `body`; a stream says so on the event that has it.
    """

    status: int
    body: bytes = b""
    events: Iterable[Event] | None = None
    job: Job | None = None
    tells_usage: bool = False
    headers: Headers = field(default_factory=list)
