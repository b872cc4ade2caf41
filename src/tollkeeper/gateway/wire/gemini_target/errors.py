"""Gemini's errors as translations read them: what went wrong, whatever the client's dialect calls it."""

from __future__ import annotations

from typing import Literal

import msgspec

from tollkeeper.gateway.wire.gemini_target.answers import MESSAGE_LENGTH_MAX, Answer, Error
from tollkeeper.gateway.wire.texts import printable

Fault = Literal[
    "invalid", "too_long", "credentials", "forbidden", "not_found", "too_large", "rate", "quota", "cancelled",
    "overloaded", "timeout", "internal",
]  # fmt: skip
"""`quota` is one that does not come back within minutes (a day's); `credentials` are the gateway's at the provider."""

UNREADABLE = "The provider's answer could not be read."
CUT_SHORT = "The provider's answer ended before it was complete."

_BY_STATUS: dict[str, Fault] = {
    "INVALID_ARGUMENT": "invalid",
    "FAILED_PRECONDITION": "invalid",
    "OUT_OF_RANGE": "invalid",
    "UNAUTHENTICATED": "credentials",
    "PERMISSION_DENIED": "forbidden",
    "NOT_FOUND": "not_found",
    "RESOURCE_EXHAUSTED": "rate",
    "CANCELLED": "cancelled",
    "UNAVAILABLE": "overloaded",
    "DEADLINE_EXCEEDED": "timeout",
}
_BY_CODE: dict[int, Fault] = {
    400: "invalid", 401: "credentials", 403: "forbidden", 404: "not_found", 408: "timeout", 413: "too_large",
    429: "rate", 499: "cancelled", 503: "overloaded", 504: "timeout", 529: "overloaded",
}  # fmt: skip
_decode = msgspec.json.Decoder(Answer | list[Answer]).decode


class ProviderError(msgspec.Struct, frozen=True):
    """What a provider said went wrong; `message` is its own, as far as it is printable."""

    fault: Fault
    message: str
    status: str = ""


def read_error(status: int, body: bytes) -> ProviderError:
    """Read the body of an answer with a status from 400 on; some come as a list, some are no JSON at all."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, RecursionError):
        answer = []
    answers = answer if isinstance(answer, list) else [answer]
    for each in answers:
        if each.error is not None:
            return describe(each.error, status)
    return ProviderError(_by_code(status), f"The provider answered with status {status}.")


def describe(error: Error, status: int = 500) -> ProviderError:
    """Say what an error of Gemini's means; in a stream its own code is the only status.

    Shapes and statuses: https://ai.google.dev/gemini-api/docs/troubleshooting (2026-11).
    """
    name = error.status or ""
    fault = _BY_STATUS.get(name) or _by_code(error.code or status)
    message = printable(error.message or "", MESSAGE_LENGTH_MAX) or f"The provider reported {name or 'an error'}."
    details = error.details or []
    if any((each.reason or "") == "API_KEY_INVALID" for each in details):
        fault = "credentials"
    elif fault == "invalid" and "token count" in message and "exceeds" in message:
        fault = "too_long"
    elif fault == "rate" and any(_is_daily(each.violations) for each in details):
        fault = "quota"
    return ProviderError(fault, message, printable(name, 64))


def _by_code(status: int) -> Fault:
    return _BY_CODE.get(status) or ("invalid" if 400 <= status < 500 else "internal")


def _is_daily(violations: list[dict[str, msgspec.Raw]] | None) -> bool:
    return any(b"PerDay" in bytes(each.get("quotaId", b"")) for each in violations or ())
