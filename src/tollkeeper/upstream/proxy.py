"""Which HTTP proxy, if any, stands between this machine and an origin."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.ports.upstream import Origin


class ProxyServer(msgspec.Struct, frozen=True):
    """A proxy that is spoken to in plain HTTP. `authorization` is a whole `Proxy-Authorization` value, or empty."""

    host: str
    port: int
    authorization: bytes = b""

    def __repr__(self) -> str:
        return f"ProxyServer({self.host}:{self.port})"  # never the credentials


class ProxySettings(msgspec.Struct, frozen=True):
    """The proxy for each scheme, and the hosts that are reached without one.

    An entry of `direct` is `*`, a host name (its subdomains are meant too, with or without a leading dot), an address
    or a network in CIDR notation; a host may be followed by `:port`.
    """

    http: ProxyServer | None = None
    https: ProxyServer | None = None
    direct: tuple[str, ...] = ()

    def proxy_for(self, origin: Origin) -> ProxyServer | None:
        """Return the proxy that an origin is reached through; None when it is reached directly."""
        proxy = self.https if origin.scheme == "https" else self.http
        if proxy is None or any(_covers(entry, origin) for entry in self.direct):
            return None
        return proxy


def from_environment(environment: Mapping[str, str]) -> ProxySettings:
    """Read `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` from the mapping given; small letters win.

    `HTTP_PROXY` in capitals is left out when `REQUEST_METHOD` is set: under CGI a caller's `Proxy:` header would end
    up in it (CVE-2016-5385, https://httpoxy.org, read 2026-11-21).

    Raises:
        ConfigurationError: a proxy is not an `http://host:port` URL.
    """

    def value(name: str) -> str:
        return environment.get(name.lower(), "") or environment.get(name, "")

    everything = value("ALL_PROXY")
    http_name = "http_proxy" if "REQUEST_METHOD" in environment else "HTTP_PROXY"
    direct = tuple(entry.strip().lower() for entry in value("NO_PROXY").split(",") if entry.strip())
    return ProxySettings(
        http=_parse("HTTP_PROXY", value(http_name) or everything),
        https=_parse("HTTPS_PROXY", value("HTTPS_PROXY") or everything),
        direct=direct,
    )


def _parse(name: str, url: str) -> ProxyServer | None:
    if not url:
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"{name} is not a URL: {error}") from None
    if parts.scheme != "http" or not host:
        raise ConfigurationError(f"{name} must look like http://host:port")  # its value may hold a password
    authorization = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + base64.b64encode(pair.encode())
    return ProxyServer(host, port or 80, authorization)


def _covers(entry: str, origin: Origin) -> bool:
    if entry == "*":
        return True
    host = origin.host.lower()
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return _covers_address(entry, address, origin.port)
    name, _, port = entry.partition(":")
    if port and port != str(origin.port):
        return False
    name = name.lstrip(".")
    return host == name or host.endswith(f".{name}")


def _covers_address(entry: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> bool:
    suffix = f":{port}"
    for candidate in (entry, entry.removesuffix(suffix)):
        try:
            if address in ipaddress.ip_network(candidate.strip("[]"), strict=False):
                return True
        except ValueError:
            continue
    return False
