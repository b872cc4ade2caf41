"""Connections are reused, limited, shared, evicted and dropped as they must be; a race never sends a request twice."""

from __future__ import annotations

import asyncio

import pytest
from scripted import OK, PATIENT, BareTransport, Peer, answering, playing, request_to, whole_call

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.ports.upstream import Deadlines
from tollkeeper.upstream.client import UpstreamClient
from tollkeeper.upstream.connection import Connection
from tollkeeper.upstream.pool import Pool, PoolLimits


def pool_of(client: UpstreamClient) -> Pool:
    (pool,) = client._pools.values()
    return pool


async def settled(turns: int = 20) -> None:
    """Let the loop deliver what has happened."""
    for _ in range(turns):
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)


async def until_open(client: UpstreamClient, count: int) -> None:
    async with asyncio.timeout(5):
        while pool_of(client)._open != count:
            await asyncio.sleep(0.002)


async def test_calls_in_a_row_share_one_connection(client: UpstreamClient) -> None:
    async with playing(answering(OK)) as provider:
        for _ in range(50):
            assert (await whole_call(client, provider.origin()))[2] == b"{}"
        assert provider.connections == 1
        assert len(provider.received) == 50
        assert provider.received[7].body == b'{"model":"m"}'
        head = provider.received[7].head
        assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n" % provider.port)
        assert head.endswith(b"\r\ncontent-length: 13")


async def test_origins_that_differ_in_their_path_share_a_connection(client: UpstreamClient) -> None:
    async with playing(answering(OK)) as provider:
        one = provider.origin()
        other = type(one)(one.scheme, one.host, one.port, "/openai")
        await whole_call(client, one)
        await whole_call(client, other)
        assert provider.connections == 1
        assert provider.received[1].head.startswith(b"POST /openai/v1/chat/completions ")


async def test_the_answer_read_late_is_not_disturbed_by_the_next_call_on_its_connection(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        while received := await peer.request():
            body = received.body
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async with playing(script) as provider:
        first = await client.open(request_to(client, provider.origin(), b"first"), PATIENT)
        second = await client.open(request_to(client, provider.origin(), b"second"), PATIENT)
        first.close()
        assert await second.read_all(100) == b"second"
        assert await first.read_all(100) == b"first"
        second.close()
        assert provider.connections == 1


async def test_an_answer_that_says_close_is_the_last_on_its_connection(client: UpstreamClient) -> None:
    raw = OK.replace(b"content-type", b"connection: close\r\ncontent-type")
    async with playing(answering(raw)) as provider:
        await whole_call(client, provider.origin())
        await whole_call(client, provider.origin())
        assert provider.connections == 2


async def test_two_hundred_calls_share_eight_connections() -> None:
    client = UpstreamClient(limits=PoolLimits(connections_max=8))

    async def script(peer: Peer) -> None:
        while received := await peer.request():
            await asyncio.sleep(0.001)
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(received.body), received.body))

    async with playing(script) as provider:
        bodies = [b"call %d" % number for number in range(200)]
        answers = await asyncio.gather(*[whole_call(client, provider.origin(), body=body) for body in bodies])
        assert [answer[2] for answer in answers] == bodies
        assert provider.connections == provider.most_open == 8
        await client.aclose()


async def test_calls_share_the_places_even_when_every_answer_ends_its_connection() -> None:
    client = UpstreamClient(limits=PoolLimits(connections_max=3))
    raw = OK.replace(b"content-type", b"connection: close\r\ncontent-type")
    async with playing(answering(raw, then_close=True)) as provider:
        await asyncio.gather(*[whole_call(client, provider.origin()) for _ in range(30)])
        assert provider.connections == 30
        await until_open(client, 0)
        await client.aclose()


async def test_a_call_waits_for_a_place_no_longer_than_it_may_connect() -> None:
    client = UpstreamClient(limits=PoolLimits(connections_max=1))
    async with playing(answering(OK)) as provider:
        held = await client.open(request_to(client, provider.origin()), PATIENT)  # complete: its place is free
        held.close()

        async def silent(peer: Peer) -> None:
            await peer.until_gone()

        async with playing(silent) as busy:
            stuck = asyncio.ensure_future(whole_call(client, busy.origin()))
            await settled()
            with pytest.raises(UpstreamFault) as fault:
                await whole_call(client, busy.origin(), Deadlines(connect_s=0.05))
            assert (fault.value.kind, fault.value.sent) == ("connect_timeout", False)
            assert "in use" in fault.value.message
            waiting = asyncio.ensure_future(whole_call(client, busy.origin()))
            await settled()
            waiting.cancel()
            stuck.cancel()
            await asyncio.gather(stuck, waiting, return_exceptions=True)
            await settled()
            assert [pool._open for pool in client._pools.values()] == [1, 0]
            assert all(not pool._waiters for pool in client._pools.values())
        await client.aclose()


async def test_a_place_granted_to_a_waiter_that_was_cancelled_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    client = UpstreamClient(limits=PoolLimits(connections_max=1))
    gate = asyncio.Event()

    async def script(peer: Peer) -> None:
        while await peer.request():
            await gate.wait()
            await peer.send(OK)

    async with playing(script) as provider:
        first = asyncio.ensure_future(whole_call(client, provider.origin()))
        await settled()
        second = asyncio.ensure_future(whole_call(client, provider.origin()))
        await settled()
        pool = pool_of(client)
        release = pool.release

        def release_and_cancel(connection: Connection) -> None:
            release(connection)
            second.cancel()  # between the grant and the waiter's next turn

        monkeypatch.setattr(pool, "release", release_and_cancel)
        gate.set()
        await first
        with pytest.raises(asyncio.CancelledError):
            await second
        monkeypatch.undo()
        assert (await whole_call(client, provider.origin()))[2] == b"{}"
        assert (provider.connections, pool._open) == (1, 1)
        await client.aclose()


async def test_an_idle_connection_closed_by_the_provider_is_not_used(client: UpstreamClient) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)

    async with playing(script) as provider:
        await whole_call(client, provider.origin())
        await until_open(client, 0)
        assert (await whole_call(client, provider.origin()))[2] == b"{}"
        assert provider.connections == 2


async def test_an_end_that_the_loop_has_not_seen_yet_is_noticed_before_writing(
    client: UpstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollkeeper.upstream.connection.PEEK_AFTER_IDLE_S", 0.0)
    async with playing(answering(OK)) as provider:
        await whole_call(client, provider.origin())
        (connection,) = pool_of(client)._idle
        assert connection.is_fit(asyncio.get_running_loop().time())
        assert not connection.is_fit(asyncio.get_running_loop().time() + PoolLimits().keep_alive_s)
        connection._transport.pause_reading()  # the loop is not told what comes now
    await settled()  # the provider is gone, with its end of the connection
    assert not connection.is_fit(asyncio.get_running_loop().time())
    async with playing(answering(OK)) as other:
        assert (await whole_call(client, other.origin()))[2] == b"{}"


@pytest.mark.parametrize("is_reset", [False, True])
async def test_a_request_is_never_sent_twice_when_a_reused_connection_ends_after_it(
    client: UpstreamClient, is_reset: bool
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if await peer.request() and is_reset:
            peer.reset()

    async with playing(script) as provider:
        await whole_call(client, provider.origin())
        with pytest.raises(UpstreamFault) as fault:
            await whole_call(client, provider.origin())
        assert (fault.value.kind, fault.value.sent) == ("closed", True)
        assert provider.connections == 1
        assert len(provider.received) == 2
        await until_open(client, 0)
        await whole_call(client, provider.origin())


class RefusingTransport(BareTransport):
    """Closes itself over a write, as the standard loop's does when the system answers EPIPE."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.is_aborted = True


async def test_a_write_that_the_system_refused_whole_is_tried_on_a_new_connection(client: UpstreamClient) -> None:
    async with playing(answering(OK)) as provider:
        await whole_call(client, provider.origin())
        (connection,) = pool_of(client)._idle
        real = connection._transport
        connection._transport = RefusingTransport()
        assert (await whole_call(client, provider.origin()))[2] == b"{}"
        assert provider.connections == 2
        real.abort()
        await settled()


async def test_a_new_connection_that_refuses_its_first_write_is_not_tried_for_ever(
    client: UpstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollkeeper.upstream.connection.Connection.start", lambda self, *_: self.drop())
    async with playing(answering(OK)) as provider:
        with pytest.raises(UpstreamFault) as fault:
            await whole_call(client, provider.origin())
        assert (fault.value.kind, fault.value.sent) == ("connect", False)
        assert provider.connections <= 1


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    client = UpstreamClient(limits=PoolLimits(keep_alive_s=0.1))
    async with playing(answering(OK)) as provider:
        await whole_call(client, provider.origin())
        await asyncio.sleep(0.06)
        await whole_call(client, provider.origin())
        assert provider.connections == 1
        await until_open(client, 0)
        assert not pool_of(client)._idle
        await client.aclose()


async def test_no_more_idle_connections_are_kept_than_allowed() -> None:
    client = UpstreamClient(limits=PoolLimits(idle_max=2))
    gate = asyncio.Event()

    async def script(peer: Peer) -> None:
        while await peer.request():
            await gate.wait()
            await peer.send(OK)

    async with playing(script) as provider:
        calls = [asyncio.ensure_future(whole_call(client, provider.origin())) for _ in range(6)]
        while len(provider.received) < 6:
            await asyncio.sleep(0.002)
        gate.set()
        await asyncio.gather(*calls)
        await until_open(client, 2)
        assert len(pool_of(client)._idle) == 2
        await client.aclose()


async def test_the_connection_used_last_is_used_next(client: UpstreamClient) -> None:
    gate = asyncio.Event()

    async def script(peer: Peer) -> None:
        while await peer.request():
            await gate.wait()
            await peer.send(b"HTTP/1.1 200 OK\r\nx-number: %d\r\ncontent-length: 0\r\n\r\n" % peer.number)

    async with playing(script) as provider:
        calls = [asyncio.ensure_future(whole_call(client, provider.origin())) for _ in range(3)]
        while len(provider.received) < 3:
            await asyncio.sleep(0.002)
        gate.set()
        await asyncio.gather(*calls)
        last = pool_of(client)._idle[-1]
        for _ in range(5):
            await whole_call(client, provider.origin())
            assert pool_of(client)._idle[-1] is last
            assert len(pool_of(client)._idle) == 3


async def test_closing_before_the_end_drops_the_connection(client: UpstreamClient) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK[:-1])
        await peer.until_gone()
        gone.set()

    async with playing(script) as provider:
        exchange = await client.open(request_to(client, provider.origin()), PATIENT)
        exchange.close()
        exchange.close()
        async with asyncio.timeout(2):
            await gone.wait()
        assert await exchange.read() == b"{"
        with pytest.raises(UpstreamFault):
            await exchange.read()
        await until_open(client, 0)


@pytest.mark.parametrize("stage", ["head", "body", "all"])
async def test_a_cancelled_call_drops_its_connection(client: UpstreamClient, stage: str) -> None:
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if stage != "head":
            await peer.send(OK[:-2])
        await peer.until_gone()
        gone.set()

    async def call() -> None:
        exchange = await client.open(request, PATIENT)
        await (exchange.read() if stage == "body" else exchange.read_all(10))

    async with playing(script) as provider:
        request = request_to(client, provider.origin())
        task = asyncio.ensure_future(call())
        while not provider.received:
            await asyncio.sleep(0.002)
        await settled()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(2):
            await gone.wait()
        await until_open(client, 0)


async def test_a_call_cancelled_while_connecting_leaves_nothing_behind() -> None:
    client = UpstreamClient(limits=PoolLimits(connections_max=1))
    async with playing(answering(OK)) as provider:
        for turns in range(12):
            task = asyncio.ensure_future(whole_call(client, provider.origin()))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert (await whole_call(client, provider.origin()))[2] == b"{}"
        assert pool_of(client)._open == 1
        await client.aclose()
        assert pool_of(client)._open == 0


async def test_closing_the_client_ends_calls_in_progress(client: UpstreamClient) -> None:
    async with playing(answering(OK[:-1])) as provider:
        exchange = await client.open(request_to(client, provider.origin()), PATIENT)
        reading = asyncio.ensure_future(exchange.read_all(10))
        await settled()
        await client.aclose()
        with pytest.raises(UpstreamFault) as fault:
            await reading
        assert fault.value.kind == "closed"
        assert pool_of(client)._open == 0
