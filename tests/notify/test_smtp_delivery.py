"""What arrives at a real mail server: the same words in both languages, over an encrypted and checked connection."""

from __future__ import annotations

import subprocess
import sys
from email.utils import parsedate_to_datetime

import pytest
from mail_server import PASSWORD, USERNAME, Authority, MailServer, Taken, serving

from tollkeeper.kit.clock import now_us, utc
from tollkeeper.notify.message import Message
from tollkeeper.notify.messages import Invitation, invitation
from tollkeeper.notify.reader import Reader
from tollkeeper.notify.smtp import SmtpSender, SmtpSettings

TO = "minji@example.com"
INVITED = Invitation(
    organization="한빛소프트 <연구소> & Söhne",
    inviter="김민지 (Kim Minji)",
    role="developer",
    team="검색 품질 개선을 위한 아주 긴 이름을 가진 팀",
    valid_until_us=1_796_083_200_000_000,
)
MESSAGES = {
    "en": invitation(Reader("en", "America/New_York", "https://ai.example.com"), INVITED, path="/invitations/t0ken"),
    "ko": invitation(Reader("ko", "Asia/Seoul", "https://ai.example.com"), INVITED, path="/invitations/t0ken"),
}


def sender_to(server: MailServer, authority: Authority, **settings: object) -> SmtpSender:
    values = {
        "host": "127.0.0.1",
        "port": server.port,
        "username": USERNAME,
        "password": PASSWORD,
        "sender": "Tollkeeper <tollkeeper@ai.example.com>",
        "timeout_s": 10.0,
        "ca_file": authority.ca_file,
    }
    return SmtpSender(SmtpSettings(**{**values, **settings}))


async def delivered(authority: Authority, message: Message, **settings: object) -> Taken:
    with serving(tls_context=authority.server("127.0.0.1"), auth_required=True) as server:
        await sender_to(server, authority, **settings).send(TO, message, message_id="mail_7Hq2")
    [taken] = server.taken
    return taken


@pytest.mark.parametrize("language", ["en", "ko"])
async def test_text_html_and_subject_arrive_as_they_were_written(authority, language):
    message = MESSAGES[language]
    taken = await delivered(authority, message)
    assert taken.mail["Subject"] == message.subject
    assert taken.body("plain") == message.text
    assert taken.body("html") == message.html
    assert taken.mail.get_content_type() == "multipart/alternative"
    kinds = [part.get_content_type() for part in taken.mail.iter_parts()]
    assert kinds == ["text/plain", "text/html"]  # the last one is the one that is preferred
    assert {part.get_content_charset() for part in taken.mail.iter_parts()} == {"utf-8"}
    assert taken.mail.defects == []


async def test_envelope_and_headers_name_sender_and_recipient(authority):
    taken = await delivered(authority, MESSAGES["ko"])
    assert (taken.sender, taken.recipients) == ("tollkeeper@ai.example.com", [TO])
    assert (taken.mail["From"], taken.mail["To"]) == ("Tollkeeper <tollkeeper@ai.example.com>", TO)
    assert taken.greeted_as == "ai.example.com"
    assert taken.is_logged_in
    assert taken.mail["Auto-Submitted"] == "auto-generated"
    assert abs((parsedate_to_datetime(taken.mail["Date"]) - utc(now_us())).total_seconds()) < 60


async def test_every_byte_that_travels_is_ascii_in_short_lines(authority):
    raw = (await delivered(authority, MESSAGES["ko"])).raw
    assert raw.isascii()
    assert b"=?utf-8?" in raw
    assert max(map(len, raw.splitlines())) <= 78


async def test_two_attempts_at_one_mail_have_one_message_id(authority):
    first, second = [await delivered(authority, MESSAGES["en"]) for _ in range(2)]
    assert first.mail["Message-ID"] == second.mail["Message-ID"] == "<mail_7Hq2@ai.example.com>"


async def test_a_connection_that_is_encrypted_from_the_start_delivers(authority):
    context = authority.server("127.0.0.1")
    with serving(ssl_context=context, auth_require_tls=False) as server:
        await sender_to(server, authority, security="tls").send(TO, MESSAGES["ko"], message_id="m1")
    assert [taken.is_logged_in for taken in server.taken] == [True]


async def test_a_server_without_encryption_and_login_is_served_when_that_is_set(authority):
    with serving() as server:
        sender = sender_to(server, authority, security="none", username="", password="")
        await sender.send(TO, MESSAGES["en"], message_id="m1")
    assert "STARTTLS" not in server.commands
    assert "AUTH" not in server.commands
    assert len(server.taken) == 1


async def test_login_comes_after_encryption(authority):
    with serving(tls_context=authority.server("127.0.0.1")) as server:
        await sender_to(server, authority).send(TO, MESSAGES["en"], message_id="m1")
    steps = ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "content", "QUIT"]
    assert [step for step in server.commands if step != "greeting"] == steps


async def test_a_korean_sender_name_arrives(authority):
    taken = await delivered(authority, MESSAGES["ko"], sender="한빛소프트 톨키퍼 <tollkeeper@example.com>")
    assert taken.mail["From"].addresses[0].display_name == "한빛소프트 톨키퍼"
    assert taken.sender == "tollkeeper@example.com"


async def test_an_international_domain_travels_in_ascii(authority):
    with serving() as server:
        sender = sender_to(server, authority, security="none", username="")
        await sender.send("minji@한국.example", MESSAGES["ko"], message_id="m1")
    assert server.taken[0].recipients == ["minji@xn--3e0b707e.example"]
    assert server.taken[0].mail["To"] == "minji@xn--3e0b707e.example"


async def test_a_very_long_address_arrives_whole(authority):
    address = f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 50}.example"
    with serving() as server:
        sender = sender_to(server, authority, security="none", username="")
        await sender.send(address, MESSAGES["ko"], message_id="m1")
    assert server.taken[0].recipients == [address]
    assert server.taken[0].mail["To"] == address


async def test_lines_of_one_dot_arrive_whole(authority):
    taken = await delivered(authority, Message("dots", "one\n.\n..\n.two\n", "<p>\n.\n</p>\n"))
    assert taken.body("plain") == "one\n.\n..\n.two\n"
    assert taken.body("html") == "<p>\n.\n</p>\n"


async def test_each_mail_has_a_connection_of_its_own(authority):
    with serving(tls_context=authority.server("127.0.0.1")) as server:
        sender = sender_to(server, authority)
        await sender.send(TO, MESSAGES["en"], message_id="m1")
        await sender.send(TO, MESSAGES["ko"], message_id="m2")
    assert [taken.mail["Message-ID"] for taken in server.taken] == ["<m1@ai.example.com>", "<m2@ai.example.com>"]
    assert server.commands.count("QUIT") == 2


def test_what_sends_mail_is_loaded_with_the_first_mail_only():
    program = "import sys, tollkeeper.notify.smtp, tollkeeper.notify.messages; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"aiosmtplib", "email_validator", "email.mime.text"} & set(done.stdout.split())
