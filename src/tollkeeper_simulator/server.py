"""The simulator itself: listens, finds the dialect for a request, and has the answer delivered and billed.

Usage in a test: `async with Simulator(Settings()) as simulator: …simulator.base_url…`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import msgspec

from tollkeeper_simulator import clock, control
from tollkeeper_simulator.answer import Answer, Caller
from tollkeeper_simulator.anthropic import AnthropicDialect
from tollkeeper_simulator.bill import Bill
from tollkeeper_simulator.delivery import Delivery
from tollkeeper_simulator.dialect import RefusedError, State, Work
from tollkeeper_simulator.faults import NO_FAULT, Rules, UnknownFaultError, combine, marker_in
from tollkeeper_simulator.forms import read_form
from tollkeeper_simulator.gemini import GeminiDialect
from tollkeeper_simulator.http import Connection, head
from tollkeeper_simulator.openai import OpenAIDialect
from tollkeeper_simulator.prompt_cache import PromptCache
from tollkeeper_simulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from tollkeeper_simulator.dialect import Dialect, Endpoint, Json
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.http import Channel, Request

_KEY_ID_CHARACTERS = 6
_BACKLOG = 1_024
_HUNG_UP = 499


class Simulator:
    """Simulated providers on one port, with one bill, one set of faults and a prompt cache each."""

    def __init__(self, settings: Settings | None = None, dialects: Sequence[Dialect] | None = None) -> None:
        """Prepare; nothing listens before `start`. The first dialect that knows a route answers it."""
        self.settings = settings or Settings()
        self.bill = Bill(self.settings.bill_file)
        self.rules = Rules()
        self._dialects: Sequence[Dialect] = dialects or (AnthropicDialect(), GeminiDialect(), OpenAIDialect())
        self._state = State(self.settings, self.bill, PromptCache(self.settings.prompt_cache_entries_max))
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._decode = msgspec.json.Decoder().decode

    @property
    def origin(self) -> str:
        """`http://host:port`, where `/_bill` and `/_faults` are."""
        assert self._server is not None, "the simulator is not started"
        port = self._server.sockets[0].getsockname()[1]
        return f"http://{self.settings.host}:{port}"

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL: `http://host:port/v1`."""
        return f"{self.origin}/v1"

    async def start(self) -> None:
        """Listen. OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connection, self.settings.host, self.settings.port, backlog=_BACKLOG
        )

    async def aclose(self) -> None:
        """Drop every connection and stop listening; unfinished streams are billed as far as they got."""
        if self._server is not None:
            self._server.close()
            await asyncio.gather(*(connection.aclose() for connection in list(self._connections)))
            await self._server.wait_closed()
        self.bill.close()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.aclose()

    def _connection(self) -> Connection:
        return Connection(self._handle, self._connections, body_bytes_max=self.settings.body_bytes_max)

    async def _handle(self, request: Request, channel: Channel) -> None:
        for dialect in self._dialects:
            endpoint = dialect.endpoint(request)
            if endpoint is not None:
                self.bill.in_flight += 1
                try:
                    await self._serve(request, channel, dialect, endpoint)
                finally:
                    self.bill.in_flight -= 1
                return
        answer = self._look_up(request)
        kind = [("content-type", answer.plain_type)]
        await channel.write(head(answer.status, [*kind, *answer.headers], len(answer.body)) + answer.body)

    def _look_up(self, request: Request) -> Answer:
        """Answer what is neither billed nor subject to faults."""
        if request.path.startswith("/_"):
            return control.answer(request, self._state, self.rules)
        for dialect in self._dialects:
            try:
                answer = dialect.look_up(request, self._state)
            except RefusedError as refused:
                answer = refused.answer
            if answer is not None:
                caller = Caller(clock.request_id(), request.path, "", dialect.provider(""))
                dialect.finish(answer, caller, request, "")
                answer.headers = [*answer.headers, *dialect.headers(caller.request_id, 1, self.settings)]
                return answer
        return Answer(404, b'{"error":{"message":"not found","type":"invalid_request_error","param":null,"code":null}}')

    async def _serve(self, request: Request, channel: Channel, dialect: Dialect, endpoint: Endpoint) -> None:
        """Answer a billed route, as its faults allow."""
        started_ms = clock.monotonic_ms()
        caller = Caller(clock.request_id(), request.path, "", dialect.provider(""))
        plan = NO_FAULT
        body: Json = {}
        refused: Answer | None = None
        try:
            caller.api_key_id = dialect.api_key(request)[-_KEY_ID_CHARACTERS:]
            body = self._body(request, dialect)
            caller.provider = dialect.provider(endpoint.asked_model(body))
            plan = self._plan(request, caller, endpoint.asked_model(body), endpoint.last_user_text(body))
        except UnknownFaultError as unknown:
            refused = dialect.malformed_body(f"x-sim-fault: {unknown}")
        except RefusedError as wrong:
            refused = wrong.answer
        delivery = Delivery(
            caller, plan, channel=channel, bill=self.bill, tokens_per_second=self.settings.tokens_per_second
        )
        if not await delivery.queue():
            delivery.refuse(Answer(_HUNG_UP), hung_up=True)
            return
        answer = refused or self._answer(Work(body, plan, caller, self._state), dialect, endpoint)
        dialect.finish(answer, caller, request, endpoint.asked_model(body))
        took_ms = clock.monotonic_ms() - started_ms
        answer.headers = [*dialect.headers(caller.request_id, took_ms, self.settings), *answer.headers]
        await delivery.send(answer)

    def _answer(self, work: Work, dialect: Dialect, endpoint: Endpoint) -> Answer:
        if work.plan.status is not None:
            return dialect.failure(work.plan, endpoint.asked_model(work.body))
        try:
            answer = endpoint.answer(work)
        except RefusedError as wrong:
            return wrong.answer
        if work.plan.error_event and answer.events is None:
            return dialect.failure(combine("status=500"), endpoint.asked_model(work.body))
        return answer

    def _body(self, request: Request, dialect: Dialect) -> Json:
        if request.body_too_large:
            raise RefusedError(dialect.malformed_body("Request body is too large.", 413))
        content_type = request.headers.get("content-type", "")
        try:
            if content_type.startswith("multipart/form-data"):
                return read_form(request.body, content_type)
            body = self._decode(request.body)
        except ValueError as wrong:
            raise RefusedError(dialect.malformed_body(f"We could not read the form. ({wrong})")) from wrong
        except msgspec.DecodeError as wrong:
            reason = f"We could not parse the JSON body of your request. ({wrong})"
            raise RefusedError(dialect.malformed_body(reason)) from wrong
        if not isinstance(body, dict):
            raise RefusedError(dialect.malformed_body("The JSON body of a request must be an object."))
        return body

    def _plan(self, request: Request, caller: Caller, model: str, last_text: str) -> FaultPlan:
        header = request.headers.get("x-sim-fault")
        rule = self.rules.take(request.path, model, caller.api_key_id)
        return combine(header, marker_in(last_text), rule).for_key(caller.api_key_id)
