"""A message as the bytes that travel: headers, and text and HTML as two alternatives of one mail.

Made with the older half of the standard library's `email`: the encoder of `EmailMessage` drops a space between two
encoded words when it folds a long Korean subject (seen with Python 3.11.7, 2026-11-22; tests/notify holds it).
"""

from __future__ import annotations

import re
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import Message as Mail
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime
from typing import Any

import msgspec

from tollkeeper.notify.message import Message

_POLICY = compat32.clone(linesep="\r\n")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Envelope(msgspec.Struct, frozen=True):
    """From whom, to whom (an ASCII address), and the outbox's own id of the mail."""

    sender: Address
    recipient: str
    message_id: str


def to_bytes(message: Message, envelope: Envelope, *, at: datetime) -> bytes:
    """Return the whole mail, all ASCII. Its Message-ID follows from the id alone: a mail sent twice shows as one.

    `Auto-Submitted` keeps absence notices from answering (RFC 3834 §5, https://www.rfc-editor.org/rfc/rfc3834#section-5,
    read 2026-11-22).
    """
    assert _MESSAGE_ID.fullmatch(envelope.message_id), envelope.message_id
    mail: Mail[str, Any] = MIMEMultipart("alternative", policy=_POLICY)  # Any: a header may be a Header
    mail["From"] = _named(envelope.sender)
    mail["To"] = envelope.recipient
    mail["Subject"] = _encoded(message.subject, "Subject")
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{envelope.message_id}@{envelope.sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.attach(MIMEText(message.text, "plain", "utf-8"))
    mail.attach(MIMEText(message.html, "html", "utf-8"))
    return mail.as_bytes()


def _named(sender: Address) -> Header | str:
    """Return the sender; a name that needs encoding is encoded apart from the address, which must stay readable."""
    if str(sender).isascii():
        return str(sender)
    header = _encoded(sender.display_name, "From")
    header.append(f"<{sender.addr_spec}>", "us-ascii")
    return header


def _encoded(text: str, name: str) -> Header:
    """Encode by RFC 2047 what is not ASCII, or what a reader would take for encoded although it is not."""
    return Header(text, "us-ascii" if text.isascii() and "=?" not in text else "utf-8", header_name=name)
