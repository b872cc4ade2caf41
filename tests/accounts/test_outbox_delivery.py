"""E-mails leave the outbox: once, by one sender at a time, again after a fault, never without what they tell of."""

from __future__ import annotations

import asyncio
import logging

import pytest
from sqlalchemy import select, update
from tests.admin.admin_factories import ONLY_SQLITE, PEPPER
from tests.notify.mail_server import serving

from tollkeeper.control import outbox
from tollkeeper.control.outbox import ATTEMPTS_MAX, FIRST_WAIT_S, WAIT_MAX_S, Delivery, wait_after
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.vault import Vault
from tollkeeper.notify.message import Message
from tollkeeper.notify.not_delivered import NotDelivered
from tollkeeper.notify.smtp import SmtpSender, SmtpSettings
from tollkeeper.store import outbox as rows
from tollkeeper.store.engine import Store
from tollkeeper.store.outbox import MailState, MailStatus
from tollkeeper.store.schema_control import outbox as table

VAULT = Vault(PEPPER)
LINK = "https://example.com/reset?token=mail-tk-canary"
MESSAGE = Message("Subject", f"Follow {LINK}", f"<p>{LINK}</p>")
KIM = "kim@example.com"


class FakeSender:
    """Takes mails, after a while; `faults` are what it says first."""

    def __init__(self, *faults: NotDelivered, takes_s: float = 0.0) -> None:
        self.faults, self.takes_s = list(faults), takes_s
        self.sent: list[tuple[str, str, str]] = []

    async def send(self, to: str, message: Message, *, message_id: str) -> None:
        await asyncio.sleep(self.takes_s)
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append((to, message.text, message_id))


def fault(*, is_permanent: bool) -> NotDelivered:
    return NotDelivered(is_permanent=is_permanent, reason="mail.example:587 answered 4xx")


async def post(store: Store, recipient: str = KIM) -> str:
    return await store.write(
        lambda c: outbox.post(c, VAULT, MESSAGE, kind="test", recipient=recipient, organization_id="org_1")
    )


async def state(store: Store) -> MailStatus:
    (only,) = await store.read(lambda c: rows.list_mail(c, organization_id="org_1"))
    return only


async def make_due(store: Store) -> None:
    await store.write(lambda c: c.execute(update(table).values(next_attempt_at_us=0)))


async def test_a_mail_arrives_once_and_nothing_of_it_stays(store: Store) -> None:
    mail_id = await post(store)
    with serving() as server:
        settings = SmtpSettings(host="127.0.0.1", port=server.port, security="none", sender="T <t@example.com>")
        delivery = Delivery(store, VAULT, SmtpSender(settings))
        assert await delivery.deliver_due() == 1
        assert await delivery.deliver_due() == 0
    (taken,) = server.taken
    assert taken.recipients == [KIM]
    assert LINK in taken.body("plain")
    assert mail_id in taken.mail["Message-ID"]
    done = await state(store)
    assert (done.status, done.attempts, done.delivered_at_us is not None) == (MailState.DELIVERED, 1, True)
    assert await store.read(lambda c: c.scalar(select(table.c.sealed_message))) == b""


async def test_it_is_sealed_while_it_waits(store: Store) -> None:
    await post(store)
    found = (await store.read(lambda c: c.execute(select(table)))).one()
    assert "canary" not in repr(found)
    assert "canary" not in repr(MESSAGE)


async def test_what_is_rolled_back_is_not_told(store: Store) -> None:
    class Refused(Exception):
        pass

    async def work(connection) -> None:
        await outbox.post(connection, VAULT, MESSAGE, kind="test", recipient=KIM, organization_id="org_1")
        raise Refused

    with pytest.raises(Refused):
        await store.write(work)
    assert await store.read(lambda c: rows.list_mail(c, organization_id="org_1")) == []


async def test_of_many_senders_one_sends(store: Store) -> None:
    for number in range(5):
        await post(store, f"user{number}@example.com")
    sender = FakeSender(takes_s=0.02)
    await asyncio.gather(*[Delivery(store, VAULT, sender).deliver_due() for _ in range(4)])
    assert sorted(to for to, _, _ in sender.sent) == [f"user{number}@example.com" for number in range(5)]


async def test_a_fault_that_may_pass_is_tried_again_later_with_the_same_id(store: Store) -> None:
    mail_id = await post(store)
    sender = FakeSender(fault(is_permanent=False), fault(is_permanent=False))
    delivery = Delivery(store, VAULT, sender)
    before_us = now_us()
    assert await delivery.deliver_due() == 1
    assert await delivery.deliver_due() == 0  # not before its time
    waiting = await state(store)
    assert (waiting.status, waiting.attempts, "4xx" in waiting.failure) == (MailState.PENDING, 1, True)
    due_us = await store.read(lambda c: c.scalar(select(table.c.next_attempt_at_us)))
    assert due_us - before_us >= FIRST_WAIT_S * 1_000_000
    for _ in range(2):
        await make_due(store)
        await delivery.deliver_due()
    assert [each[2] for each in sender.sent] == [mail_id]
    assert (await state(store)).attempts == 3


async def test_a_refusal_for_good_ends_it(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    await post(store)
    with caplog.at_level(logging.INFO):
        await Delivery(store, VAULT, FakeSender(fault(is_permanent=True))).deliver_due()
    ended = await state(store)
    assert (ended.status, ended.attempts) == (MailState.DEAD, 1)
    assert "given up" in caplog.text
    assert "canary" not in caplog.text


@ONLY_SQLITE
async def test_it_is_given_up_after_the_last_attempt(store: Store) -> None:
    await post(store)
    delivery = Delivery(store, VAULT, FakeSender(*[fault(is_permanent=False)] * 20))
    for _ in range(ATTEMPTS_MAX + 3):
        await make_due(store)
        await delivery.deliver_due()
    assert ((await state(store)).status, (await state(store)).attempts) == (MailState.DEAD, ATTEMPTS_MAX)


def test_the_waits_grow_to_a_bound() -> None:
    waits = [wait_after(attempts) for attempts in range(1, ATTEMPTS_MAX)]
    assert waits[:3] == [30, 60, 120]
    assert waits == sorted(waits)
    assert max(waits) == WAIT_MAX_S
    assert 6 * 3600 < sum(waits) < 12 * 3600


async def test_a_sender_that_died_leaves_its_mail_to_the_next(store: Store) -> None:
    mail_id = await post(store)
    died = await store.write(lambda c: rows.claim_mail(c, mail_id, now_us=now_us(), claim_us=60_000_000))
    assert died is not None
    sender = FakeSender()
    delivery = Delivery(store, VAULT, sender)
    assert await delivery.deliver_due() == 0  # it may still be at work
    await make_due(store)
    assert await delivery.deliver_due() == 1
    assert len(sender.sent) == 1
    late = await store.write(lambda c: rows.try_again(c, died, next_attempt_at_us=now_us(), failure="woke up too late"))
    assert not late
    assert (await state(store)).status is MailState.DELIVERED


async def test_who_wakes_up_late_does_not_meddle_with_the_next_senders_mail(store: Store) -> None:
    mail_id = await post(store)
    claims = []
    for _ in range(2):
        await make_due(store)
        claims.append(await store.write(lambda c: rows.claim_mail(c, mail_id, now_us=now_us(), claim_us=60_000_000)))
    late, current = claims
    assert late is not None
    assert current is not None
    assert not await store.write(lambda c: rows.finish_mail(c, late, MailState.DEAD, now_us=1))
    assert (await state(store)).status is MailState.SENDING
    assert await store.write(lambda c: rows.finish_mail(c, current, MailState.DELIVERED, now_us=1))


async def test_without_a_mail_server_it_says_so_once_and_tells_no_link(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await post(store)
    delivery = Delivery(store, VAULT, None)
    with caplog.at_level(logging.INFO):
        await delivery.deliver_due()
        await post(store, "lee@example.com")
        await delivery.deliver_due()
    states = await store.read(lambda c: rows.list_mail(c, organization_id="org_1"))
    assert [each.status for each in states] == [MailState.UNDELIVERABLE] * 2
    assert caplog.text.count("no mail server is configured") == 1
    assert "canary" not in caplog.text
    assert KIM not in caplog.text


@ONLY_SQLITE
async def test_one_that_cannot_be_opened_is_given_up_and_holds_up_no_other(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await post(store)
    await store.write(lambda c: c.execute(update(table).values(recipient="thief@example.com")))
    await post(store, "lee@example.com")
    sender = FakeSender()
    with caplog.at_level(logging.INFO):
        assert await Delivery(store, VAULT, sender).deliver_due() == 2
    assert [to for to, _, _ in sender.sent] == ["lee@example.com"]
    assert "cannot be opened" in caplog.text
