"""What people meet, checked: the public address, the mail server, and the identity providers that they sign in with."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from tollkeeper.config.secrets import Secrets
from tollkeeper.config.sections import Email, OidcEntry, Server
from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.kit.secret_sources import SecretSource

GOOGLE = "https://accounts.google.com"
"""https://developers.google.com/identity/openid-connect/reference#discovery-document, 2026-11-22."""
MICROSOFT = "https://login.microsoftonline.com/{}/v2.0"
"""https://learn.microsoft.com/en-us/entra/identity-platform/v2-protocols-oidc, 2026-11-22."""
ANY_DIRECTORY = "organizations"
"""What stands for the directory when the accounts of any company may sign in; not those of private people."""

_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9._\-\[\]:]+")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_DIRECTORY_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ADDRESS = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,255}")


class OidcProvider(msgspec.Struct, frozen=True):
    """An identity provider with its secret. `allowed_domains` are in small letters; none of them means all."""

    name: str
    preset: str
    issuer: str
    client_id: str
    client_secret: str
    allowed_domains: tuple[str, ...]
    is_email_trusted: bool

    def __repr__(self) -> str:
        return f"OidcProvider({self.name!r}, {self.issuer!r})"  # never the secret


def resolve_public_url(server: Server) -> str:
    """Return where people reach this installation, without a slash at the end.

    Raises:
        ConfigurationError: `server.public_url` is no http or https address of a whole host.
    """
    if not server.public_url:
        host = "127.0.0.1" if server.host in {"0.0.0.0", "::", ""} else server.host
        return f"http://{f'[{host}]' if ':' in host else host}:{server.port}"
    url = server.public_url.rstrip("/")
    if _host_of(url) is None or not _PUBLIC_URL.fullmatch(url):
        raise ConfigurationError("server.public_url must look like https://ai.example.com, without a path")
    return url


def resolve_email_password(email: Email, secrets: Secrets) -> str:
    """Check the mail server's settings and return its password; "" when nobody signs in or no e-mail is sent.

    Raises:
        ConfigurationError: something is missing or contradictory, or the password cannot be read.
    """
    if not email.host:
        return ""
    from email.utils import parseaddr  # memory that a start without e-mail saves

    source = SecretSource("email.password", email.password_env, email.password_file, email.password_command)
    _, address = parseaddr(email.sender)
    if not _ADDRESS.fullmatch(address) or not email.sender.isprintable():
        raise ConfigurationError("email.sender must look like Tollkeeper <tollkeeper@example.com>")
    if bool(email.username) != source.is_given:
        raise ConfigurationError("email: a username needs a password, and a password a username")
    if not source.is_given:
        return ""
    if email.security == "none" and not _is_loopback(email.host):
        raise ConfigurationError(
            "email.security: without protection the password would travel readable; use starttls or tls"
        )
    return secrets.read(source)


def resolve_oidc(entries: tuple[OidcEntry, ...], secrets: Secrets) -> tuple[OidcProvider, ...]:
    """Return the identity providers with their secrets.

    Raises:
        ConfigurationError: an entry that contradicts itself, is there twice, or whose secret cannot be read.
    """
    found: dict[str, OidcProvider] = {}
    for entry in entries:
        if not _NAME.fullmatch(entry.name):
            raise ConfigurationError(f"oidc '{entry.name}': name must be small letters, digits and -, at most 32")
        place = f"oidc '{entry.name}'"
        if entry.name in found:
            raise ConfigurationError(f"{place} is there twice")
        if not entry.client_id or not entry.client_id.isprintable():
            raise ConfigurationError(f"{place}: client_id is missing")
        domains = tuple(domain.lower() for domain in entry.allowed_domains)
        for domain in domains:
            if not _DOMAIN.fullmatch(domain):
                raise ConfigurationError(f"{place}: allowed_domains: '{domain}' is not a domain such as example.com")
        source = SecretSource(
            f"{place}: client_secret", entry.client_secret_env, entry.client_secret_file, entry.client_secret_command
        )
        if not source.is_given:
            raise ConfigurationError(f"{place}: one of client_secret_env, _file and _command is needed")
        found[entry.name] = OidcProvider(
            entry.name,
            entry.preset,
            _issuer(entry, place),
            entry.client_id,
            secrets.read(source),
            domains,
            entry.trust_email,
        )
    return tuple(found.values())


def _issuer(entry: OidcEntry, place: str) -> str:
    if entry.directory_id and entry.preset != "microsoft":
        raise ConfigurationError(f'{place}: directory_id goes with preset = "microsoft"')
    if entry.preset and entry.issuer:
        raise ConfigurationError(f"{place}: give a preset or an issuer, not both")
    if entry.preset == "google":
        return GOOGLE
    if entry.preset == "microsoft":
        return MICROSOFT.format(_directory(entry, place))
    host = _host_of(entry.issuer)
    if host is None or (not entry.issuer.startswith("https://") and not _is_loopback(host)):
        raise ConfigurationError(f"{place}: issuer must look like https://id.example.com")
    return entry.issuer


def _directory(entry: OidcEntry, place: str) -> str:
    """Return the part of the issuer that stands for the directory.

    Whoever owns a directory may write any e-mail address into its accounts, so addresses from any directory must never
    be believed: https://www.descope.com/blog/post/noauth, 2026-11-22.
    """
    if not entry.directory_id:
        if entry.trust_email:
            raise ConfigurationError(
                f"{place}: trust_email needs a directory_id; in any other directory anybody may "
                "claim any e-mail address"
            )
        return ANY_DIRECTORY
    if not _DIRECTORY_ID.fullmatch(entry.directory_id):
        raise ConfigurationError(f"{place}: directory_id must be 8-4-4-4-12 hexadecimal digits")
    return entry.directory_id.lower()


def _host_of(url: str) -> str | None:
    """Return the host of a plain http or https address; None for one with a user, a query, a fragment or no host."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    is_plain = "@" not in parts.netloc and "?" not in url and "#" not in url
    is_text = url.isascii() and url.isprintable() and " " not in url
    return host if is_plain and is_text and parts.scheme in {"http", "https"} else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
