"""What errors say on pages: in the reader's language, with values put in as they are, whatever is in them."""

from __future__ import annotations

import re
import time

import pytest
from markupsafe import escape
from scripts.refusal_sources import gather_refusals
from tests.keys.workshop import Workshop, open_workshop
from tests.web.visitors import Browser, browser_of, content_of, faces_of

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.money import parse_usd
from tollkeeper.refusals import InternalError
from tollkeeper.store.engine import Store
from tollkeeper.web.catalogues import catalogue_of
from tollkeeper.web.page_refusals import ENGLISH
from tollkeeper.web.refusal_texts import LENGTH_MAX, RefusalTexts, refusal_texts_of, shown, told

NAMES = [
    "ml",
    "",
    "Team",
    "%(role)s",
    "100 %s %%",
    "x' is a team and a project; name it by its id.",
    "<script>alert(1)</script>",
    "'" * 50,
    "개발 팀",
    "a\nb",
]


@pytest.fixture
async def korean(store: Store) -> tuple[Browser, Workshop]:
    workshop = await open_workshop(store)
    faces = faces_of(store, rules=AccountRules(sends_email=True))
    browser = await browser_of(faces, workshop.company, workshop.admin)
    fields = {"do": "profile", "name": "김하나", "language": "ko", "theme": ""}
    assert (await browser.send("/account", fields)).status_code == 303
    return browser, workshop


def test_every_refusal_of_the_sources_is_said_in_korean() -> None:
    refusals, known = gather_refusals(), catalogue_of("ko").refusals
    assert len(refusals) > 350
    assert {each.text for each in refusals} == known.keys()
    for text, said in known.items():
        assert any("가" <= each <= "힣" for each in said) or text == said, text


@pytest.mark.parametrize(
    "text",
    [
        "The current password is not right.",  # a literal
        "There is no role '%(role)s'.",  # an f-string
        "There is no invitation '%(invite_id)s' that is pending.",  # what a function returns
        "This API key does not have the permission '%(permission)s' here; an admin can grant it.",  # one of two subjects
        "A project named '%(name)s' exists already.",  # said for a unique key
        "The organization has no credit yet; grant some first.",
        "The database is out of reach or busy; nothing was changed. Try again.",  # what callers are told instead
        "number %(n)s was changed",  # what is wrong with a log
        "the receiver answered %(status)s",  # why a message was not delivered
        "no price is known for service tier '%(tier)s'",
        "%(invite_count)s open invitation(s) offer it",  # a part of a list
        "team '%(name)s'",  # a value in words
        "A threshold is a part of the budget from 0.001 to %(value)s: 0.8 is 80 %%.",
    ],
)
def test_texts_are_found_wherever_the_sources_have_them(text: str) -> None:
    assert text in {each.text for each in gather_refusals()}


def test_settings_and_commands_are_passed_over() -> None:
    files = {each.file for each in gather_refusals()}
    assert not [each for each in files if each.startswith(("control/blueprint", "cli", "admin", "config"))]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("The current password is not right.", "현재 비밀번호가 맞지 않습니다."),
        ("There is no role 'r1'.", "'r1' 역할이 없습니다."),
        ("There is no team 'team'.", "'team' 팀이 없습니다."),  # in quotes stands a name, not our word
        ("This request is denied already.", "이미 처리된 요청입니다(거부됨)."),
        ("'t1' has no monthly budget of requests.", "'t1'에는 월간 예산(요청 수)이 없습니다."),
        (
            "allowed_ips: '10.0.0.1/8' has bits beyond its prefix; write 10.0.0.0/8 or 10.0.0.1.",
            "주소와 네트워크: '10.0.0.1/8': 접두사 밖에 비트가 있습니다. 10.0.0.0/8 또는 10.0.0.1 형식으로 입력해 주십시오.",
        ),
        (
            "'1.2345678' is no rate per dollar such as 1385.25, with at most six decimals.",
            "'1.2345678': 환율이 아닙니다. 1달러당 금액을 1385.25와 같이 소수점 아래 6자리까지 입력해 주십시오.",
        ),
        (
            "A threshold is a part of the budget from 0.001 to 10: 0.8 is 80 %.",
            "기준은 예산 대비 비율로 0.001에서 10까지입니다. 예: 0.8은 80%입니다.",
        ),
        (
            "The role 'ops' is in use: 1 member(s) have it (a@example.com) and 2 open invitation(s) offer it.",
            "'ops' 역할이 사용 중입니다: 멤버 1명이 가지고 있음(a@example.com), 대기 중인 초대 2건에 포함됨.",
        ),
        (
            (
                "The parts of team 'ml' would have $12.00 of its monthly budget of $10.00, $2.00 too much. Lower the amounts or"
                " raise the team's budget; someone with quota:override may allot more."
            ),
            (
                "'ml' 팀: 하위 예산의 합계($12.00)가 월간 예산($10.00)보다 $2.00 많습니다. 금액을 줄이거나 상위 예산(팀)을"
                " 올려 주십시오. quota:override 권한이 있는 사람은 더 많이 배정할 수 있습니다."
            ),
        ),
    ],
)
def test_a_refusal_is_said_in_korean_with_its_values(message: str, said: str) -> None:
    assert told("ko", message) == said
    assert told("en", message) == message or message.startswith("allowed_ips")


@pytest.mark.parametrize(
    ("message", "english", "korean"),
    [
        (
            "rate_limit.requests_per_minute must be from 1 to 1,000,000.",
            "Requests a minute: from 1 to 1,000,000.",
            "분당 요청 수: 1에서 1,000,000까지입니다.",
        ),
        (
            "allowed_ips: 'somewhere' is not an IP address.",
            "Addresses and networks: 'somewhere' is not an IP address.",
            "주소와 네트워크: 'somewhere': IP 주소가 아닙니다.",
        ),
        (
            "key_age_max_days must be 1 to 3650, or null.",
            "The days that a key may work at most must be 1 to 3650, or empty.",
            "키의 최대 사용 일수는 1~3650일입니다. 제한하지 않으려면 비워 두십시오.",
        ),
        (
            "no price is known for 'output'",
            "no price is known for 'Output'",
            "과금 항목 '출력'의 가격을 알 수 없습니다",
        ),
        (
            "The member does not have the role 'developer' there.",
            "The member does not have the role 'developer' there.",
            "이 멤버에게는 그 범위에 '개발자' 역할이 없습니다.",
        ),
        (
            "'' is no currency's ISO 4217 code such as KRW.",
            "'' is no currency's ISO 4217 code such as KRW.",
            "통화 코드가 아닙니다. KRW와 같은 ISO 4217 코드를 입력해 주십시오.",
        ),
    ],
)
def test_pages_say_their_own_words_where_the_api_names_its_fields(message: str, english: str, korean: str) -> None:
    assert (told("en", message), told("ko", message)) == (english, korean)


def test_what_english_pages_say_otherwise_is_what_refusals_say() -> None:
    assert ENGLISH.keys() <= {each.text for each in gather_refusals()}


def test_no_value_meets_a_particle_that_depends_on_its_last_sound() -> None:
    particles = "을|를|이|가|은|는|과|와|으로|로|이나|나|이라|라|이며|며|이므로|므로|이고|고"
    bad = re.compile(rf"%\(\w+\)s['\"”]?(?:{particles})(?![가-힣])|\([가-힣]\)[가-힣\s]|[가-힣\s]\([을를은는과와]\)")
    said = [text for text in catalogue_of("ko").texts if bad.search(text)]
    assert said == []


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_put_in_as_it_is(name: str) -> None:
    assert told("ko", f"There is no role '{name}'.") == f"'{name}' 역할이 없습니다."
    assert shown("ko", f"There is no role '{name}'.") == escape(f"'{name}' 역할이 없습니다.")
    assert shown("en", f"There is no role '{name}'.") == escape(f"There is no role '{name}'.")


def test_what_nobody_translated_stays_english_and_is_marked_as_it() -> None:
    assert refusal_texts_of("ko").say("<b>Nobody</b> knows this.") is None
    assert shown("ko", "<b>Nobody</b> knows this.") == '<span lang="en">&lt;b&gt;Nobody&lt;/b&gt; knows this.</span>'
    assert shown("en", "<b>Nobody</b> knows this.") == "&lt;b&gt;Nobody&lt;/b&gt; knows this."


@pytest.mark.parametrize(
    "unit", ["'", ".", "labels: ", "line 1: ", "The parts of ", " budget of ", "' has no ", "a", "%(x)s", " and ", "; "]
)
def test_long_and_hostile_messages_are_read_in_bounded_time(unit: str) -> None:
    began = time.process_time()
    for message in (unit * (LENGTH_MAX // len(unit)), f"There is no role '{unit * 300}'.", unit * 100_000):
        assert told("ko", message)
    assert time.process_time() - began < 2  # hundreds of times what it takes


def test_the_text_that_says_most_wins_over_one_that_is_a_part_of_it() -> None:
    texts = RefusalTexts({"no %(what)s": "general %(what)s", "no key '%(id)s'": "special %(id)s"}, {}, {})
    assert (texts.say("no key 'k1'"), texts.say("no key")) == ("special k1", "general key")


def test_the_same_value_twice_is_the_same() -> None:
    texts = RefusalTexts({"'%(a)s' or '%(a)s'": "%(a)s"}, {}, {})
    assert (texts.say("'x' or 'x'"), texts.say("'x' or 'y'")) == ("x", None)


def test_what_a_handler_never_wrote_is_said_too() -> None:
    assert told("ko", StoreUnavailable("disk is full").public_message).startswith("데이터베이스에")
    assert told("ko", InternalError().public_message).startswith("Tollkeeper가")
    with pytest.raises(ValueError, match="finer") as raised:
        parse_usd("0.0000000001")
    assert told("ko", str(raised.value)).endswith("보다 작은 단위는 쓸 수 없습니다")


async def test_a_form_that_is_refused_says_why_in_korean(korean: tuple[Browser, Workshop]) -> None:
    browser, workshop = korean
    path = f"/{workshop.company.id}/people"
    fields = {"do": "invite", "email": "<i>nobody", "role": "developer", "scope": workshop.search.id}
    refused = await browser.send(path, fields)
    assert refused.status_code == 400
    told_there = refused.text.partition('role="alert"')[2].partition("</div>")[0]
    assert "jimin@example.com과 같은 이메일 주소를 입력해 주십시오." in told_there
    assert 'lang="en"' not in told_there


async def test_a_name_that_is_taken_is_told_in_korean_and_escaped(korean: tuple[Browser, Workshop]) -> None:
    browser, workshop = korean
    path = f"/{workshop.company.id}/projects"
    fields = {"do": "make-team", "name": "<b>Team</b>"}
    assert (await browser.send(path, fields)).status_code == 303
    refused = await browser.send(path, fields)
    assert refused.status_code == 409
    assert "이름이 &#39;&lt;b&gt;Team&lt;/b&gt;&#39;인 팀이 이미 있습니다." in refused.text


async def test_a_page_that_is_not_shown_says_why_in_korean(korean: tuple[Browser, Workshop]) -> None:
    browser, workshop = korean
    missing = await browser.open(f"/{workshop.company.id}/calls/nonsense")
    assert "요청 ID가 아닙니다. 요청 ID는 req_0190…처럼 시작합니다." in missing.text
    assert 'lang="en"' not in content_of(missing.text)
    nowhere = await browser.open(f"/{workshop.company.id}/nowhere")
    assert "그런 페이지가 없습니다." in nowhere.text


async def test_an_address_that_cannot_be_read_is_refused_in_the_browsers_language(
    korean: tuple[Browser, Workshop],
) -> None:
    browser, _workshop = korean
    refused = await browser.open("/account?a=%FF", headers={"accept-language": "ko-KR"})
    assert (refused.status_code, refused.text) == (400, "양식을 읽을 수 없습니다.")
    refused = await browser.open("/account?a=%FF", headers={"accept-language": "fr"})
    assert refused.text == "This form cannot be read."
