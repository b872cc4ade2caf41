"""Passes a request on to its provider and the answer back: whole, or event by event, also after the client has left."""

from __future__ import annotations

import asyncio

import msgspec

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.usage import Outcome
from tollkeeper.gateway.client import Client, Header
from tollkeeper.gateway.dialects import rate_headers
from tollkeeper.gateway.meter import StreamMeter
from tollkeeper.gateway.passage import Passage, tries_headers
from tollkeeper.gateway.stream_back import StreamBack
from tollkeeper.gateway.targets import Target, Targets
from tollkeeper.gateway.whole_answer import WholeAnswer
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
FED_BYTES_MAX = 32 * 1024
"""How much of a stream is metered at once: of tiny events, which cost the most, some milliseconds' worth."""
_PROVIDER_REQUEST_IDS = frozenset({b"x-request-id", b"request-id"})


class RelaySettings(msgspec.Struct, frozen=True):
    deadlines: Deadlines
    answer_bytes_max: int
    drain_s: float
    drains_max: int
    client_stall_s: float


class Relay:
    """Forwards calls. `streams` counts those that are passed on, `drains` those read on only for their usage."""

    def __init__(self, upstream: Upstream, settings: RelaySettings) -> None:
        self._upstream, self._settings = upstream, settings
        self._targets = Targets(upstream)
        self.drains = self.streams = 0

    async def pass_through(self, client: Client, passage: Passage) -> WholeAnswer | None:
        """Forward the call; return a whole answer as it came, or None when a stream has been passed on, but for its end.

        Raises:
            UpstreamFault: the provider could not be reached, or its answer broke off.
        """
        target = self._targets.of(passage)
        request = target.request(passage, client.headers)
        passage.sending()
        exchange = await self._upstream.open(request, self._settings.deadlines)
        try:
            passage.answering(exchange)
            headers, is_events, is_compressed = _pass_headers(exchange, passage, target)
            if passage.call.is_array and is_events:
                headers = [(name, b"application/json" if name == b"content-type" else value) for name, value in headers]
            if is_events and 200 <= exchange.status < 300 and not passage.call.is_read_whole:
                await self._pass_stream(client, passage, exchange, target, headers)
                return None
            body = await exchange.read_all(self._settings.answer_bytes_max)
        finally:
            exchange.close()
        return WholeAnswer(exchange.status, headers, body, target, is_compressed)

    async def _pass_stream(
        self, client: Client, passage: Passage, exchange: Exchange, target: Target, headers: list[Header]
    ) -> None:
        """Pass events on as they come, all but the end of the answer. When the client leaves, read on for the usage.

        The client's answer begins with the first event: what breaks before it may still be served by another deployment.
        """
        back = StreamBack(passage, target)
        meter = back.meter
        drain = _Drain(self, exchange)
        client.watch(drain.begin, stall_s=self._settings.client_stall_s)
        self.streams += 1
        try:
            while data := await exchange.read():
                if passing := back.feed(data) if len(data) <= FED_BYTES_MAX else await _feed_in_turns(back, data):
                    if not client.status:
                        await _begin(client, passage, headers, meter)
                    await client.write(passing)
                if client.status and client.is_direct:
                    pump = _Pump(back, client)
                    await exchange.pass_on(pump.pass_on)
                    await client.write(pump.passing or await _feed_in_turns(back, pump.data))
            passing = back.finish()
            if not client.status:
                await _begin(client, passage, headers, meter, is_empty=not (passing or meter.is_done))
            await client.write(passing)
            back.note_end(is_client_gone=client.is_gone)
        except UpstreamFault as fault:
            if not client.is_gone:
                raise
            passage.ended(Outcome.CLIENT_GONE, f"the client left; {fault.kind} while reading on")
        except asyncio.CancelledError:
            passage.ended(Outcome.BROKEN, "the gateway was stopping")
            raise
        finally:
            self.streams -= 1
            drain.end()
            client.unwatch()
            passage.model_served = meter.model_served
            if meter.usage is not None:
                is_whole = meter.is_usage_final or passage.outcome is Outcome.COMPLETE
                passage.use(meter.usage if is_whole else msgspec.structs.replace(meter.usage, is_estimated=True))
            else:
                passage.input_usage, passage.output_texts = meter.input_usage, meter.output_texts()


async def _feed_in_turns(back: StreamBack, data: bytes) -> bytes:
    """Do as `StreamBack.feed` does, and let others have their turn in between."""
    passing: list[bytes] = []
    for begin in range(0, len(data), FED_BYTES_MAX):
        passing.append(back.feed(data[begin : begin + FED_BYTES_MAX]))
        await asyncio.sleep(0)
    return b"".join(passing)


class _Pump:
    """Passes on what arrives in the moment in which it does, without waking the call's task: the longest part of a stream.

    It stops at what the client is too slow for, `passing`, and at what would take too long at once, `data`.
    """

    __slots__ = ("_back", "_client", "data", "passing")

    def __init__(self, back: StreamBack, client: Client) -> None:
        self._back, self._client = back, client
        self.passing = self.data = b""

    def pass_on(self, data: bytes) -> bool:
        if len(data) > FED_BYTES_MAX:
            self.data = data
            return False
        passing = self._back.feed(data)
        if not passing or self._client.write_now(passing):
            return True
        self.passing = passing
        return False


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


async def _begin(
    client: Client, passage: Passage, headers: list[Header], meter: StreamMeter, *, is_empty: bool = False
) -> None:
    """Begin the client's stream.

    Raises:
        UpstreamFault: the provider's is empty, or what came at first says an error; another deployment may do better.
    """
    if meter.has_error:
        raise UpstreamFault("error_event", "the provider's first events say an error", sent=True)
    if is_empty:
        raise UpstreamFault("closed", "the provider ended its stream before it began", sent=True)
    rates = rate_headers(client.dialect, passage.admission.headers(), client.started_us)
    await client.start(passage.status, [*headers, (b"cache-control", b"no-cache"), *tries_headers(passage), *rates])


def _pass_headers(exchange: Exchange, passage: Passage, target: Target) -> tuple[list[Header], bool, bool]:
    """Pick the headers that the client gets; tell whether the body is a stream of events, and whether it is compressed."""
    headers: list[Header] = []
    is_events = is_compressed = False
    for header in exchange.headers:
        name, value = header
        if name in _ANSWER_HEADERS:
            headers.append(header if value.find(target.secret) < 0 else (name, target.without_secret(value)))
            if name == b"content-type":
                is_events = value[:17].lower() == b"text/event-stream"
            elif name == b"content-encoding":
                is_compressed = True
        elif name in _PROVIDER_REQUEST_IDS:
            passage.provider_request_id = printable(target.without_secret(value).decode("latin-1"), 128)
    return headers, is_events, is_compressed
