"""Errors of OpenAI and of those that speak like it as Anthropic's: status and type, in answers and inside streams. Pure.

developers.openai.com/api/docs/guides/error-codes, platform.claude.com/docs/en/api/errors, openrouter.ai/docs/api/
reference/errors-and-debugging (2026-11). xAI: {"code": "…", "error": "a text"}; OpenRouter's codes are HTTP's.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

MESSAGE_LENGTH_MAX = 2000
_UNPAID = re.compile(
    r"insufficient_quota|credit_balance_exhausted|billing_hard_limit_reached"
    r"|(organization|project)_(spend|usage)_limit_exceeded"
)  # among types and codes
_BY_STATUS: dict[int, tuple[int, str]] = {  # a status of OpenAI's -> Anthropic's status and type
    401: (401, "authentication_error"),
    402: (402, "billing_error"),
    403: (403, "permission_error"),
    404: (404, "not_found_error"),
    409: (409, "conflict_error"),
    413: (413, "request_too_large"),
    422: (400, "invalid_request_error"),
    429: (429, "rate_limit_error"),
    500: (500, "api_error"),
    503: (529, "overloaded_error"),
    504: (504, "timeout_error"),
    529: (529, "overloaded_error"),
}
_BY_KIND = {  # in a stream, where there is no status
    "invalid_request_error": 400, "authentication_error": 401, "permission_error": 403, "not_found_error": 404,
    "rate_limit_error": 429, "rate_limit_exceeded": 429, "requests": 429, "tokens": 429, "server_error": 500,
    "service_unavailable_error": 503, "server_is_overloaded": 503,
}  # fmt: skip


class Error(msgspec.Struct):
    """`code` is a text of OpenAI's, or an HTTP status of OpenRouter's."""

    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class _Body(msgspec.Struct):
    error: Error | str | None = None
    message: str | None = None


_decode = msgspec.json.Decoder(_Body | list[_Body]).decode


def error(status: int, body: bytes, request_id: str) -> tuple[int, bytes]:
    """Return a provider's error; see `Translation.error`."""
    try:
        stated = _decode(body)
    except (msgspec.DecodeError, RecursionError):
        stated = _Body()
    if isinstance(stated, list):
        stated = stated[0] if stated else _Body()
    found = stated.error if isinstance(stated.error, Error) else Error(stated.error or stated.message)
    known_status, kind = classified(found, status)
    message = (found.message or f"The provider answered with status {status}.")[:MESSAGE_LENGTH_MAX]
    return known_status, msgspec.json.encode(said(kind, message, request_id))


def said(kind: str, message: str, request_id: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


def classified(error: Error, status: int | None) -> tuple[int, str]:
    """Return Anthropic's status and type. In a stream there is no status; the error's own type and code tell."""
    if any(isinstance(each, str) and _UNPAID.fullmatch(each) for each in (error.type, error.code)):
        return _BY_STATUS[402]
    if status is None:
        status = error.code if isinstance(error.code, int) else None
    if status is None:
        status = _BY_KIND.get(error.type or "") or _BY_KIND.get(str(error.code)) or 500
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return status, "api_error"
    return (status, "invalid_request_error") if status >= 400 else (500, "api_error")
