"""OpenAI's dialect: which route is answered by what, for OpenAI's own models and for DeepSeek's and xAI's.

What it cannot do: conversations, batches, parallel tool calls, log probabilities, predictions; of the administration API there are costs and two kinds of usage. What DeepSeek and xAI lack stands in `families`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tollkeeper_simulator.openai import admin, errors, families, models
from tollkeeper_simulator.openai.catalogue import family_of
from tollkeeper_simulator.openai.chat import Chat
from tollkeeper_simulator.openai.completions import Completions
from tollkeeper_simulator.openai.embeddings import Embeddings
from tollkeeper_simulator.openai.files import Files
from tollkeeper_simulator.openai.moderations import Moderations
from tollkeeper_simulator.openai.pictures import Pictures
from tollkeeper_simulator.openai.responses import Responses
from tollkeeper_simulator.openai.sound import Listening, Speech

if TYPE_CHECKING:
    from tollkeeper_simulator.answer import Answer, Caller, Headers
    from tollkeeper_simulator.dialect import Endpoint, State
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.http import Request
    from tollkeeper_simulator.prices import Provider
    from tollkeeper_simulator.settings import Settings

_API_VERSION = "2020-10-01"


class OpenAIDialect:
    """Everything under `/v1` as api.openai.com answers it; `deepseek-…` and `grok-…` as their providers do."""

    def __init__(self) -> None:
        """Set up the billed routes."""
        self._files, self._responses = Files(), Responses()
        self._endpoints: dict[str, Endpoint] = {
            "/v1/responses": self._responses,
            "/v1/chat/completions": Chat(),
            "/v1/completions": Completions(),
            "/v1/embeddings": Embeddings(),
            "/v1/moderations": Moderations(),
            "/v1/images/generations": Pictures("image_generation"),
            "/v1/images/edits": Pictures("image_edit"),
            "/v1/images/variations": Pictures("image_edit"),
            "/v1/audio/speech": Speech(),
            "/v1/audio/transcriptions": Listening(),
            "/v1/audio/translations": Listening(),
        }

    def provider(self, model: str) -> Provider:
        """Return whose model it is."""
        return family_of(model)

    def endpoint(self, request: Request) -> Endpoint | None:
        """Return the billed route that this request is for, if it is one."""
        return self._endpoints.get(request.path) if request.method == "POST" else None

    def look_up(self, request: Request, state: State) -> Answer | None:
        """Answer models, files, usage and costs; None when the request is not for this dialect."""
        if not request.path.startswith("/v1/"):
            return None
        api_key = self.api_key(request)
        if request.method == "GET" and request.path.startswith("/v1/organization/"):
            return admin.answer(request, state)
        if request.method == "GET" and request.path.startswith("/v1/models"):
            return models.answer(request.path)
        found = self._responses.look_up(request) or self._files.look_up(request, api_key)
        if found is not None:
            return found
        return errors.unknown_url(request.method, request.path)

    def api_key(self, request: Request) -> str:
        """Return the bearer key. Raises RefusedError when it is missing or wrong."""
        return errors.checked_key(request.headers.get("authorization"))

    def failure(self, plan: FaultPlan, model: str) -> Answer:
        """Return the refusal that a fault with a status asks for; DeepSeek says with a 402 what OpenAI says with a 429."""
        if plan.status == 429 and plan.refusal == "quota" and family_of(model) == "deepseek":
            plan = replace(plan, status=402)
        return errors.asked_for(plan, model)

    def malformed_body(self, reason: str, status: int = 400) -> Answer:
        """Return the refusal of a body that cannot be read."""
        return errors.error(status, reason)

    def finish(self, answer: Answer, caller: Caller, request: Request, model: str) -> None:
        """Give an error the shape of the model's provider; without a model the key tells."""
        del caller
        for_xai = family_of(model) == "xai" or request.headers.get("authorization", "").startswith("Bearer xai-")
        if answer.status >= 400 and for_xai:
            families.as_xai_says_it(answer)

    def headers(self, request_id: str, took_ms: int, settings: Settings) -> Headers:
        """Return the headers that every OpenAI answer has."""
        return [
            ("x-request-id", request_id),
            ("openai-organization", settings.organization),
            ("openai-project", settings.project),
            ("openai-processing-ms", str(took_ms)),
            ("openai-version", _API_VERSION),
            ("x-ratelimit-limit-requests", str(settings.requests_per_minute)),
            ("x-ratelimit-limit-tokens", str(settings.tokens_per_minute)),
            ("x-ratelimit-remaining-requests", str(settings.requests_per_minute - 1)),
            ("x-ratelimit-remaining-tokens", str(settings.tokens_per_minute - 1)),
            ("x-ratelimit-reset-requests", "6ms"),
            ("x-ratelimit-reset-tokens", "0s"),
        ]
