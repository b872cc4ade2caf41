"""Rows by many keys of several columns in one statement, which SQLite too finds by its index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, bindparam, tuple_

if TYPE_CHECKING:
    from collections.abc import Collection


def has_key(*columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """Tell, as a condition, whether a row's key is one of those that `of_keys` gives to the statement.

    SQLite uses no index for a row in a list of several rows (3.40, EXPLAIN QUERY PLAN), but for each column's own list it
    does: these narrow it down, and the whole keys decide.
    """
    each = [column.in_(bindparam(f"keys_{at}", expanding=True)) for at, column in enumerate(columns)]
    return and_(*each, tuple_(*columns).in_(bindparam("keys", expanding=True)))


def of_keys(keys: Collection[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """Return what a statement with `has_key` is run with; there is at least one key."""
    columns = zip(*keys, strict=True)
    return {"keys": list(keys), **{f"keys_{at}": sorted(set(values)) for at, values in enumerate(columns)}}
