"""What of Tollkeeper's own answers differs by the dialect that was called: refusals, the request's id, the rates' headers.

Shapes: https://platform.claude.com/docs/en/api/errors and …/api/rate-limits, https://ai.google.dev/gemini-api/docs/troubleshooting
and https://google.aip.dev/193 (read 2026-11-22).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from tollkeeper.domain.errors import InvalidRequest, TollkeeperError
from tollkeeper.gateway.wire.translation import Dialect
from tollkeeper.refusals import classify, error_body, error_event

Header = tuple[bytes, bytes]
_encode = msgspec.json.Encoder(decimal_format="number").encode
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_GEMINI_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RPC = "type.googleapis.com/google.rpc."
_DURATION = re.compile(rb"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {b"ms": 0.001, b"s": 1, b"m": 60, b"h": 3600}


def refusal(dialect: Dialect, error: TollkeeperError, request_id: str) -> tuple[int, bytes]:
    """Return the status and body of a refusal in a dialect. Beside what the dialect has stand our own code and fields."""
    if dialect == "openai":
        return error_body(error, request_id)
    status, _, code = classify(error)
    if dialect == "gemini":
        return status, _gemini(error, status, code, request_id)
    kind = _ANTHROPIC_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    described: dict[str, Any] = {"type": kind, "message": error.public_message, "code": code}
    if isinstance(error, InvalidRequest) and error.param is not None:
        described["param"] = error.param
    return status, _encode(
        {"type": "error", "error": {**described, **error.fields}, "request_id": request_id},
    )


def _gemini(error: TollkeeperError, status: int, code: str, request_id: str) -> bytes:
    named = {
        "request_id": request_id,
        **{name: str(value) for name, value in error.fields.items() if value is not None},
    }
    if isinstance(error, InvalidRequest) and error.param is not None:
        named["param"] = error.param
    reason = "API_KEY_INVALID" if status == 401 else code.upper()
    details: list[dict[str, Any]] = [
        {"@type": f"{_RPC}ErrorInfo", "reason": reason, "domain": "tollkeeper", "metadata": named}
    ]
    if (wait_s := error.fields.get("retry_after_seconds")) is not None:
        details.append({"@type": f"{_RPC}RetryInfo", "retryDelay": f"{wait_s:.3f}s"})
    shown = {"code": status, "message": error.public_message, "status": _GEMINI_STATUSES.get(status, "UNKNOWN")}
    return _encode({"error": {**shown, "details": details}})


def refusal_event(dialect: Dialect, error: TollkeeperError, request_id: str) -> bytes:
    """Return the event that ends a stream which broke after its first byte."""
    if dialect == "gemini":
        return b"data: %b\n\n" % refusal(dialect, error, request_id)[1]
    if dialect == "anthropic":
        return b"event: error\ndata: %b\n\n" % refusal(dialect, error, request_id)[1]
    return error_event(error, request_id)


def request_id_headers(dialect: Dialect, request_id: bytes) -> tuple[Header, ...]:
    """Return the headers that name the request; Anthropic's clients read another one."""
    ours = (b"x-request-id", request_id)
    return (ours, (b"request-id", request_id)) if dialect == "anthropic" else (ours,)


def rate_headers(dialect: Dialect, headers: Iterable[Header], at_us: int) -> Iterable[Header]:
    """Return the headers of the rates, `x-ratelimit-{figure}-{unit}`, in a dialect's way besides."""
    if dialect != "anthropic":
        return headers
    found = list(headers)
    for name, value in list(found):
        figure, _, unit = name.removeprefix(b"x-ratelimit-").partition(b"-")
        shown = _instant(value, at_us) if figure == b"reset" else value
        found.append((b"anthropic-ratelimit-%b-%b" % (unit, figure), shown))
    return found


def _instant(duration: bytes, at_us: int) -> bytes:
    """Return the RFC 3339 time, to the second above, that is so long after an instant."""
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(duration))
    ends_s = -(-at_us // 1_000_000) + -int(-seconds // 1)
    return datetime.fromtimestamp(ends_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
