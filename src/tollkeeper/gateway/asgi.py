"""The data plane's routes, and what holds for all of them: method, content type, and no bug's trace in an answer."""

from __future__ import annotations

import logging

from tollkeeper.domain.errors import TollkeeperError, UnsupportedContentType
from tollkeeper.gateway.client import Client, Receive, Scope, Send
from tollkeeper.gateway.key_use import key_in_use
from tollkeeper.gateway.models import ModelList
from tollkeeper.gateway.pipeline import Pipeline
from tollkeeper.gateway.wire.parsing import asked_of, query_value
from tollkeeper.refusals import InternalError, MethodNotAllowed

_log = logging.getLogger(__name__)

_MODELS, _MODEL_PREFIX = "/v1/models", "/v1/models/"
_JSON = [(b"content-type", b"application/json")]


class Gateway:
    """The data plane as an ASGI application; `in_flight` counts the calls under way."""

    def __init__(self, pipeline: Pipeline, models: ModelList) -> None:
        self._pipeline, self._models = pipeline, models
        self.in_flight = 0

    def owns(self, path: str) -> bool:
        """Tell whether a path belongs to the data plane."""
        return path == _MODELS or path.startswith(_MODEL_PREFIX) or asked_of(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = asked_of(scope["path"])
        client = Client(scope, receive, send, dialect="openai" if asked is None else asked.dialect)
        self.in_flight += 1
        try:
            if asked is None:
                await self._list_models(client)
            elif (refusal := _check_head(client)) is not None:
                await client.refuse(refusal)
            else:
                _take_key_of_query(client)
                await self._pipeline.handle(client, asked)
        except Exception:  # noqa: BLE001  # a bug must not leave by the same door as a refusal
            _log.exception("request %s failed", client.request_id)
            await client.refuse(InternalError())
        finally:
            self.in_flight -= 1

    async def _list_models(self, client: Client) -> None:
        path: str = client.scope["path"]
        try:
            if client.scope["method"] not in {"GET", "HEAD"}:
                raise MethodNotAllowed("This route takes GET only.")
            found = await self._pipeline.authenticator.authenticate(client.headers)
            key = key_in_use(found, client, "models:list", self._pipeline.trusted_proxies)
            if path in {_MODELS, _MODEL_PREFIX}:
                body = self._models.render(key.organization_id, key.terms)
            else:
                body = self._models.render_one(path.removeprefix(_MODEL_PREFIX), key.organization_id, key.terms)
        except TollkeeperError as error:
            await client.refuse(error)
        else:
            await client.reply(200, _JSON, body)


def _take_key_of_query(client: Client) -> None:
    """Let a key in the query stand for the header: Gemini's clients may send it there."""
    query = client.scope.get("query_string", b"")
    if client.dialect == "gemini" and query and b"x-goog-api-key" not in client.headers:
        key = query_value(query, "key")
        if key:
            client.headers[b"x-goog-api-key"] = key.encode("latin-1", "replace")


def _check_head(client: Client) -> TollkeeperError | None:
    if client.scope["method"] != "POST":
        return MethodNotAllowed("This route takes POST only.")
    content_type = client.headers.get(b"content-type", b"application/json")
    if content_type[:16].lower() != b"application/json":
        return UnsupportedContentType("The content type must be application/json.")
    return None
