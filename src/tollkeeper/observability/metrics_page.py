"""`GET /metrics`: who may read it, and the answer. To everybody else there is no such route."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from tollkeeper.kit.networks import Networks, client_address
from tollkeeper.observability.exposition import render
from tollkeeper.observability.figures import Figures

PATH = "/metrics"
_BEARER = b"bearer "
_FORWARDING = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})
"""Who sends one of these came through a proxy, and is as far away as that proxy's own word says."""
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Collect = Callable[[], Awaitable[Mapping[str, Figures]]]
"""Returns the figures of each process that is answered for, by the worker's name; "" is the only one."""


class Readers:
    """Who may read: whoever has the token, and what comes straight from one of `networks`.

    Without a token ("") there is none that fits.
    """

    def __init__(self, networks: Networks, token: str, trusted_proxies: Networks) -> None:
        self._networks, self._token, self._trusted_proxies = networks, token.encode(), trusted_proxies

    def may_read(self, scope: Scope) -> bool:
        """Tell whether a request may read."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if self._token and self._has_token(headers):
            return True
        peer = str((scope.get("client") or ("",))[0])
        if any(name in _FORWARDING for name, _ in headers):
            if not self._trusted_proxies.contains(peer):
                return False
            peer = client_address(
                peer, [value for name, value in headers if name == b"x-forwarded-for"], self._trusted_proxies
            )
        return self._networks.contains(peer)

    def _has_token(self, headers: list[tuple[bytes, bytes]]) -> bool:
        for name, value in headers:
            if name == b"authorization" and value[:7].lower() == _BEARER:
                return hmac.compare_digest(value[7:].strip(), self._token)
        return False


class MetricsPage:
    """Answers as an ASGI application. One scrape at a time: a second one waits."""

    def __init__(self, collect: Collect, readers: Readers) -> None:
        self._collect, self._readers = collect, readers
        self._turn = asyncio.Lock()

    def owns(self, scope: Scope) -> bool:
        """Tell whether a request is a scrape by somebody who may read."""
        return scope["path"] == PATH and scope["method"] in {"GET", "HEAD"} and self._readers.may_read(scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        del receive
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
        async with self._turn:
            figures = await self._collect()
            content_type, body = await asyncio.to_thread(render, figures, accept)
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
