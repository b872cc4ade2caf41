"""What FastAPI refuses by itself, as domain errors."""

from __future__ import annotations

import re

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from tollkeeper.domain import errors
from tollkeeper.refusals import MethodNotAllowed

_INDEX = re.compile(r"^\d+$")


def from_http(error: HTTPException, request: Request) -> errors.TollkeeperError:
    """Turn what the router refuses by itself into a domain error."""
    if error.status_code == 404:
        return errors.NotFound(
            "There is no such route. Models are called by POST /v1/chat/completions, /v1/completions and /v1/embeddings and "
            "listed by GET /v1/models; /openapi.json lists the routes of the administration."
        )
    if error.status_code == 405:
        allowed = _allowed_methods(request)
        error.headers = {"Allow": allowed}
        return MethodNotAllowed(f"This route takes {allowed} only.")
    return errors.InvalidRequest(str(error.detail))


def _allowed_methods(request: Request) -> str:
    """Return every method of the path (RFC 9110, 15.5.6): each is a route of its own, and the router names the first's."""
    routes = [(str(each.path), each.methods or ()) for each in iter_route_contexts(request.app.routes)]
    asked = next(path for path, _ in routes if compile_path(path)[0].match(request.scope["path"]))
    return ", ".join(sorted({method for path, methods in routes if path == asked for method in methods}))


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
