"""An api key: how it is written, what its record holds, and when it may be used. Making random ones is `kit.secrets`."""

from __future__ import annotations

import re
import zlib
from enum import StrEnum
from typing import NewType

import msgspec

from tollkeeper.domain.errors import InvalidApiKey
from tollkeeper.domain.tenancy import OrganizationId, ProjectId

ApiKeyId = NewType("ApiKeyId", str)  # key_<12 base62>, the part of the key that may be shown

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY_PREFIX = "sk-tk-"
ID_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 12, 43, 6
_KEY = re.compile(rb"sk-tk-([0-9A-Za-z]{12})-([0-9A-Za-z]{43})([0-9A-Za-z]{6})")


class KeyKind(StrEnum):
    PROJECT = "project"  # calls models
    ADMIN = "admin"  # administers the organization and cannot call models


class KeyStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"


class ApiKey(msgspec.Struct, frozen=True):
    """A key's record; the key itself is nowhere. `project_id` is "" for an administration key."""

    organization_id: OrganizationId
    id: ApiKeyId
    project_id: ProjectId
    name: str
    kind: KeyKind
    status: KeyStatus
    permissions: frozenset[str]
    created_at_us: int
    expires_at_us: int | None = None
    last_used_at_us: int | None = None

    def check_usable(self, now_us: int) -> None:
        """Pass when the key may be used now.

        Raises:
            InvalidApiKey: it is disabled, deleted or expired.
        """
        if self.status is not KeyStatus.ACTIVE:
            message = "This API key is disabled." if self.status is KeyStatus.DISABLED else "Invalid API key."
            raise InvalidApiKey(message)
        if self.expires_at_us is not None and now_us >= self.expires_at_us:
            message = "This API key has expired."
            raise InvalidApiKey(message)


def write_key(key_id: str, secret: str) -> str:
    """Put a key together: prefix, public id, secret, and the checksum that catches typing mistakes."""
    assert len(key_id) == ID_LENGTH
    assert len(secret) == SECRET_LENGTH
    unsigned = f"{KEY_PREFIX}{key_id}-{secret}"
    return unsigned + checksum(unsigned.encode())


def check_format(key: bytes) -> None:
    """Pass when a key is well written, without knowing whether it exists.

    Raises:
        InvalidApiKey: wrong form, or the checksum does not fit.
    """
    if _KEY.fullmatch(key) is None or checksum(key[:-CHECKSUM_LENGTH]).encode() != key[-CHECKSUM_LENGTH:]:
        message = "Invalid API key format."
        raise InvalidApiKey(message)


def checksum(unsigned: bytes) -> str:
    """Return the CRC32 of a key without its checksum, in six base62 digits."""
    rest = zlib.crc32(unsigned)
    digits = ""
    for _ in range(CHECKSUM_LENGTH):
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] + digits
    return digits


def redact(key_id: str) -> str:
    """Show a key as it may be shown: its public id and nothing of the secret."""
    return f"{KEY_PREFIX}{key_id.removeprefix('key_')}-…"
