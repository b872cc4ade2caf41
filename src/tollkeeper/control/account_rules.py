"""What an installation decides about its accounts: who may sign up, how long things last, and the links in its e-mails."""

from __future__ import annotations

from typing import Literal, TypedDict

import msgspec

from tollkeeper.domain.credit import Trial
from tollkeeper.domain.tier import ENTERPRISE, PREDEFINED_TIERS, Tier

SignUp = Literal["closed", "invited", "open"]
Page = Literal["verify-email", "reset-password", "accept-invitation"]
"""The pages that links in e-mails lead to; each takes `?token=`."""


class Cookie(TypedDict):
    """What a cookie is set with besides its name and value, in the words of Starlette's `set_cookie`."""

    max_age: int
    path: str
    secure: bool
    httponly: bool
    samesite: Literal["lax"]


class AccountRules(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that accounts go by. `public_url` is where people reach this installation, without a slash at its end.

    `sign_up`: nobody new, those who hold an invitation, or anybody. Without `sends_email` no address can be verified, so
    that only links which the operator hands over let people in.
    """

    public_url: str = "http://127.0.0.1:8080"
    sign_up: SignUp = "invited"
    sends_email: bool = False
    session_s: int = 12 * 3600
    invitation_s: int = 7 * 86_400
    reset_s: int = 3600
    verification_s: int = 48 * 3600
    tiers: dict[str, Tier] = msgspec.field(default_factory=lambda: dict(PREDEFINED_TIERS))
    default_tier: Tier = ENTERPRISE
    trial: Trial = Trial()
    is_credit_operators: bool = False  # only the operator grants credit

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach this installation by TLS, so that its cookies must not travel otherwise."""
        return self.public_url.startswith("https://")

    def cookie(self, *, max_age_s: int, path: str = "/") -> Cookie:
        """Return how a browser keeps something that no script reads and no other site's request brings along."""
        return {"max_age": max_age_s, "path": path, "secure": self.is_secure, "httponly": True, "samesite": "lax"}

    def link(self, page: Page, token: str) -> str:
        """Return the whole address of a page for who holds a token."""
        return self.public_url + path_of(page, token)


def path_of(page: Page, token: str) -> str:
    """Return the part of a link that follows the public URL."""
    return f"/{page}?token={token}"
