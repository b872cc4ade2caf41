"""Names that people chose cannot begin headers, become markup or links, or hide anything, in any mail."""

from __future__ import annotations

import re
import unicodedata
from email import policy
from email.headerregistry import Address
from email.parser import BytesParser

import pytest
from every_mail import LINK, READERS, WITH_NAMES, WRITERS, Page
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.kit.clock import utc
from tollkeeper.notify.foreign_text import NAME_LENGTH_MAX, shown
from tollkeeper.notify.message import Message
from tollkeeper.notify.mime import Envelope, to_bytes

HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
ENVELOPE = Envelope(Address("Tollkeeper", "t", "example.com"), "minji@example.com", "m1")
HOSTILE = [
    "Acme\r\nBcc: everyone@example.com",
    "Acme\nContent-Type: text/html\n\n<script>alert(1)</script>",
    "Acme\x0b\x0c\x1c\x85\u2028\u2029X-Evil: 1",
    "</td></tr></table><script>alert(1)</script>",
    '"><img src=https://evil.example/pixel.gif onerror="alert(1)">',
    "{title} {0} %s $HOME `id`",
    "see https://evil.example/login now",
    "www.evil.example",
    "evil.example/reset",
    "evil。example",
    "mail eve@evil.example",
    "http://1.2.3.4/x http://localhost/x",
    "\u202etxt.exe\u2066\u200f",
    "a\u200b\ufeff\u00adb",
    "\ud800 lone",
    "\x00\x1b[2J",
    "👩\u200d💻 팀",
    "x" * 10_000,
    "ㅎ" * 10_000,
    "\n\n\n",
    "",
    "--===============7036729933087537916==--",
    "=?utf-8?b?RXZpbA==?=",
    ".",
]
names = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=200))
URL = re.compile(r"https?://[^\s<>\"]+")
UNSEEN = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\xad\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff\\ud800-\\udfff]")
AUTOLINK = re.compile(r"(?:[a-z]+:[/\\]{1,2}[\w\[]|\w[.。．｡][a-z가-힣]{2})", re.IGNORECASE)


@pytest.mark.parametrize("language", READERS)
@pytest.mark.parametrize("kind", WITH_NAMES)
def test_no_name_begins_a_header(kind, language):
    @given(names)
    def holds(name):
        message = WRITERS[kind](READERS[language], name)
        assert len(message.subject.splitlines()) == 1
        raw = to_bytes(message, ENVELOPE, at=utc(0))
        arrived = BytesParser(policy=policy.default).parsebytes(raw)
        assert sorted(arrived.keys()) == sorted(HEADERS)
        assert arrived["Subject"] == message.subject
        assert arrived["To"] == "minji@example.com"
        assert [part.get_content_type() for part in arrived.iter_parts()] == ["text/plain", "text/html"]

    holds()


@pytest.mark.parametrize("length", range(1, 80))
def test_a_folded_korean_subject_keeps_its_spaces(length):
    subject = "[Tollkeeper] " + ("김민지님의 API 키 3개가 비활성화 되었습니다 " * 3)[:length].strip()
    raw = to_bytes(Message(subject, "t", "h"), ENVELOPE, at=utc(0))
    assert BytesParser(policy=policy.default).parsebytes(raw)["Subject"] == subject
    assert max(map(len, raw.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("kind", WITH_NAMES)
def test_no_name_becomes_markup(kind):
    expected = Page(WRITERS[kind](READERS["ko"], "Blue").html)

    @given(names)
    def holds(name):
        page = Page(WRITERS[kind](READERS["ko"], name).html)
        assert page.tags == expected.tags
        assert page.attributes == expected.attributes

    holds()


@pytest.mark.parametrize("kind", WITH_NAMES)
def test_no_name_becomes_a_link(kind):
    @given(names)
    def holds(name):
        message = WRITERS[kind](READERS["en"], name)
        page = Page(message.html)
        assert page.links == [LINK]
        for text in (message.text, page.text):
            assert {url for url in URL.findall(text) if not url.startswith("https://ai.example.com/gateway")} == set()

    holds()


@given(names)
def test_a_shown_name_is_one_bounded_line_that_is_no_link(name):
    text = shown(name)
    assert text
    assert len(text.replace("\u200b", "")) <= NAME_LENGTH_MAX
    assert not UNSEEN.search(text)
    assert text.split("\n") == [text]
    assert not AUTOLINK.search(text)
    text.encode("utf-8")


@pytest.mark.parametrize(
    "name", ["한빛소프트", "Söhne & Co", "R&D <beta>", "v1.5", "Kim, Minji", "50% off: yes", "👩\u200d💻 팀"]
)
def test_ordinary_names_stay_as_they_are(name):
    assert shown(name) == name


def test_what_is_shown_looks_like_what_was_meant():
    assert shown("  Acme \t\n Inc ").replace("\u200b", "") == "Acme Inc"
    assert shown("acme.com").replace("\u200b", "") == "acme.com"
    assert shown("\u202eabc") == "abc"
    assert shown("\u200e\n") == shown("") == "–"
    assert shown(unicodedata.normalize("NFD", "한빛")) == "한빛"  # as a Mac writes file names
    assert shown("x" * 200) == "x" * (NAME_LENGTH_MAX - 1) + "…"


@pytest.mark.parametrize("language", READERS)
@pytest.mark.parametrize("kind", WRITERS)
def test_html_loads_nothing_and_can_be_read_by_everybody(kind, language):
    message = WRITERS[kind](READERS[language], "Blue")
    page = Page(message.html)
    assert not {"img", "script", "link", "style", "iframe", "form", "base", "object", "svg"} & set(page.tags)
    assert {name for name, _ in page.attributes} <= {"lang", "charset", "name", "content", "style", "href", "scope"}
    assert "url(" not in message.html
    assert ("lang", language) in page.attributes
    assert page.tags.count("h1") == page.tags.count("title") == page.tags.count("a") == 1
    assert page.tags.count("th") == message.html.count('scope="row"')


@pytest.mark.parametrize("subject", ["a\nb", "a\rb", "a\x00", "a\u2028b"])
def test_a_subject_of_two_lines_is_a_bug_of_ours(subject):
    with pytest.raises(AssertionError):
        Message(subject, "", "")


def test_a_message_does_not_show_its_link():
    message = WRITERS["reset_password"](READERS["en"], "")
    assert "t0k-en_9" in message.text
    assert "t0k-en_9" not in f"{message!r} {message}"


@pytest.mark.parametrize("message_id", ["", "a b", "a\nb", "a>b", "a@b", "x" * 101])
def test_a_message_id_that_is_none_is_a_bug_of_ours(message_id):
    envelope = Envelope(ENVELOPE.sender, ENVELOPE.recipient, message_id)
    with pytest.raises(AssertionError):
        to_bytes(Message("s", "t", "h"), envelope, at=utc(0))
