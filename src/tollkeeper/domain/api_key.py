"""An api key: how it is written, what its record holds, and when it may be used. Making random ones is `kit.secrets`."""

from __future__ import annotations

import re
import zlib
from enum import StrEnum
from typing import Literal, NewType

import msgspec

from tollkeeper.domain.errors import InvalidApiKey, MismatchedProject
from tollkeeper.domain.key_terms import FurtherProject, KeyTerms
from tollkeeper.domain.limit import Limit
from tollkeeper.domain.rate_limit import RateRule
from tollkeeper.domain.tenancy import KeyPolicy, OrganizationId, ProjectId

ApiKeyId = NewType("ApiKeyId", str)  # key_<12 base62>, the part of the key that may be shown

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY_PREFIX = "sk-tk-"
ID_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 12, 43, 6
US_PER_DAY = 86_400_000_000
_KEY = re.compile(rb"sk-tk-([0-9A-Za-z]{12})-([0-9A-Za-z]{43})([0-9A-Za-z]{6})")


class KeyKind(StrEnum):
    SERVICE = "service"  # a program's: calls models in a project
    MEMBER = "member"  # a person's: never more than the person may do
    ADMIN = "admin"  # administers the organization and cannot call models


class KeyStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"


class ApiKey(msgspec.Struct, frozen=True):
    """A key's record; the key itself is nowhere. `project_id` is "" for an administration key.

    No key outlives the organization's policy: `expires_at_us` is the earlier of its own and the policy's. As the
    directory hands a key out, all of it is what holds now: a member's key has nothing that the member lost, and the key
    of an archived project is disabled.
    """

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
    member_id: str = ""
    team_id: str = ""  # the project's
    terms: KeyTerms | None = None  # None when nothing more is agreed
    replaced_by: str = ""  # the key that a rotation made of it
    held_as: str = ""  # whose budgets and rates hold instead of its own, when it was replaced
    limits: tuple[Limit, ...] = ()  # every budget that its calls are held to, the organization's first
    rates: tuple[RateRule, ...] = ()  # every rule of how fast they may come, the organization's first

    @property
    def limited_as(self) -> str:
        """Return the id of the key whose budgets and rates hold for its calls: its own, or of the key that replaced it."""
        return self.held_as or self.id

    @property
    def projects(self) -> tuple[FurtherProject, ...]:
        """Every project that the key may be used for and what it may do there, its own first."""
        if not self.project_id:
            return ()
        own = FurtherProject(self.project_id, self.team_id, self.permissions, self.limits, self.rates)
        return (own, *(self.terms.further_projects if self.terms else ()))

    @property
    def project_ids(self) -> tuple[str, ...]:
        """Every project that the key may be used for, its own first."""
        return tuple(project.id for project in self.projects)

    def state(self, now_us: int) -> Literal["active", "disabled", "deleted", "expired"]:
        """Return the key's status, or that it has expired, which disabling and deleting hide."""
        if self.status is KeyStatus.ACTIVE and self.expires_at_us is not None and now_us >= self.expires_at_us:
            return "expired"
        return self.status.value

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

    def in_project(self, project_id: str) -> ApiKey:
        """Return the key as used for one of its projects: with what it may do there.

        Raises:
            MismatchedProject: it is not for this project.
        """
        if project_id == self.project_id:
            return self
        for project in self.projects:
            if project.id == project_id:
                return msgspec.structs.replace(
                    self,
                    project_id=ProjectId(project.id),
                    team_id=project.team_id,
                    permissions=project.permissions,
                    limits=project.limits,
                    rates=project.rates,
                )
        message = "The header OpenAI-Project names a project that this API key is not for."
        raise MismatchedProject(message)


def expiry_under(policy: KeyPolicy, *, created_at_us: int, expires_at_us: int | None) -> int | None:
    """Return when a key ends: its own expiry, or the greatest age that the organization allows when that is earlier."""
    if policy.key_age_max_days is None:
        return expires_at_us
    oldest_us = created_at_us + policy.key_age_max_days * US_PER_DAY
    return oldest_us if expires_at_us is None else min(oldest_us, expires_at_us)


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
        message = (
            "Invalid API key format. Keys of Tollkeeper begin with sk-tk-; a provider's own key is not taken here."
        )
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
