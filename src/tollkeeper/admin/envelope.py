"""What holds for every answer of the administration API: a request id, no bug's trace, and `name[]` read as `name`."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from tollkeeper.kit.ids import uuid7
from tollkeeper.refusals import InternalError, error_body, error_headers

_log = logging.getLogger(__name__)


class Envelope:
    """Pure ASGI middleware around the whole application; handlers find the id in `request.state.request_id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{uuid7().hex()}"
        scope.setdefault("state", {})["request_id"] = request_id
        scope["query_string"] = without_brackets(scope["query_string"])
        is_begun = False

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            nonlocal is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            _log.exception("request %s failed", request_id)
            if is_begun:
                raise  # half an answer is out; the server can only hang up
            status, body = error_body(InternalError(), request_id)
            headers = [*error_headers(status), (b"content-length", b"%d" % len(body))]
            await send_with_id({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})


def without_brackets(query: bytes) -> bytes:
    """Rename `name[]=` to `name=`.

    OpenAI's specification writes arrays as `group_by`, its Python client sends `group_by[]` (openai 3.51, read
    2026-11-21); both are the same parameter.
    """
    if b"[" not in query and b"%5" not in query:
        return query
    parts = []
    for part in query.split(b"&"):
        name, equals, value = part.partition(b"=")
        bare = name.removesuffix(b"[]").removesuffix(b"%5B%5D").removesuffix(b"%5b%5d")
        parts.append(bare + equals + value)
    return b"&".join(parts)
