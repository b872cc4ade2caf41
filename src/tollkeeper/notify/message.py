"""One e-mail as it is handed from who writes it to who sends it."""

from __future__ import annotations

import re

import msgspec

_CONTROLS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029]")


class Message(msgspec.Struct, frozen=True):
    """The same words three times: for the list of mails, for readers of plain text, for readers of HTML.

    Text and HTML may carry a link that works like a password, so neither shows in a repr.
    """

    subject: str
    text: str
    html: str

    def __post_init__(self) -> None:
        assert not _CONTROLS.search(self.subject), "a subject is one line"  # a second one would be a header of its own

    def __repr__(self) -> str:
        return f"Message({self.subject!r})"
