"""Renders the request line and headers of an upstream request, once per deployment."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.ports.upstream import Origin
from tollkeeper.upstream.proxy import ProxyServer

_OURS = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection", b"proxy-authorization", b"expect"})
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_PATH = re.compile(r"/[\x21-\x7e]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def render(
    origin: Origin, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], *, proxy: ProxyServer | None = None
) -> bytes:
    r"""Return `POST /v1/… HTTP/1.1\r\nhost: …\r\nname: value\r\n…`: no `content-length`, no empty line.

    More header lines may be appended to the result. `path` holds the query and is already percent-encoded; the
    origin's `path_prefix` is put before it. Without an `accept-encoding` among the headers, `identity` is asked for,
    because nothing is ever decompressed here. Plain http through a proxy names the whole URL in the request line (RFC
    9112 §3.2.2, https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2, read 2026-11-21).

    Raises:
        InvalidRequest: the path or a header holds a character that would end its line.
    """
    assert method.isalpha(), method
    assert method.isupper(), method
    assert method not in {"HEAD", "CONNECT"}, (
        "the answer to HEAD has a length but no body, which the parser cannot know"
    )
    target = f"{origin.path_prefix}{path}"
    if not _PATH.fullmatch(target):
        raise InvalidRequest("The path for the provider holds a character that is not allowed in a URL.")
    authority = _authority(origin)
    lines = [b"host: " + authority.encode("ascii")]
    if proxy is not None and origin.scheme == "http":
        target = f"http://{authority}{target}"
        if proxy.authorization:
            lines.append(b"proxy-authorization: " + proxy.authorization)
    names = set()
    for name, value in headers:
        lowered = name.lower()
        assert lowered not in _OURS, name
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise InvalidRequest("A header for the provider holds a character that is not allowed.")
        names.add(lowered)
        lines.append(name + b": " + value)
    if b"accept-encoding" not in names:
        lines.append(b"accept-encoding: identity")
    request_line = f"{method} {target} HTTP/1.1".encode("ascii")
    return b"\r\n".join([request_line, *lines, b""])


def _authority(origin: Origin) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    assert re.fullmatch(r"[A-Za-z0-9._\-\[\]:]+", host), "host names are checked, and in IDNA form, when configured"
    return host if _DEFAULT_PORTS.get(origin.scheme) == origin.port else f"{host}:{origin.port}"
