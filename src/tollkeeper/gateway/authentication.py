"""Who is calling: takes the key out of the headers and finds its record, from memory when it is warm."""

from __future__ import annotations

from collections.abc import Mapping

from tollkeeper.domain.api_key import ApiKey, check_format
from tollkeeper.domain.errors import InvalidApiKey
from tollkeeper.kit import clock
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.ports.directory import Directory

_BEARER = b"bearer "
_PLAIN_HEADERS = (b"x-api-key", b"api-key", b"x-goog-api-key")


class Authenticator:
    """Turns a request's credential into its key's record."""

    def __init__(self, directory: Directory, pepper: bytes) -> None:
        self._directory, self._pepper = directory, pepper

    async def authenticate(self, headers: Mapping[bytes, bytes], *, now_us: int | None = None) -> ApiKey:
        """Return the record of the key that the request carries.

        Raises:
            InvalidApiKey: there is none, or it is mistyped, unknown, disabled or expired.
            DirectoryUnavailable: it is not in memory and the store is out of reach.
        """
        credential = _credential(headers)
        digest = keyed_digest(self._pepper, credential)
        key = self._directory.recall(digest)
        if key is None:
            check_format(credential)  # a mistyped key costs no look-up
            key = await self._directory.find(digest)
            if key is None:
                raise InvalidApiKey("Invalid API key.")
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
