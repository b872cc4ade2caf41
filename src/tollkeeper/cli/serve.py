"""`tollkeeper serve`: runs the gateway until it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

from tollkeeper import config
from tollkeeper.bootstrap import make_replica
from tollkeeper.cli.context import ConfigOption, DatabaseOption
from tollkeeper.gateway.server_protocol import ServerProtocol

_FACTORY = "tollkeeper.bootstrap:make_replica"


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
    server = config.load().settings.server
    settings = uvicorn.Config(
        _FACTORY if server.workers > 1 else make_replica(),
        factory=server.workers > 1,
        host=server.host,
        port=server.port,
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
        backlog=2048,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(server.shutdown_grace_s),
    )
    if server.workers > 1:
        sock = settings.bind_socket()
        Multiprocess(settings, sockets=[sock]).run()
        return
    one = _Server(settings)
    try:
        one.run()
    except SystemExit:  # uvicorn's own codes for a start that failed; the log has said why
        sys.exit(1)
    if not one.started:
        sys.exit(1)


class _Server(uvicorn.Server):
    """uvicorn's server, but a requested stop is an orderly end: exit code 0, not death by the signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _hand_down(options: dict[str, object | None]) -> None:
    """Put what the command line says into the environment, where this process and its workers read it."""
    for name, value in options.items():
        if value is not None:
            os.environ[name] = str(value)
