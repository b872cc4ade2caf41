"""The e-mails that people get: which there are, and what each tells; the words are in `english` and `korean`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from tollkeeper.notify import english, korean
from tollkeeper.notify.foreign_text import shown
from tollkeeper.notify.letter import Letter, lay_out
from tollkeeper.notify.message import Message
from tollkeeper.notify.reader import Language, Reader
from tollkeeper.notify.wording import DisabledKeysWords, ExpiringKeyWords, InvitationWords, Wording

KEYS_LISTED_MAX = 20
GRACE_SUGGESTED_S = 86_400

_WORDINGS: Mapping[Language, Wording] = {"en": english, "ko": korean}
_KEY_ID = re.compile(r"key_[0-9A-Za-z]+")


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """`role` is a role's name; the predefined ones are shown in the reader's language. `team` may be ""."""

    organization: str
    inviter: str
    role: str
    team: str = ""
    valid_until_us: int


class KeyNamed(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as its owners know it."""

    id: str
    name: str
    project: str


def verify_email(reader: Reader, *, path: str, valid_until_us: int) -> Message:
    """Ask a new account's person to prove that the address is theirs; `path` carries the token."""
    letter = _WORDINGS[reader.language].verify_email(until=reader.when(valid_until_us))
    return _addressed(reader, letter, path)


def reset_password(reader: Reader, *, path: str, valid_until_us: int) -> Message:
    """Hand over the link that sets a new password; `path` carries the token."""
    letter = _WORDINGS[reader.language].reset_password(until=reader.when(valid_until_us))
    return _addressed(reader, letter, path)


def password_changed(reader: Reader, *, path: str, changed_at_us: int) -> Message:
    """Tell a person that their password is another one now; `path` is where a reset begins."""
    letter = _WORDINGS[reader.language].password_changed(changed=reader.when(changed_at_us))
    return _addressed(reader, letter, path)


def invitation(reader: Reader, invited: Invitation, *, path: str) -> Message:
    """Invite somebody into an organization; `path` carries the token."""
    said = InvitationWords(
        organization=shown(invited.organization),
        inviter=shown(invited.inviter),
        role=shown(invited.role),
        team=shown(invited.team) if invited.team else "",
        until=reader.when(invited.valid_until_us),
    )
    return _addressed(reader, _WORDINGS[reader.language].invitation(said), path)


def api_key_expires(reader: Reader, key: KeyNamed, *, expires_at_us: int, path: str) -> Message:
    """Warn that an API key ends, and how to rotate it. The reader's zone should be the organization's.

    `path` is where keys are managed.
    """
    assert _KEY_ID.fullmatch(key.id), "a key's id is pasted into a shell"
    said = ExpiringKeyWords(
        name=shown(key.name),
        id=key.id,
        project=shown(key.project),
        expires=reader.when(expires_at_us),
        commands=(f"tollkeeper keys rotate {key.id}", _rotation_request(reader, key.id)),
    )
    return _addressed(reader, _WORDINGS[reader.language].api_key_expires(said), path)


def member_removed(reader: Reader, *, organization: str, removed_at_us: int, path: str) -> Message:
    """Tell a person that they are no longer a member; `path` is where they can sign in."""
    letter = _WORDINGS[reader.language].member_removed(
        organization=shown(organization), removed=reader.when(removed_at_us)
    )
    return _addressed(reader, letter, path)


def member_keys_disabled(
    reader: Reader, keys: Sequence[KeyNamed], *, organization: str, member: str, path: str
) -> Message:
    """Tell the organization's admins which keys stopped because their member was removed.

    At most KEYS_LISTED_MAX are listed, the rest is counted. `path` is where keys are managed.
    """
    assert keys, "no key was disabled"
    said = DisabledKeysWords(
        organization=shown(organization),
        member=shown(member),
        count=len(keys),
        keys=tuple((key.id, f"{shown(key.name)} ({shown(key.project)})") for key in keys[:KEYS_LISTED_MAX]),
    )
    return _addressed(reader, _WORDINGS[reader.language].member_keys_disabled(said), path)


def _rotation_request(reader: Reader, key_id: str) -> str:
    return (
        f"curl -X POST {reader.link(f'/v1/api-keys/{key_id}/rotate')} \\\n"
        '  -H "Authorization: Bearer $TOLLKEEPER_ADMIN_KEY" -H "Content-Type: application/json" \\\n'
        f"  -d '{{\"grace_seconds\": {GRACE_SUGGESTED_S}}}'"
    )


def _addressed(reader: Reader, letter: Letter, path: str) -> Message:
    stationery = _WORDINGS[reader.language].STATIONERY
    return lay_out(letter, stationery, link=reader.link(path), public_url=reader.public_url)
