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


class BudgetWords(msgspec.Struct, frozen=True):
    """What is said of a budget. Texts are fit to show; `percent` is what the alert is about, `used_percent` what is used.

    `scope_kind` and `period` are words of ours, to be translated; `model` is "" for all models, `projected` and `until` ""
    where there is none.
    """

    kind: str  # threshold, stopped or projected
    scope_kind: str
    scope: str
    organization: str
    model: str
    period: str
    percent: str
    used_percent: str
    limit: str
    used: str
    projected: str
    until: str
    is_used_up: bool


class OverrunWords(msgspec.Struct, frozen=True):
    """Calls of one hour came to more than was reserved for them; `excess` is by how many dollars."""

    organization: str
    excess: str
    hour: str


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

    def counted(self, amount: int, unit: str) -> str:
        """Write a number of requests or tokens with its unit."""
        ...

    def budget_alert(self, said: BudgetWords) -> Letter:
        """Say which budget it is, how far it is used, and what that means."""
        ...

    def overrun(self, said: OverrunWords) -> Letter:
        """Say that calls came to more than expected, and that they are booked in full."""
        ...

    def alert_test(self, *, organization: str) -> Letter:
        """Say that this is how alerts come."""
        ...
