"""Domain errors as HTTP answers: one table and one shape, for the data plane and for the administration alike.

The shape is OpenAI's: {"error": {"message", "type", "param", "code", …fields, "request_id"}}.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from tollkeeper.domain import errors

_encode = msgspec.json.Encoder(decimal_format="number").encode
_OUR_FAULT = "Tollkeeper failed to handle this request; its log has the details under the request id."


class MethodNotAllowed(errors.InvalidRequest):
    """The route exists, but not for this method."""

    code = "method_not_allowed"


class InternalError(errors.TollkeeperError):
    """A bug of ours: the caller is told that it is our fault and nothing more; the log has the rest."""

    code = "internal_error"

    def __init__(self, message: str = _OUR_FAULT) -> None:
        super().__init__(message)


# error class -> HTTP status, `type`; the first class that fits wins, so the special stand before the general
_TABLE: tuple[tuple[type[errors.TollkeeperError], int, str], ...] = (
    (errors.RequestTooLarge, 413, "invalid_request"),
    (errors.RequestTimeout, 408, "invalid_request"),
    (MethodNotAllowed, 405, "invalid_request"),
    (InternalError, 500, "internal_error"),
    (errors.UnsupportedContentType, 415, "invalid_request"),
    (errors.InvalidRequest, 400, "invalid_request"),
    (errors.InvalidApiKey, 401, "invalid_request"),
    (errors.LoginFailed, 401, "invalid_request"),
    (errors.PermissionDenied, 403, "permission_denied"),
    (errors.ModelNotFound, 404, "not_found"),
    (errors.NotFound, 404, "not_found"),
    (errors.Conflict, 409, "conflict"),
    (errors.TooManyAttempts, 429, "rate_limit_exceeded"),
    (errors.RateExceeded, 429, "rate_limit_exceeded"),
    (errors.ProviderKeyRefused, 502, "upstream_error"),
    (errors.LimitRefusal, 429, "quota_exceeded"),
    (errors.LimitsUnavailable, 503, "upstream_error"),
    (errors.DirectoryUnavailable, 503, "upstream_error"),
    (errors.StoreUnavailable, 503, "upstream_error"),
    (errors.Overloaded, 503, "upstream_error"),
    (errors.NotInstalled, 501, "not_installed"),
)


def error_body(error: errors.TollkeeperError, request_id: str) -> tuple[int, bytes]:
    """Return the status and the JSON body that tell a caller about an error."""
    status, kind, code = classify(error)
    param = error.param if isinstance(error, errors.InvalidRequest) else None
    described: dict[str, Any] = {"message": error.public_message, "type": kind, "param": param, "code": code}
    return status, _encode({"error": {**described, **error.fields, "request_id": request_id}})


def error_headers(error: errors.TollkeeperError, status: int) -> list[tuple[bytes, bytes]]:
    """Return the headers that go with an error: whether and when the official clients should try again.

    `retry-after` is whole seconds, `retry-after-ms` is read first by OpenAI's clients (openai-python 3.51, 2026-11).
    """
    headers = [(b"content-type", b"application/json")]
    if isinstance(error, errors.RateExceeded):
        headers += error.rate_headers
    tries = error.fields.get("tries")
    if tries is not None and len(tries) > 1:
        headers.append((b"x-tollkeeper-tries", b"%d" % len(tries)))
    wait_s = error.fields.get("retry_after_seconds")
    if wait_s is not None:
        headers.append((b"retry-after", b"%d" % math.ceil(wait_s)))
        headers.append((b"retry-after-ms", b"%d" % math.ceil(wait_s * 1000)))
    elif status == 503:
        headers.append((b"retry-after", b"1"))
    elif status in {500, 429}:
        # A bug meets the second try as it met the first; a budget does not grow by waiting a second.
        headers.append((b"x-should-retry", b"false"))
    elif status in {408, 413}:
        headers += [(b"connection", b"close"), (b"x-should-retry", b"false")]  # the rest of the body is not read
    return headers


def error_event(error: errors.TollkeeperError, request_id: str) -> bytes:
    """Return the event that ends a stream which broke after its first byte."""
    return b"data: %b\n\n" % error_body(error, request_id)[1]


def classify(error: errors.TollkeeperError) -> tuple[int, str, str]:
    """Return the HTTP status, the `type` and the `code` of an error."""
    if isinstance(error, errors.UpstreamFault):
        if error.is_timeout:
            return 504, "upstream_error", "provider_timeout"
        return 502, "upstream_error", "provider_unavailable"
    for cls, status, kind in _TABLE:
        if isinstance(error, cls):
            return status, kind, error.code
    raise AssertionError(f"{type(error).__name__} has no place in the table of refusals")
