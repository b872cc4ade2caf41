"""How api keys and their use are told to programs, by the API and by the commands alike: ISO times, exact dollars."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tollkeeper.control.blueprint.forms import show_time
from tollkeeper.control.key_making import NewApiKey
from tollkeeper.control.key_rotation import Rotated
from tollkeeper.control.key_usage import KeyUse
from tollkeeper.domain.api_key import ApiKey, KeyKind, redact
from tollkeeper.domain.key_terms import KeyTerms
from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.kit.clock import now_us


def shown_new_key(made: NewApiKey) -> dict[str, Any]:
    """Return a key just made, with its secret."""
    shown = shown_key(made.record)
    return {"object": shown.pop("object"), "id": shown.pop("id"), "key": made.key, **shown}


def shown_rotation(rotated: Rotated, *, key_id: str) -> dict[str, Any]:
    """Return the new key, with its secret, and until when the old one works."""
    return {
        "object": "api_key.rotation",
        "new_key_id": rotated.new.record.id,
        "key": rotated.new.key,
        "expires_at": _time(rotated.new.record.expires_at_us),
        "previous_key_id": key_id,
        "previous_key_valid_until": _time(rotated.previous_valid_until_us),
    }


def shown_key(key: ApiKey) -> dict[str, Any]:
    """Return a key without its secret."""
    terms = key.terms or KeyTerms()
    return {
        "object": "api_key",
        "id": key.id,
        "name": key.name,
        "kind": key.kind.value,
        "status": key.state(now_us()),
        "project_id": None if key.kind is KeyKind.ADMIN else key.project_id,
        "further_project_ids": list(key.project_ids[1:]),
        "member_id": key.member_id or None,
        "permissions": sorted(key.permissions),
        "created_at": _time(key.created_at_us),
        "expires_at": _time(key.expires_at_us),
        "last_used_at": _time(key.last_used_at_us),
        "rate_limit": terms.rate_limit,
        "allowed_ips": terms.allowed_ips,
        "allowed_models": terms.allowed_models,
        "labels": terms.labels,
        "replaced_by": key.replaced_by or None,
        "redacted_value": redact(key.id),
    }


def shown_use(use: KeyUse, *, days: int) -> dict[str, Any]:
    """Return the report on a key's use over so many days."""
    return {
        "object": "api_key.usage",
        "api_key_id": use.key.id,
        "days": days,
        "from": _time(use.from_us),
        "to": _time(use.to_us),
        "timezone": use.timezone,
        "total_requests": use.requests,
        "total_errors": use.errors,
        "unpriced_requests": use.unpriced_requests,
        "total_cost_usd": _usd(use.cost_nanos),
        "avg_latency_ms": None if use.mean_latency_us is None else use.mean_latency_us / 1000,
        "by_model": {
            model: {
                "requests": line.requests,
                "errors": line.errors,
                "unpriced_requests": line.unpriced_requests,
                "cost": _usd(line.cost_nanos),
            }
            for model, line in use.by_model.items()
        },
    }


def _usd(nanos: int | None) -> object:
    return None if nanos is None else (Decimal(nanos) / NANOS_PER_USD).normalize() + 0


def _time(at_us: int | None) -> str | None:
    return None if at_us is None else show_time(at_us)
