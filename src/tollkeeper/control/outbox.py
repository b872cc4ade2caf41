"""The outbox: e-mails are put in with what they tell of, and handed to the mail server later, at least once each."""

from __future__ import annotations

import logging
from typing import Any, Protocol

import msgspec

from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.kit.vault import BrokenSealError, Vault
from tollkeeper.notify.message import Message
from tollkeeper.notify.smtp import NotDelivered
from tollkeeper.store import outbox
from tollkeeper.store.engine import Store
from tollkeeper.store.outbox import ClaimedMail, MailState

ATTEMPTS_MAX = 12
FIRST_WAIT_S, WAIT_MAX_S = 30, 2 * 3600
"""The wait doubles from one attempt to the next: the twelfth is about eight hours after the first."""
BATCH_MAX = 50

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """Hands e-mails to a mail server: `notify.smtp.SmtpSender`."""

    async def send(self, to: str, message: Message, *, message_id: str) -> None:
        """Deliver one.

        Raises:
            NotDelivered: it was not taken.
        """
        ...


async def post(
    connection: Any, vault: Vault, message: Message, *, kind: str, recipient: str, organization_id: str = ""
) -> str:
    """Put an e-mail into the outbox and return its id. `connection` is of the transaction that makes what it tells of.

    It is sealed until it is sent, because links in it may work like passwords, and forgotten afterwards.
    """
    mail_id = new_id("mail")
    sealed = vault.seal(msgspec.msgpack.encode(message), bound_to=_binding(mail_id, recipient))
    mail = outbox.Mail(mail_id, organization_id, kind, recipient, sealed, now_us())
    await outbox.put_mail(connection, mail)
    return mail_id


class Delivery:
    """Hands over what is due. Without a `sender` everything is marked as undeliverable.

    `claim_s` must be longer than one e-mail takes. A sender that dies with an e-mail, or takes longer, leaves it to the
    next: it may then arrive twice, with the same Message-ID.
    """

    def __init__(self, store: Store, vault: Vault, sender: Sender | None, *, claim_s: int = 300) -> None:
        self._store, self._vault, self._sender, self._claim_us = store, vault, sender, claim_s * 1_000_000
        self._has_warned = False

    async def deliver_due(self) -> int:
        """Try every e-mail that is due, at most BATCH_MAX, one after the other; returns how many were tried.

        Raises:
            StoreUnavailable: the database is out of reach.
        """
        due = await self._store.read(lambda c: outbox.list_due(c, now_us=now_us(), limit=BATCH_MAX))
        return sum([await self._deliver(mail_id) for mail_id in due])

    async def _deliver(self, mail_id: str) -> bool:
        claimed = await self._store.write(
            lambda c: outbox.claim_mail(c, mail_id, now_us=now_us(), claim_us=self._claim_us)
        )
        if claimed is None:
            return False
        if self._sender is None:
            self._warn_once()
            await self._finish(claimed, MailState.UNDELIVERABLE, "no mail server is configured")
            return True
        try:
            await self._send(self._sender, claimed)
        except BrokenSealError:
            _log.error("the e-mail %s (%s) cannot be opened; is the pepper another one now?", claimed.id, claimed.kind)
            await self._finish(claimed, MailState.DEAD, "it cannot be opened with this installation's pepper")
        except NotDelivered as error:
            await self._put_off(claimed, error)
        else:
            await self._finish(claimed, MailState.DELIVERED)
        return True

    async def _send(self, sender: Sender, claimed: ClaimedMail) -> None:
        plain = self._vault.open(claimed.sealed_message, bound_to=_binding(claimed.id, claimed.recipient))
        await sender.send(claimed.recipient, msgspec.msgpack.decode(plain, type=Message), message_id=claimed.id)

    async def _put_off(self, claimed: ClaimedMail, error: NotDelivered) -> None:
        if error.is_permanent or claimed.attempts >= ATTEMPTS_MAX:
            _log.error("the e-mail %s (%s) is given up: %s", claimed.id, claimed.kind, error.reason)
            await self._finish(claimed, MailState.DEAD, error.reason)
            return
        wait_s = wait_after(claimed.attempts)
        _log.warning("the e-mail %s (%s) waits %d s: %s", claimed.id, claimed.kind, wait_s, error.reason)
        at_us = now_us() + wait_s * 1_000_000
        await self._store.write(lambda c: outbox.try_again(c, claimed, next_attempt_at_us=at_us, failure=error.reason))

    async def _finish(self, claimed: ClaimedMail, state: MailState, failure: str = "") -> None:
        await self._store.write(lambda c: outbox.finish_mail(c, claimed, state, now_us=now_us(), failure=failure))

    def _warn_once(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            _log.warning("no mail server is configured (email.host): e-mails are marked as undeliverable")


def wait_after(attempts: int) -> int:
    """Return how many seconds pass after so many attempts before the next one."""
    return min(int(FIRST_WAIT_S * 2 ** (attempts - 1)), WAIT_MAX_S)


def _binding(mail_id: str, recipient: str) -> tuple[str, ...]:
    return ("outbox", mail_id, recipient)
