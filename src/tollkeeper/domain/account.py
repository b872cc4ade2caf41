"""A person's login: e-mail addresses as they are compared, sessions, and the tokens that e-mails carry."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.tenancy import Language

AccountId = NewType("AccountId", str)  # acc_<20 base62>
SESSION_PREFIX = "sess-tk-"
EMAIL_LENGTH_MAX = 254


class AccountStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class TokenPurpose(StrEnum):
    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105  # a purpose, no password


class Account(msgspec.Struct, frozen=True):
    """An account, without its password's digest. `email_verified_at_us` is None until the address proved to be theirs."""

    id: AccountId
    email: str
    name: str
    language: Language
    status: AccountStatus
    has_password: bool
    email_verified_at_us: int | None
    created_at_us: int


def normalise_email(text: str) -> str:
    """Return an address as it is stored and compared: without surrounding space, in lower case.

    Raises:
        InvalidRequest: it is no address, or too long for one.
    """
    email = text.strip().lower()
    if len(email) > EMAIL_LENGTH_MAX:
        raise InvalidRequest(f"An e-mail address has at most {EMAIL_LENGTH_MAX} characters.", param="email")
    local, at, domain = email.rpartition("@")
    is_plain = email.isascii() and email.isprintable() and " " not in email
    if not (at and local and "." in domain and is_plain) or domain.startswith("."):
        raise InvalidRequest("This is not an e-mail address such as jimin@example.com.", param="email")
    return email
