"""Tells other replicas how deployments are, every two seconds, and leaves alone what providers told them to.

Loosely: what one replica finds by its own network stays with it, and nothing waits for any of this.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tollkeeper.domain.deployment_health import STATED_US_MAX, Failure, HealthReport
from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.kit import clock
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.limits.deployments import KnownDeployment, LiveDeployments
from tollkeeper.ports.health_reports import HealthReports

INTERVAL_S = 2.0
EXCHANGE_S = 2.0
TOLD_AT_ONCE = 200
_PRUNED_EVERY = 1800
_log = logging.getLogger(__name__)


class HealthSharing:
    """Keeps `deployments` in touch with the other replicas. `start` before use, `aclose` at the end."""

    def __init__(
        self, deployments: LiveDeployments, reports: HealthReports, *, holder: str, replicas: Callable[[], int]
    ) -> None:
        self._deployments, self._reports, self._holder, self._replicas = deployments, reports, holder, replicas
        self._tasks = TaskGroup()
        self._is_reachable = True

    def start(self) -> None:
        """Begin to exchange."""
        self._tasks.start(self._run(), "health of deployments")

    async def aclose(self) -> None:
        """Stop."""
        await self._tasks.cancel()

    async def exchange(self) -> None:
        """Tell what changed and hear of the others; nothing is to be told or heard by the only replica at rest."""
        changed = list(self._deployments.changed)[:TOLD_AT_ONCE]
        if not changed and self._replicas() == 1:
            return
        try:
            async with asyncio.timeout(EXCHANGE_S):
                heard = await self._reports.exchange(self._holder, [self._tell(each) for each in changed])
        except (StoreUnavailable, TimeoutError) as error:
            if self._is_reachable:
                _log.warning("other replicas cannot be told how deployments are; each goes by itself: %s", error)
            self._is_reachable = False
            return
        self._is_reachable = True
        self._deployments.changed.difference_update(changed)
        for report in heard:
            self._hear(report)

    def _tell(self, known: KnownDeployment) -> HealthReport:
        health = known.health
        last = health.last_failure or Failure(0)
        ahead_us = clock.now_us() - self._deployments.now_us()  # of the wall's clock
        return HealthReport(
            *known.place,
            served=health.served,
            failures=health.failures,
            rests_until_us=health.rests_until_us and health.rests_until_us + ahead_us,
            failed_at_us=health.failed_at_us and health.failed_at_us + ahead_us,
            last_status=last.status,
            last_reason=last.reason,
        )

    def _hear(self, report: HealthReport) -> None:
        rest_us = min(report.rests_until_us - clock.now_us(), STATED_US_MAX)
        if rest_us > 0:
            known = self._deployments.of((report.credential_id, report.provider, report.model))
            until_us = self._deployments.now_us() + rest_us
            known.health.leave_alone(until_us, Failure(report.last_status, report.last_reason))

    async def _run(self) -> None:
        rounds = 0
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self.exchange()
            rounds += 1
            if rounds % _PRUNED_EVERY == 0 and self._is_reachable:
                await self._prune()

    async def _prune(self) -> None:
        try:
            await self._reports.prune()
        except StoreUnavailable:
            _log.warning("old reports of deployments could not be removed; the next time will do")
