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


def _note_end(connection: Any) -> None:
    """Count the end of a transaction where the driver itself says COMMIT; SQLite's BEGIN is a statement like others."""
    if connection.dialect.name == "sqlite":
        _note()


def _count_usage_of_sqlite() -> None:
    connect = SqliteUsageWriter._connect

    def connected(writer: SqliteUsageWriter) -> sqlite3.Connection:
        connection = connect(writer)
        connection.set_trace_callback(_note)
        return connection

    SqliteUsageWriter._connect = connected  # type: ignore[method-assign]


def _count_usage_of_postgres() -> None:
    """asyncpg's own calls, BEGIN and COMMIT among them; what SQLAlchemy prepares goes by other ways, and is counted by its event."""
    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval", "copy_records_to_table"):
        send = getattr(asyncpg.Connection, name)

        async def sent(connection: Any, *arguments: Any, send: Any = send, **more: Any) -> Any:
            _note()
            return await send(connection, *arguments, **more)

        setattr(asyncpg.Connection, name, sent)


def _write_forever() -> None:
    being_written = _file.with_suffix(".new")
    while True:
        being_written.write_text(str(_count))
        being_written.replace(_file)
        time.sleep(_WRITTEN_EVERY_S)


if __name__ == "__main__":
    event.listen(Engine, "before_cursor_execute", _note)
    for name in ("commit", "rollback"):
        event.listen(Engine, name, _note_end)
    _count_usage_of_sqlite()
    _count_usage_of_postgres()
    threading.Thread(target=_write_forever, daemon=True).start()
    run()
