"""Domain errors as answers of the administration API: its own table, the same shape as on the OpenAI routes."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from tollkeeper.domain import errors

_INDEX = re.compile(r"^\d+$")


class MethodNotAllowed(errors.InvalidRequest):
    """The route exists, but not for this method."""

    code = "method_not_allowed"


class InternalError(errors.TollkeeperError):
    """A bug of ours: the caller is told that it is our fault and nothing more; the log has the rest."""

    code = "internal_error"
    TEXT = "Tollkeeper failed to handle this request; its log has the details under the request id."


# error class -> HTTP status, `type`; the first class that fits wins, so the special stand before the general
_TABLE: tuple[tuple[type[errors.TollkeeperError], int, str], ...] = (
    (errors.RequestTooLarge, 413, "invalid_request"),
    (errors.RequestTimeout, 408, "invalid_request"),
    (MethodNotAllowed, 405, "invalid_request"),
    (InternalError, 500, "internal_error"),
    (errors.UnsupportedContentType, 415, "invalid_request"),
    (errors.InvalidRequest, 400, "invalid_request"),
    (errors.InvalidApiKey, 401, "invalid_request"),
    (errors.PermissionDenied, 403, "permission_denied"),
    (errors.ModelNotFound, 404, "not_found"),
    (errors.NotFound, 404, "not_found"),
    (errors.Conflict, 409, "conflict"),
    (errors.LimitsUnavailable, 503, "upstream_error"),
    (errors.DirectoryUnavailable, 503, "upstream_error"),
    (errors.StoreUnavailable, 503, "upstream_error"),
    (errors.Overloaded, 503, "upstream_error"),
)


def error_body(error: errors.TollkeeperError, request_id: str) -> tuple[int, bytes]:
    """Return the status and the JSON body that tell a caller about an error.

    Shape: {"error": {"message", "type", "param", "code", …fields, "request_id"}}
    """
    status, kind, code = _classify(error)
    param = error.param if isinstance(error, errors.InvalidRequest) else None
    described: dict[str, Any] = {"message": error.public_message, "type": kind, "param": param, "code": code}
    return status, msgspec.json.encode({"error": {**described, **error.fields, "request_id": request_id}})


def error_headers(status: int) -> dict[str, str]:
    """Return the headers that go with an error: whether the official clients should try again."""
    headers = {"content-type": "application/json"}
    if status == 503:
        headers["retry-after"] = "1"
    elif status == 500:
        headers["x-should-retry"] = "false"  # a bug meets the second try as it met the first
    elif status in {408, 413}:
        headers |= {"connection": "close", "x-should-retry": "false"}
    return headers


def from_http(error: HTTPException) -> errors.TollkeeperError:
    """Turn what the router refuses by itself into a domain error."""
    if error.status_code == 404:
        return errors.NotFound(
            "There is no such route. Models are called by POST /v1/chat/completions, /v1/completions and /v1/embeddings and "
            "listed by GET /v1/models; /openapi.json lists the routes of the administration."
        )
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        return MethodNotAllowed(f"This route takes {allowed} only.")
    return errors.InvalidRequest(str(error.detail))


def from_validation(error: RequestValidationError) -> errors.InvalidRequest:
    """Turn the first fault that FastAPI found into a domain error that names the parameter."""
    fault = error.errors()[0]
    # ("query", "group_by", 1) names an element: people know the parameter
    path = [str(part) for part in fault["loc"][1:] if not _INDEX.match(str(part))]
    param = ".".join(path) or None
    if fault["type"] == "missing":
        return errors.InvalidRequest(f"Missing required parameter: '{param}'.", param=param)
    if fault["type"] == "extra_forbidden":
        return errors.InvalidRequest(f"Unknown parameter: '{param}'.", param=param)
    message = str(fault["msg"]).removeprefix("Value error, ")
    return errors.InvalidRequest(f"Invalid value for '{param}': {message}.".replace("..", "."), param=param)


def _classify(error: errors.TollkeeperError) -> tuple[int, str, str]:
    if isinstance(error, errors.UpstreamFault):
        if error.is_timeout:
            return 504, "upstream_error", "provider_timeout"
        return 502, "upstream_error", "provider_unavailable"
    for cls, status, kind in _TABLE:
        if isinstance(error, cls):
            return status, kind, error.code
    raise AssertionError(f"{type(error).__name__} has no place in the table of refusals")
