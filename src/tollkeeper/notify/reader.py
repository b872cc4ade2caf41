"""Who an e-mail is written for: the language, the time zone, and the address that this reader knows us by."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from tollkeeper.kit.clock import utc

Language = Literal["en", "ko"]

_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9._\-\[\]:]+(/[A-Za-z0-9._~/-]*)?")
_PATH = re.compile(r"/[A-Za-z0-9._~/?=&%-]*")
_MONTHS = (  # strftime's are in the process's language, not the reader's
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class Reader(msgspec.Struct, frozen=True):
    """Decides what times and links look like. `timezone` is an IANA name: an account's own or its organization's.

    `public_url` is the address of this installation; no link of any mail leads anywhere else.
    """

    language: Language
    timezone: str
    public_url: str

    def __post_init__(self) -> None:
        assert _PUBLIC_URL.fullmatch(self.public_url), "the public URL must look like https://host or https://host/path"

    def link(self, path: str) -> str:
        """Return the address of a path, such as `/reset?token=…`, at this installation."""
        assert _PATH.fullmatch(path), "a path begins with / and is percent-encoded"  # never shown: it may hold a token
        return f"{self.public_url.rstrip('/')}{path}"

    def when(self, at_us: int) -> str:
        """Write a moment down to the minute, with its zone. Seconds are dropped, so that a deadline is never too late.

        A zone that this machine does not know is shown in UTC: that is still the right moment.
        """
        try:
            zone = ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            zone = ZoneInfo("UTC")
        return _WRITTEN[self.language](utc(at_us).astimezone(zone))


def _english(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M} ({_zone(at)})"


def _korean(at: datetime) -> str:
    zone = "KST" if at.tzname() == "KST" else _zone(at)  # the one abbreviation that every Korean reader knows
    return f"{at.year}년 {at.month}월 {at.day}일 {at:%H:%M} ({zone})"


def _zone(at: datetime) -> str:
    """Name a zone together with its offset: CST alone is Chicago as well as Shanghai."""
    name, offset = at.tzname() or "", at.strftime("%z")
    if name == "UTC":
        return name
    shown = f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{name}, {shown}" if name.isalpha() else shown  # zones without an abbreviation are called "-03"


_WRITTEN: Mapping[Language, Callable[[datetime], str]] = {"en": _english, "ko": _korean}
