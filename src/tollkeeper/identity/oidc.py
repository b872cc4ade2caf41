"""Logins by OpenID Connect: any issuer by discovery, authorization code with PKCE, state and nonce.

What speaks HTTP and reads tokens is imported with the first login: some 20 MB that most processes never need.
"""

from __future__ import annotations

import asyncio
import hmac
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tollkeeper.domain.errors import LoginFailed, NotFound
from tollkeeper.identity.flow import Flow, Identity, new_flow
from tollkeeper.identity.issuers import Issuer
from tollkeeper.kit import clock

if TYPE_CHECKING:
    from tollkeeper.identity.issuer_login import IssuerLogin

FLOW_AGE_MAX_S = 600
CLOCK_LEEWAY_S = 60
DEADLINE_S = 10.0
CODE_CHARACTERS_MAX = 8_192
STATE_CHARACTERS_MAX = 512


class OidcClient:
    """Logins by the configured issuers; their documents are kept for an hour. Make it once per process.

    `tls` replaces the system's authorities. Each step ends within `deadline_s`.
    """

    def __init__(
        self,
        issuers: Iterable[Issuer],
        *,
        tls: ssl.SSLContext | None = None,
        now_us: Callable[[], int] = clock.now_us,
        monotonic_s: Callable[[], float] = clock.monotonic_s,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._issuers = {each.name: each for each in issuers}
        self._tls = tls
        self._now_us = now_us
        self._monotonic_s = monotonic_s
        self._deadline_s = deadline_s
        self._lock = asyncio.Lock()
        self._logins: dict[str, IssuerLogin] = {}

    async def begin(self, issuer_name: str, *, redirect_uri: str) -> tuple[str, Flow]:
        """Return the address to send the browser to, and what to keep until it comes back to `redirect_uri`.

        Raises:
            NotFound: there is no such issuer.
            LoginFailed: the issuer cannot be reached or describes itself wrongly.
        """
        if issuer_name not in self._issuers:
            raise NotFound("There is no identity provider of this name.")
        flow = new_flow(issuer_name, redirect_uri=redirect_uri, now_us=self._now_us())
        async with self._in_time():
            return await (await self._login(issuer_name)).address(flow), flow

    async def finish(self, flow: Flow, *, code: str, state: str, iss: str | None = None) -> Identity:
        """Return who logged in; the caller has taken the flow from its store, so that it is used once.

        `code`, `state` and `iss` are the parameters that the browser came back with; an `iss` that names another
        issuer gives away a mixed-up login (RFC 9207).

        Raises:
            LoginFailed: the message says what was not right and holds no secret, code or token.
        """
        self._check(flow, code=code, state=state, iss=iss)
        async with self._in_time():
            return await (await self._login(flow.issuer_name)).identify(flow, code)

    def _check(self, flow: Flow, *, code: str, state: str, iss: str | None) -> None:
        """Refuse what did not come from the login that this browser began, before anybody is asked."""
        if len(state) > STATE_CHARACTERS_MAX or not hmac.compare_digest(
            state.encode(errors="replace"), flow.state.encode()
        ):
            raise LoginFailed("This login was not begun in this browser: log in again.")
        if not -CLOCK_LEEWAY_S * 1_000_000 <= self._now_us() - flow.started_at_us <= FLOW_AGE_MAX_S * 1_000_000:
            raise LoginFailed(f"This login took longer than {FLOW_AGE_MAX_S // 60} minutes: log in again.")
        issuer = self._issuers.get(flow.issuer_name)
        if issuer is None:
            raise LoginFailed("The identity provider of this login is no longer configured.")
        if iss is not None and not issuer.is_for_any_directory and iss != issuer.documented_issuer:
            raise LoginFailed("Another identity provider than the one that was asked sent the browser back.")
        if not 0 < len(code) <= CODE_CHARACTERS_MAX or not code.isascii():
            raise LoginFailed("The identity provider sent no usable code: log in again.")

    async def _login(self, issuer_name: str) -> IssuerLogin:
        async with self._lock:
            if not self._logins:
                self._logins = await asyncio.to_thread(self._make_logins)  # imports for 0.3 s, too long for the loop
        return self._logins[issuer_name]

    def _make_logins(self) -> dict[str, IssuerLogin]:
        from tollkeeper.identity.issuer_http import IssuerHttp
        from tollkeeper.identity.issuer_login import IssuerLogin

        http = IssuerHttp(self._tls)
        return {
            name: IssuerLogin(issuer, http, now_us=self._now_us, monotonic_s=self._monotonic_s)
            for name, issuer in self._issuers.items()
        }

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline_s):
                yield
        except TimeoutError:
            raise LoginFailed("The identity provider did not answer in time: try again.") from None
