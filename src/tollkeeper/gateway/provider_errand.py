"""Requests to a provider that are no calls of a model: about what lies there, in the provider's own dialect."""

from __future__ import annotations

from collections.abc import Sequence

from tollkeeper.domain.deployment import Provider
from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.targets import origin_of, without_secret
from tollkeeper.gateway.wire.provider_api import api_of
from tollkeeper.ports.upstream import Upstream, UpstreamRequest

Header = tuple[bytes, bytes]


def errand(
    upstream: Upstream, provider: Provider, method: str, path: str, *, headers: Sequence[Header] = (), body: bytes = b""
) -> UpstreamRequest:
    """Return the request; `path` is below the provider's base URL, with its query.

    Raises:
        UpstreamFault: the provider's secret could not be opened.
        InvalidRequest: the path or a header holds a character that would end its line.
    """
    if provider.is_sealed_shut:
        advice = "its key cannot be opened; an admin can set it again"
        raise UpstreamFault("connect", f"provider '{provider.name}': {advice}", sent=False, advice=advice)
    origin = origin_of(provider.base_url, is_guarded=provider.is_guarded)
    sent = [(b"accept", b"application/json, text/event-stream"), (b"user-agent", b"tollkeeper"), *headers]
    if provider.api_key:
        sent.append(api_of(provider.kind).key_header(provider))
    return UpstreamRequest(origin, upstream.render_head(origin, method, path, sent), body)


def cleaned(provider: Provider, data: bytes) -> bytes:
    """Take the provider's key out of what a client will see."""
    return without_secret(data, provider.api_key.encode())
