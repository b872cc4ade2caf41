"""What every sender raises when a message was not taken."""

from __future__ import annotations

REASON_LENGTH_MAX = 300


class NotDelivered(Exception):
    """A message was not taken. `reason` is for the operator; it holds neither a secret nor the message.

    `is_permanent` means that the same message would be refused again: a bad address, or a refusal of the message itself.
    Everything else may pass or be mended meanwhile: no connection, no answer, a busy server, a certificate, a login.
    """

    def __init__(self, *, is_permanent: bool, reason: str) -> None:
        super().__init__(reason)
        self.is_permanent = is_permanent
        self.reason = reason


def bounded(reason: str) -> str:
    """Return one printable line of what a server or a library said."""
    return "".join(each if each.isprintable() else " " for each in reason[:REASON_LENGTH_MAX])
