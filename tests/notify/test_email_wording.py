"""What the e-mails tell: all that is known, in the reader's language and time zone."""

from __future__ import annotations

import re

import pytest
from every_mail import AT_US, ENGLISH, KOREAN, LINK, PATH, PUBLIC_URL, READERS, WRITERS, Page

from tollkeeper.notify import english, korean
from tollkeeper.notify.messages import (
    KEYS_LISTED_MAX,
    Invitation,
    KeyNamed,
    api_key_expires,
    invitation,
    member_keys_disabled,
    member_removed,
    verify_email,
)
from tollkeeper.notify.reader import Reader

KEY = KeyNamed(id="key_9aBcD3", name="prod-search", project="ml-pipeline")
HANGUL = re.compile(r"[가-힣]")


def invited(**changed: object) -> Invitation:
    values = {"organization": "한빛소프트", "inviter": "김민지", "role": "developer", "valid_until_us": AT_US}
    return Invitation(**{**values, **changed})


def both(message) -> tuple[str, str]:
    return message.text, Page(message.html).text


@pytest.mark.parametrize("language", READERS)
@pytest.mark.parametrize("kind", WRITERS)
def test_text_and_html_say_the_same(kind, language):
    message = WRITERS[kind](READERS[language], "Blue Team")
    text, html = both(message)
    words = {line.strip().rstrip(":") for line in re.split(r"\n|: ", text) if line.strip()}
    missing = {each for each in words if each not in html and each.removeprefix("-") not in html}
    assert missing == set()


@pytest.mark.parametrize("kind", WRITERS)
def test_each_mail_is_wholly_in_one_language(kind):
    english_text = WRITERS[kind](ENGLISH, "Blue").text
    assert not HANGUL.search(english_text)
    korean_text = WRITERS[kind](KOREAN, "Blue").text
    prose = [part for part in korean_text.split("\n\n") if not part.startswith("  ")]
    assert [part for part in prose if not HANGUL.search(part)] == []


@pytest.mark.parametrize("kind", WRITERS)
def test_korean_sentences_are_in_the_formal_style(kind):
    sentences = re.findall(r"[^\n.]*[가-힣][^\n.]*\.(?=\s|$)", WRITERS[kind](KOREAN, "Blue").text)
    assert sentences
    assert [each for each in sentences if not each.endswith(("니다.", "세요.", "하루)."))] == []


@pytest.mark.parametrize("language", READERS)
@pytest.mark.parametrize("kind", WRITERS)
def test_each_mail_has_its_own_subject_and_one_link(kind, language):
    message = WRITERS[kind](READERS[language], "Blue")
    others = {WRITERS[other](READERS[language], "Blue").subject for other in WRITERS if other != kind}
    assert message.subject.startswith("[Tollkeeper] ")
    assert message.subject not in others
    assert Page(message.html).links == [LINK]
    assert message.text.count(LINK) == 1
    assert LINK in message.text.splitlines()


def test_an_invitation_says_who_invites_where_and_as_what():
    for reader, role, until in (
        (ENGLISH, "Developer", "1 December 2026, 01:00 (CET, UTC+01:00)"),
        (KOREAN, "개발자", "2026년 12월 1일 09:00 (KST)"),
    ):
        message = invitation(reader, invited(team="검색팀"), path=PATH)
        assert "한빛소프트" in message.subject
        for shown in both(message):
            assert all(each in shown for each in ("한빛소프트", "김민지", role, "검색팀", until))


@pytest.mark.parametrize(("reader", "label"), [(ENGLISH, "Team"), (KOREAN, "팀")])
def test_an_invitation_without_a_team_does_not_speak_of_one(reader, label):
    assert f"  {label}: " not in invitation(reader, invited(), path=PATH).text
    assert f"  {label}: A" in invitation(reader, invited(team="A"), path=PATH).text


def test_roles_of_ones_own_are_shown_by_their_names():
    assert "역할: 비용 담당" in invitation(KOREAN, invited(role="비용 담당"), path=PATH).text
    assert set(english._ROLES) == set(korean._ROLES) == {"org_admin", "team_admin", "developer", "viewer"}


@pytest.mark.parametrize("language", READERS)
def test_an_expiring_key_is_named_with_its_time_and_how_to_rotate_it(language):
    message = api_key_expires(READERS[language], KEY, expires_at_us=AT_US, path="/keys")
    assert "prod-search" in message.subject
    for shown in both(message):
        assert all(each in shown for each in ("prod-search", "key_9aBcD3", "ml-pipeline"))
        assert "tollkeeper keys rotate key_9aBcD3" in shown
        assert f"curl -X POST {PUBLIC_URL}/v1/api-keys/key_9aBcD3/rotate" in shown
        assert '{"grace_seconds": 86400}' in shown
        assert READERS[language].when(AT_US) in shown


@pytest.mark.parametrize("id_", ["key_1; rm -rf ~", "key_$(id)", "key_", "9aBcD3", "key_1\n"])
def test_a_key_id_that_a_shell_would_act_on_is_a_bug_of_ours(id_):
    with pytest.raises(AssertionError):
        api_key_expires(ENGLISH, KeyNamed(id=id_, name="x", project="x"), expires_at_us=AT_US, path="/keys")


def test_a_removed_member_is_told_from_where_and_when():
    assert "1 December 2026" in member_removed(ENGLISH, organization="Acme", removed_at_us=AT_US, path=PATH).text
    message = member_removed(KOREAN, organization="한빛소프트", removed_at_us=AT_US, path=PATH)
    assert message.subject == "[Tollkeeper] 한빛소프트 조직의 멤버에서 제외되었습니다"


@pytest.mark.parametrize(
    ("count", "english_", "korean_"), [(1, "1 API key of", "1개가"), (3, "3 API keys of", "3개가")]
)
def test_disabled_keys_are_counted(count, english_, korean_):
    for reader, words in ((ENGLISH, english_), (KOREAN, korean_)):
        message = member_keys_disabled(reader, [KEY] * count, organization="A", member="Kim", path=PATH)
        assert words in message.subject
        assert message.text.count("key_9aBcD3: prod-search (ml-pipeline)") == count


def test_many_disabled_keys_are_listed_up_to_a_bound_and_then_counted():
    keys = [KeyNamed(id=f"key_{number}", name="n", project="p") for number in range(KEYS_LISTED_MAX + 7)]
    for reader, words in ((ENGLISH, "7 more are not listed"), (KOREAN, "이 외에 7개")):
        text = member_keys_disabled(reader, keys, organization="A", member="Kim", path=PATH).text
        assert text.count("key_") == KEYS_LISTED_MAX
        assert words in text
    assert "more are not" not in member_keys_disabled(ENGLISH, keys[:20], organization="A", member="B", path=PATH).text


@pytest.mark.parametrize(
    ("timezone", "in_english", "in_korean"),
    [
        ("Asia/Seoul", "1 December 2026, 09:00 (KST, UTC+09:00)", "2026년 12월 1일 09:00 (KST)"),
        ("UTC", "1 December 2026, 00:00 (UTC)", "2026년 12월 1일 00:00 (UTC)"),
        ("America/New_York", "30 November 2026, 19:00 (EST, UTC-05:00)", "2026년 11월 30일 19:00 (EST, UTC-05:00)"),
        ("Asia/Shanghai", "1 December 2026, 08:00 (CST, UTC+08:00)", "2026년 12월 1일 08:00 (CST, UTC+08:00)"),
        ("America/Sao_Paulo", "30 November 2026, 21:00 (UTC-03:00)", "2026년 11월 30일 21:00 (UTC-03:00)"),
        ("Asia/Kathmandu", "1 December 2026, 05:45 (UTC+05:45)", "2026년 12월 1일 05:45 (UTC+05:45)"),
        ("Mars/Olympus", "1 December 2026, 00:00 (UTC)", "2026년 12월 1일 00:00 (UTC)"),
        ("../../etc/passwd", "1 December 2026, 00:00 (UTC)", "2026년 12월 1일 00:00 (UTC)"),
        ("", "1 December 2026, 00:00 (UTC)", "2026년 12월 1일 00:00 (UTC)"),
    ],
)
def test_a_moment_is_written_in_the_readers_zone_and_names_it(timezone, in_english, in_korean):
    assert Reader("en", timezone, PUBLIC_URL).when(AT_US) == in_english
    assert Reader("ko", timezone, PUBLIC_URL).when(AT_US) == in_korean


def test_a_moment_in_summer_has_the_summers_offset():
    june_us = 1_781_000_000_000_000
    assert Reader("en", "Europe/Berlin", PUBLIC_URL).when(june_us).endswith("(CEST, UTC+02:00)")


def test_a_deadline_is_never_shown_too_late():
    assert "00:59" in ENGLISH.when(AT_US - 1)
    assert "01:00" in ENGLISH.when(AT_US + 59_999_999)


@pytest.mark.parametrize(
    "path", ["", "go", "//x y", "/a\nb", "/a'b", '/a"b', "/<a>", "/$(id)", "/한글", "https://x.y/"]
)
def test_a_path_that_is_none_is_a_bug_of_ours_and_not_shown(path):
    with pytest.raises(AssertionError) as raised:
        verify_email(ENGLISH, path=f"{path}", valid_until_us=AT_US)
    assert path == "" or f"{path!r}" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    ["", "ai.example.com", "ftp://x", "https://u:p@x", "https://x/?a", "https://x y", "https://x/'", "javascript:1"],
)
def test_a_public_url_that_is_none_is_a_bug_of_ours(url):
    with pytest.raises(AssertionError):
        Reader("en", "UTC", url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://[::1]:8443", "https://x.example/a/b/"])
def test_links_are_made_of_the_public_url_and_the_path(url):
    assert Reader("en", "UTC", url).link("/reset?token=a") == url.rstrip("/") + "/reset?token=a"
