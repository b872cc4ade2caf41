"""What replicas tell each other of deployments, and what becomes of it."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from tollkeeper.control.deployment_status import read_deployment_status
from tollkeeper.domain.deployment import Deployment, Provider
from tollkeeper.domain.deployment_health import Failure, HealthReport
from tollkeeper.kit import clock
from tollkeeper.limits.deployments import LiveDeployments
from tollkeeper.limits.health_sharing import HealthSharing
from tollkeeper.store.deployment_health import StoreHealthReports
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_limits import deployment_health

AT = Deployment(Provider("openai", "openai", "https://p.test/v1"), "gpt")


class Replica:
    """One replica's deployments and its exchange."""

    def __init__(self, store: Store, name: str) -> None:
        self.deployments = LiveDeployments()
        self.sharing = HealthSharing(self.deployments, StoreHealthReports(store), holder=name, replicas=lambda: 2)

    def meet(self, failure: Failure | None) -> None:
        place = self.deployments.enter(AT, 0)
        assert not isinstance(place, int)
        if failure is None:
            place.serve()
        else:
            place.fail(failure)


async def test_a_providers_word_reaches_the_other_replicas(store: Store) -> None:
    one, other = Replica(store, "one"), Replica(store, "other")
    one.meet(Failure(429, wait_us=30_000_000))
    await one.sharing.exchange()
    await other.sharing.exchange()
    assert 25_000_000 < other.deployments.rest_us(AT) <= 30_000_000


async def test_what_may_be_a_replicas_own_network_stays_with_it(store: Store) -> None:
    one, other = Replica(store, "one"), Replica(store, "other")
    for _ in range(3):
        one.meet(Failure(0, "connect"))
    assert one.deployments.rest_us(AT) > 0
    await one.sharing.exchange()
    await other.sharing.exchange()
    assert other.deployments.rest_us(AT) == 0


async def test_the_status_adds_up_what_all_replicas_tell(store: Store) -> None:
    assert await read_deployment_status(store) == []
    one, other = Replica(store, "one"), Replica(store, "other")
    one.meet(None)
    one.meet(Failure(503, wait_us=20_000_000))
    other.meet(None)
    for each in (one, other):
        await each.sharing.exchange()
    (status,) = await read_deployment_status(store)
    assert (status.provider, status.model, status.served, status.failures) == ("openai", "gpt", 2, 1)
    assert (status.is_resting, status.last_failure, status.replicas) == (True, "503", 2)
    assert abs(status.failed_at_us - clock.now_us()) < 60_000_000


async def test_names_that_no_database_takes_are_told_all_the_same(store: Store) -> None:
    reports = StoreHealthReports(store)
    assert await reports.exchange("one", [HealthReport("", "p", "m\0" + "x" * 9_000, served=1, failures=0)]) == []


async def test_old_reports_are_removed(store: Store) -> None:
    reports = StoreHealthReports(store)
    await reports.exchange("one", [HealthReport("", "p", name, served=1, failures=0) for name in ("old", "new")])
    aged = update(deployment_health).where(deployment_health.c.model == "old").values(told_at_us=1)
    await store.write(lambda connection: connection.execute(aged))
    assert await reports.prune() == 1


async def test_nothing_is_written_while_nothing_happens(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = HealthSharing(LiveDeployments(), StoreHealthReports(store), holder="one", replicas=lambda: 1)

    async def fail(*_: object) -> None:
        raise AssertionError("the store was asked")

    monkeypatch.setattr(StoreHealthReports, "exchange", fail)
    await alone.exchange()
