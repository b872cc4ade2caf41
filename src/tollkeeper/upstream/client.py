"""The one client for calls to providers: implements `ports.upstream.Upstream` over pools of HTTP/1.1 connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from tollkeeper.kit.address_guard import AddressGuard
from tollkeeper.ports import upstream as port
from tollkeeper.upstream import faults, request_head
from tollkeeper.upstream.connection import Connection
from tollkeeper.upstream.dial import Dialer
from tollkeeper.upstream.exchange import Exchange
from tollkeeper.upstream.pool import Pool, PoolLimits
from tollkeeper.upstream.proxy import ProxySettings

_SPELLINGS_MAX = 4_096
_POOLS_KEPT = 1_024


class ConnectionFigures(msgspec.Struct, frozen=True):
    """The connections to all providers: in use, kept for the next call, and how many calls wait for one."""

    busy: int
    idle: int
    waiting: int


class UpstreamClient:
    """Make it once per process and use it within one event loop.

    `tls` replaces the default context (`dial.tls_context` makes one with a further authority); `guard` is asked about
    every address of a guarded origin, the default one allows public addresses only.
    """

    def __init__(
        self,
        *,
        limits: PoolLimits | None = None,
        proxies: ProxySettings | None = None,
        tls: ssl.SSLContext | None = None,
        guard: AddressGuard | None = None,
    ) -> None:
        self._limits = limits or PoolLimits()
        self._dialer = Dialer(proxies=proxies, tls=tls, guard=guard)
        self._pools: dict[tuple[str, str, int, bool], Pool] = {}
        self._pools_by_origin: dict[port.Origin, Pool] = {}  # origins that differ in their path share a pool

    def render_head(self, origin: port.Origin, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """As `request_head.render`, with what the proxy in front of this origin asks for.

        Raises:
            InvalidRequest: the path or a header holds a character that would end its line.
        """
        return request_head.render(origin, method, path, headers, proxy=self._dialer.proxy_for(origin))

    async def open(self, request: port.UpstreamRequest, deadlines: port.Deadlines) -> Exchange:
        now = asyncio.get_running_loop().time()
        pool = self._pools_by_origin.get(request.origin) or self._pool_for(request.origin)
        total_at = now + deadlines.total_s
        connection = pool.take(now)
        exchange = None
        if connection is not None:
            exchange = connection.start(request.head, request.body, deadlines, total_at)
        if connection is None or exchange is None:
            connect_by = min(now + deadlines.connect_s, total_at)
            connection, exchange = await _start_on_another(pool, request, deadlines, connect_by, total_at)
        try:
            if connection.is_uploading:
                await connection.upload(exchange)
            while not exchange.status and exchange.fault is None:
                waiter = exchange.waiter
                if waiter is None:
                    waiter = exchange.waiter = connection.loop.create_future()
                exchange.wake_above = -1
                await waiter
        except BaseException:  # cancelled: nobody will close what was never handed out
            exchange.close()
            raise
        if not exchange.status:
            assert exchange.fault is not None
            raise exchange.fault
        return exchange

    def figures(self) -> ConnectionFigures:
        found = [pool.figures for pool in self._pools.values()]
        opened, idle, waiting = (sum(each[at] for each in found) for at in range(3))
        return ConnectionFigures(opened - idle, idle, waiting)

    async def aclose(self) -> None:
        """Drop every connection, also those in use; their readers get a `closed` fault."""
        for pool in self._pools.values():
            await pool.aclose()

    def _pool_for(self, origin: port.Origin) -> Pool:
        key = (origin.scheme, origin.host, origin.port, origin.is_guarded)  # what was not checked is never shared
        pool = self._pools.get(key)
        if pool is None:
            if len(self._pools) >= _POOLS_KEPT:
                self._forget_unused()
            pool = self._pools[key] = Pool(origin, self._dialer, self._limits)
        if len(self._pools_by_origin) >= _SPELLINGS_MAX:
            self._pools_by_origin.clear()
        self._pools_by_origin[origin] = pool
        return pool

    def _forget_unused(self) -> None:
        """Drop the pools without a connection: organizations may choose new origins as long as they like."""
        self._pools = {key: pool for key, pool in self._pools.items() if pool.is_used}
        self._pools_by_origin.clear()


async def _start_on_another(
    pool: Pool, request: port.UpstreamRequest, deadlines: port.Deadlines, connect_by: float, total_at: float
) -> tuple[Connection, Exchange]:
    """Begin the request on a connection that takes it.

    It ends: every turn uses up a pooled connection, and a new one that refuses its first write is a fault.
    """
    while True:
        connection = await pool.acquire(connect_by)
        is_reused = connection.is_reused
        exchange = connection.start(request.head, request.body, deadlines, total_at)
        if exchange is not None:
            return connection, exchange
        if not is_reused:
            raise faults.not_connected("it was closed at once", pool.origin)


if TYPE_CHECKING:

    def _is_the_port(client: UpstreamClient) -> port.Upstream:
        return client
