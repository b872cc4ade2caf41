"""What is kept of a call that was refused before it went out, and how a refusal of our own key is told."""

from __future__ import annotations

from typing import Any

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.call_decision import RefusedCall
from tollkeeper.domain.deployment import Provider
from tollkeeper.domain.errors import LimitRefusal, ProviderKeyRefused, TollkeeperError
from tollkeeper.gateway.client import Client


def refused_call(client: Client, key: ApiKey, model: str, error: TollkeeperError) -> RefusedCall:
    """Return what is kept; `client` has its answer already. `model` is "" when nobody knows it yet."""
    return RefusedCall(
        call_id=client.call_id,
        organization_id=key.organization_id,
        project_id=key.project_id,
        api_key_id=key.id,
        model=model,
        at_us=client.started_us,
        status=client.status,
        code=error.code,
        message=error.public_message,
        looked_at=error.looked_at if isinstance(error, LimitRefusal) else (),
    )


def key_refused(provider: Provider, **fields: Any) -> ProviderKeyRefused:
    """Describe a refusal of Tollkeeper's own key, for whoever calls and for the admin who will be asked."""
    return ProviderKeyRefused(
        f"The provider '{provider.name}' refuses the key that Tollkeeper has for it, or its account has no credit. An admin can "
        "set the key again, or pay there; your own API key is good.",
        provider=provider.name,
        **fields,
    )
