"""Posts one body to an address that an organization named: resolved once, guarded, bounded in time, no redirects followed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from functools import cache

import httpx

from tollkeeper.kit.address_guard import AddressGuard
from tollkeeper.kit.networks import Networks
from tollkeeper.notify.not_delivered import NotDelivered

TIMEOUT_S = 10.0
ADDRESSES_TRIED_MAX = 3
_NONE = httpx.Timeout(None)
_HEADERS = {"content-type": "application/json", "accept": "*/*", "user-agent": "tollkeeper"}


class HookClient:
    """Every post has its own connection, to an address that was checked; a name is not resolved a second time.

    `private_networks` are what the operator opens beside public addresses; only there plain http is good enough. Proxies
    of the environment are not used: they would resolve the name themselves. Nothing of an answer but its status is read.
    """

    def __init__(
        self,
        *,
        private_networks: Networks | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._private = private_networks or Networks()
        self._guard = AddressGuard(private_networks)
        self._tls, self._timeout_s = tls, timeout_s

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Return the status that the post was answered with.

        Raises:
            NotDelivered: there was no answer; permanently when the address is one that may not be used.
        """
        target = httpx.URL(url)
        try:
            async with asyncio.timeout(self._timeout_s):
                addresses = await self._addresses(target)
                return await self._post(target, addresses, body, headers)
        except TimeoutError:
            reason = f"{target.host} did not answer within {self._timeout_s:g} s"
        except (OSError, UnicodeError):
            reason = f"the name {target.host} is not known"
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # what it says may quote the URL
            reason = f"{target.host} cannot be reached ({type(error).__name__})"
        raise NotDelivered(is_permanent=False, reason=reason)

    async def _addresses(self, target: httpx.URL) -> list[str]:
        port = target.port or (443 if target.scheme == "https" else 80)
        found = await asyncio.get_running_loop().getaddrinfo(target.host, port, proto=6)  # TCP
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        allowed = [each for each in addresses if self._guard.allows(each)]
        if not allowed:
            raise NotDelivered(is_permanent=True, reason=f"the address of {target.host} may not be used")
        if target.scheme != "https":
            allowed = [each for each in allowed if self._private.contains(each)]
            if not allowed:
                raise NotDelivered(is_permanent=True, reason=f"{target.host} must be reached by https")
        return allowed[:ADDRESSES_TRIED_MAX]

    async def _post(self, target: httpx.URL, addresses: list[str], body: bytes, headers: Mapping[str, str]) -> int:
        named = {**_HEADERS, **headers, "host": target.netloc.decode("ascii")}
        tls = self._tls or _system_authorities()
        async with httpx.AsyncClient(verify=tls, timeout=_NONE, follow_redirects=False, trust_env=False) as client:
            for number, address in enumerate(addresses, start=1):
                request = client.build_request(
                    "POST",
                    target.copy_with(host=address),
                    content=body,
                    headers=named,
                    extensions={"sni_hostname": target.host},  # whom the certificate must be for
                )
                try:
                    response = await client.send(request, stream=True)
                except httpx.ConnectError:
                    if number == len(addresses):
                        raise
                    continue
                await response.aclose()
                return response.status_code
        raise AssertionError("there is an address to try")


@cache
def _system_authorities() -> ssl.SSLContext:
    return ssl.create_default_context()
