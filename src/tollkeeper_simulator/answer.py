"""What a dialect hands to delivery: a plain answer or a stream of events, each saying what it adds to the bill."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tollkeeper_simulator.bill import Usage
    from tollkeeper_simulator.prices import Provider, Tier

Headers = list[tuple[str, str]]
OPENAI_ERROR_EVENT = (
    b'data: {"error":{"message":"The server had an error while processing your request. Sorry about that!",'
    b'"type":"server_error","param":null,"code":null}}\n\n'
)


@dataclass(slots=True)
class Caller:
    """Who asked: the request's id, path, key and dialect, as they will stand on the bill."""

    request_id: str
    path: str
    api_key_id: str
    provider: Provider = "openai"


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its bytes, the output tokens that were generated for it, and whether it states the usage.

    `searches` and `found_tokens` are searches that the model made before it, and the input tokens that their results are.
    """

    data: bytes
    output_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    tells_usage: bool = False
    searches: int = 0
    found_tokens: int = 0


@dataclass(slots=True)
class Job:
    """A request that a model works on: what it will have cost when it is done.

    `percent` is what its token prices are of the list's. `states_cost` says that the answer carries the cost itself.
    `found_tokens` are those input tokens of `usage` that a stream only makes on the way (see `Event`), with its searches.
    """

    model: str
    served_model: str
    tier: Tier
    usage: Usage
    provider: Provider = "openai"
    percent: int = 100
    states_cost: bool = False
    found_tokens: int = 0


@dataclass(slots=True)
class Answer:
    """An answer ready to be sent: `body` for a plain one, `events` for a stream; `job` None means that nothing is billed.

    `tells_usage` says that the caller finds its usage in `body`; a stream says so on the event that has it. `error_event`
    is what a stream ends with when something breaks on the way, in its dialect; `stream_type` its content type, `plain_type`
    that of a plain answer.
    """

    status: int
    body: bytes = b""
    events: Iterable[Event] | None = None
    job: Job | None = None
    tells_usage: bool = False
    headers: Headers = field(default_factory=list)
    error_event: bytes = OPENAI_ERROR_EVENT
    stream_type: str = "text/event-stream; charset=utf-8"
    plain_type: str = "application/json"
