"""`tollkeeper serve`: runs the gateway until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from tollkeeper import config
from tollkeeper.bootstrap import check_ready, make_replica
from tollkeeper.cli.context import ConfigOption, DatabaseOption
from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.gateway.server_protocol import ServerProtocol
from tollkeeper.observability import logging as observability

_log = logging.getLogger(__name__)
_FACTORY = "tollkeeper.bootstrap:make_replica"
_BACKLOG = 2048


def serve(
    config_file: ConfigOption = None,
    host: Annotated[str | None, typer.Option("--host", help="Where to listen.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Where to listen.")] = None,
    database: DatabaseOption = None,
    workers: Annotated[int | None, typer.Option("--workers", help="How many processes share the port.")] = None,
) -> None:
    """Serve. SIGTERM and Ctrl-C stop accepting, let calls in flight finish, write everything down and exit 0."""
    _hand_down(
        {
            config.CONFIG_VARIABLE: str(config_file) if config_file else None,
            "TOLLKEEPER_SERVER__HOST": host,
            "TOLLKEEPER_SERVER__PORT": port,
            "TOLLKEEPER_SERVER__WORKERS": workers,
            "TOLLKEEPER_DATABASE__URL": database,
        }
    )
    configuration = config.load()
    server = configuration.settings.server
    observability.set_up(configuration.settings.logging.level)
    if server.workers == 1:
        _serve(configuration, _listen(server.host, server.port))
        return
    asyncio.run(check_ready(configuration))  # once, instead of every worker failing for itself
    with _folder_for_figures(configuration.settings.metrics) as folder:
        _hand_down({"TOLLKEEPER_METRICS__DIRECTORY": folder})
        _serve(configuration, _listen(server.host, server.port))


def _serve(configuration: config.Configuration, listener: socket.socket) -> None:
    server = configuration.settings.server
    failures: list[Exception] = []
    settings = uvicorn.Config(
        _FACTORY if server.workers > 1 else make_replica(failures.append),
        factory=server.workers > 1,
        workers=server.workers,
        loop="uvloop",
        http=ServerProtocol,
        ws="none",
        interface="asgi3",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(server.shutdown_grace_s),
    )
    if server.workers > 1:
        _log_start(configuration)
        workers = Multiprocess(settings, sockets=[listener])
        workers.run()
        if any(process.exitcode == STARTUP_FAILURE for process in workers.processes):
            sys.exit(1)  # the log of that worker has said why
        return
    one = _Server(settings, on_start=lambda: _log_start(configuration))
    with suppress(SystemExit):  # uvicorn's own way to say that the start failed
        one.run(sockets=[listener])
    if failures:
        raise failures[0]
    if not one.started:
        sys.exit(1)


class _Server(uvicorn.Server):
    """uvicorn's server, but a requested stop is an orderly end: exit code 0, not death by the signal."""

    def __init__(self, settings: uvicorn.Config, *, on_start: Callable[[], None]) -> None:
        super().__init__(settings)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _folder_for_figures(metrics: config.Metrics) -> Iterator[str | None]:
    """Yield a temporary folder in which workers leave figures for each other; None where another is set, or none needed."""
    if metrics.directory or not metrics.enabled:
        yield None
        return
    try:
        folder = TemporaryDirectory(prefix="tollkeeper-figures-", ignore_cleanup_errors=True)
    except OSError as error:
        _log.warning("there is no temporary folder (%s): set metrics.directory, or /metrics shows one worker", error)
        yield None
        return
    with folder:
        yield folder.name


def _listen(host: str, port: int) -> socket.socket:
    """Take the port, for good: whoever connects before the start is done waits for it.

    Raises:
        ConfigurationError: it is taken, or is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # where the library says the address once more
        raise ConfigurationError(f"{host} port {port} cannot be listened on: {reason}") from None


def _log_start(configuration: config.Configuration) -> None:
    settings, providers = configuration.settings, [provider.name for provider in configuration.providers]
    _log.info(
        "serving on http://%s:%s with %s worker(s)", settings.server.host, settings.server.port, settings.server.workers
    )
    _log.info("database %s, journal %s", settings.database.url.partition("://")[0], settings.journal.directory)
    if providers:
        _log.info("providers: %s", ", ".join(providers))
    else:
        _log.warning("no provider is configured: set OPENAI_API_KEY or write a [[providers]] entry")


def _hand_down(options: dict[str, object | None]) -> None:
    """Put what the command line says into the environment, where this process and its workers read it."""
    for name, value in options.items():
        if value is not None:
            os.environ[name] = str(value)
