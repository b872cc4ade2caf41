"""Who is calling: takes the key out of the headers and finds its record, from memory when it is warm."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import blake2b

from tollkeeper.domain.api_key import ApiKey, check_format
from tollkeeper.domain.errors import InvalidApiKey
from tollkeeper.kit import clock
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.ports.directory import Directory

TRACES_MAX = 50_000
_BEARER = b"bearer "
_PLAIN_HEADERS = (b"x-api-key", b"api-key", b"x-goog-api-key")


class RecentTraces:
    """The stored digests of keys used lately, by a trace of the key: HMAC-SHA256 costs three times a BLAKE2b.

    A trace is 256 bits of the whole key under a secret of this process; only keys that exist are kept.
    """

    def __init__(self) -> None:
        self.digests: dict[bytes, bytes] = {}
        self._secret = os.urandom(32)

    def trace(self, credential: bytes) -> bytes:
        return blake2b(credential, key=self._secret, digest_size=32).digest()

    def keep(self, trace: bytes, digest: bytes) -> None:
        if len(self.digests) >= TRACES_MAX:
            del self.digests[next(iter(self.digests))]
        self.digests[trace] = digest


class Authenticator:
    """Turns a request's credential into its key's record."""

    def __init__(self, directory: Directory, pepper: bytes) -> None:
        self._directory, self._pepper = directory, pepper
        self._traces = RecentTraces()

    async def authenticate(self, headers: Mapping[bytes, bytes], *, now_us: int | None = None) -> ApiKey:
        """Return the record of the key that the request carries.

        Raises:
            InvalidApiKey: there is none, or it is mistyped, unknown, disabled or expired.
            DirectoryUnavailable: it is not in memory and the store is out of reach.
        """
        credential = _credential(headers)
        trace = self._traces.trace(credential)
        digest = self._traces.digests.get(trace)
        key = self._directory.recall(digest) if digest is not None else None
        if key is None:
            check_format(credential)  # a mistyped key costs no look-up
            digest = keyed_digest(self._pepper, credential)
            key = await self._directory.find(digest)
            if key is None:
                raise InvalidApiKey("Invalid API key.")
            self._traces.keep(trace, digest)
        key.check_usable(clock.now_us() if now_us is None else now_us)
        return key


def _credential(headers: Mapping[bytes, bytes]) -> bytes:
    authorization = headers.get(b"authorization")
    if authorization is not None:
        if authorization[:7].lower() == _BEARER:
            return authorization[7:].strip()
        raise InvalidApiKey("Invalid API key format. Send it as: Authorization: Bearer sk-tk-…")
    for name in _PLAIN_HEADERS:
        if (value := headers.get(name)) is not None:
            return value.strip()
    raise InvalidApiKey("No API key was sent. Send it as: Authorization: Bearer sk-tk-…")
