"""What arrives is passed on in the very moment: nothing lost, doubled or reordered, however it is cut and whoever has enough."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_upstream_answers import CHUNKED, Line

from tollkeeper.domain.errors import UpstreamFault

BODY = b"hello, my world"
ANSWER = CHUNKED + b"5\r\nhello\r\nA\r\n, my world\r\n0\r\n\r\n"


class Sink:
    """Keeps what it is given; the n-th piece is the last that it wants for now when the n-th of `wants` says so."""

    def __init__(self, wants: list[bool] | None = None) -> None:
        self.pieces: list[bytes] = []
        self._wants = iter(wants or ())

    def __call__(self, piece: bytes) -> bool:
        self.pieces.append(piece)
        return next(self._wants, True)


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def pass_all(line: Line, sink: Sink) -> None:
    """Pass on until the body has ended, reading whenever the sink has enough."""
    while True:
        await line.exchange.pass_on(sink)
        piece = await line.exchange.read()
        if not piece:
            return
        sink.pieces.append(piece)


@given(cuts=st.sets(st.integers(1, len(ANSWER) - 1)), wants=st.lists(st.booleans(), max_size=12))
def test_every_byte_comes_once_and_in_order(cuts: set[int], wants: list[bool]) -> None:
    async def run() -> None:
        line, sink = Line(), Sink(wants)
        passing = asyncio.create_task(pass_all(line, sink))
        edges = [0, *sorted(cuts), len(ANSWER)]
        for begin, end in itertools.pairwise(edges):
            line.feed(ANSWER[begin:end])
            if begin % 2:
                await settle()
        await asyncio.wait_for(passing, 5)
        assert b"".join(sink.pieces) == BODY
        assert line.exchange.complete
        line.end()

    asyncio.run(run())


async def test_a_piece_is_passed_on_before_anybody_has_had_a_turn() -> None:
    line, sink = Line(), Sink()
    line.feed(CHUNKED)
    passing = asyncio.create_task(line.exchange.pass_on(sink))
    await settle()
    line.feed(b"5\r\nhello\r\n")
    assert sink.pieces == [b"hello"]
    line.feed(b"0\r\n\r\n")
    await passing
    line.end()


async def test_who_has_enough_is_given_no_more_until_it_asks_again() -> None:
    line, sink = Line(), Sink([False])
    line.feed(CHUNKED)
    passing = asyncio.create_task(line.exchange.pass_on(sink))
    await settle()
    line.feed(b"5\r\nhello\r\n", b"1\r\n,\r\n")
    assert sink.pieces == [b"hello"]
    await passing
    assert await line.exchange.read() == b","
    line.end()


@pytest.mark.parametrize("is_refused", [False, True], ids=["taken", "the last that is wanted"])
async def test_what_came_before_a_fault_is_passed_on_before_it_is_raised(is_refused: bool) -> None:
    line, sink = Line(), Sink([not is_refused])
    line.feed(CHUNKED)
    passing = asyncio.create_task(line.exchange.pass_on(sink))
    await settle()
    line.feed(b"5\r\nhello\r\nzz\r\n")
    await settle()
    assert sink.pieces == [b"hello"]
    if is_refused:
        await passing
    with pytest.raises(UpstreamFault):
        await (line.exchange.read() if is_refused else passing)
    line.end()


async def test_a_connection_that_breaks_ends_the_passing_on_with_its_fault() -> None:
    line, sink = Line(), Sink()
    line.feed(CHUNKED + b"5\r\nhello\r\n")
    passing = asyncio.create_task(line.exchange.pass_on(sink))
    await settle()
    line.end()
    with pytest.raises(UpstreamFault) as fault:
        await passing
    assert (sink.pieces, fault.value.kind) == ([b"hello"], "closed")


async def test_what_the_sink_raises_is_raised_where_it_is_passed_on() -> None:
    def fail(_piece: bytes) -> bool:
        raise ValueError("a bug")

    line = Line()
    line.feed(CHUNKED)
    passing = asyncio.create_task(line.exchange.pass_on(fail))
    await settle()
    line.feed(b"5\r\nhello\r\n")  # the loop's callback is spared
    with pytest.raises(ValueError, match="a bug"):
        await passing
    line.end()


async def test_a_passing_on_that_is_cancelled_closes_the_connection() -> None:
    line = Line()
    line.feed(CHUNKED)
    passing = asyncio.create_task(line.exchange.pass_on(Sink()))
    await settle()
    passing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await passing
    assert line.transport.is_aborted
    line.end()
