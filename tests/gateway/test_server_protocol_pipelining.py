"""Requests sent before the earlier ones are answered: in order, bounded in number, and nothing is read while they wait."""

from __future__ import annotations

import asyncio

import pytest
from served import Served, post
from tests.fakes.gateway import answer

from tollkeeper.gateway.server_protocol import QUEUED_MAX, ServerProtocol


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
