"""Which names of time zones are one: IANA's names of places and of UTC, not what a machine calls its own."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from tollkeeper.domain.errors import InvalidRequest

_MACHINES = frozenset({"Factory", "localtime", "posixrules"})
"""What each machine understands by itself: another replica may have other days (tzdata's `Factory` says "not set")."""
_COPIES = ("posix/", "right/")
"""The whole tz database once more, as some machines have it; `right` counts leap seconds, which our clocks do not."""


def check_timezone(name: str) -> None:
    """Pass when a time zone has an IANA name that this machine knows.

    Raises:
        InvalidRequest: it has not.
    """
    if name in _MACHINES or name.startswith(_COPIES):
        raise _unknown(name)
    zone_of(name)


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone of a name, also one that only this machine understands: an organization may have it from before.

    Raises:
        InvalidRequest: this machine knows none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise _unknown(name) from error


def _unknown(name: str) -> InvalidRequest:
    return InvalidRequest(f"There is no timezone '{name}'; use an IANA name such as Asia/Seoul.", param="timezone")
