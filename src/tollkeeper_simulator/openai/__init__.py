"""OpenAI's dialect: which route is answered by what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollkeeper_simulator.openai import admin, errors, models
from tollkeeper_simulator.openai.chat import Chat
from tollkeeper_simulator.openai.completions import Completions
from tollkeeper_simulator.openai.embeddings import Embeddings

if TYPE_CHECKING:
    from tollkeeper_simulator.answer import Answer, Headers
    from tollkeeper_simulator.dialect import Endpoint, State
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.http import Request
    from tollkeeper_simulator.settings import Settings

_API_VERSION = "2020-10-01"


class OpenAIDialect:
    """Everything under `/v1` as api.openai.com answers it."""

    def __init__(self) -> None:
        """Set up the billed routes."""
        self._endpoints: dict[str, Endpoint] = {
            "/v1/chat/completions": Chat(),
            "/v1/completions": Completions(),
            "/v1/embeddings": Embeddings(),
        }

    def endpoint(self, request: Request) -> Endpoint | None:
        """Return the billed route that this request is for, if it is one."""
        return self._endpoints.get(request.path) if request.method == "POST" else None

    def look_up(self, request: Request, state: State) -> Answer | None:
        """Answer models, usage and costs; None when the request is not for this dialect."""
        if not request.path.startswith("/v1/"):
            return None
        self.api_key(request)
        if request.method == "GET" and request.path.startswith("/v1/organization/"):
            return admin.answer(request, state)
        if request.method == "GET" and request.path.startswith("/v1/models"):
            return models.answer(request.path)
        return errors.unknown_url(request.method, request.path)

    def api_key(self, request: Request) -> str:
        """Return the bearer key. Raises RefusedError when it is missing or wrong."""
        return errors.checked_key(request.headers.get("authorization"))

    def failure(self, plan: FaultPlan, model: str) -> Answer:
        """Return the refusal that a fault with a status asks for."""
        return errors.asked_for(plan, model)

    def malformed_body(self, reason: str, status: int = 400) -> Answer:
        """Return the refusal of a body that cannot be read."""
        return errors.error(status, reason)

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
