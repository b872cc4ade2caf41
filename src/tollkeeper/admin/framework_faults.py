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
_INFERENCE = (
    "Models are called by POST /v1/chat/completions, /v1/completions, /v1/responses, /v1/embeddings, /v1/moderations, "
    "/v1/images/generations, /v1/images/edits, /v1/images/variations, /v1/audio/speech, /v1/audio/transcriptions, "
    "/v1/audio/translations, /v1/messages, /v1/messages/count_tokens and "
    "/v1beta/models/{model}: with generateContent, streamGenerateContent, countTokens, embedContent or batchEmbedContents, "
    "and listed by GET /v1/models or /v1beta/models; /openapi.json lists the routes of the administration."
)
_AT_ROOT = (
    "/chat/completions", "/completions", "/responses", "/embeddings", "/moderations", "/images/", "/audio/", "/models",
)  # fmt: skip


def no_route(path: str) -> str:
    """Say what can be called instead of a path, first of all where it is one of the usual mistakes."""
    mistake = ""
    if path.startswith(("/v1/v1/", "/v1/v1beta/", "/v1beta/v1beta/", "/v1beta/v1/")):
        mistake = " The client adds the version itself: end its base URL before /v1 (Anthropic's and Google's clients)."
    elif path == "/messages" or path.startswith("/messages/"):
        mistake = " It stands below /v1: Anthropic's clients add that themselves to the bare address."
    elif path.startswith(_AT_ROOT):
        mistake = " The base URL lacks /v1: OpenAI's clients take it as http://host:port/v1."
    return f"There is no such route.{mistake} {_INFERENCE}"


def from_http(error: HTTPException, request: Request) -> errors.TollkeeperError:
    """Turn what the router refuses by itself into a domain error."""
    if error.status_code == 404:
        return errors.NotFound(no_route(request.scope["path"]))
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
