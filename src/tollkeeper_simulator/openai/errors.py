"""Refusals in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`.

Shapes: developers.openai.com/api/docs/guides/error-codes, read 2026-11-21; wording after live answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.dialect import RefusedError

if TYPE_CHECKING:
    from tollkeeper_simulator.faults import FaultPlan

_BEARER = "Bearer "
_SHOWN = 4
_RETRY_AFTER = [("retry-after", "1"), ("retry-after-ms", "1000")]
_OTHER_FAILURES: dict[int, tuple[str, str, str | None]] = {
    400: ("invalid_request_error", "The simulator was asked to refuse this request.", "invalid_value"),
    401: ("invalid_request_error", "Incorrect API key provided.", "invalid_api_key"),
    402: ("unknown_error", "Insufficient Balance", "invalid_request_error"),
    403: (
        "invalid_request_error",
        "Country, region, or territory not supported",
        "unsupported_country_region_territory",
    ),
    404: ("invalid_request_error", "The requested resource does not exist.", None),
    408: ("invalid_request_error", "The request timed out.", None),
    409: ("conflict", "The resource was changed by another request.", None),
    413: ("invalid_request_error", "Request body is too large.", None),
    422: ("invalid_request_error", "The request could not be processed.", None),
    502: ("server_error", "Bad gateway.", None),
    504: ("server_error", "Gateway timeout.", None),
    529: ("server_error", "The server is overloaded.", None),
}


def error(
    status: int, message: str, *, kind: str = "invalid_request_error", param: str | None = None, code: str | None = None
) -> Answer:
    """Return an answer with this error."""
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return Answer(status, msgspec.json.encode(body))


def refuse(message: str, param: str | None = None, code: str | None = None) -> RefusedError:
    """Return a 400 to be raised."""
    return RefusedError(error(400, message, param=param, code=code))


def model_not_found(model: str) -> RefusedError:
    """Return a 404 to be raised."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return RefusedError(error(404, message, code="model_not_found"))


def unknown_url(method: str, path: str) -> Answer:
    """Return the answer to a route that does not exist."""
    return error(404, f"Invalid URL ({method} {path})")


def checked_key(authorization: str | None) -> str:
    """Return the key of an `Authorization: Bearer` header.

    Every `sk-…` and `xai-…` is good except those that begin with `sk-bad` or `xai-bad`. Raises RefusedError (401).
    """
    if authorization is None or not authorization.startswith(_BEARER):
        message = (
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY)."
        )
        raise RefusedError(error(401, message))
    key = authorization[len(_BEARER) :].strip()
    if not key.startswith(("sk-", "xai-")) or key.startswith(("sk-bad", "xai-bad")):
        shown = key[:_SHOWN] + "***" + key[-_SHOWN:]
        message = (
            f"Incorrect API key provided: {shown}. You can find your API key at "
            "https://platform.openai.com/account/api-keys."
        )
        raise RefusedError(error(401, message, code="invalid_api_key"))
    return key


def asked_for(plan: FaultPlan, model: str) -> Answer:
    """Return the refusal that `status=` asks for."""
    assert plan.status is not None
    status = plan.status
    if status == 429:
        return _too_many(plan.refusal, model)
    if status == 500:
        message = "The server had an error while processing your request. Sorry about that!"
        return error(500, message, kind="server_error")
    if status == 503:
        message = "The server is currently overloaded. Please try again later."
        return error(503, message, kind="service_unavailable_error", code="server_is_overloaded")
    kind, message, code = _OTHER_FAILURES[status]
    return error(status, message, kind=kind, code=code)


def _too_many(refusal: str, model: str) -> Answer:
    if refusal == "quota":
        message = (
            "You exceeded your current quota, please check your plan and billing details. For more information on this "
            "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
        )
        return error(429, message, kind="insufficient_quota", code="insufficient_quota")
    unit, kind, limit = ("requests", "requests", "RPM") if refusal == "rate" else ("tokens", "tokens", "TPM")
    message = (
        f"Rate limit reached for {model} in organization org-simulator on {unit} per min ({limit}): Limit 30000, "
        "Used 30000, Requested 1. Please try again in 1s. Visit https://platform.openai.com/account/rate-limits to "
        "learn more."
    )
    answer = error(429, message, kind=kind, code="rate_limit_exceeded")
    answer.headers = list(_RETRY_AFTER)
    return answer
