"""Who calls the administration, and from where: an api key or a person's session, narrowed by what the headers choose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fastapi import Request

from tollkeeper.control import sessions
from tollkeeper.control.administration import Administration, Caller, Repetition
from tollkeeper.control.api_keys import AdminKeyUses
from tollkeeper.control.callers import choose_organization, narrow_to_project
from tollkeeper.control.sessions import SESSION_COOKIE
from tollkeeper.domain.access import Principal, principal_of_key
from tollkeeper.domain.account import SESSION_PREFIX
from tollkeeper.domain.api_key import ApiKey, KeyKind
from tollkeeper.domain.errors import InvalidApiKey, InvalidRequest
from tollkeeper.kit.networks import Networks, client_address
from tollkeeper.kit.secrets import keyed_digest

_KEY_HEADERS = (b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key")
_IDEMPOTENCY_KEY_LENGTH_MAX = 255
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Authenticator(Protocol):
    """Finds out whose key a request carries."""

    async def authenticate(self, headers: Mapping[bytes, bytes]) -> ApiKey:
        """Return the key's record.

        Raises:
            InvalidApiKey: there is none, or it is mistyped, unknown, disabled or expired.
            DirectoryUnavailable: the store is out of reach.
        """
        ...


class CallerFinder:
    """Finds the caller of a request. `trusted_proxies` are those whose X-Forwarded-For is believed."""

    def __init__(
        self, administration: Administration, authenticator: Authenticator, trusted_proxies: Networks | None = None
    ) -> None:
        self._administration, self._authenticator = administration, authenticator
        self._trusted_proxies = trusted_proxies or Networks()
        self._key_uses: AdminKeyUses | None = None

    async def find(self, request: Request, *, needs_organization: bool) -> Caller:
        """Return the caller.

        Raises:
            InvalidApiKey: no credential, or one that is not good.
            NotFound: the header OpenAI-Organization or OpenAI-Project names what the caller may not see.
            InvalidRequest: a person must choose an organization and did not.
        """
        headers = dict(request.scope["headers"])
        address = self.address_of(request)
        token = session_token(request, headers)
        if token is not None:
            principal = await self._principal_of_session(token, headers, needs_organization=needs_organization)
        else:
            principal = await self._principal_of_key(headers, address)
        project_id = headers.get(b"openai-project", b"").decode("latin-1")
        if project_id:
            principal = await narrow_to_project(self._administration.store, principal, project_id)
        repetition = await _repetition(request, headers, self._administration.secrets.pepper)
        return Caller(principal, address, request.state.request_id, repetition)

    def address_of(self, request: Request) -> str:
        """Return the address that the request came from, behind trusted proxies the one that they saw."""
        peer = request.scope.get("client")
        forwarded = [value for name, value in request.scope["headers"] if name == b"x-forwarded-for"]
        return client_address(str(peer[0]) if peer else "", forwarded, self._trusted_proxies)

    async def _principal_of_key(self, headers: Mapping[bytes, bytes], address: str) -> Principal:
        key = await self._authenticator.authenticate(headers)
        if key.terms is not None:
            key.terms.check_address(address)
        if key.kind is KeyKind.ADMIN:
            self._key_uses = self._key_uses or AdminKeyUses(self._administration.store)
            await self._key_uses.note(key)
        return choose_organization(principal_of_key(key), headers.get(b"openai-organization", b"").decode("latin-1"))

    async def _principal_of_session(
        self, token: str, headers: Mapping[bytes, bytes], *, needs_organization: bool
    ) -> Principal:
        named = headers.get(b"openai-organization", b"").decode("latin-1")
        return await sessions.find_principal(
            self._administration, token, organization_id=named, needs_organization=needs_organization
        )


def session_token(request: Request, headers: Mapping[bytes, bytes]) -> str | None:
    """Return the session's token that a request carries: as a bearer, or in the cookie when it comes from our pages."""
    bearer = headers.get(b"authorization", b"")
    if bearer[:7].lower() == b"bearer " and bearer[7:].strip().startswith(SESSION_PREFIX.encode()):
        return bearer[7:].strip().decode("latin-1")
    if any(name in headers for name in _KEY_HEADERS):
        return None
    token = request.cookies.get(SESSION_COOKIE)
    if token is None:
        return None
    # A page of somebody else's makes the browser send the cookie too; it cannot make it say "same-origin".
    if request.method not in _SAFE_METHODS and headers.get(b"sec-fetch-site") != b"same-origin":
        raise InvalidApiKey("A session's cookie is good for Tollkeeper's own pages only; send an API key instead.")
    return token


async def _repetition(request: Request, headers: Mapping[bytes, bytes], pepper: bytes) -> Repetition | None:
    key = headers.get(b"idempotency-key")
    if key is None or request.method != "POST":
        return None
    text = key.decode("latin-1")
    if not 1 <= len(text) <= _IDEMPOTENCY_KEY_LENGTH_MAX or not text.isascii() or not text.isprintable():
        raise InvalidRequest(
            f"An Idempotency-Key must have 1 to {_IDEMPOTENCY_KEY_LENGTH_MAX} printable ASCII characters.",
            param="Idempotency-Key",
        )
    asked = b"\0".join((request.method.encode(), request.scope["path"].encode(), request.scope["query_string"]))
    # Keyed, because a body may hold a password that somebody with the database could try out otherwise.
    return Repetition(text, keyed_digest(pepper, asked + b"\0" + await request.body()))
