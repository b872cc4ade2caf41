"""The two steps of a login by one issuer: the address to send the browser to, and who comes back with a code."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, urlencode

import msgspec

from tollkeeper.domain.errors import LoginFailed
from tollkeeper.identity import id_token
from tollkeeper.identity.flow import Flow, Identity
from tollkeeper.identity.issuer_documents import IssuerDocuments, Metadata
from tollkeeper.identity.issuer_http import Answer, IssuerHttp
from tollkeeper.identity.issuers import Issuer

EMAIL_CHARACTERS_MAX = 254
NAME_CHARACTERS_MAX = 200

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_REFUSALS = {
    "invalid_grant": "the login was used before, has expired or belongs to another address: log in again",
    "invalid_client": "it does not accept the configured client_id and client_secret",
    "unauthorized_client": "it does not let the configured client_id log people in",
    "invalid_request": "it does not understand the request",
    "unsupported_grant_type": "it does not know authorization codes",
    "invalid_scope": "it does not know the configured scopes",
}
"""The token endpoint's errors (RFC 6749, 5.2). Others are not repeated: they could hold anything."""


class _Tokens(msgspec.Struct, frozen=True):
    """The token endpoint's answer: {"id_token": "eyJ…", "access_token": "…", …}."""

    id_token: str
    access_token: str = ""

    def __repr__(self) -> str:
        return "_Tokens()"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""


class IssuerLogin:
    """Logins by one issuer. Its methods have no deadline: the caller sets one."""

    def __init__(
        self, issuer: Issuer, http: IssuerHttp, *, now_us: Callable[[], int], monotonic_s: Callable[[], float]
    ) -> None:
        self._issuer = issuer
        self._http = http
        self._now_us = now_us
        self._documents = IssuerDocuments(issuer, http, monotonic_s)

    async def address(self, flow: Flow) -> str:
        """Return where to send the browser.

        Raises:
            LoginFailed: the issuer's discovery document cannot be had.
        """
        metadata = await self._documents.metadata()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.code_verifier.encode()).digest()).rstrip(b"=")
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._issuer.client_id,
                "redirect_uri": flow.redirect_uri,
                "scope": " ".join(self._issuer.scopes),
                "state": flow.state,
                "nonce": flow.nonce,
                "code_challenge": challenge.decode(),
                "code_challenge_method": "S256",
            }
        )
        separator = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{separator}{query}"

    async def identify(self, flow: Flow, code: str) -> Identity:
        """Redeem a code and return whom its ID token names, if that person may log in here.

        Raises:
            LoginFailed: the message says what was not right.
        """
        metadata = await self._documents.metadata()
        tokens = await self._redeem(metadata, flow, code)
        claims = await self._verified(tokens.id_token, flow.nonce)
        profile = claims
        if "email" not in claims and "email" in self._issuer.scopes and metadata.userinfo_endpoint:
            profile = await self._user_info(metadata.userinfo_endpoint, tokens.access_token, claims["sub"])
        identity = self._identity(claims, profile)
        self._check_domain(identity, claims)
        return identity

    async def _redeem(self, metadata: Metadata, flow: Flow, code: str) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": flow.redirect_uri,
            "code_verifier": flow.code_verifier,
        }
        authorization = self._authenticate(metadata.token_endpoint_auth_methods_supported, form)
        answer = await self._http.post(metadata.token_endpoint, form=form, authorization=authorization)
        if answer.status != 200:
            raise _refused(answer)
        return answer.read(_Tokens, "tokens")

    def _authenticate(self, methods: tuple[str, ...], form: dict[str, str]) -> str:
        """Return the header that says who we are, or put that into the form where the issuer wants it there.

        Source: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1, 2026-11-22.
        """
        client_id, secret = self._issuer.client_id, self._issuer.client_secret
        if secret and "client_secret_basic" in methods:
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
            return "Basic " + base64.b64encode(pair.encode()).decode()
        form["client_id"] = client_id
        if secret and "client_secret_post" not in methods:
            raise LoginFailed(
                "The identity provider takes no client_secret; it wants another proof, which is not known."
            )
        if secret:
            form["client_secret"] = secret
        return ""

    async def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        key = id_token.find_key(token, await self._documents.keys())
        if key is None:  # a key that is newer than what we have
            key = id_token.find_key(token, await self._documents.newer_keys())
        if key is None:
            raise LoginFailed("The ID token is signed with a key that its issuer does not publish.")
        return id_token.verify(token, key, self._issuer, nonce=nonce, now_s=self._now_us() // 1_000_000)

    async def _user_info(self, url: str, access_token: str, subject: str) -> dict[str, Any]:
        """Ask for the claims that some issuers leave out of the ID token. Its subject binds them to that token.

        Source: https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse, 2026-11-22.
        """
        if not access_token.isascii() or not access_token.isprintable() or not access_token:
            raise LoginFailed("The identity provider's tokens cannot be read.")
        answer = await self._http.get(url, bearer=access_token)
        profile = answer.read(dict[str, Any], "answer about the account")
        if profile.get("sub") != subject:
            raise LoginFailed("The identity provider's answer is about another account.")
        return profile

    def _identity(self, claims: dict[str, Any], profile: dict[str, Any]) -> Identity:
        email = profile.get("email")
        if not isinstance(email, str) or len(email) > EMAIL_CHARACTERS_MAX or not _EMAIL.fullmatch(email):
            email = None
        name = profile.get("name")
        readable = "".join(each for each in name if each.isprintable()) if isinstance(name, str) else ""
        said = profile.get(self._issuer.verified_claim)
        is_verified = said is True or said == "true" or (said is None and self._issuer.is_email_trusted)
        return Identity(
            issuer=claims["iss"],
            subject=claims["sub"],
            email=email,
            is_email_verified=email is not None and is_verified,
            name=readable[:NAME_CHARACTERS_MAX],
        )

    def _check_domain(self, identity: Identity, claims: dict[str, Any]) -> None:
        if not self._issuer.allowed_domains:
            return
        allowed = {each.lower() for each in self._issuer.allowed_domains}
        domain = (identity.email or "").rpartition("@")[2]
        claimed = claims.get(self._issuer.domain_claim) if self._issuer.domain_claim else domain
        are_allowed = isinstance(claimed, str) and {domain.lower(), claimed.lower()} <= allowed
        if not (identity.is_email_verified and are_allowed):
            raise LoginFailed("Only accounts with a verified e-mail address of certain domains may log in here.")


def _refused(answer: Answer) -> LoginFailed:
    """Describe why no tokens were given, in words of ours."""
    try:
        error = answer.read(_Refusal, "refusal").error
    except LoginFailed:
        error = ""
    reason = _REFUSALS.get(error, f"it answered {answer.status}")
    return LoginFailed(f"The identity provider refused the login: {reason}.")
