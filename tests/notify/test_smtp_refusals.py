"""What becomes of a mail that the server does not take: try again or give up, in time, and without telling secrets."""

from __future__ import annotations

import asyncio
import base64
import socket
import time
import traceback

import pytest
from mail_server import CONTENT, ECHO, GREETING, HANG, HANG_UP, PASSWORD, PAUSE, USERNAME, Authority, Script, serving

from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.notify.message import Message
from tollkeeper.notify.not_delivered import REASON_LENGTH_MAX, NotDelivered
from tollkeeper.notify.smtp import SmtpSender, SmtpSettings

TO = "minji@example.com"
MESSAGE = Message("Reset", "https://ai.example.com/reset?token=s3cr3t-t0ken\n", "<p>s3cr3t-t0ken</p>\n")
STEPS_OF_A_MAIL = ("MAIL", "RCPT", "DATA", CONTENT)
STEPS_BEFORE = (GREETING, "EHLO", "STARTTLS", "AUTH")


def sender(port: int, authority: Authority | None = None, **settings: object) -> SmtpSender:
    """Encrypt and log in when there is an authority to trust."""
    values: dict[str, object] = {"host": "127.0.0.1", "port": port, "sender": "a@example.com", "timeout_s": 10.0}
    if authority is None:
        values["security"] = "none"
    else:
        values |= {"username": USERNAME, "password": PASSWORD, "ca_file": authority.ca_file}
    return SmtpSender(SmtpSettings(**{**values, **settings}))


async def refusal(mailer: SmtpSender, to: str = TO) -> NotDelivered:
    with pytest.raises(NotDelivered) as raised:
        await mailer.send(to, MESSAGE, message_id="m1")
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(mailer._settings)
    hidden = (PASSWORD, base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode(), "s3cr3t-t0ken")
    assert not [secret for secret in hidden if secret in shown]
    return raised.value


async def refusal_by(script: Script, authority: Authority, **settings: object) -> NotDelivered:
    with serving(script, tls_context=authority.server("127.0.0.1")) as server:
        refused = await refusal(sender(server.port, authority, **settings))
    assert server.taken == [] or CONTENT in script
    return refused


@pytest.mark.parametrize("step", STEPS_OF_A_MAIL)
async def test_a_mail_that_is_refused_with_5xx_is_given_up(authority, step):
    refused = await refusal_by({step: ("550 5.7.1 we do not want this",)}, authority)
    assert refused.is_permanent
    assert refused.reason.endswith("answered 550 5.7.1 we do not want this")


@pytest.mark.parametrize("step", STEPS_OF_A_MAIL)
@pytest.mark.parametrize("code", [421, 451])
async def test_a_mail_that_is_refused_with_4xx_is_worth_another_attempt(authority, step, code):
    refused = await refusal_by({step: (f"{code} 4.3.0 later",)}, authority)
    assert not refused.is_permanent
    assert refused.reason.endswith(f"answered {code} 4.3.0 later")


@pytest.mark.parametrize("step", STEPS_BEFORE)
@pytest.mark.parametrize("answer", ["454 4.7.0 later", "554 5.7.0 never"])
async def test_a_refusal_before_the_mail_was_named_is_not_the_mails_fault(authority, step, answer):
    refused = await refusal_by(
        {step: (answer, HANG_UP) if step == GREETING else (answer,), "HELO": (answer,)}, authority
    )
    assert not refused.is_permanent
    assert answer[:3] in refused.reason


async def test_a_wrong_password_is_told_without_it(authority):
    refused = await refusal_by({}, authority, password="wrong one")
    assert refused.reason.endswith("refused the login (code 535)")
    assert not refused.is_permanent


async def test_a_server_that_repeats_the_login_does_not_make_us_repeat_it(authority):
    context = authority.server("127.0.0.1")
    with serving({"AUTH": (ECHO,)}, tls_context=context, auth_exclude_mechanism=["LOGIN"]) as server:
        refused = await refusal(sender(server.port, authority))
    assert refused.reason.endswith("refused the login (code 535)")


@pytest.mark.parametrize("step", [*STEPS_BEFORE, *STEPS_OF_A_MAIL])
async def test_a_server_that_hangs_is_left_at_the_deadline(authority, step):
    began = time.monotonic()
    refused = await refusal_by({step: (HANG,)}, authority, timeout_s=1.0)
    assert refused.reason.endswith("did not answer within 1 s")
    assert not refused.is_permanent
    assert time.monotonic() - began < 8


async def test_a_server_that_drips_is_left_at_the_deadline_too(authority):
    drip = tuple(part for _ in range(100) for part in ("250-x", PAUSE))
    refused = await refusal_by({"MAIL": drip}, authority, timeout_s=1.0)
    assert refused.reason.endswith("did not answer within 1 s")


async def test_a_server_that_hangs_after_it_took_the_mail_has_taken_it(authority, monkeypatch):
    monkeypatch.setattr("tollkeeper.notify.smtp.QUIT_TIMEOUT_S", 0.2)
    for action in (HANG, HANG_UP, "421 4.3.2 shutting down"):
        with serving({"QUIT": (action,)}, tls_context=authority.server("127.0.0.1")) as server:
            await sender(server.port, authority).send(TO, MESSAGE, message_id="m1")
        assert len(server.taken) == 1


@pytest.mark.parametrize("step", [*STEPS_BEFORE, *STEPS_OF_A_MAIL])
async def test_a_server_that_hangs_up_is_worth_another_attempt(authority, step):
    refused = await refusal_by({step: (HANG_UP,)}, authority)
    assert not refused.is_permanent


async def test_a_server_that_hangs_up_in_the_middle_of_a_mail_is_worth_another_attempt(authority):
    refused = await refusal_by({"DATA": ("354 go ahead", HANG_UP)}, authority)
    assert not refused.is_permanent
    assert refused.reason.endswith("hung up")


async def test_a_server_without_starttls_gets_neither_login_nor_mail(authority):
    with serving(auth_require_tls=False) as server:
        refused = await refusal(sender(server.port, authority))
    assert "STARTTLS" in refused.reason
    assert not refused.is_permanent
    assert not {"AUTH", "MAIL", "RCPT", "DATA"} & set(server.commands)


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("fault", ["unknown authority", "other name"])
async def test_a_certificate_that_is_not_the_servers_gets_neither_login_nor_mail(authority, nowhere, security, fault):
    context = authority.server("127.0.0.1" if fault == "unknown authority" else "mail.example.com")
    served = {"tls_context": context} if security == "starttls" else {"ssl_context": context}
    ca_file = nowhere if fault == "unknown authority" else authority.ca_file
    with serving(**served) as server:
        refused = await refusal(sender(server.port, authority, security=security, ca_file=ca_file))
    assert "certificate" in refused.reason
    assert not refused.is_permanent
    assert not {"AUTH", "MAIL", "RCPT", "DATA"} & set(server.commands)


async def test_protections_that_do_not_match_are_told_as_the_manual_says(authority):
    with serving(tls_context=authority.server("127.0.0.1")) as server:
        refused = await refusal(sender(server.port, authority, security="tls"))
    assert "wrong version number" in refused.reason.lower()
    with serving(ssl_context=authority.server("127.0.0.1")) as server:
        refused = await refusal(sender(server.port, authority, timeout_s=0.5))
    assert "did not answer within 0.5 s" in refused.reason


async def test_nobody_there_is_worth_another_attempt():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        refused = await refusal(sender(taken.getsockname()[1]))
    assert not refused.is_permanent
    assert "127.0.0.1" in refused.reason


@pytest.mark.parametrize("host", ["mail..example.com", "nowhere.invalid", "x" * 70 + ".example"])
async def test_a_host_that_is_no_host_is_told(host):
    refused = await refusal(sender(587, host=host))
    assert host in refused.reason
    assert not refused.is_permanent


async def test_a_missing_authority_file_is_told(authority, tmp_path):
    refused = await refusal_by({}, authority, ca_file=tmp_path / "gone.pem")
    assert "No such file" in refused.reason


@pytest.mark.parametrize("answer", ["HTTP/1.1 400 Bad Request", "\x00\x1b[31m\x07", "\u202e250", "é"])
async def test_a_server_that_speaks_something_else_is_told_in_one_printable_line(answer):
    with serving({"MAIL": (answer, HANG_UP)}) as server:
        refused = await refusal(sender(server.port))
    assert refused.reason.isprintable()


async def test_a_long_answer_is_cut(authority):
    refused = await refusal_by({"RCPT": (*["550-no " + "x" * 400] * 20, "550 no\x1b[2J\u202e")}, authority)
    assert len(refused.reason) == REASON_LENGTH_MAX
    assert refused.is_permanent
    assert refused.reason.isprintable()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "minji",
        "@example.com",
        "minji@",
        "minji@example.com\nBcc: all@example.com",
        "minji@example.com\r\nRCPT TO:<eve@example.com>",
        "minji\r@example.com",
        "minji@example.com> SIZE=1",
        "minji@example.com, eve@example.com",
        "minji@example.com eve@example.com",
        "Minji <minji@example.com>",
        "<minji@example.com>",
        "minji@exa\u0000mple.com",
        "minji@example.com\u2028",
        "민지@example.com",
        f"minji@{'a.' * 150}com",
        '"a b"@example.com',
    ],
)
async def test_what_is_no_address_reaches_no_server(address):
    with serving() as server:
        refused = await refusal(sender(server.port), to=address)
    assert refused.is_permanent
    assert refused.reason.isprintable()
    assert server.commands == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Tollkeeper",
        "a@b@c",
        "a@example.com\nBcc: b@example.com",
        "Toll <keeper>",
        "a@example.com, b@example.com",
        "Toll\nBcc: b@example.com <a@example.com>",
        "Toll\x00 <a@example.com>",
    ],
)
def test_a_sender_that_is_no_address_is_a_wrong_setting(text):
    with pytest.raises(ConfigurationError, match=r"email\.sender"):
        SmtpSender(SmtpSettings(host="127.0.0.1", sender=text))


@pytest.mark.parametrize("step", ["MAIL", CONTENT])
async def test_a_server_that_did_not_take_the_mail_is_hung_up_on(authority, step):
    with serving({step: ("451 later",)}, tls_context=authority.server("127.0.0.1")) as server:
        await refusal(sender(server.port, authority))
        async with asyncio.timeout(5):
            while server.connections_lost == 0:
                await asyncio.sleep(0.01)


async def test_cancelling_leaves_the_server_at_once(authority):
    with serving({"MAIL": (HANG,)}, tls_context=authority.server("127.0.0.1")) as server:
        sending = asyncio.ensure_future(sender(server.port, authority).send(TO, MESSAGE, message_id="m1"))
        while "MAIL" not in server.commands:
            await asyncio.sleep(0.01)
        sending.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await sending
            while server.connections_lost == 0:
                await asyncio.sleep(0.01)


def test_settings_do_not_show_their_password():
    settings = SmtpSettings(host="mail.example.com", username="u", password=PASSWORD, sender="a@example.com")
    assert PASSWORD not in repr(settings)
    assert PASSWORD not in repr(SmtpSender(settings).__dict__)
