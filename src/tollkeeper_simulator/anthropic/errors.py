"""Refusals in Anthropic's shape: `{"type": "error", "error": {"type", "message"}, "request_id"}`.

Shapes and types: platform.claude.com/docs/en/api/errors, read 2026-11-21; wording after live answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.dialect import RefusedError

if TYPE_CHECKING:
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.http import Request

_BAD = ("sk-ant-bad", "sk-bad", "bad")
_RETRY_AFTER = [("retry-after", "1")]
_KINDS: dict[int, tuple[str, str]] = {
    400: ("invalid_request_error", "The simulator was asked to refuse this request."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "There is a problem with the billing of your organization."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "The requested resource could not be found."),
    408: ("timeout_error", "The request timed out."),
    409: ("conflict_error", "The resource was changed by another request."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    422: ("invalid_request_error", "The request could not be processed."),
    500: ("api_error", "Internal server error"),
    502: ("api_error", "Bad gateway"),
    503: ("overloaded_error", "Service temporarily unavailable"),
    504: ("timeout_error", "Request timed out"),
    529: ("overloaded_error", "Overloaded"),
}
_CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."
OVERLOADED_EVENT = b'event: error\ndata: {"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"}}\n\n'


def error(status: int, message: str, kind: str | None = None) -> Answer:
    """Return an answer with this error; its type follows from the status unless `kind` says otherwise."""
    body = {"type": "error", "error": {"type": kind or _KINDS[status][0], "message": message}}
    return Answer(status, msgspec.json.encode(body))


def refuse(message: str) -> RefusedError:
    """Return a 400 to be raised."""
    return RefusedError(error(400, message))


def model_not_found(model: str) -> RefusedError:
    """Return a 404 to be raised."""
    return RefusedError(error(404, f"model: {model}"))


def checked_key(request: Request) -> str:
    """Return the key of `x-api-key` (or a bearer token) once `anthropic-version` is there too.

    Every key is good that does not begin with `bad`, `sk-bad` or `sk-ant-bad`. Raises RefusedError (401, or 400 without a version).
    """
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    key = request.headers.get("x-api-key") or bearer
    if not key:
        raise RefusedError(error(401, "x-api-key header is required"))
    if key.startswith(_BAD):
        raise RefusedError(error(401, "invalid x-api-key"))
    if "anthropic-version" not in request.headers:
        message = "anthropic-version: header is required"
        raise refuse(message)
    return key


def asked_for(plan: FaultPlan) -> Answer:
    """Return the refusal that `status=` asks for; `status=400:quota` is an empty credit balance."""
    assert plan.status is not None
    if plan.status == 429:
        return _too_many(plan.refusal)
    if plan.status == 400 and plan.refusal == "quota":
        return error(400, _CREDIT)
    return error(plan.status, _KINDS[plan.status][1])


def _too_many(refusal: str) -> Answer:
    if refusal == "quota":
        message = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
        return error(429, message, "rate_limit_error")
    unit = "requests" if refusal == "rate" else "input tokens"
    message = f"This request would exceed your organization's rate limit of 50 {unit} per minute (org: simulator)."
    answer = error(429, message, "rate_limit_error")
    answer.headers = list(_RETRY_AFTER)
    return answer
