"""Anthropic's dialect: which route is answered by what.

What it cannot do: message batches, files, the administration and cost APIs, MCP, containers and code execution, web fetch,
citations, context management, priority tokens with prices of their own. It does not ask for `anthropic-beta` headers, and
pictures and documents are counted, not looked at.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock
from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.anthropic import errors, models, request
from tollkeeper_simulator.anthropic.messages import Messages

if TYPE_CHECKING:
    from tollkeeper_simulator.answer import Caller, Headers
    from tollkeeper_simulator.dialect import Endpoint, State
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.http import Request
    from tollkeeper_simulator.prices import Provider
    from tollkeeper_simulator.settings import Settings

_MESSAGES = "/v1/messages"
_COUNT = "/v1/messages/count_tokens"


class AnthropicDialect:
    """What api.anthropic.com answers under `/v1`; `anthropic-version` tells its list of models from OpenAI's."""

    def __init__(self) -> None:
        """Set up the billed route."""
        self._messages = Messages()

    def provider(self, model: str) -> Provider:
        """Return whose model it is."""
        del model
        return "anthropic"

    def endpoint(self, request: Request) -> Endpoint | None:
        """Return the billed route that this request is for, if it is one."""
        return self._messages if request.method == "POST" and request.path == _MESSAGES else None

    def look_up(self, request: Request, state: State) -> Answer | None:
        """Answer models and token counts; None when the request is not for this dialect."""
        del state
        if request.path.startswith("/v1/models") and "anthropic-version" in request.headers:
            self.api_key(request)
            return (
                models.answer(request)
                if request.method == "GET"
                else errors.error(405, "Method Not Allowed", _NO_METHOD)
            )
        if not request.path.startswith(_MESSAGES):
            return None
        self.api_key(request)
        if request.method == "POST" and request.path == _COUNT:
            return _count(request.body)
        return errors.error(404, "Not Found")

    def api_key(self, request: Request) -> str:
        """Return the caller's key. Raises RefusedError when it is missing or wrong."""
        return errors.checked_key(request)

    def failure(self, plan: FaultPlan, model: str) -> Answer:
        """Return the refusal that a fault with a status asks for."""
        del model
        return errors.asked_for(plan)

    def malformed_body(self, reason: str, status: int = 400) -> Answer:
        """Return the refusal of a body that cannot be read."""
        return errors.error(status, reason)

    def finish(self, answer: Answer, caller: Caller, request: Request, model: str) -> None:
        """Put the request's id into an error."""
        del request, model
        if answer.status >= 400 and answer.body.endswith(b"}"):
            answer.body = answer.body[:-1] + b',"request_id":"%b"}' % caller.request_id.encode()

    def headers(self, request_id: str, took_ms: int, settings: Settings) -> Headers:
        """Return the headers that every Anthropic answer has."""
        del took_ms
        reset = datetime.fromtimestamp(clock.now_s(), UTC).isoformat().replace("+00:00", "Z")
        headers = [("request-id", request_id), ("anthropic-organization-id", settings.organization)]
        limits = {
            "requests": settings.requests_per_minute,
            "tokens": settings.tokens_per_minute,
            "input-tokens": settings.tokens_per_minute,
            "output-tokens": settings.tokens_per_minute,
        }
        for name, limit in limits.items():
            start = f"anthropic-ratelimit-{name}"
            headers += [
                (f"{start}-limit", str(limit)),
                (f"{start}-remaining", str(limit - 1)),
                (f"{start}-reset", reset),
            ]
        return headers


_NO_METHOD = "invalid_request_error"


def _count(body: bytes) -> Answer:
    try:
        asked = msgspec.json.decode(body)
    except msgspec.DecodeError as wrong:
        return errors.error(400, f"The request body is not valid JSON: {wrong}")
    if not isinstance(asked, dict):
        return errors.error(400, "The request body is not a JSON object.")
    return Answer(200, msgspec.json.encode({"input_tokens": request.count(asked)}))
