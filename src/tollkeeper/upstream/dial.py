"""Makes connections: resolves a name, connects, passes a proxy, shakes hands over TLS, and closes what did not work out.

It runs only when the pool has nothing to reuse, so it may cost what it likes.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from tollkeeper.kit.address_guard import AddressGuard
from tollkeeper.ports.upstream import Origin
from tollkeeper.upstream import faults
from tollkeeper.upstream.proxy import ProxyServer, ProxySettings

P = TypeVar("P", bound=asyncio.Protocol)
SocketAddress = tuple[str, int] | tuple[str, int, int, int]
Address = tuple[socket.AddressFamily, SocketAddress]

_Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, SocketAddress | tuple[int, bytes]]

ADDRESSES_TRIED_MAX = 4
PROXY_HEAD_BYTES_MAX = 16_384
_PROBE_AFTER_S = 30  # a model may think for minutes; probes keep firewalls from forgetting the connection meanwhile

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a context that checks certificate and host name against the system's authorities and those in `ca_file`."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


class Dialer:
    """Connects to origins; to a guarded one only at addresses that `guard` allows.

    The guard sees the very addresses that are connected to: a name is resolved once and never again. Where a guarded
    origin lies behind a proxy, the proxy is asked for a tunnel to a checked address and not to the name, which it would
    resolve by itself. Plain http has no tunnel, so there a guarded origin must be an address.
    """

    def __init__(
        self,
        *,
        proxies: ProxySettings | None = None,
        tls: ssl.SSLContext | None = None,
        guard: AddressGuard | None = None,
    ) -> None:
        self._proxies = proxies or ProxySettings()
        self._tls = tls
        self._guard = guard or AddressGuard()

    def proxy_for(self, origin: Origin) -> ProxyServer | None:
        return self._proxies.proxy_for(origin)

    async def dial(self, origin: Origin, factory: Callable[[], P], deadline: float) -> P:
        """Return a connected protocol made by `factory`; `deadline` is by the loop's clock.

        Raises:
            UpstreamFault: `connect`, `connect_timeout` or `tls`, with `sent` False.
        """
        progress = _Progress()
        try:
            async with asyncio.timeout_at(deadline):
                return await self._dial(origin, factory, progress, deadline)
        except TimeoutError:
            raise faults.connect_timeout(progress.step, origin) from None
        except OSError as error:
            raise faults.while_connecting(error, origin) from error
        except UnicodeError:  # such as a label of more than 63 characters
            raise faults.not_connected("its name cannot be looked up", origin) from None

    async def _dial(self, origin: Origin, factory: Callable[[], P], progress: _Progress, deadline: float) -> P:
        proxy = self.proxy_for(origin)
        if proxy is None:
            target = origin.host
            addresses = self._allowed(await _resolve(origin.host, origin.port, progress), origin)
        else:
            target = await self._target_behind_proxy(origin, progress)
            addresses = await _resolve(proxy.host, proxy.port, progress)
        sock = await _connect_in_turn(addresses, progress, deadline)
        try:
            if proxy is not None and origin.scheme == "https":
                progress.step = "the proxy did not open a tunnel"
                await _open_tunnel(sock, proxy, origin, target)
            progress.step = "the TLS handshake did not end"
            return await self._attach(sock, origin, factory)
        except BaseException:
            sock.close()
            raise

    async def _target_behind_proxy(self, origin: Origin, progress: _Progress) -> str:
        """Return what the proxy is asked to connect to: the name, for a guarded origin one of its allowed addresses."""
        if not origin.is_guarded:
            return origin.host
        if origin.scheme == "http":  # the request line names the host, and the proxy resolves what is a name
            if not self._guard.allows(origin.host):
                raise faults.not_connected("behind a proxy it must be https or an address that may be used", origin)
            return origin.host
        return self._allowed(await _resolve(origin.host, origin.port, progress), origin)[0][1][0]

    async def _attach(self, sock: socket.socket, origin: Origin, factory: Callable[[], P]) -> P:
        loop = asyncio.get_running_loop()
        if origin.scheme != "https":
            assert origin.scheme == "http", origin.scheme
            _, protocol = await loop.create_connection(factory, sock=sock)
            return protocol
        if self._tls is None:
            self._tls = tls_context()
        _, protocol = await loop.create_connection(factory, sock=sock, ssl=self._tls, server_hostname=origin.host)
        return protocol

    def _allowed(self, addresses: list[Address], origin: Origin) -> list[Address]:
        if not origin.is_guarded:
            return addresses
        allowed = [address for address in addresses if self._guard.allows(address[1][0])]
        if not allowed:
            raise faults.not_connected("its address may not be used", origin)
        return allowed


class _Progress:
    """What a dial was busy with, for the message when its time is up."""

    step = "the name was not resolved"


async def _resolve(host: str, port: int, progress: _Progress) -> list[Address]:
    """Return the addresses of a name, IPv6 and IPv4 by turns so that one broken family costs one attempt."""
    progress.step = "the name was not resolved"
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    sixes = [_address(entry) for entry in found if entry[0] == socket.AF_INET6]
    fours = [_address(entry) for entry in found if entry[0] == socket.AF_INET]
    by_turns = itertools.chain.from_iterable(itertools.zip_longest(sixes, fours))
    return [address for address in by_turns if address is not None]


def _address(found: _Found) -> Address:
    return found[0], cast("SocketAddress", found[4])


async def _connect_in_turn(addresses: list[Address], progress: _Progress, deadline: float) -> socket.socket:
    """Connect to the first address that takes us; each may use an equal share of the time that is left."""
    loop = asyncio.get_running_loop()
    progress.step = "no answer to the connection attempt"
    addresses = addresses[:ADDRESSES_TRIED_MAX]
    last: OSError | None = None
    for tried, (family, address) in enumerate(addresses):
        share_s = max(0.0, deadline - loop.time()) / (len(addresses) - tried)
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            _set_options(sock)
            async with asyncio.timeout(share_s):
                await loop.sock_connect(sock, address)
        except OSError as error:  # a TimeoutError is one
            sock.close()
            last = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise last or OSError("the name has no address")


def _set_options(sock: socket.socket) -> None:
    sock.settimeout(0)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_AFTER_S)


async def _open_tunnel(sock: socket.socket, proxy: ProxyServer, origin: Origin, target: str) -> None:
    """Ask the proxy for a tunnel to `target` (RFC 9110 §9.3.6, https://www.rfc-editor.org/rfc/rfc9110#CONNECT, read 2026-11-21)."""
    loop = asyncio.get_running_loop()
    host = f"[{target}]" if ":" in target else target
    authority = f"{host}:{origin.port}".encode("ascii")
    credentials = b"proxy-authorization: %b\r\n" % proxy.authorization if proxy.authorization else b""
    await loop.sock_sendall(sock, b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (authority, authority, credentials))
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await loop.sock_recv(sock, 4_096)
        head += piece
        if not piece or len(head) > PROXY_HEAD_BYTES_MAX:
            raise faults.not_connected("the proxy did not answer CONNECT with HTTP", origin)
    status = _STATUS_LINE.match(head)
    if status is None:
        raise faults.not_connected("the proxy did not answer CONNECT with HTTP", origin)
    if not status[1].startswith(b"2"):
        raise faults.not_connected(f"the proxy refused the tunnel with status {int(status[1])}", origin)
    if not head.endswith(b"\r\n\r\n"):  # over TLS the client speaks first: bytes already here are not the provider's
        raise faults.not_connected("the proxy sent bytes ahead of the tunnel", origin)
