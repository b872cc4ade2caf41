"""The composition root: settings in, a replica out. The one place that knows every part; it decides nothing else."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tollkeeper import config
from tollkeeper.control.installation import check_pepper, load_pepper
from tollkeeper.control.opening import open_store
from tollkeeper.control.price_books import LivePrices
from tollkeeper.domain.deployment import RouteTable
from tollkeeper.domain.errors import TollkeeperError
from tollkeeper.gateway.asgi import Gateway
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.gateway.client import Receive, Scope, Send
from tollkeeper.gateway.models import ModelList
from tollkeeper.gateway.pipeline import Pipeline
from tollkeeper.gateway.relay import Relay, RelaySettings
from tollkeeper.gateway.server_protocol import Bounds, ServerProtocol, sweep_forever
from tollkeeper.journal.ledger import JournaledLedger, open_ledger
from tollkeeper.journal.settings import JournalSettings
from tollkeeper.kit import clock
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.observability import logging as observability
from tollkeeper.ports.limiter import AdmitAll
from tollkeeper.ports.upstream import Deadlines
from tollkeeper.prices.book import CompiledBook
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store
from tollkeeper.tokens.worker import TokenCounterProcess
from tollkeeper.upstream.client import UpstreamClient
from tollkeeper.upstream.dial import tls_context
from tollkeeper.upstream.pool import PoolLimits
from tollkeeper.upstream.proxy import from_environment
from tollkeeper.web.home import home_page

_log = logging.getLogger(__name__)
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Replica:
    """One serving process: an ASGI application whose lifespan opens and closes everything it is made of."""

    def __init__(self, configuration: config.Configuration) -> None:
        self._configuration = configuration
        self._settings = configuration.settings
        self._tasks = TaskGroup()
        self._closers: list[Callable[[], Any]] = []
        self._gateway: Gateway | None = None
        self._ledger: JournaledLedger | None = None
        self._control: App | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self._live(receive, send)
        gateway = self._gateway
        if gateway is not None and gateway.owns(scope["path"]):
            return gateway(scope, receive, send)
        assert self._control is not None, "nothing is served before the start"
        return self._control(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        try:
            await self.start()
        except Exception as error:  # noqa: BLE001  # whatever it is, uvicorn is told and the process ends
            if isinstance(error, TollkeeperError):
                _log.critical("not started: %s", error.message)
            else:
                _log.critical("not started", exc_info=error)
            await self.stop()
            await send({"type": "lifespan.startup.failed"})
            return
        gc.collect()
        gc.freeze()  # what a process is made of stays; the collector need not look at it again and again
        gc.set_threshold(5_000, 20, 20)  # a call makes some hundred objects and no cycles
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def start(self) -> None:
        """Open everything, in the order in which it leans on each other.

        Raises:
            TollkeeperError: the database, the pepper or the journal is not as it must be; the message says what to do.
        """
        settings = self._settings
        store = await open_store(settings.database.url)
        self._closers.append(store.aclose)
        directory = StoreDirectory(store, staleness_max_s=settings.keys.staleness_max_s)
        pepper = load_pepper(text=settings.keys.pepper, path=Path(settings.keys.pepper_file))
        await check_pepper(store, pepper)
        catalogue = CompiledBook.load()
        prices = LivePrices(store, catalogue)
        await prices.reload()
        await directory.start()
        self._closers.append(directory.aclose)
        directory.on_change("price", lambda: self._follow_prices(prices))
        authenticator = Authenticator(directory, pepper)
        routes = RouteTable(list(self._configuration.routes), list(self._configuration.providers), catalogue)
        if settings.server.role != "control":
            self._gateway = await self._make_gateway(store, authenticator, routes, prices)
        from tollkeeper.admin.app import make_app  # a gateway alone could do without FastAPI's memory

        self._control = make_app(
            store=store,
            authenticator=authenticator,
            readiness=self._readiness,
            home=home_page,
            has_administration=settings.server.role != "gateway",
        )

    async def _make_gateway(
        self, store: Store, authenticator: Authenticator, routes: RouteTable, prices: LivePrices
    ) -> Gateway:
        settings = self._settings
        ledger = await open_ledger(
            JournalSettings(
                directory=Path(settings.journal.directory),
                durability=settings.journal.durability,
                segment_bytes=settings.journal.segment_bytes,
            ),
            store,
        )
        self._ledger = ledger
        self._closers.append(lambda: _close_ledger(ledger, timeout_s=settings.server.shutdown_grace_s))
        counter = TokenCounterProcess()
        self._closers.append(counter.aclose)
        upstream = settings.upstream
        client = UpstreamClient(
            limits=PoolLimits(connections_max=upstream.connections_max),
            proxies=from_environment(self._configuration.proxies),
            tls=tls_context(Path(upstream.ca_file) if upstream.ca_file else None),
        )
        self._closers.append(client.aclose)
        relay = Relay(
            client,
            RelaySettings(
                deadlines=Deadlines(upstream.connect_s, upstream.first_byte_s, upstream.idle_s, upstream.total_s),
                answer_bytes_max=upstream.answer_bytes_max,
                drain_s=upstream.drain_s,
                drains_max=upstream.drains_max,
                client_stall_s=settings.server.client_stall_s,
            ),
        )
        pipeline = Pipeline(
            authenticator, routes, AdmitAll(), ledger, prices, relay, counter, settings.server.body_bytes_max
        )
        gateway = Gateway(pipeline, ModelList(routes, created_s=clock.now_us() // 1_000_000))
        self._closers.append(lambda: _wait_for_calls(gateway))
        self._tasks.start(sweep_forever(), "sweep of client connections")
        return gateway

    def _readiness(self) -> dict[str, str]:
        """Say how the parts of this process are that the database does not tell."""
        return {"journal": "ok" if self._ledger.is_admitting else "admits no call"} if self._ledger else {}

    def _follow_prices(self, prices: LivePrices) -> None:
        self._tasks.start(prices.follow(), "price books")

    async def stop(self) -> None:
        """Close everything in the opposite order: calls first, then the journal into the store, the store last."""
        await self._tasks.cancel()
        while self._closers:
            try:
                await self._closers.pop()()
            except Exception:  # noqa: BLE001  # the others must still be closed
                _log.exception("closing failed")


async def _close_ledger(ledger: JournaledLedger, *, timeout_s: float) -> None:
    if not await ledger.aclose(timeout_s):
        _log.warning("usage is left in the journal; the next start writes it into the database")


async def _wait_for_calls(gateway: Gateway) -> None:
    """Let calls whose tasks were cancelled at the end of the grace period settle what they owe."""
    for _ in range(200):
        if not gateway.in_flight:
            return
        await asyncio.sleep(0.1)


async def check_ready(configuration: config.Configuration) -> None:
    """Pass when a replica could start with these settings.

    Raises:
        TollkeeperError: the database or the pepper is not as it must be; the message says what to do.
    """
    settings = configuration.settings
    store = await open_store(settings.database.url)
    try:
        await check_pepper(store, load_pepper(text=settings.keys.pepper, path=Path(settings.keys.pepper_file)))
    finally:
        await store.aclose()


def make_replica() -> Replica:
    """Make a replica from the environment; what each worker process of `serve` calls first."""
    configuration = config.load()
    observability.set_up(configuration.settings.logging.level)
    sys.setswitchinterval(0.0005)  # a call waits no longer than this for the thread that writes usage records
    server = configuration.settings.server
    ServerProtocol.bounds = Bounds(server.head_bytes_max, server.request_s, server.client_stall_s)
    return Replica(configuration)
