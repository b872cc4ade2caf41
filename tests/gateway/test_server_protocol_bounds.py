"""What a request may weigh: heads, trailers and chunk extensions are bounded, bodies are not headers, garbage is refused."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from served import CHUNKED, Served, error_in, post
from tests.fakes.gateway import answer, chat
from tests.live.raw_http import RawConnection


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
