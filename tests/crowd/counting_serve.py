"""`tollkeeper`, but the file named by STATEMENTS_FILE says how many statements it has sent to its database so far."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tollkeeper.cli.main import run
from tollkeeper.store.usage_sqlite import SqliteUsageWriter

_file = Path(os.environ["STATEMENTS_FILE"])
_WRITTEN_EVERY_S = 0.2
_count = 0


def _note(*_happened: object) -> None:
    global _count  # noqa: PLW0603  # one process, one count
    _count += 1


def _count_usage_of_sqlite() -> None:
    connect = SqliteUsageWriter._connect

    def connected(writer: SqliteUsageWriter) -> sqlite3.Connection:
        connection = connect(writer)
        connection.set_trace_callback(_note)
        return connection

    SqliteUsageWriter._connect = connected  # type: ignore[method-assign]


def _count_usage_of_postgres() -> None:
    """asyncpg's own calls; what SQLAlchemy does goes by other ways, and is counted by its event."""
    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
        send = getattr(asyncpg.Connection, name)

        async def sent(connection: Any, *arguments: Any, send: Any = send, **more: Any) -> Any:
            _note()
            return await send(connection, *arguments, **more)

        setattr(asyncpg.Connection, name, sent)


def _write_forever() -> None:
    while True:
        _file.write_text(str(_count))
        time.sleep(_WRITTEN_EVERY_S)


if __name__ == "__main__":
    for name in ("before_cursor_execute", "begin", "commit", "rollback"):
        event.listen(Engine, name, _note)
    _count_usage_of_sqlite()
    _count_usage_of_postgres()
    threading.Thread(target=_write_forever, daemon=True).start()
    run()
