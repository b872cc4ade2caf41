"""What there is to say in every language: one function for each kind of mail, from values that are already fit to show."""

from __future__ import annotations

from typing import Protocol

import msgspec

from tollkeeper.notify.letter import Letter, Stationery


class InvitationWords(msgspec.Struct, frozen=True):
    """`team` is "" for an invitation into the organization alone."""

    organization: str
    inviter: str
    role: str
    team: str
    until: str


class ExpiringKeyWords(msgspec.Struct, frozen=True):
    """`commands` are the lines that rotate the key: at the command line, and over the API."""

    name: str
    id: str
    project: str
    expires: str
    commands: tuple[str, str]


class DisabledKeysWords(msgspec.Struct, frozen=True):
    """`keys` are lines to list, `count` says how many keys there are although not all may be listed."""

    organization: str
    member: str
    count: int
    keys: tuple[tuple[str, str], ...]


class Wording(Protocol):
    """A language: the modules `english` and `korean` are such."""

    STATIONERY: Stationery

    def verify_email(self, *, until: str) -> Letter:
        """Say how long the link works."""
        ...

    def reset_password(self, *, until: str) -> Letter:
        """Say how long the link works, and that it does so once."""
        ...

    def password_changed(self, *, changed: str) -> Letter:
        """Say when, and what to do if it was somebody else."""
        ...

    def invitation(self, said: InvitationWords) -> Letter:
        """Say who invites where and as what."""
        ...

    def api_key_expires(self, said: ExpiringKeyWords) -> Letter:
        """Say which key, when, what stops then, and how to prevent it."""
        ...

    def member_removed(self, *, organization: str, removed: str) -> Letter:
        """Say it to the person who was removed."""
        ...

    def member_keys_disabled(self, said: DisabledKeysWords) -> Letter:
        """Say it to the organization's admins."""
        ...
