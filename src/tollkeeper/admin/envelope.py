"""What holds for every request of the administration: a bounded body, a request id, no bug's trace, `name[]` read as `name`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from tollkeeper.domain.errors import InvalidRequest, RequestTooLarge, TollkeeperError, UnsupportedContentType
from tollkeeper.kit.ids import uuid7
from tollkeeper.refusals import InternalError, error_body, error_headers

BODY_BYTES_MAX = 1024 * 1024
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
        handed = _Body(receive)

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            nonlocal is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            _check_address(scope)
            await handed.read(dict(scope["headers"]))
            await self._app(scope, handed, send_with_id)
        except Exception as error:
            if is_begun:
                _log.exception("request %s failed", request_id)
                raise  # half an answer is out; the server can only hang up
            if not isinstance(error, TollkeeperError):
                _log.exception("request %s failed", request_id)
                error = InternalError()
            status, body = told(error, request_id)
            headers = [*error_headers(error, status), (b"content-length", b"%d" % len(body))]
            await send_with_id({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})


def told(error: TollkeeperError, request_id: str) -> tuple[int, bytes]:
    """Return the status and body that tell of an error; what is not the caller's to mend is logged as well."""
    status, body = error_body(error, request_id)
    if status > 500:  # a bug has been logged with its trace
        _log.warning("request %s was refused: %s", request_id, error)
    return status, body


class _Body:
    """A request's body, read whole and checked before anything else happens, then handed on as ASGI would."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: list[MutableMapping[str, Any]] = []

    async def read(self, headers: Mapping[bytes, bytes]) -> None:
        """Read it.

        Raises:
            RequestTooLarge: it has more than `BODY_BYTES_MAX` bytes.
            UnsupportedContentType: there is a body, and it is not JSON.
        """
        size = 0
        while not self._messages or self._messages[-1].get("more_body"):
            message = await self._receive()
            self._messages.append(message)
            size += len(message.get("body", b""))
            if size > BODY_BYTES_MAX:
                raise RequestTooLarge(f"The request's body is larger than {BODY_BYTES_MAX:,} bytes.")
        content_type = headers.get(b"content-type", b"application/json")
        if size and content_type.partition(b";")[0].strip().lower() != b"application/json":
            raise UnsupportedContentType("The content type must be application/json.")

    async def __call__(self) -> MutableMapping[str, Any]:
        if self._messages:
            return self._messages.pop(0)
        return await self._receive()


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


def _check_address(scope: Scope) -> None:
    """Pass when neither path nor query holds U+0000: PostgreSQL cannot even compare a text with one.

    Raises:
        InvalidRequest: one does; `param` names the parameter of the query.
    """
    message = "The address of a request must not hold the character U+0000."
    if "\0" in scope["path"]:
        raise InvalidRequest(message)
    query: bytes = scope["query_string"]
    if b"%00" in query:
        found = next(part for part in query.split(b"&") if b"%00" in part)
        raise InvalidRequest(message, param=found.partition(b"=")[0].decode("latin-1")[:64])
