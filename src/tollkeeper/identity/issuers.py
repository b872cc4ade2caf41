"""The OpenID Connect issuers that people may log in by: what is configured for each, and the presets for known ones."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tollkeeper.domain.errors import ConfigurationError

GOOGLE = "https://accounts.google.com"
MICROSOFT = "https://login.microsoftonline.com"
SCOPES = ("openid", "email", "profile")
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_PLACE = "{tenantid}"


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """One issuer and our registration with it.

    `name` stands in addresses. `issuer` is the URL that discovery starts from; `token_issuer` is what the discovery
    document and the tokens name where that differs, and may hold Microsoft's `{tenantid}`. An e-mail address counts as
    verified when the claim `verified_claim` says so, or always when `is_email_trusted`. With `allowed_domains`
    only verified addresses of these domains may log in; where `domain_claim` is set, that claim has to name one as well.

    Raises:
        ConfigurationError: a field cannot be right; the message names it.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str = ""  # none for a public client: PKCE alone protects its codes
    scopes: tuple[str, ...] = SCOPES
    is_email_trusted: bool = False
    allowed_domains: tuple[str, ...] = ()
    token_issuer: str = ""
    verified_claim: str = "email_verified"
    domain_claim: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(f"An identity provider's name is made of a-z, 0-9 and -: {self.name!r} is not.")
        if not is_safe_url(self.issuer, is_loopback_allowed=True) or "?" in self.issuer:
            raise ConfigurationError(f"The issuer of {self.name!r} must be an https URL without a query.")
        if not self.client_id:
            raise ConfigurationError(f"The identity provider {self.name!r} needs a client_id.")
        if "openid" not in self.scopes:
            raise ConfigurationError(f"The scopes of {self.name!r} must include openid.")
        if self.is_for_any_directory and self.is_email_trusted:
            raise ConfigurationError(
                f"{self.name!r} takes logins of any Microsoft directory, and the admins of each can give an account any"
                " e-mail address: trust e-mail addresses of one directory only."
            )

    @property
    def is_for_any_directory(self) -> bool:
        """Whether each of Microsoft's directories (organizations over there) is an issuer of its own."""
        return _PLACE in self.token_issuer

    @property
    def documented_issuer(self) -> str:
        """What the discovery document must name as its issuer."""
        return self.token_issuer or self.issuer

    @property
    def is_on_this_machine(self) -> bool:
        """Whether it is reached without TLS, as only loopback addresses may be."""
        return self.issuer.startswith("http:")

    def __repr__(self) -> str:
        return f"Issuer({self.name!r}, {self.issuer!r})"  # never the secret

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What a traceback in colour shows of it."""
        return [("name", self.name), ("issuer", self.issuer)]


def for_directory(issuer: str, directory_id: str) -> str:
    """Put the id of a Microsoft directory where an issuer has `{tenantid}`."""
    return issuer.replace(_PLACE, directory_id)


def google(*, client_id: str, client_secret: str, allowed_domains: tuple[str, ...] = ()) -> Issuer:
    """Describe logins by Google.

    `allowed_domains` are compared with `hd` too: an address of a domain does not make an account one of its Workspace.

    Source: https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload and
    https://developers.google.com/identity/gsi/web/guides/verify-google-id-token, 2026-11-22.
    """
    return Issuer(
        name="google",
        issuer=GOOGLE,
        client_id=client_id,
        client_secret=client_secret,
        allowed_domains=allowed_domains,
        domain_claim="hd",
    )


def microsoft(
    *,
    client_id: str,
    client_secret: str,
    directory: str = "organizations",
    is_email_trusted: bool = False,
    allowed_domains: tuple[str, ...] = (),
) -> Issuer:
    """Describe logins by Microsoft Entra ID.

    `directory` is the GUID of one directory, `organizations` for work and school accounts of all, or `common` for
    personal ones as well; for these two the discovery document names `…/{tenantid}/v2.0`, and each token's `tid` stands
    in its place. A directory's domain name is refused because its document names the GUID. `email_verified` is not
    sent; the optional claim `xms_edov` says that the owner of the address's domain is verified.

    Raises:
        ConfigurationError: the directory is neither, or e-mail addresses of all directories would be trusted.

    Source: https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens#validate-the-issuer and
    https://learn.microsoft.com/en-us/entra/identity-platform/migrate-off-email-claim-authorization, both 2026-11-22.
    """
    if directory not in {"organizations", "common"} and not GUID.fullmatch(directory):
        raise ConfigurationError("A Microsoft directory is given by its id (a GUID), or as organizations or common.")
    is_any = not GUID.fullmatch(directory)
    return Issuer(
        name="microsoft",
        issuer=f"{MICROSOFT}/{directory.lower()}/v2.0",
        client_id=client_id,
        client_secret=client_secret,
        is_email_trusted=is_email_trusted,
        allowed_domains=allowed_domains,
        token_issuer=f"{MICROSOFT}/{_PLACE}/v2.0" if is_any else "",
        verified_claim="xms_edov",
    )


def is_safe_url(url: str, *, is_loopback_allowed: bool) -> bool:
    """Say whether a URL is https with a host and nothing hidden in it; plain http may be allowed for this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port  # raises for what is none
    except ValueError:
        return False
    if not host or not url.isascii() or not url.isprintable() or " " in url or "#" in url or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback_allowed and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
