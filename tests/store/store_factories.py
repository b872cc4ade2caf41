"""Makes organizations, keys and usage records for the store's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollkeeper.domain.api_key import ApiKey, ApiKeyId, KeyKind, KeyStatus
from tollkeeper.domain.tenancy import Organization, OrganizationId, Project, ProjectId
from tollkeeper.domain.usage import ChargeLine, CostState, Outcome, UsageRecord
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id, random_base62, uuid7
from tollkeeper.store import api_keys
from tollkeeper.store.organizations import create_organization
from tollkeeper.store.projects import create_project

if TYPE_CHECKING:
    from tollkeeper.store.engine import Store

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US


def call_id_at(at_us: int) -> bytes:
    """Return a new call id that carries a chosen time."""
    return (at_us // 1000).to_bytes(6, "big") + uuid7()[6:]


def make_record(at_us: int | None = None, **changes: Any) -> UsageRecord:
    """Return a priced call of 1,200 + 300 cached input tokens and 250 output tokens: 352,500 nano-USD."""
    at_us = now_us() if at_us is None else at_us
    values: dict[str, Any] = {
        "call_id": call_id_at(at_us),
        "organization_id": "org_a",
        "project_id": "proj_a",
        "api_key_id": "key_a",
        "operation": "chat.completions",
        "model_asked": "gpt-4o-mini",
        "model_served": "gpt-4o-mini-2024-07-18",
        "provider": "openai",
        "status": 200,
        "outcome": Outcome.COMPLETE,
        "is_stream": False,
        "started_at_us": at_us,
        "latency_us": 500_000,
        "first_byte_us": 200_000,
        "overhead_us": 900,
        "service_tier": "standard",
        "quantities": {"input": 1200, "cache_read": 300, "output": 250},
        "reasoning_tokens": 0,
        "is_estimated": False,
        "lines": (
            ChargeLine("input", 1200, 150_000, 180_000, "catalogue"),
            ChargeLine("cache_read", 300, 75_000, 22_500, "catalogue"),
            ChargeLine("output", 250, 600_000, 150_000, "catalogue"),
        ),
        "amount_nanos": 352_500,
        "cost_state": CostState.COMPUTED,
    }
    return UsageRecord(**{**values, **changes})


def make_unpriced(at_us: int | None = None, **changes: Any) -> UsageRecord:
    return make_record(
        at_us,
        **{"lines": (), "amount_nanos": None, "cost_state": CostState.UNPRICED, "reason": "no price", **changes},
    )


def make_key(organization_id: str, project_id: str = "", **changes: Any) -> ApiKey:
    values: dict[str, Any] = {
        "organization_id": OrganizationId(organization_id),
        "id": ApiKeyId("key_" + random_base62(12)),
        "project_id": ProjectId(project_id),
        "name": "a key",
        "kind": KeyKind.SERVICE if project_id else KeyKind.ADMIN,
        "status": KeyStatus.ACTIVE,
        "permissions": frozenset({"chat:create", "models:list"}),
        "created_at_us": now_us(),
    }
    return ApiKey(**{**values, **changes})


async def add_organization(store: Store, name: str = "Acme") -> tuple[Organization, Project]:
    organization = await store.write(lambda connection: create_organization(connection, name))
    project = await store.write(lambda connection: create_project(connection, organization.id, name="default"))
    return organization, project


async def add_key(store: Store, key: ApiKey, digest: bytes | None = None) -> bytes:
    digest = digest or new_id("digest").encode()
    await store.write(
        lambda connection: api_keys.create_api_key(connection, key.organization_id, key=key, digest=digest)
    )
    return digest
