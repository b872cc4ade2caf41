"""Passes a request on to its provider and the answer back: whole, or event by event, also after the client has left."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from tollkeeper.domain.deployment import Provider
from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.domain.usage import Charge, Outcome, Usage
from tollkeeper.gateway.client import Client, Header
from tollkeeper.gateway.meter import StreamMeter
from tollkeeper.gateway.passage import Passage
from tollkeeper.gateway.wire import openai as wire
from tollkeeper.gateway.wire import openai_answer as answers
from tollkeeper.gateway.wire.texts import printable
from tollkeeper.ports.upstream import Deadlines, Exchange, Origin, Upstream, UpstreamRequest

_REQUEST_HEADERS = (b"openai-beta", b"idempotency-key", b"x-client-request-id")  # the client's, passed on when sent
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
_REDACTED = b"[redacted]"
METERED_BYTES_MAX = 64 * 1024 * 1024
TARGETS_MAX = 10_000
_log = logging.getLogger(__name__)


class RelaySettings(msgspec.Struct, frozen=True):
    deadlines: Deadlines
    answer_bytes_max: int
    drain_s: float
    drains_max: int
    client_stall_s: float


class _Target(msgspec.Struct, frozen=True):
    """What every request of one operation to one provider has in common."""

    provider: Provider
    origin: Origin
    head: bytes
    secret: bytes

    def without_secret(self, data: bytes) -> bytes:
        """Take the provider's key out of what a client will see: some providers repeat it."""
        return data.replace(self.secret, _REDACTED) if self.secret and self.secret in data else data


class WholeAnswer(msgspec.Struct):
    """An answer held back until it is settled."""

    status: int
    headers: list[Header]
    body: bytes

    def headers_with_cost(self, charge: Charge) -> list[Header]:
        if charge.amount_nanos is not None:
            self.headers.append((b"x-tollkeeper-cost-usd", b"%d.%09d" % divmod(charge.amount_nanos, NANOS_PER_USD)))
        return self.headers


class Relay:
    """Forwards calls. `drains` counts the answers that are read on only for their usage."""

    def __init__(self, upstream: Upstream, settings: RelaySettings) -> None:
        self._upstream, self._settings = upstream, settings
        self._targets: dict[tuple[str, str, str], _Target] = {}
        self.drains = 0

    async def pass_through(self, client: Client, passage: Passage) -> WholeAnswer | None:
        """Forward the call; return a whole answer for the client, or None when a stream has been passed on to it, but for its end.

        Raises:
            UpstreamFault: the provider could not be reached, or its answer broke off.
        """
        target = self._target(passage.deployment.provider, passage.call.operation)
        request = _request(target, passage, client.headers)
        passage.sending()
        exchange = await self._upstream.open(request, self._settings.deadlines)
        try:
            passage.answering(exchange)
            headers, is_events = _pass_headers(exchange, passage, target)
            if is_events and 200 <= exchange.status < 300:
                headers = [*headers, (b"cache-control", b"no-cache"), *passage.admission.headers()]
                await client.start(exchange.status, headers)
                await self._pass_stream(client, passage, exchange, target)
                return None
            body = await exchange.read_all(self._settings.answer_bytes_max)
        finally:
            exchange.close()
        return _whole(passage, WholeAnswer(exchange.status, headers, body), target)

    async def _pass_stream(self, client: Client, passage: Passage, exchange: Exchange, target: _Target) -> None:
        """Pass events on as they come, all but the end of the answer. When the client leaves, read on for the usage."""

        def price(usage: Usage) -> Charge:
            passage.model_served = meter.model_served
            return passage.use(usage)

        meter = StreamMeter(wants_usage=passage.call.wants_usage, charge=price)
        drain = _Drain(self, exchange)
        client.watch(drain.begin, stall_s=self._settings.client_stall_s)
        try:
            while data := await exchange.read():
                if passing := meter.feed(data):
                    await client.write(target.without_secret(passing))
            await client.write(target.without_secret(meter.finish()))
            _note_end(passage, meter, is_client_gone=client.is_gone)
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
                passage.output_texts = meter.output_texts()

    def _target(self, provider: Provider, operation: wire.Operation) -> _Target:
        """Return what is ready to be sent to a provider. Whose provider it is decides, and which of its secrets.

        Raises:
            UpstreamFault: its secret could not be opened; no other is sent in its place.
        """
        place = (provider.credential_id, provider.name, operation)
        target = self._targets.get(place)
        if target is None or target.provider is not provider:
            if len(self._targets) >= TARGETS_MAX:
                self._targets.clear()
            target = self._targets[place] = self._make_target(provider, operation)
        return target

    def _make_target(self, provider: Provider, operation: wire.Operation) -> _Target:
        if provider.is_sealed_shut:
            message = f"the key of provider '{provider.name}' cannot be opened; an admin can set it again"
            raise UpstreamFault("connect", message, sent=False)
        origin = origin_of(provider.base_url, is_guarded=provider.is_guarded)
        secret = provider.api_key.encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"accept", b"application/json, text/event-stream"),
            (b"user-agent", b"tollkeeper"),
        ]
        if secret:
            headers.append((b"authorization", b"Bearer " + secret))
        return _Target(
            provider, origin, self._upstream.render_head(origin, "POST", wire.PATHS[operation], headers), secret
        )


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


def origin_of(base_url: str, *, is_guarded: bool = False) -> Origin:
    """Take a checked base URL apart. `is_guarded` when an organization chose it."""
    parts = urlsplit(base_url)
    assert parts.hostname is not None, "settings are checked when they are read"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Origin(parts.scheme, parts.hostname, port, parts.path.rstrip("/"), is_guarded)


def _request(target: _Target, passage: Passage, headers: Mapping[bytes, bytes]) -> UpstreamRequest:
    head = target.head
    for name in _REQUEST_HEADERS:
        if (value := headers.get(name)) is not None:
            head += b"%b: %b\r\n" % (name, value)
    call, limit = passage.call, passage.output_tokens
    if limit is None:
        body = wire.upstream_body(call, passage.deployment.model)
    else:
        # OpenAI's newer models refuse `max_tokens`; other servers of its dialect may not know the newer name.
        is_new = call.operation == "chat.completions" and target.provider.kind in {"openai", "xai"}
        limit_name = "max_completion_tokens" if is_new else "max_tokens"
        body = wire.upstream_body(call, passage.deployment.model, output_tokens=limit, limit_name=limit_name)
    return UpstreamRequest(target.origin, head, body)


def _pass_headers(exchange: Exchange, passage: Passage, target: _Target) -> tuple[list[Header], bool]:
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


def _whole(passage: Passage, answer: WholeAnswer, target: _Target) -> WholeAnswer:
    """Meter a whole answer."""
    if not 200 <= answer.status < 300:
        passage.ended(Outcome.PROVIDER_ERROR)
        if answer.status in {401, 403}:
            _log.warning("provider '%s' refused our key with %d", passage.deployment.provider.name, answer.status)
        answer.body = target.without_secret(answer.body)
        return answer
    passage.ended(Outcome.COMPLETE)
    body = _plain(answer)
    stated = answers.parse_answer(body)
    if stated is not None:
        passage.model_served = stated.model
        if stated.usage is not None:
            passage.use(answers.usage_of(stated.usage, stated.service_tier))
            return answer
    passage.reason = "the provider stated no usage"
    passage.output_texts = answers.delta_texts(body) if stated else [body.decode("utf-8", "replace")]
    return answer


def _plain(answer: WholeAnswer) -> bytes:
    """Return the body as it is metered: decompressed when the provider compressed it although nobody asked."""
    if all(name != b"content-encoding" for name, _ in answer.headers):
        return answer.body
    try:
        return zlib.decompressobj(wbits=47).decompress(answer.body, METERED_BYTES_MAX)
    except zlib.error:
        return answer.body


def _note_end(passage: Passage, meter: StreamMeter, *, is_client_gone: bool) -> None:
    if is_client_gone:
        passage.ended(Outcome.CLIENT_GONE)
    elif meter.has_error:
        passage.ended(Outcome.BROKEN, "the provider ended the stream with an error")
    elif meter.usage is None and not meter.is_done:
        passage.ended(Outcome.BROKEN, "the stream ended without its end, and without a usage")
    else:
        passage.ended(Outcome.COMPLETE, "" if meter.usage else "the provider stated no usage")
