"""Answers of every shape come out the same however the network cuts them; what is not HTTP/1.1 is a fault."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import OK, PATIENT, BareTransport, Peer, answering, drained, playing, request_to, whole_call

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.ports.upstream import Origin
from tollkeeper.upstream.client import UpstreamClient
from tollkeeper.upstream.connection import HEAD_BYTES_MAX, HEADERS_MAX, Connection
from tollkeeper.upstream.exchange import Exchange

ORIGIN = Origin("http", "provider.test", 80)
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"

WHOLE_ANSWERS = {
    "length": (HEAD + b"X-Empty:\r\nContent-Type: a/b\r\ncontent-length: 5\r\n\r\nhello", b"hello", True),
    "empty": (HEAD + b"content-length: 0\r\n\r\n", b"", True),
    "chunked": (CHUNKED + b"5\r\nhello\r\nA;ext=1\r\n, my world\r\n0\r\n\r\n", b"hello, my world", True),
    "trailers": (CHUNKED + b"3\r\nabc\r\n0\r\nX-Late: 1\r\nX-Later: 2\r\n\r\n", b"abc", True),
    "interim": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        + HEAD
        + b"content-length: 2\r\n\r\nok",
        b"ok",
        True,
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n", b"", True),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", b"", True),
    "close": (HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nok", b"ok", False),
    "http/1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok", False),
    "error": (b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}", b"{}", True),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx", b"x", True),
}

BROKEN_ANSWERS = {
    "not http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "an html page": b"<html>Bad gateway</html>",
    "http/2": b"HTTP/2.0 200 OK\r\ncontent-length: 1\r\n\r\nx",
    "http/0.9": b"HTTP/0.9 200 OK\r\ncontent-length: 1\r\n\r\nx",
    "status 999": b"HTTP/1.1 999 Huh\r\ncontent-length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 Huh\r\ncontent-length: 0\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    "bare switching protocols": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "endless interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 17,
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\nabc",
    "length list": HEAD + b"content-length: 2, 3\r\n\r\nabc",
    "signed length": HEAD + b"content-length: +2\r\n\r\nab",
    "huge length": HEAD + b"content-length: 99999999999999999999999\r\n\r\nab",
    "length and chunked": HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "chunked twice": HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "coded": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked and a tab": HEAD + b"transfer-encoding: chunked\t\r\n\r\n0\r\n\r\n",
    "not chunked": HEAD + b"transfer-encoding: identity\r\n\r\nabc",
    "folded header": HEAD + b"a: b\r\n c: d\r\ncontent-length: 0\r\n\r\n",
    "bare line feed": HEAD + b"a: b\ncontent-length: 0\n\n",
    "carriage return in value": HEAD + b"a: b\rc: d\r\ncontent-length: 0\r\n\r\n",
    "zero byte in value": HEAD + b"a: b\x00c\r\ncontent-length: 0\r\n\r\n",
    "space before colon": HEAD + b"a : b\r\ncontent-length: 0\r\n\r\n",
    "negative chunk": CHUNKED + b"-1\r\na\r\n0\r\n\r\n",
    "chunk longer than said": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "chunk size not hex": CHUNKED + b"zz\r\nab\r\n0\r\n\r\n",
    "chunk size overflow": CHUNKED + b"fffffffffffffffff\r\nab\r\n0\r\n\r\n",
}


@dataclass
class Shelf:
    """An owner that only remembers."""

    released: list[Connection] = field(default_factory=list)

    def release(self, connection: Connection) -> None:
        self.released.append(connection)

    def forget(self, connection: Connection) -> None:
        pass


class Line:
    """A connection on a bare transport, with one exchange begun."""

    def __init__(self) -> None:
        self.shelf = Shelf()
        self.transport = BareTransport()
        self.connection = Connection(ORIGIN, self.shelf, keep_alive_s=55)
        self.connection.connection_made(self.transport)
        self.exchange = self.begin()

    def begin(self) -> Exchange:
        total_at = asyncio.get_running_loop().time() + 20
        exchange = self.connection.start(b"POST / HTTP/1.1\r\n", b"{}", PATIENT, total_at)
        assert exchange is not None
        return exchange

    def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            if piece and not self.transport.is_aborted:
                self.connection.data_received(piece)

    def end(self, error: Exception | None = None) -> None:
        self.connection.connection_lost(error)


def outcome(*pieces: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool, str | None, bool]:
    """Return status, headers, body, completeness, kind of fault and whether the connection may be used again."""
    line = Line()
    line.feed(*pieces)
    exchange = line.exchange
    result = (
        exchange.status,
        exchange.headers,
        b"".join(exchange.parts),
        exchange.complete,
        exchange.fault.kind if exchange.fault else None,
        bool(line.shelf.released),
    )
    line.end()
    return result


@pytest.mark.asyncio(loop_factories=["stdlib"])
@pytest.mark.parametrize("name", WHOLE_ANSWERS)
async def test_an_answer_cut_anywhere_is_the_same_answer(name: str) -> None:
    raw, body, is_reusable = WHOLE_ANSWERS[name]
    whole = outcome(raw)
    assert whole[2:] == (body, True, None, is_reusable)
    assert not {b"link", b"x-late", b"x-later"}.intersection(dict(whole[1])), "of an interim answer or a trailer"
    for at in range(1, len(raw)):
        assert outcome(raw[:at], raw[at:]) == whole, at
    assert outcome(*[raw[at : at + 1] for at in range(len(raw))]) == whole


@pytest.mark.asyncio(loop_factories=["stdlib"])
async def test_headers_are_lower_case_and_keep_their_order_and_repeats() -> None:
    raw = HEAD + b"X-B: 1\r\nSet-Cookie: a=b; c\r\nset-cookie:  d \r\nX-Empty:\r\nContent-Length: 0\r\n\r\n"
    assert outcome(raw)[1] == [
        (b"x-b", b"1"),
        (b"set-cookie", b"a=b; c"),
        (b"set-cookie", b"d"),
        (b"x-empty", b""),
        (b"content-length", b"0"),
    ]


@pytest.mark.asyncio(loop_factories=["stdlib"])
@pytest.mark.parametrize("name", BROKEN_ANSWERS)
async def test_an_answer_that_is_not_http_is_a_protocol_fault_however_it_is_cut(name: str) -> None:
    raw = BROKEN_ANSWERS[name]
    for at in range(len(raw)):
        _, _, _, is_complete, kind, is_reusable = outcome(raw[:at], raw[at:])
        assert (is_complete, kind, is_reusable) == (False, "protocol", False), at


@pytest.mark.asyncio(loop_factories=["stdlib"])
@pytest.mark.parametrize("name", [name for name in WHOLE_ANSWERS if name not in {"no content", "not modified"}])
async def test_an_answer_truncated_anywhere_is_never_complete(name: str) -> None:
    raw, body, _ = WHOLE_ANSWERS[name]
    assert body is not None
    for at in range(len(raw)):
        line = Line()
        line.feed(raw[:at])
        line.end()
        exchange = line.exchange
        assert not exchange.complete, at
        assert exchange.fault is not None
        assert exchange.fault.kind == "closed"
        assert exchange.fault.sent
        assert body.startswith(b"".join(exchange.parts))


@pytest.mark.asyncio(loop_factories=["stdlib"])
@pytest.mark.parametrize("rest", [b"x", b"H", b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad", b"\x00" * 70_000])
async def test_bytes_after_an_answer_spoil_the_connection_but_not_the_answer(rest: bytes) -> None:
    status, headers, body, is_complete, kind, is_reusable = outcome(OK + rest)
    assert (status, len(headers), body, is_complete, kind, is_reusable) == (200, 2, b"{}", True, None, False)
    line = Line()
    line.feed(OK)
    assert line.shelf.released
    line.feed(rest)
    assert line.transport.is_aborted
    assert line.connection.start(b"POST / HTTP/1.1\r\n", b"", PATIENT, 0) is None
    line.end()


@pytest.mark.asyncio(loop_factories=["stdlib"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=300), max_size=12),
    extension=st.sampled_from([b"", b";a", b";a=b", b';a="b c"']),
    cuts=st.lists(st.integers(min_value=0, max_value=6_000), max_size=30),
)
async def test_any_chunking_cut_at_random_gives_the_bytes_that_were_chunked(
    chunks: list[bytes], extension: bytes, cuts: list[int]
) -> None:
    raw = CHUNKED + b"".join(b"%X%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks) + b"0\r\n\r\n"
    edges = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    pieces = [raw[start:end] for start, end in itertools.pairwise(edges)]
    assert outcome(*pieces)[2:] == (b"".join(chunks), True, None, True)


@pytest.mark.asyncio(loop_factories=["stdlib"])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    noise=st.lists(
        st.one_of(st.binary(max_size=60), st.sampled_from([HEAD, CHUNKED, b"\r\n", b"5\r\n", OK])), max_size=6
    )
)
async def test_noise_never_raises_and_never_completes_twice(noise: list[bytes]) -> None:
    line = Line()
    line.feed(*noise)
    assert len(line.shelf.released) <= 1
    line.end()
    assert line.exchange.complete != (line.exchange.fault is not None)


@pytest.mark.asyncio(loop_factories=["stdlib"])
@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD + b"x: " + b"a" * HEAD_BYTES_MAX + b"\r\ncontent-length: 0\r\n\r\n"],
        [HEAD + b"x: ", *[b"a" * 1_000] * 70],
        [HEAD + b"x: ", *[b"a\r\nx: "] * 20_000],
        [HEAD + b"x: y\r\n" * (HEADERS_MAX + 1) + b"content-length: 0\r\n\r\n"],
        [b"HTTP/1.1 200 ", *[b"OK" * 500] * 70],
        [CHUNKED + b"1\r\na\r\n0\r\n", *[b"t: " + b"v" * 900 + b"\r\n"] * 80],
        [CHUNKED + b"1", *[b";x" * 500] * 70],
    ],
    ids=["one header", "one header in pieces", "many small headers", "129 headers", "reason", "trailers", "extension"],
)
async def test_a_head_or_trailer_beyond_the_limit_is_no_answer_that_can_be_read(pieces: list[bytes]) -> None:
    line = Line()
    fed = 0
    for piece in pieces:
        line.feed(piece)
        fed += 0 if line.transport.is_aborted else len(piece)
    assert line.exchange.fault is not None
    assert line.exchange.fault.kind == "protocol"
    assert fed <= HEAD_BYTES_MAX + 2_000
    line.end()


@pytest.mark.asyncio(loop_factories=["stdlib"])
async def test_a_head_at_the_limits_passes_and_a_large_body_beside_it_does_not_count() -> None:
    head = HEAD + b"x: y\r\n" * (HEADERS_MAX - 1) + b"content-length: 200000\r\n\r\n"
    assert outcome(head + b"b" * 200_000)[2:] == (b"b" * 200_000, True, None, True)
    line = Line()
    line.feed(CHUNKED)
    for _ in range(50_000):  # chunk heads that come alone are not counted for ever
        line.feed(b"1\r\n", b"a\r\n")
        line.exchange.parts.clear()
    assert line.exchange.fault is None
    line.end()


@pytest.mark.asyncio(loop_factories=["stdlib"])
async def test_an_error_of_our_own_in_a_parser_callback_is_not_blamed_on_the_provider() -> None:
    line = Line()
    line.exchange.parts = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        line.feed(OK)
    line.end()


async def test_an_answer_dripped_byte_by_byte_over_a_socket_is_whole(client: UpstreamClient) -> None:
    for raw, body, _ in WHOLE_ANSWERS.values():
        pieces = [raw[at : at + 1] for at in range(len(raw))]
        async with playing(answering(*pieces)) as provider:
            assert (await whole_call(client, provider.origin()))[2] == body


async def test_a_body_without_length_lasts_until_the_provider_closes(client: UpstreamClient) -> None:
    async with playing(answering(HEAD + b"x: y\r\n\r\n", b"one ", b"two", then_close=True)) as provider:
        assert await whole_call(client, provider.origin()) == (200, [(b"x", b"y")], b"one two")
        assert await whole_call(client, provider.origin()) == (200, [(b"x", b"y")], b"one two")
        assert provider.connections == 2


@pytest.mark.parametrize(
    "raw", [HEAD + b"content-length: 9\r\n\r\nabc", CHUNKED + b"3\r\nabc\r\n", CHUNKED + b"9\r\nabc"]
)
async def test_what_came_before_the_provider_hung_up_is_read_before_the_fault(
    client: UpstreamClient, raw: bytes
) -> None:
    async with playing(answering(raw, then_close=True)) as provider:
        exchange = await client.open(request_to(client, provider.origin()), PATIENT)
        seen, fault = await drained(exchange)
        assert (seen, fault.kind, fault.sent) == (3, "closed", True)
        exchange.close()
        exchange.close()


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nx: y\r\n"])
@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_connection_closed_before_the_head_is_a_fault(
    client: UpstreamClient, raw: bytes, is_reset: bool
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(raw, pause_s=0.01)
        if is_reset:
            peer.reset()

    async with playing(script) as provider:
        with pytest.raises(UpstreamFault) as fault:
            await whole_call(client, provider.origin())
        assert (fault.value.kind, fault.value.sent) == ("closed", True)
        assert provider.connections == 1


async def test_a_reset_in_the_middle_of_a_body_is_a_fault(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD + b"\r\nabc", pause_s=0.05)
        peer.reset()

    async with playing(script) as provider:
        with pytest.raises(UpstreamFault) as fault:  # also where the end of the connection would end the body
            await whole_call(client, provider.origin())
        assert fault.value.kind == "closed"


async def test_a_body_larger_than_allowed_is_refused(client: UpstreamClient) -> None:
    announced = HEAD + b"content-length: 1000001\r\n\r\n"
    endless = [CHUNKED, *[b"ffff\r\n%b\r\n" % (b"x" * 0xFFFF)] * 20]
    async with playing(answering(announced)) as one, playing(answering(*endless)) as two:
        for provider in (one, two):
            exchange = await client.open(request_to(client, provider.origin()), PATIENT)
            with pytest.raises(UpstreamFault) as fault:
                await exchange.read_all(1_000_000)
            assert fault.value.kind == "too_large"
            exchange.close()


async def test_a_body_of_exactly_the_size_allowed_passes(client: UpstreamClient) -> None:
    async with playing(answering(HEAD + b"content-length: 5\r\n\r\n", b"he", b"llo", pause_s=0.005)) as provider:
        exchange = await client.open(request_to(client, provider.origin()), PATIENT)
        assert await exchange.read_all(5) == b"hello"
        exchange.close()
