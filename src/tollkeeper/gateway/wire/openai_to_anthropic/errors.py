"""Anthropic's errors as OpenAI's: status, type and code, in answers and inside streams. Pure.

https://platform.claude.com/docs/en/api/errors, developers.openai.com/api/docs/guides/error-codes (2026-11).
"""

from __future__ import annotations

from typing import Any

import msgspec

MESSAGE_LENGTH_MAX = 2000
_KINDS: dict[str, tuple[int, str, str | None]] = {  # Anthropic's type -> OpenAI's status, type and code
    "invalid_request_error": (400, "invalid_request_error", None),
    "authentication_error": (401, "invalid_request_error", "invalid_api_key"),
    "billing_error": (429, "insufficient_quota", "insufficient_quota"),
    "permission_error": (403, "invalid_request_error", "permission_denied"),
    "not_found_error": (404, "invalid_request_error", None),
    "conflict_error": (409, "conflict", None),
    "request_too_large": (413, "invalid_request_error", "request_too_large"),
    "rate_limit_error": (429, "rate_limit_error", "rate_limit_exceeded"),
    "api_error": (500, "server_error", None),
    "timeout_error": (504, "server_error", "timeout"),
    "overloaded_error": (503, "service_unavailable_error", "server_is_overloaded"),
}
_BY_STATUS = {
    401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
    409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error", 503: "overloaded_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip
_UNPAID = ("credit balance is too low", "usage limits", "spend limit", "spending limit")


class Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Body(msgspec.Struct):
    error: Error


_decode = msgspec.json.Decoder(_Body).decode


def error(status: int, body: bytes, request_id: str) -> tuple[int, bytes]:
    """Return a provider's error; see `Translation.error`."""
    try:
        stated = _decode(body).error
    except (msgspec.DecodeError, RecursionError):
        stated = Error()
    if stated.type not in _KINDS:
        stated.type = _BY_STATUS.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    stated.message = stated.message or f"The provider answered with status {status}."
    known_status, said = described(stated)
    said["request_id"] = request_id
    return known_status, msgspec.json.encode({"error": said})


def described(stated: Error) -> tuple[int, dict[str, Any]]:
    """Return the status and OpenAI's description of an error of Anthropic's."""
    status, kind, code = _KINDS.get(stated.type, _KINDS["api_error"])
    text = stated.message.lower()
    if status == 400 and any(each in text for each in _UNPAID):
        status, kind, code = _KINDS["billing_error"]
    elif status == 400 and ("prompt is too long" in text or "context window" in text or "context limit" in text):
        code = "context_length_exceeded"
    elif status == 404 and "model" in text:
        code = "model_not_found"
    return status, {"message": stated.message[:MESSAGE_LENGTH_MAX], "type": kind, "param": None, "code": code}
