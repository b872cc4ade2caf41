"""Names, addresses, TLS and proxies: who is connected to, who is trusted, and what a failure is called."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme
from scripted import OK, PATIENT, Peer, answering, playing, request_to, resolve_to, whole_call

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.ports.upstream import Deadlines, Origin
from tollkeeper.upstream.client import UpstreamClient
from tollkeeper.upstream.dial import tls_context
from tollkeeper.upstream.proxy import ProxyServer, ProxySettings


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self) -> None:
        self.ca = trustme.CA()

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.ca.issue_cert(*names).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        context = tls_context()
        self.ca.configure_trust(context)
        return context


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@asynccontextmanager
async def trusting(authority: Authority, proxies: ProxySettings | None = None) -> AsyncIterator[UpstreamClient]:
    client = UpstreamClient(tls=authority.client(), proxies=proxies)
    try:
        yield client
    finally:
        await client.aclose()


async def fault_of(client: UpstreamClient, origin: Origin, deadlines: Deadlines = PATIENT) -> UpstreamFault:
    with pytest.raises(UpstreamFault) as raised:
        await whole_call(client, origin, deadlines)
    assert not raised.value.sent
    assert all(pool._open == 0 for pool in client._pools.values())
    return raised.value


async def test_a_refused_connection_is_a_connect_fault(client: UpstreamClient) -> None:
    async with playing(answering(OK)) as provider:
        origin = provider.origin()
    fault = await fault_of(client, origin)
    assert fault.kind == "connect"
    assert "refused" in fault.message.lower()


async def test_a_name_that_does_not_resolve_is_a_connect_fault(client: UpstreamClient) -> None:
    fault = await fault_of(client, Origin("http", "no-such-host.invalid", 80))
    assert fault.kind == "connect"


async def test_a_provider_that_does_not_accept_is_a_connect_timeout(client: UpstreamClient) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        await asyncio.sleep(0.05)
        started = asyncio.get_running_loop().time()
        fault = await fault_of(client, Origin("http", "127.0.0.1", port), Deadlines(connect_s=0.2))
        assert fault.kind == "connect_timeout"
        assert asyncio.get_running_loop().time() - started < 3
        for filler in fillers:
            filler.close()


async def test_a_handshake_that_does_not_end_is_a_connect_timeout(client: UpstreamClient) -> None:
    async def silent(peer: Peer) -> None:
        await peer.until_gone()

    async with playing(silent) as provider:
        fault = await fault_of(client, provider.origin("https"), Deadlines(connect_s=0.2))
        assert fault.kind == "connect_timeout"
        assert "TLS" in fault.message


async def test_the_next_address_is_tried_when_one_refuses(
    client: UpstreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "127.0.0.2", "::1", "127.0.0.1")
    async with playing(answering(OK)) as provider:
        assert (await whole_call(client, provider.origin(host="provider.test")))[0] == 200
        assert b"host: provider.test:%d\r\n" % provider.port in provider.received[0].head


async def test_a_name_that_no_resolver_takes_is_a_connect_fault(client: UpstreamClient) -> None:
    assert (await fault_of(client, Origin("http", "a" * 64 + ".test", 80))).kind == "connect"


async def test_tls_with_a_trusted_certificate_reuses_its_connection(authority: Authority) -> None:
    async with (
        trusting(authority) as client,
        playing(answering(OK), tls=authority.server("localhost")) as provider,
    ):
        for _ in range(5):
            assert (await whole_call(client, provider.origin("https", "localhost")))[2] == b"{}"
        assert provider.connections == 1
        (pool,) = client._pools.values()
        assert pool._idle[0]._transport.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


async def test_large_bodies_pass_through_tls_both_ways(authority: Authority) -> None:
    async def echo(peer: Peer) -> None:
        while received := await peer.request():
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(received.body), received.body)

    async with trusting(authority) as client, playing(echo, tls=authority.server("localhost")) as provider:
        body = bytes(range(256)) * 12_000
        for _ in range(2):
            assert (await whole_call(client, provider.origin("https", "localhost"), body=body))[2] == body
        assert provider.connections == 1


async def test_a_certificate_for_another_host_is_a_tls_fault(authority: Authority) -> None:
    async with (
        trusting(authority) as client,
        playing(answering(OK), tls=authority.server("other.test")) as provider,
    ):
        fault = await fault_of(client, provider.origin("https", "localhost"))
        assert fault.kind == "tls"
        assert "localhost" in fault.message
        assert not provider.received


async def test_a_certificate_of_an_unknown_authority_is_a_tls_fault(authority: Authority) -> None:
    async with (
        trusting(Authority()) as client,
        playing(answering(OK), tls=authority.server("localhost")) as provider,
    ):
        assert (await fault_of(client, provider.origin("https", "localhost"))).kind == "tls"
        assert not provider.received


async def test_a_provider_without_tls_is_a_tls_fault(client: UpstreamClient) -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.read(10)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with playing(plain) as provider:
        assert (await fault_of(client, provider.origin("https", "localhost"))).kind == "tls"


def tunnelling(target_port: int, *, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> object:
    """A proxy that opens a tunnel to a local port whatever it is asked for."""

    async def script(peer: Peer) -> None:
        if await peer.request() is None:
            return
        await peer.send(answer)
        if b" 200 " not in answer:
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", target_port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(65_536):
                    sink.write(data)
                    await sink.drain()
            except ConnectionError:
                pass
            finally:
                sink.close()

        await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))

    return script


async def test_https_goes_through_a_tunnel_of_the_proxy(authority: Authority) -> None:
    async with (
        playing(answering(OK), tls=authority.server("provider.test")) as provider,
        playing(tunnelling(provider.port)) as proxy,  # type: ignore[arg-type]
    ):
        settings = ProxySettings(https=ProxyServer("127.0.0.1", proxy.port, b"Basic dTpw"))
        async with trusting(authority, settings) as client:
            for _ in range(3):
                assert (await whole_call(client, Origin("https", "provider.test", 443)))[2] == b"{}"
            assert (proxy.connections, provider.connections) == (1, 1)
            assert proxy.received[0].head == (
                b"CONNECT provider.test:443 HTTP/1.1\r\nhost: provider.test:443\r\nproxy-authorization: Basic dTpw"
            )
            assert b"proxy-authorization" not in provider.received[0].head
            assert b"POST /v1/chat/completions HTTP/1.1\r\nhost: provider.test\r\n" in provider.received[0].head


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\nsad",
        b"SSH-2.0-x\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\n\r\nsurprise",
        b"x" * 20_000,
    ],
)
async def test_a_proxy_that_opens_no_tunnel_is_a_connect_fault(authority: Authority, answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        if b" 200 " in answer:
            await peer.until_gone()

    async with playing(script) as proxy:
        settings = ProxySettings(https=ProxyServer("127.0.0.1", proxy.port))
        async with trusting(authority, settings) as client:
            fault = await fault_of(client, Origin("https", "provider.test", 443), Deadlines(connect_s=3))
            assert fault.kind == "connect"
            assert "the proxy" in fault.message
            assert (b"407" in answer) == ("407" in fault.message)


async def test_a_certificate_is_checked_through_a_tunnel_too(authority: Authority) -> None:
    async with (
        playing(answering(OK), tls=authority.server("other.test")) as provider,
        playing(tunnelling(provider.port)) as proxy,  # type: ignore[arg-type]
    ):
        settings = ProxySettings(https=ProxyServer("127.0.0.1", proxy.port))
        async with trusting(authority, settings) as client:
            assert (await fault_of(client, Origin("https", "provider.test", 443))).kind == "tls"


async def test_http_names_the_whole_url_to_the_proxy() -> None:
    async with playing(answering(OK)) as proxy:
        settings = ProxySettings(http=ProxyServer("127.0.0.1", proxy.port, b"Basic dTpw"), direct=("127.0.0.1",))
        client = UpstreamClient(proxies=settings)
        assert (await whole_call(client, Origin("http", "provider.test", 8080, "/api")))[2] == b"{}"
        head = proxy.received[0].head
        assert head.startswith(b"POST http://provider.test:8080/api/v1/chat/completions HTTP/1.1\r\n")
        assert b"\r\nhost: provider.test:8080\r\nproxy-authorization: Basic dTpw\r\n" in head
        direct = client.render_head(proxy.origin(), "GET", "/x", [])
        assert direct == b"GET /x HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept-encoding: identity\r\n" % proxy.port
        await client.aclose()


async def test_the_request_that_reaches_the_wire_is_head_length_and_body(client: UpstreamClient) -> None:
    async with playing(answering(OK)) as provider:
        request = request_to(client, provider.origin(), b"abc", "/v1/x?y=z")
        exchange = await client.open(request, PATIENT)
        exchange.close()
        assert provider.received[0].head == (
            b"POST /v1/x?y=z HTTP/1.1\r\nhost: 127.0.0.1:%d\r\ncontent-type: application/json\r\n"
            b"accept-encoding: identity\r\ncontent-length: 3" % provider.port
        )
