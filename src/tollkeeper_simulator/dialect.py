"""What a provider's dialect has to offer so that the server can speak it: `openai/`, `anthropic/` and `gemini/` are three."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tollkeeper_simulator.block_cache import BlockCache

if TYPE_CHECKING:
    from tollkeeper_simulator.answer import Answer, Caller, Headers
    from tollkeeper_simulator.bill import Bill
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.http import Request
    from tollkeeper_simulator.prices import Provider
    from tollkeeper_simulator.prompt_cache import PromptCache
    from tollkeeper_simulator.settings import Settings

Json = dict[str, Any]
"""A decoded JSON object; its values are checked where they are used."""


class RefusedError(Exception):
    """The provider refuses the request; `answer` is what it says, in its own dialect."""

    def __init__(self, answer: Answer) -> None:
        """Refuse with `answer`."""
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class State:
    """What all requests share."""

    settings: Settings
    bill: Bill
    cache: PromptCache
    block_cache: BlockCache = field(default_factory=BlockCache)


@dataclass(frozen=True, slots=True)
class Work:
    """One request to a model: its decoded body, what is to go wrong, and who asks."""

    body: Json
    plan: FaultPlan
    caller: Caller
    state: State


class Endpoint(Protocol):
    """A route that a model answers, and that is therefore on the bill."""

    def asked_model(self, body: Json) -> str:
        """Return the name of the model that is asked for, or nothing; never raises."""
        ...

    def last_user_text(self, body: Json) -> str:
        """Return the text that may hold a fault marker; never raises, whatever the body is."""
        ...

    def answer(self, work: Work) -> Answer:
        """Answer; raises RefusedError when the provider would refuse."""
        ...


class Dialect(Protocol):
    """One provider's API, or that of several which speak alike."""

    def provider(self, model: str) -> Provider:
        """Return whose bill a request for this model is on; an unknown or empty name is the dialect's own provider's."""
        ...

    def endpoint(self, request: Request) -> Endpoint | None:
        """Return the billed route that this request is for, if it is one."""
        ...

    def look_up(self, request: Request, state: State) -> Answer | None:
        """Answer a route that costs nothing; None when the request is not for this dialect."""
        ...

    def api_key(self, request: Request) -> str:
        """Return the caller's key. Raises RefusedError when it is missing or wrong."""
        ...

    def failure(self, plan: FaultPlan, model: str) -> Answer:
        """Return the refusal that a fault with a status asks for."""
        ...

    def malformed_body(self, reason: str, status: int = 400) -> Answer:
        """Return the refusal of a body that cannot be read."""
        ...

    def finish(self, answer: Answer, caller: Caller, request: Request, model: str) -> None:
        """Put into an answer what its makers did not know: the request's id, another shape for an error."""
        ...

    def headers(self, request_id: str, took_ms: int, settings: Settings) -> Headers:
        """Return the headers that every answer of this provider has."""
        ...


def model_in(body: Json) -> str:
    """Return the `model` of a body, or nothing."""
    model = body.get("model")
    return model if isinstance(model, str) else ""
