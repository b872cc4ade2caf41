"""Statements about the rows of many keys of several columns, which both databases find by their index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, bindparam, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from sqlalchemy.ext.asyncio import AsyncConnection


class ByKeys:
    """A statement, made once for each database: building one takes longer than running it.

    `make` is given the condition that a row's key, which are `columns`, is one of those that the statement is about.
    """

    def __init__(self, make: Callable[[ColumnElement[bool]], Any], *columns: ColumnElement[Any]) -> None:
        self._of_postgres = make(_is_in_arrays(columns))
        self._of_sqlite = make(_is_in_lists(columns))

    def of(
        self, connection: AsyncConnection, keys: Collection[tuple[Any, ...]], **values: object
    ) -> tuple[Any, dict[str, Any]]:
        """Return the statement and what it is run with; there is at least one key."""
        columns = [list(column) for column in zip(*keys, strict=True)]
        if connection.dialect.name == "postgresql":
            return self._of_postgres, {**values, **{_name(at): column for at, column in enumerate(columns)}}
        lists = {_name(at): sorted(set(column)) for at, column in enumerate(columns)}
        return self._of_sqlite, {**values, **lists, "keys": list(keys)}


def _is_in_arrays(columns: tuple[ColumnElement[Any], ...]) -> ColumnElement[bool]:
    """Return the condition with one array for each column: the same text for any number of keys, so it is prepared once."""
    arrays = [bindparam(_name(at), type_=ARRAY(column.type)) for at, column in enumerate(columns)]
    given = func.unnest(*arrays).table_valued(*(_name(at) for at in range(len(columns)))).render_derived()
    return tuple_(*columns).in_(select(*given.c))


def _is_in_lists(columns: tuple[ColumnElement[Any], ...]) -> ColumnElement[bool]:
    """Return the condition with a list for each column, which narrow it down, and the whole keys, which decide.

    SQLite uses no index for a row in a list of several rows (3.40, EXPLAIN QUERY PLAN), but for each column's own list it
    does.
    """
    each = [column.in_(bindparam(_name(at), expanding=True)) for at, column in enumerate(columns)]
    return and_(*each, tuple_(*columns).in_(bindparam("keys", expanding=True)))


def _name(at: int) -> str:
    return f"key_{at}"
