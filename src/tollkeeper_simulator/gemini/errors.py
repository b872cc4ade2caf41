"""Refusals in Google's shape: `{"error": {"code", "message", "status", "details"}}`.

Shapes: ai.google.dev/gemini-api/docs/troubleshooting and google.rpc's error details, read 2026-11-21; wording after live answers.
There are no rate-limit headers and no `retry-after`: when to try again stands in `RetryInfo`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.dialect import RefusedError

if TYPE_CHECKING:
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.http import Request

_BAD = ("bad", "sk-bad", "AIzabad", "AIza-bad")
_RPC = "type.googleapis.com/google.rpc."
_STATUSES: dict[int, tuple[str, str]] = {
    400: ("INVALID_ARGUMENT", "The simulator was asked to refuse this request."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    402: ("FAILED_PRECONDITION", "Billing is not enabled for this project."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    408: ("DEADLINE_EXCEEDED", "The request timed out."),
    409: ("ABORTED", "The operation was aborted."),
    413: ("INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
    422: ("INVALID_ARGUMENT", "The request could not be processed."),
    500: ("INTERNAL", "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"),
    502: ("UNAVAILABLE", "Bad gateway"),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
    529: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
}  # fmt: skip
BROKEN = b'{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}'
"""What stands at the end of a stream that breaks."""


def error(code: int, message: str, *, status: str | None = None, details: list[Any] | None = None) -> Answer:
    """Return an answer with this error; its status follows from the code unless it is given."""
    body: dict[str, Any] = {"code": code, "message": message, "status": status or _STATUSES[code][0]}
    if details:
        body["details"] = details
    return Answer(code, msgspec.json.encode({"error": body}))


def refuse(message: str, field: str = "") -> RefusedError:
    """Return a 400 to be raised; `field` names what is wrong in the details."""
    violation = {"@type": _RPC + "BadRequest", "fieldViolations": [{"field": field, "description": message}]}
    return RefusedError(error(400, message, details=[violation] if field else None))


def model_not_found(model: str, method: str, version: str) -> RefusedError:
    """Return a 404 to be raised."""
    message = (
        f"models/{model} is not found for API version {version}, or is not supported for {method}. Call ListModels to see "
        "the list of available models and their supported methods."
    )
    return RefusedError(error(404, message))


def checked_key(request: Request) -> str:
    """Return the key of `x-goog-api-key` or `?key=`.

    Every key is good that does not begin with `bad` (or `sk-bad`, `AIzabad`). Raises RefusedError: 400 for a bad key, as
    Google does, and 403 without one.
    """
    key = request.headers.get("x-goog-api-key") or dict(request.query).get("key") or ""
    if not key:
        message = (
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
            "other form of API consumer identity to call this API."
        )
        raise RefusedError(error(403, message))
    if key.startswith(_BAD):
        message = "API key not valid. Please pass a valid API key."
        domain = {"domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}}
        reason = {"@type": _RPC + "ErrorInfo", "reason": "API_KEY_INVALID", **domain}
        raise RefusedError(error(400, message, details=[reason]))
    return key


def asked_for(plan: FaultPlan, model: str) -> Answer:
    """Return the refusal that `status=` asks for; `status=400:quota` is billing that is not enabled."""
    assert plan.status is not None
    if plan.status == 429:
        return _exhausted(plan.refusal, model)
    if plan.status == 400 and plan.refusal == "quota":
        return error(400, "Billing is not enabled for this project.", status="FAILED_PRECONDITION")
    return error(plan.status, _STATUSES[plan.status][1])


def _exhausted(refusal: str, model: str) -> Answer:
    per, kind, delay = {
        "rate": ("GenerateRequestsPerMinutePerProjectPerModel", "requests", "1s"),
        "tokens": ("GenerateContentInputTokensPerModelPerMinute", "input_token_count", "1s"),
        "quota": ("GenerateRequestsPerDayPerProjectPerModel", "requests", "34567s"),
    }[refusal]
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
        f"head to: https://ai.google.dev/gemini-api/docs/rate-limits. Please retry in {delay}."
    )
    violation = {
        "quotaMetric": f"generativelanguage.googleapis.com/generate_content_paid_tier_{kind}",
        "quotaId": f"{per}-PaidTier1",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": "1000",
    }
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    details = [
        {"@type": _RPC + "QuotaFailure", "violations": [violation]},
        {"@type": _RPC + "Help", "links": [link]},
        {"@type": _RPC + "RetryInfo", "retryDelay": delay},
    ]
    return error(429, message, status="RESOURCE_EXHAUSTED", details=details)
