"""One serving process: opens everything in order, answers by path, and closes everything in the opposite order."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tollkeeper import config
from tollkeeper.admin.envelope import Envelope
from tollkeeper.admin.probes import Probes
from tollkeeper.bootstrap.control_plane import make_people, make_schedule
from tollkeeper.bootstrap.data_plane import Closers, DataPlane, Tables, make_data_plane
from tollkeeper.bootstrap.late_administration import App, LateAdministration
from tollkeeper.bootstrap.metrics import ProcessFigures, open_metrics
from tollkeeper.bootstrap.traced_parts import TracedAuthenticator
from tollkeeper.control.administration import Administration, Secrets
from tollkeeper.control.callable_models import ModelTables
from tollkeeper.control.installation import check_pepper, load_pepper
from tollkeeper.control.live_routes import LiveRoutes
from tollkeeper.control.opening import open_store
from tollkeeper.control.price_books import LivePrices
from tollkeeper.domain.deployment import RouteTable
from tollkeeper.domain.errors import TollkeeperError
from tollkeeper.gateway.authentication import Authenticator
from tollkeeper.gateway.client import Receive, Scope, Send
from tollkeeper.gateway.server_protocol import Bounds, ServerProtocol, sweep_forever
from tollkeeper.jobs.schedule import Schedule
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.observability import logging as observability
from tollkeeper.observability.metrics_page import MetricsPage
from tollkeeper.parquet.writing import ParquetWriter
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.known_models import CatalogueModels
from tollkeeper.store.directory import StoreDirectory
from tollkeeper.store.engine import Store
from tollkeeper.tokens.worker import TokenCounterProcess

_log = logging.getLogger(__name__)


def _log_failure(error: Exception) -> None:
    if isinstance(error, TollkeeperError):
        _log.critical("not started: %s", error.message)
    else:
        _log.critical("not started", exc_info=error)


class Replica:
    """One serving process: an ASGI application whose lifespan opens and closes everything it is made of.

    A start that failed is told to `on_failure`, once; ASGI has no way to raise it.
    """

    def __init__(
        self, configuration: config.Configuration, on_failure: Callable[[Exception], object] = _log_failure
    ) -> None:
        self._configuration = configuration
        self._settings = configuration.settings
        self._on_failure = on_failure
        self._tasks = TaskGroup()
        self._closers: Closers = []
        self._data_plane: DataPlane | None = None
        self._schedule: Schedule | None = None
        self._models: ModelTables | None = None
        self._probes: Probes | None = None
        self._probing: App | None = None
        self._metrics: MetricsPage | None = None
        self._measuring: App | None = None
        self._control: App | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self._live(receive, send)
        plane = self._data_plane
        if plane is not None and plane.gateway.owns(scope["path"]):
            return plane.gateway(scope, receive, send)
        assert self._probes is not None, "nothing is served before the start"
        assert self._probing is not None, "they are made together"
        assert self._control is not None, "nothing is served before the start"
        if self._probes.owns(scope):
            return self._probing(scope, receive, send)
        if self._measuring is not None and self._metrics is not None and self._metrics.owns(scope):
            return self._measuring(scope, receive, send)
        return self._control(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        try:
            await self.start()
        except Exception as error:  # noqa: BLE001  # whatever it is, uvicorn is told and the process ends
            self._on_failure(error)
            await self.stop()
            await send({"type": "lifespan.startup.failed"})
            return
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
        configuration, settings = self._configuration, self._settings
        for warning in configuration.warnings:
            _log.warning("%s", warning)
        store = await open_store(settings.database.url)
        self._closers.append(store.aclose)
        secrets = Secrets.of(await _checked_pepper(configuration, store))
        directory = StoreDirectory(store, staleness_max_s=settings.keys.staleness_max_s)
        catalogue = CompiledBook.load()
        prices = LivePrices(store, catalogue)
        shared = RouteTable(list(configuration.routes), list(configuration.providers), catalogue)
        routes = LiveRoutes(store, secrets.vault, shared)
        self._closers += [prices.aclose, routes.aclose, directory.aclose]
        directory.on_change("price", prices.follow)
        directory.on_change("provider", routes.follow)
        await directory.start()
        await prices.reload()  # after the directory follows the changes: none can fall between the two
        await routes.reload()
        kind = TracedAuthenticator if settings.tracing.enabled else Authenticator
        authenticator = kind(directory, secrets.pepper)
        tables = Tables(routes, prices, CatalogueModels(catalogue))
        counter = TokenCounterProcess()  # for estimates; its child lives while it is asked
        self._closers.append(counter.aclose)
        self._models = ModelTables(tables.routes, tables.prices, tables.known, counter)
        if settings.server.role != "control":
            self._data_plane = await make_data_plane(
                configuration, store, authenticator, tables, self._closers, seal=secrets.id_seal
            )
            self._tasks.start(sweep_forever(), "sweep of client connections")
        administration = Administration(store, secrets)
        self._probes = Probes(administration, self._readiness)
        self._probing = Envelope(self._probes)
        self._control = self._make_control(administration, authenticator, self._probes)
        if settings.metrics.enabled:
            jobs = () if self._schedule is None else self._schedule.figures
            self._metrics = open_metrics(configuration, ProcessFigures(store, self._data_plane, jobs), self._closers)
            self._measuring = Envelope(self._metrics)

    def _make_control(self, administration: Administration, authenticator: Authenticator, probes: Probes) -> App:
        has_administration = self._settings.server.role != "gateway"
        people = make_people(self._configuration, administration)
        self._closers.append(people.aclose)
        if has_administration:
            schedule = self._schedule = make_schedule(self._configuration, administration)
            self._closers.append(schedule.aclose)
            schedule.start()

        parquet = ParquetWriter()
        self._closers.append(parquet.aclose)

        def assemble() -> App:
            from tollkeeper.admin.app import make_app  # a second and 20 MB that many processes never need
            from tollkeeper.bootstrap.faces import Faces
            from tollkeeper.web.face import Face
            from tollkeeper.web.pages import make_pages

            proxies = self._configuration.trusted_proxies
            face = (
                Face(administration, people, trusted_proxies=proxies, models=self._models, parquet=parquet)
                if has_administration
                else None
            )
            app = make_app(
                administration=administration,
                authenticator=authenticator,
                people=people,
                trusted_proxies=proxies,
                probes=probes,
                pages=make_pages(has_accounts=has_administration, sign_up=people.rules.sign_up),
                has_administration=has_administration,
                parquet=parquet,
            )
            return Faces(face, app)

        return LateAdministration(assemble)

    def _readiness(self) -> dict[str, str]:
        """Say how the parts of this process are that the database does not tell."""
        if self._data_plane is None:
            return {}
        return {"journal": "ok" if self._data_plane.ledger.is_admitting else "admits no call"}

    async def stop(self) -> None:
        """Close everything in the opposite order: calls first, then the journal into the store, the store last."""
        await self._tasks.cancel()
        while self._closers:
            try:
                await self._closers.pop()()
            except Exception:  # noqa: BLE001  # the others must still be closed
                _log.exception("closing failed")


async def check_ready(configuration: config.Configuration) -> None:
    """Pass when a replica could start with these settings.

    Raises:
        TollkeeperError: the database or the pepper is not as it must be; the message says what to do.
    """
    store = await open_store(configuration.settings.database.url)
    try:
        await _checked_pepper(configuration, store)
    finally:
        await store.aclose()


async def _checked_pepper(configuration: config.Configuration, store: Store) -> bytes:
    keys = configuration.settings.keys
    pepper = load_pepper(text=keys.pepper, path=Path(keys.pepper_file), command=keys.pepper_command)
    await check_pepper(store, pepper)
    return pepper


def make_replica(on_failure: Callable[[Exception], object] = _log_failure) -> Replica:
    """Make a replica from the environment; what each worker process of `serve` calls first."""
    configuration = config.load()
    observability.set_up(configuration.settings.logging.level)
    sys.setswitchinterval(0.0005)  # a call waits no longer than this for the thread that writes usage records
    server = configuration.settings.server
    ServerProtocol.bounds = Bounds(server.head_bytes_max, server.request_s, server.client_stall_s)
    return Replica(configuration, on_failure)
