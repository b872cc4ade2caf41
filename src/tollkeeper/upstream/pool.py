"""Keeps the connections to one origin: reuses the warmest, dials up to a limit, makes callers wait beyond it."""

from __future__ import annotations

import asyncio
from collections import deque

import msgspec

from tollkeeper.ports.upstream import Origin
from tollkeeper.upstream import faults
from tollkeeper.upstream.connection import Connection
from tollkeeper.upstream.dial import Dialer


class PoolLimits(msgspec.Struct, frozen=True):
    """How many connections one origin may have, and how long an unused one is kept.

    55 s is just below the 60 s after which many load balancers hang up on an idle connection, e.g. the default of AWS
    Application Load Balancers
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html).
    """

    connections_max: int = 512
    idle_max: int = 256
    keep_alive_s: float = 55.0


class Pool:
    """The connections to one origin. `_open` counts those that exist or are being dialled; a waiter inherits a place.

    A connection belongs to the pool from the moment its dial has ended well; only then is its loss a place given up.
    """

    def __init__(self, origin: Origin, dialer: Dialer, limits: PoolLimits) -> None:
        self.origin = origin
        self._dialer = dialer
        self._limits = limits
        self._idle_max = limits.idle_max
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._has_none = asyncio.Event()
        self._open = 0
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()

    def take(self, now: float) -> Connection | None:
        """Return the connection that was used last and is still fit, without waiting; None when there is none."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_fit(now):
                return connection
            connection.drop()
        return None

    async def acquire(self, deadline: float) -> Connection:
        """Return a connection, reused or new, by `deadline` of the loop's clock.

        Raises:
            UpstreamFault: `connect`, `connect_timeout` or `tls`.
        """
        loop = asyncio.get_running_loop()
        while True:
            connection = self.take(loop.time())
            if connection is None and self._open >= self._limits.connections_max:
                connection = await self._wait(deadline)
            elif connection is None:
                self._open += 1
            if connection is None:
                return await self._dial(deadline)
            if connection.is_fit(loop.time()):
                return connection
            connection.drop()

    @property
    def is_used(self) -> bool:
        """Whether there is a connection, or one is being dialled."""
        return self._open > 0

    @property
    def figures(self) -> tuple[int, int, int]:
        """How many connections there are or are being dialled, how many of them are idle, and how many calls wait for one."""
        return self._open, len(self._idle), len(self._waiters)

    # ---- for the connections ----------------------------------------------------------------------------------------

    def release(self, connection: Connection) -> None:
        if self._waiters and self._hand_over(connection):
            return
        self._idle.append(connection)
        if len(self._idle) > self._idle_max:
            self._idle.pop(0).drop()

    def forget(self, connection: Connection) -> None:
        if connection not in self._all:
            return  # lost while it was dialled: `_dial` answers for the place
        self._all.remove(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._give_up_place()
        if not self._all:
            self._has_none.set()

    async def aclose(self) -> None:
        """Drop every connection and return when none is left."""
        for connection in tuple(self._all):
            connection.drop()
        if self._all:
            self._has_none.clear()
            await self._has_none.wait()

    # ---- private ----------------------------------------------------------------------------------------------------

    async def _dial(self, deadline: float) -> Connection:
        """Fill a place that is already counted."""
        try:
            connection = await self._dialer.dial(self.origin, self._make, deadline)
            if connection.is_dropped:
                raise faults.not_connected("it was closed at once", self.origin)
        except BaseException:
            self._give_up_place()
            raise
        self._all.add(connection)
        return connection

    def _make(self) -> Connection:
        return Connection(self.origin, self, keep_alive_s=self._limits.keep_alive_s)

    async def _wait(self, deadline: float) -> Connection | None:
        """Wait for a connection, or for None, which is a place to dial."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout_at(deadline):
                return await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled():
                self._pass_on(waiter.result())
            else:
                self._waiters.remove(waiter)
            if isinstance(error, TimeoutError):
                reason = f"all {self._limits.connections_max} connections are in use"
                raise faults.connect_timeout(reason, self.origin) from None
            raise

    def _pass_on(self, granted: Connection | None) -> None:
        if granted is None:
            self._give_up_place()
        else:
            self.release(granted)

    def _give_up_place(self) -> None:
        if not self._hand_over(None):
            self._open -= 1

    def _hand_over(self, granted: Connection | None) -> bool:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(granted)
                return True
        return False
