"""How deployments are, by what all replicas tell of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.domain.access import require_somewhere
from tollkeeper.domain.deployment import Place
from tollkeeper.domain.deployment_health import HealthReport
from tollkeeper.kit import clock
from tollkeeper.store import organizations, provider_credentials
from tollkeeper.store.deployment_health import list_health
from tollkeeper.store.engine import Store

SINCE_US = 3_600_000_000


class DeploymentStatus(msgspec.Struct, frozen=True):
    """One deployment over all replicas that told of it within the last hour, counted since each one's start.

    `last_failure` is the HTTP status of the latest failure, or the kind of the fault. What is not `is_counted` is told
    without how often: the counts are of several organizations.
    """

    provider: str
    credential_id: str
    model: str
    served: int
    failures: int
    is_resting: bool
    rests_until_us: int
    failed_at_us: int
    last_failure: str
    replicas: int
    is_counted: bool = True


async def read_deployment_status(store: Store) -> list[DeploymentStatus]:
    """Return the status of every deployment that was called within the last hour, by provider and model."""
    now_us = clock.now_us()
    reports = await store.read(lambda connection: list_health(connection, since_us=now_us - SINCE_US))
    return merge(reports, now_us)


async def list_status(action: Action, *, known: frozenset[Place]) -> list[DeploymentStatus]:
    """Return the status of the organization's own deployments, and of the operator's among those `known` to its people.

    What others had served there, and names that only others call, are nobody's business: where there are several
    organizations the operator's are told without counts.

    Raises:
        PermissionDenied: the caller may list models nowhere.
    """
    require_somewhere(action.caller.principal, "models:list")
    own = await provider_credentials.list_credentials(action.connection, action.organization_id, after=None, limit=100)
    credential_ids = ["", *(each.id for each in own)]
    since_us = action.now_us - SINCE_US
    reports = await list_health(action.connection, since_us=since_us, credential_ids=credential_ids)
    merged = merge(reports, action.now_us)
    is_alone = len(await organizations.list_organization_ids(action.connection)) == 1
    return [
        each if each.credential_id or is_alone else _without_counts(each)
        for each in merged
        if each.credential_id or ("", each.provider, each.model) in known
    ]


def merge(reports: Iterable[HealthReport], now_us: int) -> list[DeploymentStatus]:
    """Put together what replicas told; the reports come by deployment."""
    of_deployments = itertools.groupby(reports, key=lambda each: (each.provider, each.credential_id, each.model))
    return [_status(*key, list(told), now_us) for key, told in of_deployments]


def _without_counts(status: DeploymentStatus) -> DeploymentStatus:
    return msgspec.structs.replace(status, served=0, failures=0, replicas=0, is_counted=False)


def _status(provider: str, credential_id: str, model: str, told: list[HealthReport], now_us: int) -> DeploymentStatus:
    rests_until_us = max(each.rests_until_us for each in told)
    latest = max(told, key=lambda each: each.failed_at_us)
    last_failure = latest.last_reason or str(latest.last_status)
    return DeploymentStatus(
        provider,
        credential_id,
        model,
        served=sum(each.served for each in told),
        failures=sum(each.failures for each in told),
        is_resting=rests_until_us > now_us,
        rests_until_us=rests_until_us,
        failed_at_us=latest.failed_at_us,
        last_failure=last_failure if latest.failed_at_us else "",
        replicas=len(told),
    )
