"""Gemini's errors in OpenAI's shape, with OpenAI's statuses, types and codes."""

from __future__ import annotations

import msgspec

from tollkeeper.gateway.wire.gemini_target.errors import Fault, ProviderError

_encode = msgspec.json.Encoder().encode

# fault -> status, type, code. https://developers.openai.com/api/docs/guides/error-codes (2026-11)
_SAID: dict[Fault, tuple[int, str, str | None]] = {
    "invalid": (400, "invalid_request_error", None),
    "too_long": (400, "invalid_request_error", "context_length_exceeded"),
    "credentials": (401, "invalid_request_error", "invalid_api_key"),
    "forbidden": (403, "invalid_request_error", "permission_denied"),
    "not_found": (404, "invalid_request_error", "model_not_found"),
    "too_large": (413, "invalid_request_error", "request_too_large"),
    "rate": (429, "rate_limit_error", "rate_limit_exceeded"),
    "quota": (429, "insufficient_quota", "insufficient_quota"),
    "cancelled": (499, "server_error", "cancelled"),
    "overloaded": (503, "service_unavailable_error", "server_is_overloaded"),
    "timeout": (504, "server_error", "timeout"),
    "internal": (500, "server_error", None),
}


def openai_error(error: ProviderError, request_id: str) -> tuple[int, bytes]:
    """Return the status and the body that say it; in a stream the body alone is an event's data."""
    status, kind, code = _SAID[error.fault]
    said = {"message": error.message, "type": kind, "param": None, "code": code, "request_id": request_id}
    return status, _encode({"error": said})
