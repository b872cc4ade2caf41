"""Where calls go: what every request to one path of a provider has in common, made ready once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from tollkeeper.domain.deployment import Deployment, Provider
from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.wire.provider_api import FORM_PATHS, ProviderApi, api_of
from tollkeeper.gateway.wire.translation import Translation
from tollkeeper.ports.upstream import Origin, Upstream, UpstreamRequest

TARGETS_MAX = 10_000
_REDACTED = b"[redacted]"
_JSON = b"application/json"


class Outbound(Protocol):
    """What goes out to a deployment: a call's passage, or a request that is no call."""

    @property
    def deployment(self) -> Deployment: ...

    @property
    def path(self) -> str:
        """Where it goes, below the provider's base URL."""

    @property
    def body(self) -> bytes: ...

    @property
    def content_type(self) -> bytes:
        """Of the body, where that is no JSON."""

    @property
    def translation(self) -> Translation | None: ...


class Target(msgspec.Struct, frozen=True):
    """One path of a provider; `head` is the request's, without what the client adds."""

    provider: Provider
    api: ProviderApi
    origin: Origin
    head: bytes
    secret: bytes

    def request(self, passage: Outbound, headers: Mapping[bytes, bytes]) -> UpstreamRequest:
        """Return the request of a call, with the headers that its client sent for a provider of its own dialect."""
        head, is_same_dialect = self.head, passage.translation is None
        if is_same_dialect:
            for name in self.api.passed_headers:
                if (value := headers.get(name)) is not None:
                    head += b"%b: %b\r\n" % (name, value)
        for name, value in self.api.own_headers:
            if not is_same_dialect or name not in headers:
                head += b"%b: %b\r\n" % (name, value)
        return UpstreamRequest(self.origin, head, passage.body)

    def without_secret(self, data: bytes) -> bytes:
        """Take the provider's key out of what a client will see: some providers repeat it."""
        return data.replace(self.secret, _REDACTED) if self.secret else data


class FormTarget(Target, frozen=True):
    """A path that takes forms: the content type is each call's own."""

    def request(self, passage: Outbound, headers: Mapping[bytes, bytes]) -> UpstreamRequest:
        """See `Target.request`."""
        request = super().request(passage, headers)
        request.head += b"content-type: %b\r\n" % (passage.content_type or _JSON)
        return request


class Targets:
    """The targets in use. Whose provider it is decides, and which of its secrets."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._known: dict[tuple[str, str, str], Target] = {}  # by the provider's credential, its name, and the path

    def of(self, passage: Outbound) -> Target:
        """Return what is ready to be sent to for a call.

        Raises:
            UpstreamFault: the provider's secret could not be opened; no other is sent in its place.
        """
        provider, path = passage.deployment.provider, passage.path
        place = (provider.credential_id, provider.name, path)
        target = self._known.get(place)
        if target is None or target.provider is not provider:
            if len(self._known) >= TARGETS_MAX:
                self._known.clear()
            target = self._known[place] = self._make(provider, path)
        return target

    def _make(self, provider: Provider, path: str) -> Target:
        if provider.is_sealed_shut:
            advice = "its key cannot be opened; an admin can set it again"
            raise UpstreamFault("connect", f"provider '{provider.name}': {advice}", sent=False, advice=advice)
        origin, api = origin_of(provider.base_url, is_guarded=provider.is_guarded), api_of(provider.kind)
        secret = provider.api_key.encode()
        takes_forms = path in FORM_PATHS
        headers = [(b"accept", b"application/json, text/event-stream"), (b"user-agent", b"tollkeeper")]
        if not takes_forms:
            headers.insert(0, (b"content-type", _JSON))
        if secret:
            headers.append(api.key_header(provider))
        made = FormTarget if takes_forms else Target
        return made(provider, api, origin, self._upstream.render_head(origin, "POST", path, headers), secret)


def without_secret(data: bytes, secret: bytes) -> bytes:
    """Take a provider's key out of what a client will see."""
    return data.replace(secret, _REDACTED) if secret else data


def origin_of(base_url: str, *, is_guarded: bool = False) -> Origin:
    """Take a checked base URL apart. `is_guarded` when an organization chose it."""
    parts = urlsplit(base_url)
    assert parts.hostname is not None, "settings are checked when they are read"
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Origin(parts.scheme, parts.hostname, port, parts.path.rstrip("/"), is_guarded)
