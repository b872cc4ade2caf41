"""Origins that an organization chose: connected to at checked addresses or not at all. Counted at the socket."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest
import trustme
from scripted import OK, PATIENT, answering, playing, resolve_by_turns, resolve_to, whole_call

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.kit.address_guard import AddressGuard
from tollkeeper.kit.networks import Networks
from tollkeeper.ports.upstream import Origin, UpstreamRequest
from tollkeeper.upstream import client as client_file
from tollkeeper.upstream.client import UpstreamClient
from tollkeeper.upstream.dial import tls_context
from tollkeeper.upstream.proxy import ProxyServer, ProxySettings

HERE = AddressGuard(Networks(["127.0.0.0/8"]))

ADDRESSES = {  # what a name may resolve to, or a host may be written as
    "loopback": ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1"],
    "nothing": ["0.0.0.0", "0.0.0.1", "::"],
    "private": ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "fc00::1"],
    "metadata": ["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200"],
    "cloud": ["168.63.129.16", "192.0.0.192"],
    "link": ["169.254.0.1", "fe80::1", "fec0::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::ffff:0.0.0.0"],
    "hidden": [
        "::127.0.0.1",
        "::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2002:808:808::1",
        "2001:0:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
    ],
    "groups": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1", "255.255.255.255"],
    "reserved": ["240.0.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"],
    "reserved six": ["2001:db8::1", "3fff::1", "5f00::1", "100::1", "4000::1", "2001:2::1"],
}
HOSTS = [  # spellings that some resolver or other takes for an address
    *("2130706433", "017700000001", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "0177.0.0.1", "0x7f.0x0.0x0.0x1"),
    *("2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "0xa9.0xfe.0xa9.0xfe", "169.16689662", "0", "0.0"),
    *("localhost", "LOCALHOST", "localhost.", "127.0.0.1.", "１２７.0.0.1", "fe80::1%lo", "::ffff:127.0.0.1%lo"),
    *("127.0.0.1%00.example.com", "[::1]", ""),
]
NAMED = [address for group in ADDRESSES.values() for address in group]


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of addresses that the dialler connects to; only this machine is really connected to."""
    found: list[str] = []

    class Socket(socket.socket):
        def connect(self, address: tuple[str, int]) -> None:
            found.append(str(ip_address(address[0])))
            if address[0] != "127.0.0.1":
                raise ConnectionRefusedError
            super().connect(address)

    class SocketModule:
        socket = Socket

        def __getattr__(self, name: str) -> object:
            return getattr(socket, name)

    monkeypatch.setattr("tollkeeper.upstream.dial.socket", SocketModule())
    return found


@asynccontextmanager
async def calling(**settings: object) -> AsyncIterator[UpstreamClient]:
    client = UpstreamClient(**settings)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.aclose()


async def fault_of(client: UpstreamClient, origin: Origin) -> UpstreamFault:
    with pytest.raises(UpstreamFault) as raised:
        await client.open(UpstreamRequest(origin, b"POST /v1/x HTTP/1.1\r\n", b"{}"), PATIENT)
    assert not raised.value.sent
    assert raised.value.kind == "connect"
    assert not any(pool.is_used for pool in client._pools.values())
    return raised.value


def test_there_are_enough_vectors() -> None:
    assert len({*NAMED, *HOSTS}) >= 60


@pytest.mark.parametrize("address", NAMED)
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_a_name_that_resolves_inside_is_not_connected_to(
    connects: list[str], monkeypatch: pytest.MonkeyPatch, address: str, scheme: str
) -> None:
    resolve_to(monkeypatch, address, address)
    async with calling() as client:
        fault = await fault_of(client, Origin(scheme, "metadata.google.internal", 443, is_guarded=True))
        assert fault.message.endswith("its address may not be used")
        assert address not in fault.message
    assert connects == []


@pytest.mark.parametrize("host", [*HOSTS, *NAMED])
async def test_a_host_that_is_an_address_inside_is_not_connected_to(connects: list[str], host: str) -> None:
    async with calling() as client:
        await fault_of(client, Origin("http", host, 80, is_guarded=True))
    assert connects == []


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "223.255.255.254", "100.63.255.255", "2606:4700::6810:1", "64:ff9b::8.8.8.8"]
)
async def test_a_public_address_is_connected_to(
    connects: list[str], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolve_to(monkeypatch, address)
    async with calling() as client:
        await fault_of(client, Origin("https", "provider.test", 443, is_guarded=True))
    assert connects == [str(ip_address(address))]


async def test_of_several_addresses_only_the_allowed_ones_are_tried(
    connects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "10.0.0.1", "8.8.8.8", "::1", "169.254.169.254", "2606:4700::1")
    async with calling() as client:
        await fault_of(client, Origin("https", "provider.test", 443, is_guarded=True))
    assert sorted(connects) == ["2606:4700::1", "8.8.8.8"]


async def test_a_name_that_changes_its_mind_gains_nothing(connects: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolve_by_turns(monkeypatch, ("8.8.8.8",), ("127.0.0.1",), ("8.8.4.4",), ("169.254.169.254",))
    origin = Origin("https", "rebinding.test", 443, is_guarded=True)
    async with calling() as client:
        for dials in range(1, 5):
            await fault_of(client, origin)
            assert asked == ["rebinding.test"] * dials
    assert connects == ["8.8.8.8", "8.8.4.4"]


async def test_networks_of_the_operator_are_open_and_nothing_beside_them(
    connects: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with calling(guard=AddressGuard(Networks(["10.20.0.0/16", "fd00:20::/32"]))) as client:
        for address in ("10.20.0.1", "::ffff:10.20.0.2", "fd00:20::1", "10.21.0.1", "fd00:21::1", "127.0.0.1"):
            resolve_to(monkeypatch, address)
            await fault_of(client, Origin("http", "model.test", 80, is_guarded=True))
    assert connects == ["10.20.0.1", str(ip_address("::ffff:10.20.0.2")), "fd00:20::1"]


async def test_a_redirect_inside_is_answered_as_it_is_and_not_followed(connects: list[str]) -> None:
    for status in (301, 302, 303, 307, 308):
        there = b"HTTP/1.1 %d Moved\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n" % status
        async with playing(answering(there)) as provider, calling(guard=HERE) as client:
            origin = Origin("http", "127.0.0.1", provider.port, is_guarded=True)
            assert (await whole_call(client, origin))[0] == status
    assert connects == ["127.0.0.1"] * 5


async def test_an_operators_origin_is_not_guarded_and_its_connection_not_lent(connects: list[str]) -> None:
    async with playing(answering(OK)) as provider, calling() as client:
        own = provider.origin()
        assert (await whole_call(client, own))[0] == 200
        guarded = Origin(own.scheme, own.host, own.port, is_guarded=True)
        with pytest.raises(UpstreamFault):
            await whole_call(client, guarded)
        assert (await whole_call(client, own))[0] == 200
    assert connects == ["127.0.0.1"]


async def test_a_guarded_connection_is_not_lent_to_an_operators_origin_either() -> None:
    async with playing(answering(OK)) as provider, calling(guard=HERE) as client:
        own = provider.origin()
        for origin in (Origin(own.scheme, own.host, own.port, is_guarded=True), own) * 2:
            assert (await whole_call(client, origin))[0] == 200
        assert provider.connections == 2


async def test_origins_that_nobody_is_connected_to_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_file, "_POOLS_KEPT", 4)
    async with playing(answering(OK)) as provider, calling() as client:
        assert (await whole_call(client, provider.origin()))[0] == 200
        for number in range(50):
            with pytest.raises(UpstreamFault):
                await whole_call(client, Origin("http", f"127.0.0.{number}", 1, is_guarded=True))
        assert len(client._pools) <= 5
        assert (await whole_call(client, provider.origin()))[0] == 200
        assert provider.connections == 1


async def test_a_proxy_is_asked_for_a_checked_address_never_for_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    tls = tls_context()
    authority.configure_trust(tls)
    async with playing(answering(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")) as proxy:
        proxies = ProxySettings(https=ProxyServer("127.0.0.1", proxy.port))
        async with calling(proxies=proxies, tls=tls) as client:
            for address in ("8.8.8.8", "2606:4700::1"):
                asked = resolve_by_turns(monkeypatch, (address,), ("127.0.0.1",))
                await fault_of(client, Origin("https", "provider.test", 443, is_guarded=True))
                assert asked == ["provider.test", "127.0.0.1"]
        assert [received.head.split(b"\r\n")[0] for received in proxy.received] == [
            b"CONNECT 8.8.8.8:443 HTTP/1.1",
            b"CONNECT [2606:4700::1]:443 HTTP/1.1",
        ]


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_behind_a_proxy_a_name_that_resolves_inside_reaches_not_even_the_proxy(
    connects: list[str], monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    resolve_to(monkeypatch, "10.0.0.1", "169.254.169.254")
    proxy = ProxyServer("127.0.0.1", 1)
    async with calling(proxies=ProxySettings(http=proxy, https=proxy)) as client:
        await fault_of(client, Origin(scheme, "inside.test", 443, is_guarded=True))
        await fault_of(client, Origin(scheme, "169.254.169.254", 80, is_guarded=True))
    assert connects == []


async def test_plain_http_behind_a_proxy_goes_to_checked_addresses_only(connects: list[str]) -> None:
    async with playing(answering(OK)) as proxy:
        async with calling(proxies=ProxySettings(http=ProxyServer("127.0.0.1", proxy.port))) as client:
            for host in ("provider.test", "localhost", "2130706433", "0x8080808"):
                await fault_of(client, Origin("http", host, 80, is_guarded=True))
            assert connects == []
            assert (await whole_call(client, Origin("http", "8.8.8.8", 80, is_guarded=True)))[0] == 200
        assert proxy.received[0].head.startswith(b"POST http://8.8.8.8/v1/")
