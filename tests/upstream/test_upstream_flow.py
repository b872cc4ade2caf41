"""Deadlines hold in every phase, and neither a slow reader nor a slow provider makes memory grow."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from scripted import OK, PATIENT, Peer, answering, drained, playing, request_to, whole_call

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.ports.upstream import Deadlines, Origin
from tollkeeper.upstream.client import UpstreamClient
from tollkeeper.upstream.connection import WRITE_STEP_BYTES, Connection
from tollkeeper.upstream.exchange import BUFFER_BYTES_MAX, Exchange

ONE_READ_BYTES_MAX = 262_144
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"


def connection_of(exchange: Exchange) -> Connection:
    line = exchange._line
    assert isinstance(line, Connection)
    return line


async def silent(peer: Peer) -> None:
    await peer.request()
    await peer.until_gone()


async def drip_head(peer: Peer) -> None:
    await peer.request()
    await peer.send(*[bytes([byte]) for byte in OK * 20], pause_s=0.02)


async def drip_interim(peer: Peer) -> None:
    await peer.request()
    await peer.send(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 10, pause_s=0.05)
    await peer.until_gone()


@pytest.mark.parametrize("script", [silent, drip_head, drip_interim])
async def test_a_head_that_is_not_whole_in_time_is_a_first_byte_timeout(client: UpstreamClient, script: object) -> None:
    async with playing(script) as provider:  # type: ignore[arg-type]
        with pytest.raises(UpstreamFault) as fault:
            await whole_call(client, provider.origin(), Deadlines(first_byte_s=0.15, idle_s=9, total_s=9))
        assert (fault.value.kind, fault.value.sent, fault.value.is_timeout) == ("first_byte_timeout", True, True)


async def test_silence_in_the_body_is_an_idle_timeout_and_what_came_is_read(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD % 9, b"abc")
        await peer.until_gone()

    async with playing(script) as provider:
        exchange = await client.open(request_to(client, provider.origin()), Deadlines(idle_s=0.1))
        assert await exchange.read() == b"abc"
        with pytest.raises(UpstreamFault) as fault:
            await exchange.read()
        assert (fault.value.kind, fault.value.sent) == ("idle_timeout", True)
        exchange.close()


async def test_trailers_and_chunk_heads_do_not_count_as_signs_of_life(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n5")
        await peer.send(*[b";x"] * 200, pause_s=0.02)

    async with playing(script) as provider:
        with pytest.raises(UpstreamFault) as fault:
            await whole_call(client, provider.origin(), Deadlines(idle_s=0.15))
        assert fault.value.kind == "idle_timeout"


async def test_a_slow_drip_within_the_idle_deadline_is_no_fault(client: UpstreamClient) -> None:
    pieces = [b"x"] * 12
    async with playing(answering(HEAD % 12, *pieces, pause_s=0.05)) as provider:
        deadlines = Deadlines(first_byte_s=5, idle_s=0.45, total_s=20)  # the body takes longer than idle_s altogether
        assert (await whole_call(client, provider.origin(), deadlines))[2] == b"x" * 12


async def test_an_endless_drip_ends_at_the_total_deadline(client: UpstreamClient) -> None:
    async with playing(answering(HEAD % 10_000, *[b"x"] * 500, pause_s=0.01)) as provider:
        with pytest.raises(UpstreamFault) as fault:
            await whole_call(client, provider.origin(), Deadlines(idle_s=5, total_s=0.2))
        assert (fault.value.kind, fault.value.sent) == ("total_timeout", True)


@contextmanager
def answering_from_a_thread(answer: bytes) -> Iterator[tuple[Origin, threading.Event]]:
    """A provider that does not stand still with the loop: it answers 0.3 s after the event, which says that it was asked."""
    is_asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                is_asked.set()
                time.sleep(0.3)
                connection.sendall(answer)
                connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Origin("http", "127.0.0.1", listening.getsockname()[1], ""), is_asked
        thread.join(5)


async def stand_still_during(client: UpstreamClient, answer: bytes) -> asyncio.Task[tuple[int, object, bytes]]:
    """Make a call whose answer comes, and whose deadline passes, while this process stands still."""
    with answering_from_a_thread(answer) as (origin, is_asked):
        calling = asyncio.create_task(whole_call(client, origin, Deadlines(first_byte_s=0.6, idle_s=5, total_s=0.6)))
        while not is_asked.is_set():
            await asyncio.sleep(0.01)
        time.sleep(2)  # as by SIGSTOP
        await asyncio.wait({calling})
        await client.aclose()
    return calling


async def test_an_answer_that_came_while_the_process_stood_still_is_read(client: UpstreamClient) -> None:
    body = b"x" * 3_000_000  # more than one read, and than fits on the way
    assert (await stand_still_during(client, HEAD % len(body) + body)).result()[2] == body


async def test_a_deadline_noticed_late_still_ends_a_call_that_got_half_an_answer(client: UpstreamClient) -> None:
    fault = (await stand_still_during(client, HEAD % 10 + b"xx")).exception()
    assert isinstance(fault, UpstreamFault)
    assert fault.kind == "total_timeout"


async def test_a_call_that_is_tightened_ends_sooner(client: UpstreamClient) -> None:
    async with playing(answering(HEAD % 10_000, *[b"x"] * 500, pause_s=0.01)) as provider:
        exchange = await client.open(request_to(client, provider.origin()), PATIENT)
        assert await exchange.read()
        exchange.tighten(0.1)
        exchange.tighten(50)  # cannot be loosened again
        started = asyncio.get_running_loop().time()
        with pytest.raises(UpstreamFault) as fault:
            await exchange.read_all(20_000)
        assert fault.value.kind == "total_timeout"
        assert asyncio.get_running_loop().time() - started < 3
        exchange.close()
        exchange.tighten(1)


async def test_the_time_that_one_call_took_is_not_held_against_the_next(client: UpstreamClient) -> None:
    async with playing(answering(OK)) as provider:
        deadlines = Deadlines(first_byte_s=0.3, idle_s=0.3, total_s=0.3)
        for _ in range(8):
            await whole_call(client, provider.origin(), deadlines)
            await asyncio.sleep(0.08)
        assert provider.connections == 1


async def test_a_slow_reader_holds_back_the_provider_and_the_buffer_stays_small(client: UpstreamClient) -> None:
    size, sent = 200_000_000, 0
    block = b"b" * 1_000_000

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        peer.writer.write(HEAD % size)
        while sent < size:
            peer.writer.write(block)
            await peer.writer.drain()
            sent += len(block)

    async with playing(script) as provider:
        exchange = await client.open(request_to(client, provider.origin()), Deadlines(idle_s=0.1, total_s=60))
        await asyncio.sleep(0.3)  # longer than the idle deadline: the silence is ours, not the provider's
        assert sent < 30_000_000  # the rest of it is in the system's socket buffers
        taken, most = 0, 0
        while True:
            most = max(most, exchange.received - taken)
            piece = await exchange.read()
            if not piece:
                break
            taken += len(piece)
            if taken % 7 == 0:
                await asyncio.sleep(0)
        assert taken == size
        assert most <= BUFFER_BYTES_MAX + ONE_READ_BYTES_MAX
        exchange.close()


async def test_a_paused_answer_still_ends_at_the_total_deadline(client: UpstreamClient) -> None:
    async with playing(answering(HEAD % 10_000_000, *[b"b" * 100_000] * 100)) as provider:
        exchange = await client.open(request_to(client, provider.origin()), Deadlines(idle_s=0.05, total_s=0.3))
        await asyncio.sleep(0.5)
        seen, fault = await drained(exchange)
        assert fault.kind == "total_timeout"
        assert 0 < seen <= BUFFER_BYTES_MAX + ONE_READ_BYTES_MAX
        exchange.close()


async def test_silence_after_a_pause_is_an_idle_timeout_again(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD % 400_000, b"b" * 300_000)
        await peer.until_gone()

    async with playing(script) as provider:
        exchange = await client.open(request_to(client, provider.origin()), Deadlines(idle_s=0.1, total_s=60))
        await asyncio.sleep(0.3)
        started = asyncio.get_running_loop().time()
        seen, fault = await drained(exchange)
        assert seen == 300_000
        assert fault.kind == "idle_timeout"
        assert asyncio.get_running_loop().time() - started < 5
        exchange.close()


async def test_reading_returns_at_once_when_something_is_there(client: UpstreamClient) -> None:
    async with playing(answering(OK[:-2], b"{}")) as provider:
        exchange = await client.open(request_to(client, provider.origin()), PATIENT)
        await asyncio.sleep(0.05)
        reading = exchange.read()
        with pytest.raises(StopIteration) as returned:  # it ends without having waited
            reading.send(None)
        assert returned.value.value == b"{}"
        exchange.close()


async def test_a_large_body_waits_for_a_slow_provider_in_small_steps(client: UpstreamClient) -> None:
    body = bytes(range(256)) * 40_000
    begin, seen = asyncio.Event(), bytearray()

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.transport.pause_reading()
        await begin.wait()
        peer.writer.transport.resume_reading()
        while len(seen) < len(body):
            seen.extend(await peer.reader.read(65_536))
        await peer.send(OK)

    async with playing(script) as provider:
        call = asyncio.ensure_future(whole_call(client, provider.origin(), body=body))
        await asyncio.sleep(0.2)
        (connection,) = client._pools_by_origin[provider.origin()]._all
        waiting = connection._transport.get_write_buffer_size()
        assert 0 < waiting <= 4 * WRITE_STEP_BYTES
        assert connection.is_uploading
        begin.set()
        assert (await call)[2] == b"{}"
        assert bytes(seen) == body
        assert client._pools_by_origin[provider.origin()]._idle == [connection]


@pytest.mark.parametrize("size", [0, 1, WRITE_STEP_BYTES, WRITE_STEP_BYTES + 1, 3 * WRITE_STEP_BYTES + 5])
async def test_bodies_of_every_size_arrive_whole(client: UpstreamClient, size: int) -> None:
    body = (b"0123456789" * (size // 10 + 1))[:size]
    async with playing(answering(OK)) as provider:
        for _ in range(2):
            await whole_call(client, provider.origin(), body=body)
        assert [received.body for received in provider.received] == [body, body]
        assert provider.connections == 1


async def test_a_refusal_that_comes_before_the_body_is_sent_is_the_answer(client: UpstreamClient) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}"

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.transport.pause_reading()
        await peer.send(refusal)
        await asyncio.sleep(5)

    async with playing(script) as provider:
        status, _, body = await whole_call(client, provider.origin(), body=b"b" * 20_000_000)
        assert (status, body) == (413, b"{}")
        assert not client._pools_by_origin[provider.origin()]._idle  # half a request was sent: never used again


async def test_a_refusal_is_seen_as_soon_as_its_head_is_there(client: UpstreamClient) -> None:
    seen = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.transport.pause_reading()
        await peer.send(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\n\r\n")
        await seen.wait()
        await peer.send(b"{}")
        await asyncio.sleep(5)

    async with playing(script) as provider:
        request = request_to(client, provider.origin(), b"b" * 20_000_000)
        exchange = await client.open(request, Deadlines(first_byte_s=2, idle_s=2, total_s=4))
        assert exchange.status == 429
        seen.set()
        assert await exchange.read_all(2) == b"{}"
        exchange.close()


async def test_a_provider_that_stops_reading_is_a_first_byte_timeout(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.transport.pause_reading()
        await asyncio.sleep(5)

    async with playing(script) as provider:
        with pytest.raises(UpstreamFault) as fault:
            await whole_call(client, provider.origin(), Deadlines(first_byte_s=0.2), body=b"b" * 20_000_000)
        assert (fault.value.kind, fault.value.sent) == ("first_byte_timeout", True)


async def test_an_answer_that_begins_before_the_body_is_sent_gets_the_whole_body(client: UpstreamClient) -> None:
    body, seen = b"b" * 8_000_000, 0

    async def script(peer: Peer) -> None:
        nonlocal seen
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(HEAD % 4, b"on", pause_s=0.05)
        while seen < len(body):
            seen += len(await peer.reader.read(1_000_000))
        await peer.send(b"ly")
        await peer.until_gone()

    async with playing(script) as provider:
        assert (await whole_call(client, provider.origin(), body=body))[2] == b"only"
        assert seen == len(body)


async def test_a_large_upload_can_be_cancelled(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        peer.writer.transport.pause_reading()
        await asyncio.sleep(5)

    async with playing(script) as provider:
        call = asyncio.ensure_future(whole_call(client, provider.origin(), body=b"b" * 20_000_000))
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        pool = client._pools_by_origin[provider.origin()]
        async with asyncio.timeout(2):
            while pool._open:
                await asyncio.sleep(0.002)
