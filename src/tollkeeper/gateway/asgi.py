"""The data plane's routes, and what holds for all of them: method, content type, and no bug's trace in an answer."""

from __future__ import annotations

import logging

from tollkeeper.domain.errors import TollkeeperError, UnsupportedContentType
from tollkeeper.gateway import model_routes
from tollkeeper.gateway.client import Client, Receive, Scope, Send
from tollkeeper.gateway.files import FileRoutes
from tollkeeper.gateway.models import ModelList
from tollkeeper.gateway.pipeline import Pipeline
from tollkeeper.gateway.stored_responses import PREFIX, StoredResponses
from tollkeeper.gateway.token_counts import TokenCounts
from tollkeeper.gateway.wire.media_body import FORM_OPERATIONS
from tollkeeper.gateway.wire.multipart import is_form
from tollkeeper.gateway.wire.parsing import Asked, asked_of, query_value
from tollkeeper.gateway.wire.token_counts import count_asked
from tollkeeper.ports.call_tracing import CallTracer
from tollkeeper.refusals import InternalError, MethodNotAllowed

_log = logging.getLogger(__name__)


class Gateway:
    """The data plane as an ASGI application; `in_flight` counts the calls under way."""

    def __init__(
        self,
        pipeline: Pipeline,
        models: ModelList,
        counts: TokenCounts,
        *,
        stored: StoredResponses,
        files: FileRoutes,
        tracer: CallTracer | None = None,
    ) -> None:
        self._pipeline, self._models, self._counts = pipeline, models, counts
        self._stored, self._files = stored, files
        self._tracer = tracer
        self.in_flight = 0

    def owns(self, path: str) -> bool:
        """Tell whether a path belongs to the data plane."""
        if asked_of(path) is not None or path.startswith(PREFIX) or self._files.owns(path):
            return True
        return model_routes.owns(path) or count_asked(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = asked_of(scope["path"])
        client = Client(scope, receive, send, dialect="openai" if asked is None else asked.dialect)
        self.in_flight += 1
        try:
            if asked is None:
                await self._serve_free(client)
            elif (refusal := _check_head(client, asked)) is not None:
                await client.refuse(refusal)
            else:
                _take_key_of_query(client)
                if self._tracer is None:
                    await self._pipeline.handle(client, asked)
                else:
                    await self._handle_traced(client, asked, self._tracer)
        except Exception:  # noqa: BLE001  # a bug must not leave by the same door as a refusal
            _log.exception("request %s failed", client.request_id)
            await client.refuse(InternalError())
        finally:
            self.in_flight -= 1
            if client.refusal is not None:
                self._pipeline.counts.refused(*client.refusal, "" if asked is None else asked.operation)

    async def _handle_traced(self, client: Client, asked: Asked, tracer: CallTracer) -> None:
        trace = tracer.begin(
            client.headers.get(b"traceparent", b""),
            operation=asked.operation,
            dialect=asked.dialect,
            started_us=client.started_us,
            started_ns=client.started_ns,
        )
        if trace is None:
            await self._pipeline.handle(client, asked)
            return
        try:
            await self._pipeline.handle(client, asked)
        except BaseException:
            trace.end(500, client.request_id, InternalError.code)
            raise
        trace.end(client.status, client.request_id, "" if client.refusal is None else client.refusal[1])

    async def _serve_free(self, client: Client) -> None:
        """Answer what is no call: responses and files that lie at providers, counts of tokens, and models."""
        path: str = client.scope["path"]
        if path.startswith(PREFIX):
            await self._stored.handle(client)
            return
        if self._files.owns(path):
            await self._files.handle(client)
            return
        counted = count_asked(path)
        client.dialect = model_routes.dialect_of(path, client.headers) if counted is None else counted.dialect
        _take_key_of_query(client)
        if counted is None:
            await model_routes.answer_models(client, self._pipeline, self._models)
        elif (refusal := _check_head(client, None)) is not None:
            await client.refuse(refusal)
        else:
            await self._counts.handle(client, counted)


def _take_key_of_query(client: Client) -> None:
    """Let a key in the query stand for the header: Gemini's clients may send it there."""
    query = client.scope.get("query_string", b"")
    if client.dialect == "gemini" and query and b"x-goog-api-key" not in client.headers:
        key = query_value(query, "key")
        if key:
            client.headers[b"x-goog-api-key"] = key.encode("latin-1", "replace")


def _check_head(client: Client, asked: Asked | None) -> TollkeeperError | None:
    if client.scope["method"] != "POST":
        return MethodNotAllowed("This route takes POST only.")
    content_type = client.headers.get(b"content-type", b"application/json")
    if content_type[:16].lower() == b"application/json":
        return None
    takes_forms = asked is not None and asked.operation in FORM_OPERATIONS
    if takes_forms and is_form(content_type):
        return None
    wanted = " or multipart/form-data" if takes_forms else ""
    return UnsupportedContentType(f"The content type must be application/json{wanted}.")
