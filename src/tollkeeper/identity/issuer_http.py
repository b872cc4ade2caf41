"""Requests to an issuer: one bounded JSON answer each, no redirects, and nothing of either in what is raised."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Literal, TypeVar

import httpx
import msgspec

from tollkeeper.domain.errors import LoginFailed

T = TypeVar("T")

ANSWER_BYTES_MAX = 1_000_000

_NONE = httpx.Timeout(None)
_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "tollkeeper"}


class Answer(msgspec.Struct, frozen=True):
    """What an issuer answered; `body` may hold tokens."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"Answer({self.status})"

    def read(self, kind: type[T], what: str) -> T:
        """Return the body as `kind`.

        Raises:
            LoginFailed: it is something else; the message names `what` it should have been.
        """
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise LoginFailed(f"The identity provider's {what} cannot be read.") from None


class IssuerHttp:
    """Every request has its own connection and no deadline: the caller's whole step has one."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls or _system_authorities()

    async def get(self, url: str, *, bearer: str = "") -> Answer:
        """Fetch a URL that answers 200.

        Raises:
            LoginFailed: it cannot be reached, answers something else, or too much.
        """
        answer = await self._exchange("GET", url, {"authorization": f"Bearer {bearer}"} if bearer else {}, None)
        if answer.status != 200:
            raise LoginFailed(f"The identity provider answered {answer.status} where 200 was expected.")
        return answer

    async def post(self, url: str, *, form: dict[str, str], authorization: str = "") -> Answer:
        """Send a form and return the answer, whatever its status.

        Raises:
            LoginFailed: the URL cannot be reached or answers too much.
        """
        return await self._exchange("POST", url, {"authorization": authorization} if authorization else {}, form)

    async def _exchange(
        self, method: Literal["GET", "POST"], url: str, headers: dict[str, str], form: dict[str, str] | None
    ) -> Answer:
        body = bytearray()
        try:
            async with (
                httpx.AsyncClient(verify=self._tls, timeout=_NONE, follow_redirects=False, trust_env=False) as client,
                client.stream(method, url, headers=_HEADERS | headers, data=form) as response,
            ):
                async for chunk in response.aiter_raw():  # as sent: a small answer cannot unpack to a large one
                    body += chunk
                    if len(body) > ANSWER_BYTES_MAX:
                        raise LoginFailed("The identity provider's answer is too large.")
                return Answer(response.status_code, bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = type(error).__name__
        raise LoginFailed(f"The identity provider cannot be reached ({reason}).")


@cache
def _system_authorities() -> ssl.SSLContext:
    return ssl.create_default_context()
