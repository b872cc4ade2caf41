"""Messages for Slack and webhooks reach a real server: signed, once each, tried again, never where nobody may send them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator

import pytest
from hook_server import HookServer, hook_server
from sqlalchemy import select, update
from tests.tenancy.company import Company

from tollkeeper.control import alert_targets, alerts
from tollkeeper.control.alert_hooks import Hooks
from tollkeeper.control.alert_targets import MadeTarget, TargetChanges
from tollkeeper.control.outbox import ATTEMPTS_MAX, Delivery
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.networks import Networks
from tollkeeper.notify.hooks import HookClient
from tollkeeper.notify.not_delivered import NotDelivered
from tollkeeper.notify.slack import escaped
from tollkeeper.notify.webhook import SECRET_PREFIX, new_secret, sign
from tollkeeper.store.outbox import MailStatus
from tollkeeper.store.schema_alerts import alert_target
from tollkeeper.store.schema_control import outbox as table

OPENED = Networks(["127.0.0.0/8"])
PUBLIC_URL = "https://ai.example.com"


@pytest.fixture
async def hooks() -> AsyncIterator[HookServer]:
    async with hook_server() as server:
        yield server


def delivery(company: Company, networks: Networks | None = OPENED, *, timeout_s: float = 5.0) -> Delivery:
    client = HookClient(private_networks=networks, timeout_s=timeout_s)
    return Delivery(company.store, company.administration.secrets.vault, None, hooks=Hooks(lambda: client))


async def webhook(company: Company, server: HookServer, name: str = "ops") -> MadeTarget:
    made: MadeTarget = await company.change(
        None, alert_targets.create_target, name=name, kind="webhook", url=server.url
    )
    return made


async def send_test(company: Company, target_id: str) -> str:
    sent: str = await company.change(None, alert_targets.try_target, target_id, public_url=PUBLIC_URL)
    return sent


async def status(company: Company, delivery_id: str) -> MailStatus:
    every: list[MailStatus] = await company.look(None, alerts.list_deliveries)
    (found,) = [each for each in every if each.id == delivery_id]
    return found


async def make_due(company: Company) -> None:
    await company.store.write(lambda c: c.execute(update(table).values(next_attempt_at_us=0)))


def expected_signature(secret: str, posted_id: str, timestamp: str, body: bytes) -> str:
    """What the specification says, written down a second time."""
    key = base64.b64decode(secret[len("whsec_") :])
    content = posted_id.encode() + b"." + timestamp.encode() + b"." + body
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def test_the_signature_is_the_specifications_own() -> None:
    """The vector of the reference libraries of Standard Webhooks."""
    body = b'{"test": 2432232314}'
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    wanted = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == wanted
    made = new_secret()
    assert made.startswith(SECRET_PREFIX)
    assert len(base64.b64decode(made.removeprefix(SECRET_PREFIX))) == 32
    assert new_secret() != made


async def test_a_webhook_arrives_signed_and_once(company: Company, hooks: HookServer) -> None:
    made = await webhook(company, hooks)
    delivery_id = await send_test(company, made.target.id)
    assert await delivery(company).deliver_due() == 1
    assert await delivery(company).deliver_due() == 0
    (posted,) = hooks.taken
    assert posted.path == "/hook?token=t0ken-canary"
    assert posted.headers["host"] == f"127.0.0.1:{hooks.port}"
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["webhook-id"] == delivery_id
    at_s = posted.headers["webhook-timestamp"]
    assert abs(now_us() // 1_000_000 - int(at_s)) < 30
    wanted = "v1," + expected_signature(made.secret, delivery_id, at_s, posted.body)
    assert posted.headers["webhook-signature"] == wanted
    assert posted.json["type"] == "alert.test"
    assert posted.json["data"]["organization_id"] == company.id
    done = await status(company, delivery_id)
    assert (done.status, done.attempts, done.failure) == ("delivered", 1, "")


async def test_what_fails_is_tried_again_with_the_same_id_and_a_new_signature(
    company: Company, hooks: HookServer
) -> None:
    made = await webhook(company, hooks)
    delivery_id = await send_test(company, made.target.id)
    hooks.statuses = [500, 404]
    for _ in range(3):
        await delivery(company).deliver_due()
        await make_due(company)
    assert {posted.headers["webhook-id"] for posted in hooks.taken} == {delivery_id}
    done = await status(company, delivery_id)
    assert (done.status, done.attempts) == ("delivered", 3)


async def test_after_the_last_attempt_it_is_dead_until_somebody_retries(company: Company, hooks: HookServer) -> None:
    made = await webhook(company, hooks)
    delivery_id = await send_test(company, made.target.id)
    hooks.statuses = [503] * ATTEMPTS_MAX
    for _ in range(ATTEMPTS_MAX + 3):
        await delivery(company).deliver_due()
        await make_due(company)
    assert len(hooks.taken) == ATTEMPTS_MAX
    dead = await status(company, delivery_id)
    assert (dead.status, dead.failure) == ("dead", "the receiver answered 503")
    revived = await company.change(None, alerts.retry_delivery, delivery_id)
    assert revived.status == "pending"
    with pytest.raises(Conflict):
        await company.change(None, alerts.retry_delivery, delivery_id)
    await delivery(company).deliver_due()
    assert (await status(company, delivery_id)).status == "delivered"
    assert hooks.taken[-1].json == hooks.taken[0].json
    with pytest.raises(Conflict):
        await company.change(None, alerts.retry_delivery, delivery_id)


async def test_a_receiver_that_is_gone_is_not_asked_again(company: Company, hooks: HookServer) -> None:
    made = await webhook(company, hooks)
    delivery_id = await send_test(company, made.target.id)
    hooks.statuses = [410]
    await delivery(company).deliver_due()
    assert (await status(company, delivery_id)).status == "dead"


async def test_redirects_are_not_followed(company: Company, hooks: HookServer) -> None:
    async with hook_server() as elsewhere:
        hooks.location, hooks.statuses = elsewhere.url, [302]
        made = await webhook(company, hooks)
        delivery_id = await send_test(company, made.target.id)
        await delivery(company).deliver_due()
        assert elsewhere.taken == []
    assert (await status(company, delivery_id)).failure == "the receiver answered 302"


async def test_what_the_operator_did_not_open_is_not_connected_to(company: Company, hooks: HookServer) -> None:
    made = await webhook(company, hooks)
    delivery_id = await send_test(company, made.target.id)
    await delivery(company, None).deliver_due()
    assert hooks.taken == []
    dead = await status(company, delivery_id)
    assert (dead.status, dead.failure) == ("dead", "the address of 127.0.0.1 may not be used")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/x",
        "https://10.0.0.1/x",
        "http://0x7f.1/x",
    ],
)
async def test_private_addresses_are_refused_however_they_are_written(url: str) -> None:
    with pytest.raises(NotDelivered) as refused:
        await HookClient(timeout_s=2).post(url, b"{}", {})
    assert refused.value.is_permanent or "not known" in refused.value.reason


async def test_plain_http_is_for_opened_networks_only(monkeypatch: pytest.MonkeyPatch) -> None:
    client = HookClient(timeout_s=2)

    async def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", ("93.184.216.34", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    with pytest.raises(NotDelivered, match="must be reached by https") as refused:
        await client.post("http://hooks.example.com/x", b"{}", {})
    assert refused.value.is_permanent


async def test_a_name_is_resolved_once_and_the_certificate_must_be_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look-up could lead elsewhere; the address that was checked is the one that is connected to."""
    authority, context = _authority("hooks.example.com")
    async with hook_server(context) as server:
        resolved = []

        async def resolve(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
            resolved.append(host)
            return [(2, 1, 6, "", ("127.0.0.1", server.port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        client = HookClient(private_networks=OPENED, tls=authority, timeout_s=5)
        assert await client.post(f"https://hooks.example.com:{server.port}/x", b"{}", {}) == 200
        assert resolved[0] == "hooks.example.com"
        assert set(resolved[1:]) <= {"127.0.0.1"}
        assert server.taken[0].headers["host"] == f"hooks.example.com:{server.port}"
        with pytest.raises(NotDelivered, match="cannot be reached"):
            await client.post(f"https://other.example.com:{server.port}/x", b"{}", {})


async def test_who_never_answers_is_given_up_in_time(company: Company, hooks: HookServer) -> None:
    made = await webhook(company, hooks)
    delivery_id = await send_test(company, made.target.id)
    hooks.hangs = True
    await delivery(company, timeout_s=0.2).deliver_due()
    waiting = await status(company, delivery_id)
    assert (waiting.status, waiting.failure) == ("pending", "127.0.0.1 did not answer within 0.2 s")


async def test_nothing_of_a_target_is_told_by_its_failures(company: Company, hooks: HookServer) -> None:
    made = await webhook(company, hooks)
    delivery_id = await send_test(company, made.target.id)
    hooks.statuses = [500]
    await delivery(company).deliver_due()
    row = (await company.store.read(lambda c: c.execute(select(alert_target)))).one()
    shown = repr([row, made, await status(company, delivery_id), await company.events()])
    for secret in ("t0ken-canary", made.secret, "SECRET-OK"):
        assert secret not in shown
    assert made.target.url_hint == f"http://127.0.0.1:{hooks.port}/…nary"


async def test_a_deleted_or_disabled_target_gets_nothing_any_more(company: Company, hooks: HookServer) -> None:
    made = await webhook(company, hooks)
    first, second = await send_test(company, made.target.id), await send_test(company, made.target.id)
    await company.change(None, alert_targets.change_target, made.target.id, TargetChanges(is_enabled=False))
    with pytest.raises(Conflict):
        await send_test(company, made.target.id)
    await delivery(company).deliver_due()
    await company.change(None, alert_targets.delete_target, made.target.id)
    assert hooks.taken == []
    assert (await status(company, first)).status == (await status(company, second)).status == "undeliverable"
    with pytest.raises(NotFound):
        await company.change(None, alert_targets.delete_target, made.target.id)


async def test_a_new_secret_signs_from_then_on(company: Company, hooks: HookServer) -> None:
    made = await webhook(company, hooks)
    delivery_id = await send_test(company, made.target.id)
    changed = await company.change(
        None, alert_targets.change_target, made.target.id, TargetChanges(has_new_secret=True)
    )
    assert changed.secret not in {"", made.secret}
    await delivery(company).deliver_due()
    headers = hooks.taken[0].headers
    wanted = expected_signature(changed.secret, delivery_id, headers["webhook-timestamp"], hooks.taken[0].body)
    assert headers["webhook-signature"] == f"v1,{wanted}"
    renamed = await company.change(None, alert_targets.change_target, made.target.id, TargetChanges(name="new"))
    assert (renamed.secret, renamed.target.name) == ("", "new")


def test_slack_texts_mention_and_link_nothing() -> None:
    assert (
        escaped("<!channel> & <http://evil.example|here>") == "&lt;!channel&gt; &amp; &lt;http://evil.example|here&gt;"
    )


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("slack", "http://hooks.slack.com/services/T/B/x"),
        ("webhook", "ftp://host/x"),
        ("webhook", "https://user:word@host/x"),
        ("webhook", "https:///x"),
        ("webhook", "https://host/x#y"),
        ("webhook", "https://host/x y"),
        ("webhook", "https://host:0/x"),
        ("webhook", "https://호스트.example/x"),
        ("webhook", "https://host/" + "x" * 2048),
        ("webhook", "not a url"),
    ],
)
async def test_urls_that_cannot_be_are_refused_without_being_repeated(company: Company, kind: str, url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await company.change(None, alert_targets.create_target, name="ops", kind=kind, url=url)
    assert url not in refused.value.message


def _authority(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    import trustme

    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return trusting, serving
