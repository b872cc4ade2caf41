"""What a login by OpenID Connect keeps between its two steps, and what it ends with."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One login under way: kept by the server for the one browser that began it, and used once.

    `state`, `nonce` and `code_verifier` are secrets of 256 random bits; `started_at_us` is microseconds since 1970.
    """

    state: str
    nonce: str
    code_verifier: str
    redirect_uri: str
    issuer_name: str
    started_at_us: int

    def __repr__(self) -> str:
        return f"Flow({self.issuer_name!r})"  # never the secrets

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What a traceback in colour shows of it."""
        return [("issuer_name", self.issuer_name)]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who logged in. `issuer` and `subject` together name an account for ever; an e-mail address does not.

    `issuer` is what the token names: with Microsoft, the directory's own. `email` is None when none was sent or it is
    no address; one that is not verified may belong to somebody else. `name` is for people to read and may be "".
    """

    issuer: str
    subject: str
    email: str | None
    is_email_verified: bool
    name: str


def new_flow(issuer_name: str, *, redirect_uri: str, now_us: int) -> Flow:
    """Return a flow with new secrets; 43 characters are the shortest code verifier that RFC 7636, 4.1 allows."""
    return Flow(
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        code_verifier=secrets.token_urlsafe(32),
        redirect_uri=redirect_uri,
        issuer_name=issuer_name,
        started_at_us=now_us,
    )
