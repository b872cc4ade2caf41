"""Ids that say whose they are: another system's id with a tag behind it that only this installation can make."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

_MARK = "_tk"
_TAG_BYTES = 16
_SEALED = re.compile(rf"(.+){_MARK}([A-Za-z0-9_-]{{22}})", re.DOTALL)


class IdSeal:
    """Seals ids with a key of 32 bytes. The same id and owner give the same sealed id, in every process and for ever.

    A tag has 128 bits of HMAC-SHA256: who guesses once every microsecond finds none in the age of the world.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, raw: str, owner: tuple[str, ...]) -> str:
        """Return an id as its owner gets it: `raw`, then the tag. `owner` says whose it is, and who made it."""
        return f"{raw}{_MARK}{self._tag(raw, owner)}"

    def open(self, sealed: str, owner: tuple[str, ...]) -> str | None:
        """Return the id that was sealed for this owner; None when it was not."""
        found = _SEALED.fullmatch(sealed)
        if found is None or not sealed.isascii():
            return None
        raw = found[1]
        return raw if hmac.compare_digest(found[2], self._tag(raw, owner)) else None

    def _tag(self, raw: str, owner: tuple[str, ...]) -> str:
        parts = [part.encode("utf-8", "surrogatepass") for part in (raw, *owner)]
        bound = b"".join(b"%d:%b" % (len(part), part) for part in parts)
        tag = hmac.new(self._key, bound, hashlib.sha256).digest()[:_TAG_BYTES]
        return base64.urlsafe_b64encode(tag).rstrip(b"=").decode()
