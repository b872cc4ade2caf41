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

from tollkeeper.gateway.server_protocol import Bounds, ServerProtocol

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


async def test_pipelined_calls_whose_connection_is_closed_for_garbage_end_without_a_fault(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()
    served.gateway.will_answer(answer(), before=[gate])
    async with served.connect() as (_, writer):
        writer.write(post())
        async with asyncio.timeout(5):
            while "open" not in served.gateway.log:
                await asyncio.sleep(0.001)
        writer.write(post() + b"garbage\r\n\r\n")
        await asyncio.sleep(0.02)
    async with asyncio.timeout(5):
        while ServerProtocol.open_connections:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)  # the transport is closed for good one turn later
        gate.set()
        while served.gateway.app.in_flight:
            await asyncio.sleep(0.001)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert served.gateway.ledger.only.outcome == "complete"


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


async def test_a_slow_client_that_goes_on_sending_is_not_closed(served: Served) -> None:
    served.gateway.will_answer(answer())
    request = post()
    async with asyncio.timeout(10), served.connect() as (reader, writer):
        for turn, at in enumerate(range(0, len(request), 40)):
            writer.write(request[at : at + 40])
            await served.sweep(turn * 9.0)
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
