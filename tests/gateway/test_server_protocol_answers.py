"""The HTTP server's answers over real sockets: they leave a kept-alive connection clean and go no faster than they are read."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from served import Served, post
from tests.fakes.gateway import DONE, USAGE_CHUNK, answer, chat, chunk
from tests.live.raw_http import Manners, RawConnection

from tollkeeper.gateway.server_protocol import ServerProtocol


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


async def test_a_client_that_hangs_up_in_a_stream_does_not_stop_the_settlement(served: Served) -> None:
    gate = asyncio.Event()
    served.gateway.will_stream(chunk("four"), gate, chunk("five"), USAGE_CHUNK, DONE)
    connection = RawConnection(served.port)
    reply = await connection.send(post(chat(stream=True)), Manners(leave_after=1))
    assert reply.did_leave
    async with asyncio.timeout(5):
        while not served.gateway.relay.drains:
            await asyncio.sleep(0.001)
        gate.set()
        while served.gateway.app.in_flight:
            await asyncio.sleep(0.001)
    record = served.gateway.ledger.only
    assert (record.outcome, record.amount_nanos) == ("client_gone", 30)


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
