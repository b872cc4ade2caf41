"""The HTTP server over real sockets: bounded heads, time-outs, garbage, and answers that leave a kept-alive connection clean.

Time is not waited for: the sweep over connections is called with the time that it shall be.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import msgspec
import pytest
import uvicorn
from tests.fakes.gateway import DONE, GOOD_KEY, USAGE_CHUNK, FakeGateway, answer, chat, chunk
from tests.live.raw_http import RawConnection, render

from tollkeeper.gateway.server_protocol import QUEUED_MAX, Bounds, ServerProtocol

CHAT = "/v1/chat/completions"
HEADERS = {"authorization": f"Bearer {GOOD_KEY}", "content-type": "application/json"}
KEEP_ALIVE_S = 75
BOUNDS = Bounds(head_bytes_max=4_000, request_s=10.0, client_stall_s=20.0)


class _Protocol(ServerProtocol):
    bounds = BOUNDS


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Served:
    """A gateway over fakes behind a real server."""

    def __init__(self, gateway: FakeGateway, port: int) -> None:
        self.gateway, self.port = gateway, port

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        yield reader, writer
        writer.transport.abort()

    async def exchange(self, data: bytes) -> bytes:
        """Send bytes and return all that comes until the server closes."""
        async with asyncio.timeout(10), self.connect() as (reader, writer):
            writer.write(data)
            return await reader.read()

    @property
    def connection(self) -> ServerProtocol:
        """The server's side of the only connection."""
        (connection,) = ServerProtocol.open_connections
        return connection

    async def until_open(self) -> None:
        """Wait until the first call has reached its provider."""
        async with asyncio.timeout(5):
            while "open" not in self.gateway.log:
                await asyncio.sleep(0.001)

    async def sweep(self, now_s: float, *, connections: int = 1) -> None:
        async with asyncio.timeout(5):
            while len(ServerProtocol.open_connections) < connections:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # what was sent has arrived
        for connection in list(ServerProtocol.open_connections):
            connection.sweep(now_s)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    gateway = FakeGateway()
    config = uvicorn.Config(
        gateway.app, http=_Protocol, lifespan="off", log_config=None, timeout_keep_alive=KEEP_ALIVE_S
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        task = asyncio.ensure_future(server.serve(sockets=[sock]))
        yield Served(gateway, sock.getsockname()[1])
        server.should_exit = server.force_exit = True
        await task


CHUNKED = render(f"POST {CHAT}", HEADERS, b"").replace(b"content-length: 0", b"transfer-encoding: chunked")


def post(body: object = None) -> bytes:
    return render(f"POST {CHAT}", HEADERS, msgspec.json.encode(chat() if body is None else body))


def error_in(answered: bytes) -> dict[str, object]:
    head, _, body = answered.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    return dict(msgspec.json.decode(body)["error"])


async def test_whole_answers_and_streams_take_turns_on_one_connection(served: Served) -> None:
    connection = RawConnection(served.port)
    for turn in range(6):
        is_stream = turn % 2 == 0
        if is_stream:
            served.gateway.will_stream(chunk("four"), USAGE_CHUNK, DONE)
        else:
            served.gateway.will_answer(answer())
        reply = await connection.send(post(chat(stream=is_stream)))
        assert (reply.status, reply.is_complete) == (200, True)
        assert reply.body == (chunk("four") + DONE if is_stream else msgspec.json.encode(answer()))
    refused = await connection.send(post(chat(model="no-such")))
    assert refused.status == 404
    connection.drop()
    served.gateway.ledger.assert_balanced()


async def test_a_stream_ends_on_the_wire_only_once_it_is_settled(served: Served) -> None:
    served.gateway.will_stream(chunk("four"), USAGE_CHUNK, DONE)
    async with asyncio.timeout(10), served.connect() as (reader, writer):
        writer.write(post(chat(stream=True)))
        received = b""
        while not received.endswith(b"\r\n0\r\n\r\n"):
            assert received.count(b"0\r\n\r\n") <= received.count(b"\r\n0\r\n\r\n"), "nothing may follow the end"
            received += await reader.read(1)
        served.gateway.ledger.assert_balanced()
        assert len(served.gateway.ledger.records) == 1


async def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    for number in range(3):
        served.gateway.will_answer(answer(id=f"answer {number}"))
    async with asyncio.timeout(10), served.connect() as (reader, writer):
        writer.write(post() * 3)
        received = b""
        while received.count(b'"id":"answer') < 3 or not received.endswith(b"}"):
            received += await reader.read(65_536)
    assert [received.index(b"answer %d" % number) for number in range(3)] == sorted(
        received.index(b"answer %d" % number) for number in range(3)
    )
    served.gateway.ledger.assert_balanced()


async def test_a_client_that_hangs_up_in_a_stream_does_not_stop_the_settlement(served: Served) -> None:
    gate = asyncio.Event()
    served.gateway.will_stream(chunk("four"), gate, chunk("five"), USAGE_CHUNK, DONE)
    connection = RawConnection(served.port)
    reply = await connection.send(post(chat(stream=True)), leave_after=1)
    assert reply.did_leave
    async with asyncio.timeout(5):
        while not served.gateway.relay.drains:
            await asyncio.sleep(0.001)
        gate.set()
        while served.gateway.app.in_flight:
            await asyncio.sleep(0.001)
    record = served.gateway.ledger.only
    assert (record.outcome, record.amount_nanos) == ("client_gone", 30)


async def test_pipelined_calls_whose_connection_is_lost_end_without_a_fault(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()
    served.gateway.will_answer(answer(), before=[gate])
    async with served.connect() as (_, writer):
        writer.write(post())
        await served.until_open()
        writer.write(post())
        await asyncio.sleep(0.02)
        served.connection.transport.abort()
    async with asyncio.timeout(5):
        while ServerProtocol.open_connections:
            await asyncio.sleep(0.001)
        gate.set()
        while served.gateway.app.in_flight:
            await asyncio.sleep(0.001)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert served.gateway.ledger.only.outcome == "complete"


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nnot a length\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"y" * 5_000 + b"\r\n\r\n",
    ],
)
async def test_garbage_behind_calls_closes_the_connection_once_they_are_answered(
    served: Served, garbage: bytes
) -> None:
    gate = asyncio.Event()
    served.gateway.will_answer(answer(id="answer 0"), before=[gate])
    served.gateway.will_answer(answer(id="answer 1"))
    async with asyncio.timeout(10), served.connect() as (reader, writer):
        writer.write(post())
        await served.until_open()
        served.connection.data_received(post() + garbage)
        await asyncio.sleep(0.02)
        gate.set()
        received = await reader.read()
    assert received.count(b"HTTP/1.1 ") == received.count(b"HTTP/1.1 200 ") == 2
    assert received.index(b"answer 0") < received.index(b"answer 1")
    served.gateway.ledger.assert_balanced()


async def test_a_connection_with_too_many_waiting_requests_closes_once_the_first_are_answered(served: Served) -> None:
    gate = asyncio.Event()
    for number in range(200):
        served.gateway.will_answer(answer(), before=[] if number else [gate])
    async with asyncio.timeout(10), served.connect() as (reader, writer):
        writer.write(post())
        await served.until_open()
        served.connection.data_received(post() * 199)
        assert len(served.connection.pipeline) == QUEUED_MAX
        gate.set()
        received = await reader.read()
    assert received.count(b"HTTP/1.1 ") == received.count(b"HTTP/1.1 200 ") == QUEUED_MAX + 1


async def test_nothing_is_read_while_requests_wait(served: Served) -> None:
    gate = asyncio.Event()
    served.gateway.will_answer(answer())
    served.gateway.will_answer(answer(), before=[gate])
    for _ in range(2):
        served.gateway.will_answer(answer())
    async with asyncio.timeout(10), served.connect() as (reader, writer):
        writer.write(post() * 3)
        await reader.readuntil(b"\r\n\r\n")
        while len(served.connection.pipeline) != 1:
            await asyncio.sleep(0.001)
        writer.write(post()[:-1])
        for now_s in (0.0, 1_000.0):  # the client cannot help it
            await served.sweep(now_s)
        assert len(served.connection.pipeline) == 1
        assert served.connection.flow.read_paused
        gate.set()
        writer.write(post()[-1:])
        received = b""
        while received.count(b"HTTP/1.1 200 ") < 3:
            received += await reader.read(65_536)


@pytest.mark.parametrize("is_pipelined", [True, False])
async def test_answers_wait_for_a_client_that_does_not_read(served: Served, is_pipelined: bool) -> None:
    for _ in range(30):
        served.gateway.will_answer(answer(id="x" * 900_000))
    async with asyncio.timeout(20), served.connect() as (reader, writer):
        for _ in range(1 if is_pipelined else 30):
            writer.write(post() * (30 if is_pipelined else 1))
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        assert served.connection.transport.get_write_buffer_size() < 2_500_000
        size = 0
        while size < 30 * 900_000:
            size += len(await reader.read(1 << 20))
    served.gateway.ledger.assert_balanced()


async def test_a_client_that_never_reads_pipelined_answers_is_cut_off(served: Served) -> None:
    for _ in range(30):
        served.gateway.will_answer(answer(id="x" * 900_000))
    async with asyncio.timeout(20), served.connect() as (_, writer):
        writer.write(post() * 30)
        await asyncio.sleep(0.3)
        for now_s in (0.0, 0.0, 21.0):
            await served.sweep(now_s)
        while ServerProtocol.open_connections:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("is_large", [False, True])
async def test_a_client_of_http_1_0_gets_a_stream_without_chunks(served: Served, is_large: bool) -> None:
    events = [chunk("x" * 60_000)] * 200 if is_large else [chunk("four")]
    served.gateway.will_stream(*events, USAGE_CHUNK, DONE)
    async with asyncio.timeout(20), served.connect() as (reader, writer):
        writer.write(post(chat(stream=True)).replace(b"HTTP/1.1", b"HTTP/1.0"))
        head = await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.1)  # unread, a large one makes the gateway wait
        body = await reader.read()
    assert b"connection: close" in head
    assert b"transfer-encoding" not in head
    assert body == b"".join(events) + DONE
    served.gateway.ledger.assert_balanced()


async def test_a_client_of_http_1_0_gets_whole_answers_with_their_length(served: Served) -> None:
    served.gateway.will_answer(answer())
    for request, status in ((post(), 200), (post(chat(model="no-such")), 404)):
        received = await served.exchange(request.replace(b"HTTP/1.1", b"HTTP/1.0"))
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"content-length: %d" % len(body) in head


async def test_a_provider_is_not_read_faster_than_its_client_reads(served: Served) -> None:
    events = [chunk("x" * 60_000)] * 300
    served.gateway.will_stream(*events, USAGE_CHUNK, DONE)
    async with asyncio.timeout(20), served.connect() as (reader, writer):
        writer.write(post(chat(stream=True)))
        await asyncio.sleep(0.3)
        held = sum(connection.transport.get_write_buffer_size() for connection in ServerProtocol.open_connections)
        assert held < 1_000_000, "what the client does not read must stay with the provider"
        received, tail = 0, b""
        while tail != b"\r\n0\r\n\r\n":
            piece = await reader.read(1 << 20)
            received, tail = received + len(piece), (tail + piece)[-7:]
    assert received > 300 * 60_000
    served.gateway.ledger.assert_balanced()


@pytest.mark.parametrize("is_in_one_piece", [True, False])
async def test_headers_beyond_their_limit_are_refused(served: Served, is_in_one_piece: bool) -> None:
    flood = b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: %b\r\n" % (number, b"y" * 90) for number in range(45))
    async with asyncio.timeout(10), served.connect() as (reader, writer):
        for piece in [flood] if is_in_one_piece else [flood[at : at + 500] for at in range(0, len(flood), 500)]:
            writer.write(piece)
            await asyncio.sleep(0.005)  # so that they arrive apart
        received = await reader.read()
    assert received.startswith(b"HTTP/1.1 431 ")
    assert error_in(received)["code"] == "invalid_request"


@pytest.mark.parametrize(
    "headers",
    [b"x: y\r\n" * 257, b"x: %b\r\n" % (b"y" * 5_000), (b"x: %b\r\n" % (b"y" * 90)) * 45],
    ids=["many", "one large", "large together"],
)
async def test_a_whole_head_beyond_its_limits_is_refused(served: Served, headers: bytes) -> None:
    received = await served.exchange(b"GET /v1/models HTTP/1.1\r\n" + headers + b"\r\n")
    assert received.startswith(b"HTTP/1.1 431 ")
    assert error_in(received)["code"] == "invalid_request"


@pytest.mark.parametrize(
    "framing",
    [b"0\r\n" + b"a: b\r\n" * 800, b"0\r\na: " + b"b" * 5_000, b"1;" + b"x" * 5_000, b"0\r\n;" + b"x" * 5_000],
    ids=["trailers", "one trailer", "extension", "garbage"],
)
async def test_trailers_and_chunk_extensions_count_as_headers(served: Served, framing: bytes) -> None:
    received = await served.exchange(CHUNKED + framing)
    assert received.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert served.gateway.ledger.reservations == {}


async def test_trailers_are_not_kept(served: Served) -> None:
    async with asyncio.timeout(10), served.connect() as (_, writer):
        writer.write(CHUNKED + b"0\r\na: b\r\nc: d\r\n")
        await served.sweep(0.0)
        assert served.connection.headers[-1] == (b"transfer-encoding", b"chunked")


async def test_small_chunks_do_not_count_as_headers(served: Served) -> None:
    served.gateway.will_answer(answer())
    body = msgspec.json.encode(chat(messages=[{"role": "user", "content": "x" * 3_000}]))
    request = CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    connection = RawConnection(served.port)
    assert (await connection.send(request)).status == 200
    connection.drop()


async def test_many_requests_on_a_connection_do_not_add_up_to_too_many_headers(served: Served) -> None:
    connection = RawConnection(served.port)
    for _ in range(20):
        served.gateway.will_answer(answer())
        assert (await connection.send(post())).status == 200
    connection.drop()


async def test_a_large_body_does_not_count_as_headers(served: Served) -> None:
    served.gateway.will_answer(answer())
    body = chat(messages=[{"role": "user", "content": "x" * 50_000}])
    connection = RawConnection(served.port)
    assert (await connection.send(post(body))).status == 200
    connection.drop()


@pytest.mark.parametrize("sent", [b"", b"POST ", post()[:60], post()[:-1]])
async def test_a_client_that_stops_sending_is_told_and_closed(served: Served, sent: bytes) -> None:
    async with asyncio.timeout(10), served.connect() as (reader, writer):
        writer.write(sent)
        for now_s in (0.0, 9.0):
            await served.sweep(now_s)
        assert not reader.at_eof()
        await served.sweep(11.0)
        received = await reader.read()
    assert received.startswith(b"HTTP/1.1 408 ")
    assert error_in(received)["code"] == "request_timeout"
    assert served.gateway.ledger.reservations == {}


@pytest.mark.parametrize("begun", ["", "chunked"])
async def test_a_client_that_drips_a_head_or_trailers_is_told_and_closed(served: Served, begun: str) -> None:
    async with asyncio.timeout(10), served.connect() as (reader, writer):
        writer.write(CHUNKED + b"0\r\n" if begun else b"GET /")
        for now_s, byte in ((0.0, b"E"), (9.0, b"T"), (18.0, b"X")):
            writer.write(byte)
            await served.sweep(now_s)
        assert not reader.at_eof()
        writer.write(b"Y")
        await served.sweep(27.0)
        received = await reader.read()
    assert received.startswith(b"HTTP/1.1 408 ")


async def test_a_slow_client_that_goes_on_sending_is_not_closed(served: Served) -> None:
    served.gateway.will_answer(answer())
    request = post()
    async with asyncio.timeout(10), served.connect() as (reader, writer):
        head_bytes = request.index(b"\r\n\r\n") + 4
        writer.write(request[:head_bytes])
        for turn, at in enumerate(range(head_bytes, len(request), 10)):
            writer.write(request[at : at + 10])
            await served.sweep(turn * 9.0)
        assert turn > 3, "it must have taken longer than a head may"
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


async def test_an_idle_connection_is_kept_for_its_time_and_then_closed(served: Served) -> None:
    served.gateway.will_answer(answer())
    async with asyncio.timeout(10), served.connect() as (reader, writer):
        writer.write(post())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        await reader.readexactly(len(msgspec.json.encode(answer())))
        await served.sweep(0.0)
        await served.sweep(KEEP_ALIVE_S - 1)
        served.gateway.will_answer(answer())
        writer.write(post())
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(msgspec.json.encode(answer())))
        for now_s in (100.0, 100.0 + KEEP_ALIVE_S):
            await served.sweep(now_s)
        assert await reader.read() == b""


async def test_a_call_that_its_provider_keeps_waiting_is_not_the_clients_fault(served: Served) -> None:
    gate = asyncio.Event()
    served.gateway.will_answer(answer(), before=[gate])
    connection = RawConnection(served.port)
    task = asyncio.ensure_future(connection.send(post()))
    for now_s in (0.0, 1_000.0, 2_000.0):
        await served.sweep(now_s)
    gate.set()
    assert (await task).status == 200
    connection.drop()


@pytest.mark.parametrize(
    "garbage",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nnot a length\r\n",
    ],
)
async def test_what_is_not_http_is_refused_and_closed(served: Served, garbage: bytes) -> None:
    received = await served.exchange(garbage)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert error_in(received)["type"] == "invalid_request"


async def test_the_server_answers_after_all_of_that(served: Served) -> None:
    for garbage in (b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n"):
        await served.exchange(garbage)
    served.gateway.will_answer(answer())
    connection = RawConnection(served.port)
    assert (await connection.send(post())).status == 200
    connection.drop()
    served.gateway.ledger.assert_balanced()
