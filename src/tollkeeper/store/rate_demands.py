"""What replicas tell each other about rates: per rule one row each with what is asked for there, and one for all of them.

The row without a holder is the bucket of all: what was let in anywhere and has not yet flowed out. It is kept in units
of which the limit per minute flows out in a microsecond, so that no fraction is lost however often it is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ColumnElement, bindparam, cast, delete, extract, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from tollkeeper.domain.rate_limit import RATE_MAX
from tollkeeper.domain.rate_share import DEBT_ONE, FRESH_US, Supply, divide
from tollkeeper.kit import clock
from tollkeeper.store.columns import Int
from tollkeeper.store.many_keys import ByKeys
from tollkeeper.store.schema_limits import rate_demand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.rate_share import Demand
    from tollkeeper.ports.rate_demands import RateDemands
    from tollkeeper.store.engine import Store

_HOUR_US = 3_600_000_000
_DEBT_MAX = RATE_MAX * DEBT_ONE * 60
"""An hour of the largest limit: whatever is owed beyond it is forgiven, so that no sum leaves 64 bits."""
_ALL = ""
_Key = tuple[str, str]


class StoreRateDemands:
    """Satisfies `ports.rate_demands.RateDemands` over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._upsert = _upsert(store.dialect)

    async def exchange(self, holder: str, demands: Sequence[Demand]) -> list[Supply]:
        """See `ports.rate_demands.RateDemands`."""
        assert holder != _ALL
        if not demands:
            return []

        async def work(connection: AsyncConnection) -> list[Supply]:
            now_us = await _now_us(connection)
            await self._add(connection, [row for each in demands for row in _told_rows(each, holder, now_us)])
            supplies = await _supplies(connection, demands, now_us)
            claims = [
                _row_of_all(each, now_us, requests=supply.requests.claim, tokens=supply.tokens.claim)
                for each, supply in zip(demands, supplies, strict=True)
                if supply.requests.claim > 0 or supply.tokens.claim > 0
            ]
            await self._add(connection, claims)
            return supplies

        return await self._store.write(work)

    async def _add(self, connection: AsyncConnection, rows: list[dict[str, Any]]) -> None:
        """Write rows, in the order in which everybody locks them."""
        if rows:
            rows.sort(key=lambda row: (row["organization_id"], row["rate_limit_id"], row["holder"]))
            await connection.execute(self._upsert, rows)

    async def prune(self) -> int:
        """See `ports.rate_demands.RateDemands`."""

        async def work(connection: AsyncConnection) -> int:
            old = rate_demand.c.told_at_us < await _now_us(connection) - _HOUR_US
            return int((await connection.execute(delete(rate_demand).where(old))).rowcount)

        return await self._store.write(work)


def _told_rows(demand: Demand, holder: str, now_us: int) -> list[dict[str, Any]]:
    """Return the rows that one demand is written to: what it takes of the bucket of all, and the replica's own."""
    of_all = _row_of_all(demand, now_us, requests=demand.requests.taken, tokens=demand.tokens.taken)
    weights = {"requests": demand.requests.weight, "tokens": demand.tokens.weight}
    return [of_all, {**of_all, **weights, "holder": holder, "kept": 0}]


def _row_of_all(demand: Demand, now_us: int, *, requests: int, tokens: int) -> dict[str, Any]:
    """Return what the bucket of all gains, which is flowing out at the limits."""
    return {
        "organization_id": demand.organization_id,
        "rate_limit_id": demand.rate_limit_id,
        "holder": _ALL,
        "requests": max(-_DEBT_MAX, min(requests, _DEBT_MAX)),
        "tokens": max(-_DEBT_MAX, min(tokens, _DEBT_MAX)),
        "told_at_us": now_us,
        "kept": 1,
        "requests_flow": demand.requests.limit,
        "tokens_flow": demand.tokens.limit,
    }


def _upsert(dialect: str) -> Any:
    """Build the statement: to what is kept of the row, less what flowed out of it meanwhile, the new is added."""
    insert: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
    greatest, least = (func.max, func.min) if dialect == "sqlite" else (func.greatest, func.least)
    names = ("organization_id", "rate_limit_id", "holder", "requests", "tokens", "told_at_us")
    statement = insert(rate_demand).values({name: bindparam(name) for name in names})
    new = statement.excluded
    elapsed_us = least(greatest(new.told_at_us - rate_demand.c.told_at_us, 0), _HOUR_US)

    def summed(name: str) -> ColumnElement[int]:
        flow, kept = bindparam(f"{name}_flow", type_=BigInteger), bindparam("kept", type_=BigInteger)
        left = greatest(rate_demand.c[name] - flow * elapsed_us, 0)
        both: ColumnElement[int] = least(greatest(kept * left + new[name], 0), _DEBT_MAX)
        return both

    return statement.on_conflict_do_update(
        index_elements=["organization_id", "rate_limit_id", "holder"],
        set_={
            "requests": summed("requests"),
            "tokens": summed("tokens"),
            "told_at_us": greatest(new.told_at_us, rate_demand.c.told_at_us),
        },
    )


_FRESH = ByKeys(
    select(rate_demand)
    .where(or_(rate_demand.c.holder == _ALL, rate_demand.c.told_at_us > bindparam("since_us", type_=Int)))
    .where,
    rate_demand.c.organization_id,
    rate_demand.c.rate_limit_id,
)


async def _supplies(connection: AsyncConnection, demands: Sequence[Demand], now_us: int) -> list[Supply]:
    """Divide what the buckets of all have left by what was told of late."""
    keys = [(each.organization_id, each.rate_limit_id) for each in demands]
    debts: dict[_Key, tuple[int, int]] = {}
    weights: dict[_Key, tuple[int, int]] = {}
    for row in await connection.execute(*_FRESH.of(connection, keys, since_us=now_us - FRESH_US)):
        key = (row.organization_id, row.rate_limit_id)
        if row.holder == _ALL:
            debts[key] = (row.requests, row.tokens)
        else:
            requests, tokens = weights.get(key, (0, 0))
            weights[key] = (requests + row.requests, tokens + row.tokens)
    return [
        Supply(
            divide(each.requests, debt=debts[key][0], weights=weights[key][0]),
            divide(each.tokens, debt=debts[key][1], weights=weights[key][1]),
        )
        for key, each in zip(keys, demands, strict=True)
    ]


async def _now_us(connection: AsyncConnection) -> int:
    """Return the database's clock: one for all machines. With SQLite there is but one machine."""
    if connection.dialect.name == "sqlite":
        return clock.now_us()
    at_us = await connection.scalar(select(cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)))
    assert at_us is not None
    return int(at_us)


if TYPE_CHECKING:

    def _is_rate_demands(demands: StoreRateDemands) -> RateDemands:
        return demands
