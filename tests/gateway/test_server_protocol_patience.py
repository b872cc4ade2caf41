"""How long a client may take to send and to read. Time is not waited for: the sweep is called with the time it shall be."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from served import CHUNKED, KEEP_ALIVE_S, Served, error_in, post
from tests.fakes.gateway import answer
from tests.live.raw_http import RawConnection

from tollkeeper.gateway.server_protocol import ServerProtocol


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
