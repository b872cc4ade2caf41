"""Gemini's dialect: which route is answered by what, under `/v1beta` and `/v1`.

What it cannot do: explicit caches (`cachedContent` is a 403), files, batches, live sessions, image and speech generation, tuned
models, running code, reading URLs and maps, log probabilities, Vertex AI's paths and Google's OpenAI-compatible endpoint.
Pictures, sound and documents are counted, not looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tollkeeper_simulator.gemini import count, errors, models
from tollkeeper_simulator.gemini.embed import Embed
from tollkeeper_simulator.gemini.generate import Generate

if TYPE_CHECKING:
    from tollkeeper_simulator.answer import Answer, Caller, Headers
    from tollkeeper_simulator.dialect import Endpoint, State
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.http import Request
    from tollkeeper_simulator.prices import Provider
    from tollkeeper_simulator.settings import Settings

_METHOD = re.compile(r"/(v1beta|v1alpha|v1)/models/([^/:]+):(\w+)")
_MODELS = re.compile(r"/(v1beta|v1alpha|v1)/models(?:/([^/:]+))?/?")


class GeminiDialect:
    """What generativelanguage.googleapis.com answers; `x-goog-api-key` tells its list under `/v1` from the others'."""

    def provider(self, model: str) -> Provider:
        """Return whose model it is."""
        del model
        return "gemini"

    def endpoint(self, request: Request) -> Endpoint | None:
        """Return the billed method that this request is for, if it is one."""
        found = _METHOD.fullmatch(request.path)
        if found is None or request.method != "POST":
            return None
        version, model, method = found.groups()
        if method == "generateContent":
            return Generate(model, version)
        if method == "streamGenerateContent":
            return Generate(model, version, stream=True, as_events=_as_events(request))
        if method in {"embedContent", "batchEmbedContents"}:
            return Embed(model, version, batch=method == "batchEmbedContents")
        return None

    def look_up(self, request: Request, state: State) -> Answer | None:
        """Answer models and token counts; None when the request is not for this dialect."""
        del state
        method, listed = _METHOD.fullmatch(request.path), _MODELS.fullmatch(request.path)
        mine = request.path.startswith(("/v1beta/", "/v1alpha/")) or "x-goog-api-key" in request.headers
        if method is None and not mine:
            return None
        self.api_key(request)
        if method is not None and request.method == "POST" and method[3] == "countTokens":
            return count.answer(method[2], request.body, method[1])
        if listed is not None and request.method == "GET":
            return models.answer(request, listed[2] or "", listed[1])
        return errors.error(404, "Requested entity was not found.")

    def api_key(self, request: Request) -> str:
        """Return the caller's key. Raises RefusedError when it is missing or wrong."""
        return errors.checked_key(request)

    def failure(self, plan: FaultPlan, model: str) -> Answer:
        """Return the refusal that a fault with a status asks for."""
        return errors.asked_for(plan, model)

    def malformed_body(self, reason: str, status: int = 400) -> Answer:
        """Return the refusal of a body that cannot be read."""
        return errors.error(status, f"Invalid JSON payload received. {reason}")

    def finish(self, answer: Answer, caller: Caller, request: Request, model: str) -> None:
        """Put the error of a stream that is not one of events into a list, as Google does."""
        del caller, model
        if answer.status >= 400 and ":streamGenerateContent" in request.path and not _as_events(request):
            answer.body = b"[" + answer.body + b"]"

    def headers(self, request_id: str, took_ms: int, settings: Settings) -> Headers:
        """Return the headers that every answer has; there are none about limits, and none with the request's id."""
        del request_id, settings
        return [("server", "scaffolding on HTTPServer2"), ("server-timing", f"gfet4t7; dur={took_ms}")]


def _as_events(request: Request) -> bool:
    return dict(request.query).get("alt") == "sse"
