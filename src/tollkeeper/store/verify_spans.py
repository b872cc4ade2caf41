"""Checks the closed spans: what is added up of each day and month is what its hours say."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from tollkeeper.store.closed_spans import Span, read_spans
from tollkeeper.store.organizations import list_organization_ids
from tollkeeper.store.schema import USAGE_DIMENSIONS, usage_rollup
from tollkeeper.store.schema_spans import SPAN_MEASURES, span_rollup
from tollkeeper.store.verify import Difference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import ColumnElement, Table
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.store.engine import Store

_Sums = dict[tuple[str, ...], list[int]]


async def verify_spans(store: Store) -> AsyncIterator[Difference]:
    """Yield every figure of a closed span that its hours contradict, each span as of one moment.

    Raises:
        StoreUnavailable: the database is out of reach.
    """
    for organization_id in await store.read(list_organization_ids):
        for span in await store.read(partial(read_spans, organization_id=organization_id)):
            for difference in await store.read(_Verification(organization_id, span).run, is_snapshot=True):
                yield difference


class _Verification:
    """One span of an organization."""

    def __init__(self, organization_id: str, span: Span) -> None:
        self._organization_id, self._span = organization_id, span

    async def run(self, connection: AsyncConnection) -> list[Difference]:
        if self._span not in await read_spans(connection, self._organization_id):
            return []  # a late call has opened it meanwhile
        span, begun, hour = self._span, span_rollup.c.from_hour, usage_rollup.c.hour
        is_kind = span_rollup.c.kind == span.kind
        found = await self._sums(connection, span_rollup, is_kind, begun >= span.from_hour, begun < span.to_hour)
        expected = await self._sums(connection, usage_rollup, hour >= span.from_hour, hour < span.to_hour)
        return [
            difference
            for key in sorted(found.keys() | expected.keys())
            for difference in self._compare(key, expected.get(key), found.get(key))
        ]

    async def _sums(self, connection: AsyncConnection, table: Table, *where: ColumnElement[bool]) -> _Sums:
        dimensions = [table.c[name] for name in USAGE_DIMENSIONS]
        query = select(*dimensions, *(func.sum(table.c[name]) for name in SPAN_MEASURES)).group_by(*dimensions)
        rows = await connection.execute(query.where(table.c.organization_id == self._organization_id, *where))
        width = len(dimensions)
        return {tuple(row[:width]): [int(value) for value in row[width:]] for row in rows}

    def _compare(self, key: tuple[str, ...], expected: list[int] | None, found: list[int] | None) -> list[Difference]:
        nothing: list[Any] = [None] * len(SPAN_MEASURES)
        named = {
            "organization_id": self._organization_id,
            "kind": self._span.kind,
            "from_hour": str(self._span.from_hour),
            **dict(zip(USAGE_DIMENSIONS, key, strict=True)),
        }
        pairs = zip(SPAN_MEASURES, expected or nothing, found or nothing, strict=True)
        return [Difference("span_rollup", named, name, right, is_) for name, right, is_ in pairs if right != is_]
