"""The outbox: messages are put in with what they tell of, and handed to whoever delivers them later, at least once each."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.domain.alert import CHANNELS, Channel, TargetAccess, TargetKind
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.kit.vault import BrokenSealError, Vault
from tollkeeper.notify.message import Message
from tollkeeper.notify.not_delivered import NotDelivered
from tollkeeper.store import alert_targets, outbox
from tollkeeper.store.engine import Connection, Store
from tollkeeper.store.outbox import ClaimedMail, MailState

ATTEMPTS_MAX = 12
FIRST_WAIT_S, WAIT_MAX_S = 30, 2 * 3600
"""The wait doubles from one attempt to the next: the twelfth is about eight hours after the first."""
BATCH_MAX = 50
AT_ONCE = 10
"""How many messages a process hands over at a time: the eleventh waits for the first that is done."""

_log = logging.getLogger(__name__)


class Sender(Protocol):
    """Hands e-mails to a mail server: `notify.smtp.SmtpSender`."""

    async def send(self, to: str, message: Message, *, message_id: str) -> None:
        """Deliver one.

        Raises:
            NotDelivered: it was not taken.
        """
        ...


class HookSender(Protocol):
    """Posts to the targets of alerts: `control.alert_hooks.Hooks`."""

    async def send(self, kind: TargetKind, access: TargetAccess, body: bytes, *, message_id: str) -> None:
        """Deliver one: a text for Slack, JSON for a webhook.

        Raises:
            NotDelivered: it was not taken.
        """
        ...


class About(msgspec.Struct, frozen=True):
    """What a message belongs to. `alert_id` is the alert that it tells of, if it is one."""

    kind: str
    organization_id: str
    alert_id: str = ""


async def post(  # noqa: PLR0913  # whose, to whom, about what
    connection: Connection,
    vault: Vault,
    message: Message,
    *,
    kind: str,
    recipient: str,
    organization_id: str = "",
    alert_id: str = "",
) -> str:
    """Put an e-mail into the outbox and return its id. `connection` is of the transaction that makes what it tells of.

    It is sealed until it is sent, because links in it may work like passwords, and forgotten afterwards.
    """
    mail_id = new_id("mail")
    sealed = vault.seal(msgspec.msgpack.encode(message), bound_to=_binding(mail_id, recipient))
    mail = outbox.Mail(mail_id, organization_id, kind, recipient, sealed, now_us(), "email", alert_id)
    await outbox.put_mail(connection, mail)
    return mail_id


async def post_letter(action: Action, message: Message, *, kind: str, recipient: str) -> None:
    """Put an e-mail about what an action does into the outbox, as part of it."""
    await post(
        action.connection,
        action.secrets.vault,
        message,
        kind=kind,
        recipient=recipient,
        organization_id=action.organization_id,
    )


async def post_to_target(
    connection: Connection, vault: Vault, body: bytes, *, target_id: str, channel: TargetKind, about: About
) -> str:
    """Put what goes to an alert's target into the outbox and return its id; where that is, is looked up when it is sent."""
    message_id = new_id("msg")
    sealed = vault.seal(body, bound_to=_binding(message_id, target_id))
    put = outbox.Mail(
        message_id, about.organization_id, about.kind, target_id, sealed, now_us(), channel, about.alert_id
    )
    await outbox.put_mail(connection, put)
    return message_id


class _NobodyThereError(Exception):
    """There is nobody to hand a message to."""


class Delivery:
    """Hands over what is due. Without a `sender` e-mails are marked as undeliverable, without `hooks` everything else.

    `claim_s` must be longer than one message takes. A sender that dies with a message, or takes longer, leaves it to the
    next: it may then arrive twice, with the same id. Of `channels` alone anything is tried: targets are organizations'
    own, and one that answers slowly must not keep an e-mail waiting.
    """

    def __init__(
        self,
        store: Store,
        vault: Vault,
        sender: Sender | None,
        *,
        hooks: HookSender | None = None,
        claim_s: int = 300,
        channels: tuple[Channel, ...] = CHANNELS,
    ) -> None:
        self._store, self._vault, self._sender, self._hooks = store, vault, sender, hooks
        self._claim_us, self._channels = claim_s * 1_000_000, channels
        self._has_warned = False

    async def deliver_due(self) -> int:
        """Try every message that is due, at most BATCH_MAX, a few at once; returns how many were tried.

        Raises:
            StoreUnavailable: the database is out of reach.
        """
        free = asyncio.Semaphore(AT_ONCE)

        async def deliver(message_id: str) -> bool:
            async with free:
                return await self._deliver(message_id)

        return sum(await asyncio.gather(*map(deliver, await self._list_due())))

    async def _list_due(self) -> list[str]:
        return await self._store.read(
            lambda c: outbox.list_due(c, now_us=now_us(), limit=BATCH_MAX, channels=self._channels)
        )

    async def _deliver(self, mail_id: str) -> bool:
        claimed = await self._store.write(
            lambda c: outbox.claim_mail(c, mail_id, now_us=now_us(), claim_us=self._claim_us)
        )
        if claimed is None:
            return False
        try:
            await self._send(claimed)
        except BrokenSealError:
            _log.error("the message %s (%s) cannot be opened; is the pepper another one now?", claimed.id, claimed.kind)
            await self._finish(claimed, MailState.DEAD, "it cannot be opened with this installation's pepper")
        except _NobodyThereError as error:
            await self._finish(claimed, MailState.UNDELIVERABLE, str(error))
        except NotDelivered as error:
            await self._put_off(claimed, error)
        else:
            await self._finish(claimed, MailState.DELIVERED)
        return True

    async def _send(self, claimed: ClaimedMail) -> None:
        if claimed.channel == "email" and self._sender is None:
            self._warn_once()
            raise _NobodyThereError("no mail server is configured")
        plain = self._vault.open(claimed.sealed_message, bound_to=_binding(claimed.id, claimed.recipient))
        if claimed.channel != "email":
            await self._send_to_target(claimed, claimed.channel, plain)
            return
        assert self._sender is not None
        await self._sender.send(claimed.recipient, msgspec.msgpack.decode(plain, type=Message), message_id=claimed.id)

    async def _send_to_target(self, claimed: ClaimedMail, kind: TargetKind, body: bytes) -> None:
        if self._hooks is None:
            raise _NobodyThereError("this process posts to no targets")
        access = await self._store.read(lambda c: _access(c, self._vault, claimed))
        if access is None:
            raise _NobodyThereError("the target was deleted or disabled")
        await self._hooks.send(kind, access, body, message_id=claimed.id)

    async def _put_off(self, claimed: ClaimedMail, error: NotDelivered) -> None:
        if error.is_permanent or claimed.attempts >= ATTEMPTS_MAX:
            _log.error("the message %s (%s) is given up: %s", claimed.id, claimed.kind, error.reason)
            await self._finish(claimed, MailState.DEAD, error.reason)
            return
        wait_s = wait_after(claimed.attempts)
        _log.warning("the message %s (%s) waits %d s: %s", claimed.id, claimed.kind, wait_s, error.reason)
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


async def _access(connection: Connection, vault: Vault, claimed: ClaimedMail) -> TargetAccess | None:
    """Return where a message's target is; None when it is not there or not in use any more."""
    target = await alert_targets.get_target(connection, claimed.organization_id, claimed.recipient)
    if target is None or not target.is_enabled:
        return None
    sealed = await alert_targets.get_sealed_access(connection, target.organization_id, target.id)
    return msgspec.msgpack.decode(vault.open(sealed, bound_to=target.binding), type=TargetAccess)


def _binding(mail_id: str, recipient: str) -> tuple[str, ...]:
    return ("outbox", mail_id, recipient)
