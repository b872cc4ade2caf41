"""What an issuer publishes about itself: its discovery document and its keys, fetched when needed and kept an hour."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec
from joserfc.jwk import KeySet

from tollkeeper.domain.errors import LoginFailed
from tollkeeper.identity import id_token
from tollkeeper.identity.issuer_http import IssuerHttp
from tollkeeper.identity.issuers import Issuer, is_safe_url

T = TypeVar("T")

LIFETIME_S = 3_600
REFETCH_PAUSE_S = 30


class Metadata(msgspec.Struct, frozen=True):
    """The part of a discovery document that a login needs.

    {"issuer": "https://accounts.google.com", "authorization_endpoint": "https://…", "token_endpoint": "https://…",
     "jwks_uri": "https://…", …}

    Source: https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata, 2026-11-22.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class IssuerDocuments:
    """One issuer's documents. Who asks while they are fetched waits for the same answer, or the same failure."""

    def __init__(self, issuer: Issuer, http: IssuerHttp, monotonic_s: Callable[[], float]) -> None:
        self._issuer = issuer
        self._http = http
        self._metadata = _Kept(self._fetch_metadata, monotonic_s)
        self._keys = _Kept(self._fetch_keys, monotonic_s)

    async def metadata(self) -> Metadata:
        """Return the discovery document.

        Raises:
            LoginFailed: it cannot be had, is not this issuer's, or names an endpoint without TLS.
        """
        return await self._metadata.get()

    async def keys(self) -> KeySet:
        """Return the keys that the issuer signs with.

        Raises:
            LoginFailed: they cannot be had.
        """
        return await self._keys.get()

    async def newer_keys(self) -> KeySet:
        """Return the keys as of now, but fetch them at most every 30 s: an unknown key must not become a flood.

        Raises:
            LoginFailed: they cannot be had.
        """
        return await self._keys.get_newer()

    async def _fetch_metadata(self) -> Metadata:
        answer = await self._http.get(self._issuer.issuer.rstrip("/") + "/.well-known/openid-configuration")
        metadata = answer.read(Metadata, "discovery document")
        if metadata.issuer != self._issuer.documented_issuer:
            raise LoginFailed(
                f"The discovery document is of another issuer ({metadata.issuer[:200]!r}) than the one configured"
                f" ({self._issuer.documented_issuer!r})."
            )
        endpoints = (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri)
        for each in (*endpoints, metadata.userinfo_endpoint or metadata.token_endpoint):
            if not is_safe_url(each, is_loopback_allowed=self._issuer.is_on_this_machine):
                raise LoginFailed("The discovery document names an endpoint that is no https URL.")
        return metadata

    async def _fetch_keys(self) -> KeySet:
        metadata = await self.metadata()
        answer = await self._http.get(metadata.jwks_uri)
        return id_token.read_keys(answer.read(dict[str, Any], "keys"))


class _Kept(Generic[T]):
    """A fetched value, for an hour. The lock makes one fetch of many at the same time."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], monotonic_s: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic_s = monotonic_s
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._tried_at = 0.0
        self._got_at = 0.0
        self._failed_at = 0.0
        self._failure = ""

    async def get(self) -> T:
        """Return the value, fetched anew when it is an hour old."""
        asked_at = self._monotonic_s()
        async with self._lock:
            if self._value is not None and self._monotonic_s() - self._got_at < LIFETIME_S:
                return self._value
            if self._failure and self._failed_at >= asked_at:
                raise LoginFailed(self._failure)
            return await self._try()

    async def get_newer(self) -> T:
        """Return the value, fetched anew unless that was tried within the last 30 s."""
        async with self._lock:
            if self._value is not None and self._monotonic_s() - self._tried_at < REFETCH_PAUSE_S:
                return self._value
            return await self._try()

    async def _try(self) -> T:
        self._tried_at, self._failure = self._monotonic_s(), ""
        try:
            self._value = await self._fetch()
        except LoginFailed as error:
            self._failed_at, self._failure = self._monotonic_s(), error.message
            raise
        self._got_at = self._monotonic_s()
        return self._value
