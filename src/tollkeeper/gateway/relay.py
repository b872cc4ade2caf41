"""Passes a request on to its provider and the answer back: whole, or event by event, also after the client has left."""

from __future__ import annotations

import asyncio

import msgspec

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.usage import Outcome
from tollkeeper.gateway.client import Client, Header
from tollkeeper.gateway.dialects import rate_headers
from tollkeeper.gateway.passage import Passage, tries_headers
from tollkeeper.gateway.stream_back import StreamBack
from tollkeeper.gateway.targets import Target, Targets
from tollkeeper.gateway.whole_answer import WholeAnswer, meter_whole
from tollkeeper.gateway.wire.texts import printable
from tollkeeper.ports.upstream import Deadlines, Exchange, Upstream

_ANSWER_HEADERS = frozenset(
    {
        b"content-type",
        b"content-encoding",
        b"openai-processing-ms",
        b"openai-version",
        b"openai-model",
        b"retry-after",
        b"retry-after-ms",
        b"x-should-retry",
    }
)
_PROVIDER_REQUEST_IDS = frozenset({b"x-request-id", b"request-id"})


class RelaySettings(msgspec.Struct, frozen=True):
    deadlines: Deadlines
    answer_bytes_max: int
    drain_s: float
    drains_max: int
    client_stall_s: float


class Relay:
    """Forwards calls. `drains` counts the answers that are read on only for their usage."""

    def __init__(self, upstream: Upstream, settings: RelaySettings) -> None:
        self._upstream, self._settings = upstream, settings
        self._targets = Targets(upstream)
        self.drains = 0

    async def pass_through(self, client: Client, passage: Passage) -> WholeAnswer | None:
        """Forward the call; return a whole answer for the client, or None when a stream has been passed on to it, but for its end.

        Raises:
            UpstreamFault: the provider could not be reached, or its answer broke off.
        """
        target = self._targets.of(passage)
        request = target.request(passage, client.headers)
        passage.sending()
        exchange = await self._upstream.open(request, self._settings.deadlines)
        try:
            passage.answering(exchange)
            headers, is_events = _pass_headers(exchange, passage, target)
            if passage.call.is_array and is_events:
                headers = [(name, b"application/json" if name == b"content-type" else value) for name, value in headers]
            if is_events and 200 <= exchange.status < 300:
                rates = rate_headers(client.dialect, passage.admission.headers(), client.started_us)
                headers = [*headers, (b"cache-control", b"no-cache"), *tries_headers(passage), *rates]
                await client.start(exchange.status, headers)
                await self._pass_stream(client, passage, exchange, target)
                return None
            body = await exchange.read_all(self._settings.answer_bytes_max)
        finally:
            exchange.close()
        return meter_whole(passage, WholeAnswer(exchange.status, headers, body), target, client.request_id)

    async def _pass_stream(self, client: Client, passage: Passage, exchange: Exchange, target: Target) -> None:
        """Pass events on as they come, all but the end of the answer. When the client leaves, read on for the usage."""
        back = StreamBack(passage, target, client.request_id)
        meter = back.meter
        drain = _Drain(self, exchange)
        client.watch(drain.begin, stall_s=self._settings.client_stall_s)
        try:
            while data := await exchange.read():
                if passing := back.feed(data):
                    await client.write(passing)
            await client.write(back.finish())
            back.note_end(is_client_gone=client.is_gone)
        except UpstreamFault as fault:
            if not client.is_gone:
                raise
            passage.ended(Outcome.CLIENT_GONE, f"the client left; {fault.kind} while reading on")
        except asyncio.CancelledError:
            passage.ended(Outcome.BROKEN, "the gateway was stopping")
            raise
        finally:
            drain.end()
            client.unwatch()
            passage.model_served = meter.model_served
            if meter.usage is not None:
                is_whole = meter.is_usage_final or passage.outcome is Outcome.COMPLETE
                passage.use(meter.usage if is_whole else msgspec.structs.replace(meter.usage, is_estimated=True))
            else:
                passage.input_usage, passage.output_texts = meter.input_usage, meter.output_texts()


class _Drain:
    """One answer being read on after its client left: bounded in time, and in number across the process."""

    def __init__(self, relay: Relay, exchange: Exchange) -> None:
        self._relay, self._exchange, self._is_draining = relay, exchange, False

    def begin(self) -> None:
        settings = self._relay._settings
        if self._relay.drains >= settings.drains_max:
            self._exchange.tighten(0)
            return
        self._relay.drains += 1
        self._is_draining = True
        self._exchange.tighten(settings.drain_s)

    def end(self) -> None:
        if self._is_draining:
            self._relay.drains -= 1
            self._is_draining = False


def _pass_headers(exchange: Exchange, passage: Passage, target: Target) -> tuple[list[Header], bool]:
    """Pick the headers that the client gets; tell whether the body is a stream of events."""
    headers: list[Header] = []
    is_events = False
    for name, value in exchange.headers:
        if name in _ANSWER_HEADERS:
            headers.append((name, target.without_secret(value)))
            if name == b"content-type" and value.lower().startswith(b"text/event-stream"):
                is_events = True
        elif name in _PROVIDER_REQUEST_IDS:
            passage.provider_request_id = printable(value.decode("latin-1"), 128)
    return headers, is_events
