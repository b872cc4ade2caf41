"""A real mail server on 127.0.0.1 that takes mails, or does at any step what a test tells it to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USERNAME = "tollkeeper"
PASSWORD = "correct horse, 비밀번호"
HANG = "(hang)"
HANG_UP = "(hang up)"
PAUSE = "(pause)"
ECHO = "(echo)"
CONTENT = "content"
GREETING = "greeting"
Script = Mapping[str, tuple[str, ...]]


class Authority:
    """A certificate authority of the tests' own."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def server(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names).configure_cert(context)
        return context


class Taken:
    """One mail as it arrived."""

    def __init__(self, session: Session, envelope: Envelope) -> None:
        assert isinstance(envelope.content, bytes)
        self.sender, self.recipients = envelope.mail_from, envelope.rcpt_tos
        self.greeted_as, self.is_logged_in = session.host_name, bool(session.authenticated)
        self.raw = envelope.content

    @property
    def mail(self) -> EmailMessage:
        parsed = BytesParser(policy=policy.default).parsebytes(self.raw)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def body(self, kind: str) -> str:
        part = self.mail.get_body((kind,))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n")


class MailServer(Controller):
    """Takes mails; `script` says what to do instead at a step: answer, hang, hang up, or several in turn."""

    def __init__(self, script: Script | None = None, **settings: Any) -> None:
        self.taken: list[Taken] = []
        self.commands: list[str] = []
        self.connections_lost = 0
        self._script = script or {}
        super().__init__(self, "127.0.0.1", 0, authenticator=_authenticate, **settings)

    def factory(self) -> SMTP:
        return _Scripted(self, self._script, **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        self._factory_invoked.set()
        self.smtpd = object()

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:
        self.taken.append(Taken(session, envelope))
        return "250 taken"


class _Scripted(SMTP):
    """Asks the script before it does what a mail server does."""

    def __init__(self, server: MailServer, script: Script, **settings: Any) -> None:
        self._server, self._script = server, script
        super().__init__(server, loop=asyncio.get_running_loop(), **settings)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections_lost += 1
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        if not await self._acted(GREETING):
            await super()._handle_client()

    async def smtp_EHLO(self, hostname: str) -> None:
        if not await self._acted("EHLO", hostname):
            await super().smtp_EHLO(hostname)

    async def smtp_HELO(self, hostname: str) -> None:
        if not await self._acted("HELO", hostname):
            await super().smtp_HELO(hostname)

    async def smtp_STARTTLS(self, arg: str) -> None:
        if not await self._acted("STARTTLS", arg):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str) -> None:
        if not await self._acted("AUTH", arg):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str) -> None:
        if not await self._acted("MAIL", arg):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str) -> None:
        if not await self._acted("RCPT", arg):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:
        if not await self._acted("DATA", arg):
            await super().smtp_DATA(arg)

    async def smtp_QUIT(self, arg: str) -> None:
        if not await self._acted("QUIT", arg):
            await super().smtp_QUIT(arg)

    async def push(self, status: Any) -> None:
        """The answer to a whole mail is the only one that follows no command."""
        if status == "250 taken" and await self._acted(CONTENT):
            return
        await super().push(status)

    async def _acted(self, step: str, arg: str = "") -> bool:
        self._server.commands.append(step)
        for action in self._script.get(step, ()):
            if action == HANG:
                await asyncio.sleep(3600)
            elif action == PAUSE:
                await asyncio.sleep(0.1)
            elif action == HANG_UP:
                self.transport.close()
            elif action == ECHO:
                await super().push(f"535 5.7.8 what is {step} {arg}?")
            else:
                await super().push(action)
        return step in self._script


def _authenticate(_: SMTP, __: Session, ___: Envelope, ____: str, login: LoginPassword) -> AuthResult:
    is_right = (login.login.decode(), login.password.decode()) == (USERNAME, PASSWORD)
    return AuthResult(success=is_right, handled=False)


@contextmanager
def serving(script: Script | None = None, **settings: Any) -> Iterator[MailServer]:
    server = MailServer(script, **settings)
    server.start()
    try:
        yield server
    finally:
        failure = server._thread_exception
        server.stop()
    assert failure is None, failure
