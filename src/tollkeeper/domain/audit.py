"""An event of the audit log: what is kept of an administrative action, and the chain that makes a change of it noticed."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

import msgspec

FIRST_MAC = bytes(32)
"""What stands before the first event."""
INSTALLATION = ""
"""Whose log tells what concerns no organization, and which organizations have a log."""
BEGIN = "audit.begin"
"""The action by which the installation's log notes that an organization's log began: a log that is gone is missed."""
_FOREIGN_TO_A_LOG = frozenset({"secret", "password", "token", "key"})
_OWN_SECRET = re.compile(r"(?:sk-tk-[0-9A-Za-z]{12}-|sess-tk-)[0-9A-Za-z_-]{16,}")
_REDACTED = "[redacted]"


class AuditEvent(msgspec.Struct, frozen=True):
    """Who did what to what, from where, and how it was before and after. `before` and `after` are JSON texts.

    Events of an organization are numbered 1, 2, 3 …; `mac` covers the event and the mac of the one before it.
    """

    organization_id: str
    number: int
    id: str
    at_us: int
    actor_kind: str
    actor_id: str
    actor_name: str
    address: str
    request_id: str
    action: str
    target_kind: str
    target_id: str
    target_name: str
    before: str
    after: str
    mac: bytes = b""


class ExportedEvent(AuditEvent, frozen=True):
    """An event as an export has it: with the mac of the one before, so that it can be checked without that one.

    `previous_mac` is empty where the event before was gone.
    """

    previous_mac: bytes = b""


def mac_of(event: AuditEvent, previous: bytes, key: bytes) -> bytes:
    """Return the HMAC-SHA256 of an event in its chain. Without the key nobody can write a chain that verifies."""
    fields = [getattr(event, name) for name in _COVERED]
    return hmac.digest(key, previous + _encode(fields), hashlib.sha256)


def seal_of(organization_id: str, number: int, mac: bytes, key: bytes) -> bytes:
    """Return the HMAC-SHA256 of a chain's end, so that a chain that lost its last events does not verify."""
    return hmac.digest(key, b"head\0" + _encode([organization_id, number, mac.hex()]), hashlib.sha256)


def after_break(mac: bytes, key: bytes) -> bytes:
    """Return what the next event is chained to when the end's seal is not ours.

    The log goes on, and that its end was changed stays in it: sealing the end again must not make it good.
    """
    return hmac.digest(key, b"break\0" + mac, hashlib.sha256)


def shown_json(value: Any) -> str:
    """Return what an event keeps of a state, as JSON: what looks like a secret of ours is not in it.

    A name may well be a key that somebody pasted into the wrong field, so texts are redacted and not refused.

    Raises:
        AssertionError: a field's name says that it holds a secret; our mistake.
    """
    plain = msgspec.to_builtins(value)
    if isinstance(plain, dict):
        secret = sorted(str(name) for name in plain if str(name).lower().rpartition("_")[2] in _FOREIGN_TO_A_LOG)
        assert not secret, f"no secret goes into the audit log: {', '.join(secret)}"
    return without_secrets(_encode(plain).decode())


def without_secrets(text: str) -> str:
    """Take keys and session tokens of ours out of a text; their public parts alone may stay."""
    return _OWN_SECRET.sub(_REDACTED, text)


def changes(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    """Return the names of what differs, sorted."""
    old, new = before or {}, after or {}
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


_COVERED = tuple(name for name in AuditEvent.__struct_fields__ if name != "mac")
"""What a mac covers; never what an export adds."""
_encode = msgspec.json.Encoder().encode
