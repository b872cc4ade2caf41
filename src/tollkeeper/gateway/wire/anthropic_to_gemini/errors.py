"""Gemini's errors in Anthropic's shape, with Anthropic's statuses and types."""

from __future__ import annotations

import msgspec

from tollkeeper.gateway.wire.gemini_target.errors import Fault, ProviderError

_encode = msgspec.json.Encoder().encode

# fault -> status, type. https://platform.claude.com/docs/en/api/errors (2026-11)
_SAID: dict[Fault, tuple[int, str]] = {
    "invalid": (400, "invalid_request_error"),
    "too_long": (400, "invalid_request_error"),
    "credentials": (401, "authentication_error"),
    "forbidden": (403, "permission_error"),
    "not_found": (404, "not_found_error"),
    "too_large": (413, "request_too_large"),
    "rate": (429, "rate_limit_error"),
    "quota": (429, "rate_limit_error"),
    "cancelled": (499, "api_error"),
    "overloaded": (529, "overloaded_error"),
    "timeout": (504, "timeout_error"),
    "internal": (500, "api_error"),
}


def anthropic_error(error: ProviderError, request_id: str) -> tuple[int, bytes]:
    """Return the status and the body that say it; in a stream the body alone is the data of an `error` event."""
    status, kind = _SAID[error.fault]
    said = {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": request_id}
    return status, _encode(said)
