"""The one place where the database drivers' errors become ours: worth another try, out of reach, or a bug of ours."""

from __future__ import annotations

import sqlite3
import sys

from sqlalchemy import exc

from tollkeeper.domain.errors import StoreUnavailable

# SQLSTATEs, https://www.postgresql.org/docs/current/errcodes-appendix.html (read 2026-11-22).
_RETRYABLE_STATES = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_UNAVAILABLE_CLASSES = ("08", "28", "3D", "40", "53", "57", "58")
_UNAVAILABLE_STATES = frozenset({"55P03", "25006"})  # lock time-out; read-only after a failover
_SQLITE_LOGIC_ERROR = 1  # SQLITE_ERROR: the SQL is wrong; all other operational codes are about the file


def is_retryable(error: BaseException) -> bool:
    """Tell whether the same transaction is likely to succeed when run again at once."""
    return _sqlstate(error) in _RETRYABLE_STATES


def as_unavailable(error: BaseException) -> StoreUnavailable | None:
    """Return the domain's error when the database is out of reach or busy; None when the fault is not the world's."""
    original: BaseException = error
    is_unavailable = False
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        original, is_unavailable = error.orig, error.connection_invalidated
    if is_unavailable or _is_unavailable(original):
        return StoreUnavailable(f"The database is out of reach: {str(original).strip() or type(original).__name__}")
    return None


def _is_unavailable(error: BaseException) -> bool:
    state = _sqlstate(error)
    if state is not None:
        return state.startswith(_UNAVAILABLE_CLASSES) or state in _UNAVAILABLE_STATES
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", None) != _SQLITE_LOGIC_ERROR
    if isinstance(error, sqlite3.DatabaseError):
        return getattr(error, "sqlite_errorname", "") in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}
    return isinstance(error, (OSError, TimeoutError, exc.TimeoutError)) or _is_connection_lost(error)


def _is_connection_lost(error: BaseException) -> bool:
    """Tell whether asyncpg says so; a process at SQLite never loads it."""
    asyncpg = sys.modules.get("asyncpg")
    # InternalClientError is what asyncpg raises on a connection that the server ended while nobody was using it.
    return asyncpg is not None and isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError))


def _sqlstate(error: BaseException) -> str | None:
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None
