"""What replicas tell each other of deployments: a row each, and those that are to be left alone now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from tollkeeper.domain.deployment_health import HealthReport
from tollkeeper.kit import clock
from tollkeeper.store.schema_limits import deployment_health
from tollkeeper.store.usage_rows import KEY_BYTES, storable_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.ports.health_reports import HealthReports
    from tollkeeper.store.engine import Store

_DAY_US = 86_400_000_000
_KEY = ("holder", "credential_id", "provider", "model")


class StoreHealthReports:
    """Satisfies `ports.health_reports.HealthReports` over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        insert: Any = sqlite.insert if store.dialect == "sqlite" else postgresql.insert
        statement = insert(deployment_health)
        others = [column.name for column in deployment_health.c if column.name not in _KEY]
        self._upsert = statement.on_conflict_do_update(
            index_elements=_KEY, set_={name: statement.excluded[name] for name in others}
        )

    async def exchange(self, holder: str, reports: Sequence[HealthReport]) -> list[HealthReport]:
        """See `ports.health_reports.HealthReports`."""
        now_us = clock.now_us()
        if reports:
            rows = sorted(
                (_row(each, holder, now_us) for each in reports), key=lambda row: [row[name] for name in _KEY]
            )

            async def tell(connection: AsyncConnection) -> None:
                await connection.execute(self._upsert, rows)

            await self._store.write(tell)
        resting = select(deployment_health).where(
            deployment_health.c.rests_until_us > now_us,
            deployment_health.c.last_status > 0,  # a network may be down for one replica alone
            deployment_health.c.holder != holder,
        )
        return await self._store.read(lambda connection: _reports(connection, resting))

    async def prune(self) -> int:
        """See `ports.health_reports.HealthReports`."""
        old = deployment_health.c.told_at_us < clock.now_us() - _DAY_US

        async def work(connection: AsyncConnection) -> int:
            return int((await connection.execute(delete(deployment_health).where(old))).rowcount)

        return await self._store.write(work)


async def list_health(
    connection: AsyncConnection, *, since_us: int, credential_ids: Sequence[str] | None = None
) -> list[HealthReport]:
    """Return what was told since then, by deployment; of these credentials, where "" are the operator's."""
    key = (deployment_health.c[name] for name in ("provider", "credential_id", "model", "holder"))
    query = select(deployment_health).where(deployment_health.c.told_at_us >= since_us).order_by(*key)
    if credential_ids is not None:
        query = query.where(deployment_health.c.credential_id.in_(credential_ids))
    return await _reports(connection, query)


async def _reports(connection: AsyncConnection, query: Any) -> list[HealthReport]:
    return [HealthReport(**row) for row in (await connection.execute(query)).mappings()]


def _row(report: HealthReport, holder: str, now_us: int) -> dict[str, Any]:
    row = msgspec.structs.asdict(report)
    for name in ("provider", "model", "last_reason"):
        row[name] = storable_text(row[name], KEY_BYTES)
    return {**row, "holder": holder, "told_at_us": now_us}


if TYPE_CHECKING:

    def _is_the_port(reports: StoreHealthReports) -> HealthReports:
        return reports
