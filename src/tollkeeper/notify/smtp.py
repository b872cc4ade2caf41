"""Hands e-mails to a mail server over SMTP, and says of each that was not taken whether trying again makes sense."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.kit.clock import now_us, utc
from tollkeeper.notify.message import Message
from tollkeeper.notify.not_delivered import NotDelivered, bounded

if TYPE_CHECKING:  # few processes ever send a mail: what is needed for it is imported with the first one
    from email.headerregistry import Address

    import aiosmtplib

QUIT_TIMEOUT_S = 2.0

_SENDER = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_REFUSED_FOR_GOOD = range(500, 600)


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where mails go. `sender` looks like `Tollkeeper <tollkeeper@example.com>`; `username` "" means no login.

    `starttls` begins in the clear and is refused when the server does not offer it; `tls` is encrypted from the first
    byte. `ca_file` adds certificate authorities to the system's. `timeout_s` is for one whole mail.
    """

    host: str
    port: int = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: str = ""
    sender: str
    timeout_s: float = 20.0
    ca_file: Path | None = None

    def __repr__(self) -> str:
        return f"SmtpSettings({self.host}:{self.port}, {self.security})"  # never the password


class SmtpSender:
    """Sends one mail per connection."""

    def __init__(self, settings: SmtpSettings) -> None:
        """Take the settings; nothing is connected yet.

        Raises:
            ConfigurationError: `sender` is not an address.
        """
        self._settings = settings
        self._sender = _sender_address(settings.sender)

    async def send(self, to: str, message: Message, *, message_id: str) -> None:
        """Deliver a mail to the server. `message_id` is the outbox's id: the same for every attempt at the same mail.

        Raises:
            NotDelivered: the server did not take it, or did not answer within `timeout_s`; in that last case it may
                have taken it, and the next attempt is recognisable as the same mail.
        """
        from tollkeeper.notify import mime

        recipient = _recipient_address(to)
        envelope = mime.Envelope(self._sender, recipient, message_id)
        content = mime.to_bytes(message, envelope, at=utc(now_us()))
        client = self._client()
        try:
            await self._deliver(client, recipient, content)
            await _say_goodbye(client)
        finally:
            client.close()

    async def _deliver(self, client: aiosmtplib.SMTP, recipient: str, content: bytes) -> None:
        is_ready = False
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await client.connect()
                is_ready = True
                await client.mail(self._sender.addr_spec)
                await client.rcpt(recipient)
                await client.data(content)
        except (OSError, UnicodeError, _smtp_exception()) as error:  # our TimeoutError too; UnicodeError: no host name
            raise self._not_delivered(error, is_ready=is_ready) from None  # the original may quote our login

    def _client(self) -> aiosmtplib.SMTP:
        import aiosmtplib

        settings = self._settings
        return aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.username or None,
            password=settings.password if settings.username else None,
            local_hostname=self._sender.domain,  # some relays refuse whoever greets as localhost
            timeout=None,  # one deadline for the whole mail instead of one per step
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            validate_certs=True,
            cert_bundle=str(settings.ca_file) if settings.ca_file else None,
        )

    def _not_delivered(self, error: Exception, *, is_ready: bool) -> NotDelivered:
        import aiosmtplib

        server = f"{self._settings.host}:{self._settings.port}"
        match error:
            case aiosmtplib.SMTPAuthenticationError():  # some servers repeat the command that they refuse
                return NotDelivered(is_permanent=False, reason=f"{server} refused the login (code {error.code})")
            case aiosmtplib.SMTPResponseException():
                is_permanent = is_ready and error.code in _REFUSED_FOR_GOOD
                reason = f"{server} answered {error.code} {error.message}"
                return NotDelivered(is_permanent=is_permanent, reason=bounded(reason))
            case aiosmtplib.SMTPServerDisconnected():
                return NotDelivered(is_permanent=False, reason=f"{server} hung up")
            case TimeoutError() if not isinstance(error, aiosmtplib.SMTPException):
                reason = f"{server} did not answer within {self._settings.timeout_s:g} s"
                return NotDelivered(is_permanent=False, reason=reason)
            case _:
                return NotDelivered(is_permanent=False, reason=bounded(f"{server}: {error}"))


def _smtp_exception() -> type[Exception]:
    import aiosmtplib

    return aiosmtplib.SMTPException


async def _say_goodbye(client: aiosmtplib.SMTP) -> None:
    """Take leave; the mail is delivered already, so nothing that goes wrong here counts."""
    with contextlib.suppress(OSError, _smtp_exception()):
        await client.quit(timeout=QUIT_TIMEOUT_S)


def _sender_address(text: str) -> Address:
    from email.headerregistry import Address

    parts = _SENDER.fullmatch(text)
    try:
        name, address = (parts["name"], parts["address"]) if parts and text.isprintable() else ("", text)
        return Address(display_name=name.strip(' "'), addr_spec=_ascii_address(address))
    except ValueError:
        raise ConfigurationError("email.sender must look like Tollkeeper <tollkeeper@example.com>") from None


def _recipient_address(text: str) -> str:
    try:
        return _ascii_address(text)
    except ValueError as error:
        raise NotDelivered(is_permanent=True, reason=bounded(f"not an address to send to: {error}")) from None


def _ascii_address(text: str) -> str:
    """Return an address as SMTP carries it: one, without a name, its domain in ASCII.

    Raises:
        ValueError: it is something else, or its local part is not ASCII, which few servers take.
    """
    from email_validator import validate_email

    # an intranet may well have a mail server for .local, so the domain need not be one of the internet's
    checked = validate_email(text, allow_smtputf8=False, check_deliverability=False, globally_deliverable=False)
    assert checked.ascii_email is not None, "without SMTPUTF8 there is an ASCII form"
    return checked.ascii_email
