"""One connection to a provider: writes requests, parses answers, keeps deadlines and the back-pressure of both ways.

A connection carries one exchange at a time and gives itself back to its owner when an answer is whole. It may be used
again only if nothing is in doubt: the whole request was handed over, the answer had a definite end, the provider did
not ask to close and sent nothing beyond that end.

Time is kept by one timer per connection, not per call: it is armed at most `keep_alive_s` ahead, so an ordinary call
neither sets nor cancels a timer; when it fires it looks at what is due and is armed again.
"""

from __future__ import annotations

import asyncio
import select
from typing import Protocol, cast

import httptools

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.ports.upstream import Deadlines, Origin
from tollkeeper.upstream import faults
from tollkeeper.upstream.exchange import Exchange

HEAD_BYTES_MAX = 65_536
HEADERS_MAX = 128
INTERIM_ANSWERS_MAX = 16
WRITE_STEP_BYTES = 65_536  # a larger body is written in steps, each when the transport has room
PEEK_AFTER_IDLE_S = 0.5

_NEVER = float("inf")
_TIMER_STEP_S = 0.001  # the loop's timers count milliseconds
_LATE_S, _SPARED_S = 1.0, 0.25
"""A deadline that is noticed so late says that this process stood still: what has come meanwhile is read for so long."""


class Owner(Protocol):
    """Who keeps the connections that are not in use."""

    def release(self, connection: Connection) -> None: ...

    def forget(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """Also the parser's target: its `on_…` methods are called by httptools inside `data_received`."""

    __slots__ = (
        "_exchange",
        "_headers",
        "_interims",
        "_is_read_paused",
        "_is_write_paused",
        "_keep_alive",
        "_keep_alive_s",
        "_now",
        "_owner",
        "_parser",
        "_progress_at",
        "_served",
        "_silent_bytes",
        "_spared",
        "_transport",
        "_unsent",
        "_watch_at",
        "_watcher",
        "idle_since",
        "is_dropped",
        "loop",
        "origin",
    )

    _transport: asyncio.Transport

    def __init__(self, origin: Origin, owner: Owner, *, keep_alive_s: float) -> None:
        # for good
        self.loop = asyncio.get_running_loop()
        self.origin = origin
        self._now = self.loop.time
        self._owner = owner
        self._keep_alive_s = keep_alive_s
        self._parser = httptools.HttpResponseParser(self)
        # from call to call
        self.idle_since = self._now()
        self._served = 0
        self._watch_at = _NEVER
        self._watcher: asyncio.TimerHandle | None = None
        self.is_dropped = False
        self._is_read_paused = False
        self._spared: Exchange | None = None  # whose deadline was noticed late
        self._is_write_paused = False
        # of the present call
        self._exchange: Exchange | None = None
        self._progress_at = 0.0
        self._headers: list[tuple[bytes, bytes]] = []
        self._interims = 0
        self._silent_bytes = 0  # in a row that brought no body: heads, chunk extensions, trailers
        self._unsent = memoryview(b"")
        self._keep_alive = False

    # ---- for the client and the pool --------------------------------------------------------------------------------

    def is_fit(self, now: float) -> bool:
        """Tell whether an idle connection may carry one more call.

        One that has been idle for a while is asked whether anything can be read: the end of the connection may have
        come although the loop has not got round to it.
        """
        if self.is_dropped or self._transport.is_closing():
            return False
        idle_s = now - self.idle_since
        if idle_s < PEEK_AFTER_IDLE_S:
            return True
        return idle_s < self._keep_alive_s and not self._is_readable()

    def start(self, head: bytes, body: bytes, deadlines: Deadlines, total_at: float) -> Exchange | None:
        """Write the request, or its first part, and return its exchange; None when certainly nothing of it left.

        Nothing left when the connection was already closed, or when the transport closed itself over this very write:
        the system refused all of it. Only then may the call be tried on another connection. A reused connection that
        is closed after the write is a fault, not a reason to try again: the provider may have acted on the request, a
        POST is not idempotent, and nobody pays twice (RFC 9110 §9.2.2 and RFC 9112 §9.3.1,
        https://www.rfc-editor.org/rfc/rfc9112#section-9.3.1, read 2026-11-21).
        """
        if self.is_dropped:
            return None
        exchange = Exchange(self, deadlines, total_at)
        exchange.waiter = self.loop.create_future()
        transport = self._transport
        size = len(body)
        if size <= WRITE_STEP_BYTES:
            transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, size, body))
        else:
            self._unsent = memoryview(body)[WRITE_STEP_BYTES:]
            transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, size, body[:WRITE_STEP_BYTES]))
        if transport.is_closing():
            self.drop()
            return None
        self._exchange = exchange
        self._headers = exchange.headers
        self._keep_alive = False
        self._interims = self._silent_bytes = 0
        self._progress_at = now = self._now()
        due = min(now + deadlines.first_byte_s, total_at)
        if due < self._watch_at:
            self._arm(due)
        return exchange

    async def upload(self, exchange: Exchange) -> None:
        """Write what `start` left of a large body, a step whenever there is room.

        An answer of 300 or above that comes before the end stops it: the provider has refused and reads no further.
        """
        while self._unsent and self._exchange is exchange and exchange.status < 300:
            if self._is_write_paused:
                waiter = exchange.waiter
                if waiter is None:  # the head came early and woke us; the rest of the body is still wanted
                    waiter = exchange.waiter = self.loop.create_future()
                exchange.wake_above = -1 if exchange.status == 0 else exchange.received
                await waiter
                continue
            step, self._unsent = self._unsent[:WRITE_STEP_BYTES], self._unsent[WRITE_STEP_BYTES:]
            self._transport.write(step)
            self._progress_at = self._now()

    @property
    def is_uploading(self) -> bool:
        return bool(self._unsent)

    @property
    def is_reused(self) -> bool:
        return self._served > 0

    def drop(self) -> None:
        """Close at once, without the courtesies of TLS: nobody waits for what might still come."""
        if not self.is_dropped:
            self.is_dropped = True
            self._transport.abort()

    # ---- for the exchange -------------------------------------------------------------------------------------------

    def resume_reading(self) -> None:
        if self._is_read_paused and not self.is_dropped:
            self._is_read_paused = False
            self._progress_at = now = self._now()
            self._transport.resume_reading()
            if self._exchange is not None:
                self.watch(now + self._exchange.deadlines.idle_s)

    def watch(self, due: float) -> None:
        """See to it that the timer fires no later than `due`."""
        if due < self._watch_at:
            self._arm(due)

    def abandon(self, exchange: Exchange) -> None:
        if self._exchange is exchange:
            self._exchange = None
        self.drop()

    # ---- asyncio.Protocol -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._arm(self.idle_since + self._keep_alive_s)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.drop()  # bytes that nobody asked for: whatever comes next cannot be trusted to be our answer
            return
        before = exchange.received
        self._silent_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not exchange.complete:
                self._fail(exchange, self._explain(error))
                return
            self._keep_alive = False
        received = exchange.received
        if exchange.complete:
            self._finish(exchange)
        elif received != before:
            self._silent_bytes = 0
            self._progress_at = self._now()
            if received > exchange.pause_above and not self._is_read_paused:
                self._is_read_paused = True
                self._transport.pause_reading()
        elif self._silent_bytes > HEAD_BYTES_MAX:
            self._fail(
                exchange, faults.head_too_large("headers, chunk extensions or trailers", HEAD_BYTES_MAX, self.origin)
            )
            return
        if exchange.sink is not None and exchange.parts:
            exchange.deliver()
        if exchange.waiter is not None and exchange.status and (received > exchange.wake_above or exchange.complete):
            exchange.wake()

    def eof_received(self) -> None:
        """Let the transport close itself; `connection_lost` decides what the end means."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_dropped = True
        if self._watcher is not None:
            self._watcher.cancel()
        del self._parser  # it refers to our methods: a cycle that would wait for the collector
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            if exc is None and exchange.ends_with_connection():
                exchange.complete = True
            else:
                exchange.fault = faults.hung_up(exc, self.origin)
            exchange.detach()
            exchange.wake()
        self._owner.forget(self)

    def pause_writing(self) -> None:
        self._is_write_paused = True

    def resume_writing(self) -> None:
        self._is_write_paused = False
        self._progress_at = self._now()
        if self._unsent and self._exchange is not None:
            self._exchange.wake()

    # ---- httptools --------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._exchange is None or self._exchange.complete:
            raise faults.not_http("more than one answer", self.origin)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"transfer-encoding":
            self._check_coding(value)
        self._headers.append((name, value.rstrip(b" \t")))  # the parser leaves what may follow a value

    def on_headers_complete(self) -> None:
        exchange = self._exchange
        assert exchange is not None
        status = self._parser.get_status_code()
        if not 200 <= status <= 599:
            self._count_interim(status)
            return
        headers = exchange.headers
        if len(headers) > HEADERS_MAX:
            raise faults.too_many_headers(HEADERS_MAX, self.origin)
        if self._silent_bytes > HEAD_BYTES_MAX and _size(headers) > HEAD_BYTES_MAX:
            raise faults.head_too_large("headers", HEAD_BYTES_MAX, self.origin)
        if not self._served and self._parser.get_http_version() not in {"1.1", "1.0"}:
            raise faults.not_http("another version of HTTP", self.origin)
        exchange.status = status
        self._headers = []  # what still comes are trailers, which nobody reads
        self._silent_bytes = 0
        self._progress_at = now = self._now()
        due = now + exchange.deadlines.idle_s
        if due < self._watch_at:
            self._arm(due)

    def on_body(self, piece: bytes) -> None:
        exchange = self._exchange
        assert exchange is not None
        exchange.parts.append(piece)
        exchange.received += len(piece)

    def on_message_complete(self) -> None:
        exchange = self._exchange
        assert exchange is not None
        if exchange.status:
            exchange.complete = True
            self._keep_alive = self._parser.should_keep_alive()
        else:
            self._headers.clear()  # of an interim answer

    # ---- private ----------------------------------------------------------------------------------------------------

    def _count_interim(self, status: int) -> None:
        """Let 1xx answers pass, but for a switch of protocols, and not without end."""
        if status == 101 or not 100 <= status <= 199:
            raise faults.not_http(f"status {status}", self.origin)
        self._interims += 1
        if self._interims > INTERIM_ANSWERS_MAX:
            raise faults.not_http("too many interim answers", self.origin)

    def _check_coding(self, value: bytes) -> None:
        """Let one coding pass, once, and spelt so that our parser takes it for chunked too (it does not with a tab)."""
        if value.lower() != b"chunked" or any(name == b"transfer-encoding" for name, _ in self._headers):
            raise faults.not_http("a transfer coding that was not asked for", self.origin)

    def _finish(self, exchange: Exchange) -> None:
        """Part from an exchange whose answer is whole; what is buffered stays with it."""
        self._exchange = None
        exchange.detach()
        if self._keep_alive and not self._unsent and not self.is_dropped:
            if self._is_read_paused:
                self.resume_reading()
            self._served += 1
            self.idle_since = self._now()
            self._owner.release(self)
        else:
            self.drop()

    def _fail(self, exchange: Exchange, fault: UpstreamFault) -> None:
        self._exchange = None
        exchange.fault = fault
        exchange.detach()
        exchange.wake()
        self.drop()

    def _explain(self, error: Exception) -> UpstreamFault:
        """Find the fault behind a parser's error. An error of our own callbacks is not the provider's: it is raised."""
        cause = error.__context__
        if isinstance(cause, UpstreamFault):
            return cause
        if cause is not None:
            raise cause
        return faults.not_http(str(error), self.origin)

    def _is_readable(self) -> bool:
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _arm(self, due: float) -> None:
        now = self._now()
        if self._watcher is not None:
            self._watcher.cancel()
        self._watch_at = min(max(due, now + _TIMER_STEP_S), now + self._keep_alive_s)
        self._watcher = self.loop.call_at(self._watch_at, self._on_watch)

    def _on_watch(self) -> None:
        self._watcher = None
        self._watch_at = _NEVER
        exchange = self._exchange
        if exchange is None:
            due = self.idle_since + self._keep_alive_s
            if self._now() >= due:
                self.drop()
                return
        else:
            due, kind = exchange.due(self._progress_at, is_paused=self._is_read_paused)
            now = self._now()
            if now >= due and now - due >= _LATE_S and self._spared is not exchange and self._is_readable():
                self._spared = exchange
                self._arm(now + _SPARED_S)
                return
            if now >= due:
                self._fail(exchange, faults.deadline(kind, self.origin))
                return
        self._arm(due)


def _size(headers: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)
