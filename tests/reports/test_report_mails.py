"""The e-mail of a report: the same figures in both parts and languages, small, without links or markup of anybody else's."""

from __future__ import annotations

import re
from datetime import date
from email.headerregistry import Address
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reports.report_factories import a_content, line, sums

from tollkeeper.domain.currency import DisplayCurrency, convert
from tollkeeper.domain.money import round_usd
from tollkeeper.domain.report import LINES_MAX, Breakdown, ReportContent, ReportDay, Sums
from tollkeeper.kit.clock import utc
from tollkeeper.notify.message import Message
from tollkeeper.notify.mime import Envelope, to_bytes
from tollkeeper.notify.reader import Reader
from tollkeeper.notify.report_messages import Beside, report_email
from tollkeeper.notify.report_words import WORDS

URL = "https://ai.example.com/gateway"
READERS = {"en": Reader("en", "Asia/Seoul", URL), "ko": Reader("ko", "Asia/Seoul", URL)}
HTML_BYTES_MAX = 100_000
HOSTILE = [
    "</td></tr></table><script>alert(1)</script>",
    '"><img src=https://evil.example/pixel.gif onerror="alert(1)">',
    "Acme\r\nBcc: everyone@example.com",
    "see https://evil.example/login now",
    "www.evil.example",
    "{title} {0} %s $HOME",
    "\u202etxt.exe\u2066\u200f",
    "שלום עולם",
    "مرحبا",
    "👩\u200d💻 팀" * 40,
    "x" * 10_000,
    "ㅎ" * 10_000,
    '"' * 10_000,
    "\ud800 lone",
    "\x00\x1b[2J",
    "\n",
    "=?utf-8?b?RXZpbA==?=",
]
names = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=200))
FOREIGN = re.compile(r"https?://(?!ai\.example\.com/gateway)[^\s<>\"\u200b]+")
UNSEEN = re.compile("[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")


class Page(HTMLParser):
    """A page taken apart: its tags in order, its links, its attributes' names, and what a person reads."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.links: list[str | None] = []
        self._open: list[str] = []
        self._texts: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        return "\n".join(each.strip() for each in self._texts if each.strip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name in {"href", "src", "background"}]
        if tag not in {"meta", "br", "hr"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"title", "style"} & set(self._open):
            self._texts.append(data)


def write(content: ReportContent, language: str = "en") -> Message:
    return report_email(READERS[language], content, report_id="rep_4fG7", path="/")


@pytest.mark.parametrize("language", READERS)
def test_every_figure_of_the_text_is_in_the_html(language):
    message = write(a_content("Blue"), language)
    shown = Page(message.html).text
    figures = re.findall(r"[+−±<]?\$?[0-9][0-9,]*(?:\.[0-9]+)?", message.text.partition("https://")[0])
    assert len(figures) > 40
    assert [each for each in figures if each not in shown] == []


def test_amounts_and_changes_are_written_out():
    text = write(a_content("Blue")).text
    for expected in (
        "Weekly report\nBlue\n2–8 November 2026",
        "$16.00\n+$1.00 (+6.7 %) against the week before ($15.00)",
        "  Calls: 120 (1 failed)",
        "  $5.00  +66.7 %  Blue",
        "  $1.00  −50.0 %  3 others",
        "$90.00 of $100.00 used · Blue · $130.00 expected at this pace · calls are stopped",
        "2 more budgets are at risk.",
        "No price is known for 3 of 120 calls; no amount here holds them.",
        "The cost of 5 calls is estimated: $1.00.",
        "tollkeeper reports show rep_4fG7",
    ):
        assert expected in text, text


def test_korean_says_it_too():
    message = write(a_content("한빛"), "ko")
    assert message.subject == "[Tollkeeper] 주간 보고서: 한빛, 2026년 11월 2일 ~ 8일"
    for expected in (
        "전주($15.00) 대비 +$1.00 (+6.7 %)",
        "모델별",
        "11월 2일 (월)",
        "호출 120건 중 3건",
        "호출 중지됨",
    ):
        assert expected in message.text, message.text


@pytest.mark.parametrize("language", READERS)
def test_amounts_stand_in_the_organizations_other_currency_too_and_the_rate_once(language):
    won = DisplayCurrency("KRW", 1_400_000_000, "2026-11-06", "see https://evil.example/rates")
    beside = Beside(won, lambda nanos: f"₩{convert(nanos, won.rate_micros, 0):,}")
    message = report_email(READERS[language], a_content("Blue"), report_id="rep_4fG7", path="/", beside=beside)
    for text in (message.text, Page(message.html).text):
        assert text.count("1 USD = 1400 KRW") == 1
        assert "2026-11-06" in text
        assert "≈ ₩22,400" in text, "the total"
        assert text.count("≈ ₩7,000") > 1, "the lines"
        assert not FOREIGN.findall(text), "where the rate is from leads nowhere"
    assert "≈" not in write(a_content("Blue"), language).text


def test_every_word_is_there_in_both_languages():
    for words in WORDS.values():
        for name in words.__struct_fields__:
            assert getattr(words, name), name
    assert {*WORDS["en"].scopes} == {*WORDS["ko"].scopes}


@pytest.mark.parametrize("language", READERS)
def test_what_is_new_unknown_or_nothing_is_said_and_not_reckoned(language):
    new = write(a_content(before=Sums()), language)
    assert ("There were no calls the week before." if language == "en" else "전주에는 호출이 없었습니다.") in new.text
    unknown = write(a_content(total=sums(0, 5, unpriced=5)), language)
    assert ("\n\nno price\n" if language == "en" else "\n\n가격 없음\n") in unknown.text
    nothing = write(a_content(total=Sums(), before=Sums(), estimated=Sums(), budgets=(), budgets_more=0), language)
    assert ("and none in the period before" if language == "en" else "그 직전 기간에 호출이 없었습니다") in nothing.text
    assert "$" not in nothing.text
    assert "<table" in nothing.html


@pytest.mark.parametrize("language", READERS)
def test_a_model_whose_only_priced_calls_failed_unbilled_has_no_amount(language):
    won = DisplayCurrency("KRW", 1_400_000_000, "2026-11-06", "test")
    beside = Beside(won, lambda nanos: f"₩{convert(nanos, won.rate_micros, 0):,}")
    part = Breakdown((line("gpt-4o", sums(10**10)), line("house-llm", sums(0, 5, unpriced=3))))
    content = a_content("Blue", models=part, risen=(), fallen=())
    message = report_email(READERS[language], content, report_id="rep_4fG7", path="/", beside=beside)
    row = next(each for each in message.text.splitlines() if each.endswith("house-llm"))
    assert row.split()[:-1] == (["no", "price", "new"] if language == "en" else ["가격", "없음", "신규"])
    assert "$0.00" not in message.html


@pytest.mark.parametrize("language", READERS)
def test_no_name_becomes_markup_a_link_or_a_header(language):
    expected = Page(write(a_content("Blue"), language).html)

    @given(names)
    @settings(max_examples=60)
    def holds(name):
        message = write(a_content(name), language)
        page = Page(message.html)
        assert page.tags == expected.tags
        assert page.links == [f"{URL}/"]
        assert page.names == expected.names
        for text in (message.text, page.text):
            assert FOREIGN.findall(text) == []
            assert not UNSEEN.search(text)
        raw = to_bytes(message, Envelope(Address("T", "t", "example.com"), "a@example.com", "m1"), at=utc(0))
        assert b"\nBcc:" not in raw

    holds()


@pytest.mark.parametrize("name", HOSTILE)
def test_the_largest_report_is_small(name):
    lines = tuple(line(f"{name}{at}", sums(10**15 + at), sums(10**14), name=name) for at in range(LINES_MAX))
    part = Breakdown(lines, 999, sums(10**15), sums(10**15))
    days = tuple(ReportDay(f"2026-10-{day:02}", sums(10**14 * day)) for day in range(1, 32))
    content = a_content(name, lines=10, days=days, kind="monthly", models=part, teams=part, projects=part)
    movers = (content.risen[:1] * 5, content.fallen[:1] * 5)
    content = msgspec.structs.replace(content, risen=movers[0], fallen=movers[1])
    for language in READERS:
        message = write(content, language)
        assert len(message.html.encode()) <= HTML_BYTES_MAX, len(message.html.encode())
        assert len(message.text.encode()) <= HTML_BYTES_MAX


def test_the_html_asks_nothing_of_anybody():
    html = write(a_content("Blue")).html
    page = Page(html)
    assert not {"img", "script", "link", "iframe", "form", "base", "object", "svg"} & set(page.tags)
    assert "url(" not in html
    assert "@import" not in html
    assert page.tags.count("h1") == page.tags.count("title") == page.tags.count("a") == 1
    assert html.count("<bdi>") == page.tags.count("bdi") > 10
    assert 'name="color-scheme" content="light dark"' in html


def test_amounts_stand_at_the_right_and_bars_are_cells():
    html = write(a_content("Blue")).html
    assert re.search(r'<td [^>]*align="right"[^>]*>\$5\.00</td>', html)
    assert 'class="bar" width="100%"' in html
    widths = [
        (int(a), int(b)) for a, b in re.findall(r'class="bar" width="(\d+)%".*?class="track" width="(\d+)%"', html)
    ]
    assert {a + b for a, b in widths} == {100}


@pytest.mark.parametrize(
    ("first", "last", "english", "korean"),
    [
        ("2026-11-02", "2026-11-08", "2–8 November 2026", "2026년 11월 2일 ~ 8일"),
        ("2026-10-26", "2026-11-01", "26 October – 1 November 2026", "2026년 10월 26일 ~ 11월 1일"),
        ("2026-12-28", "2027-01-03", "28 December 2026 – 3 January 2027", "2026년 12월 28일 ~ 2027년 1월 3일"),
    ],
)
def test_days_are_written_as_people_do(first, last, english, korean):
    days = date.fromisoformat(first), date.fromisoformat(last)
    assert (WORDS["en"].span(*days), WORDS["ko"].span(*days)) == (english, korean)


@pytest.mark.parametrize(
    ("nanos", "places", "shown"),
    [
        (0, 2, "0.00"),
        (1_234_567_890_000, 2, "1,234.57"),
        (5_000_000, 2, "<0.01"),
        (15_000_000, 2, "0.02"),
        (25_000_000, 2, "0.02"),
        (1, 6, "<0.000001"),
        (999_999_999_999_995_000_000, 2, "1,000,000,000,000.00"),
        (-12_340_000_000, 2, "-12.34"),
        (1_500_000_000, 0, "2"),
    ],
)
def test_amounts_are_rounded_half_to_even_and_nothing_looks_like_nothing(nanos, places, shown):
    assert round_usd(nanos, places=places) == shown


def test_small_amounts_have_more_decimals():
    part = Breakdown((line("m", sums(123_456)),))
    tiny = a_content(total=sums(123_456), before=Sums(), models=part, projects=part, teams=part)
    assert "$0.000123" in write(tiny).text
