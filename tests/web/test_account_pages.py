"""The pages of accounts as they are sent: what may run in them, what they hold, what they never repeat."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import httpx
import pytest
from scripts.reference.errors import error_classes
from tests.admin.admin_factories import client_of
from tests.web.web_factories import Markup, page_app

from tollkeeper.admin.app import make_app
from tollkeeper.admin.permissions import PAGES as PUBLIC_PAGES
from tollkeeper.control.account_rules import AccountRules, Page, path_of
from tollkeeper.control.messages import FORGOT_PASSWORD_PATH
from tollkeeper.web import account_texts
from tollkeeper.web.account_pages import ACCOUNT_PAGES
from tollkeeper.web.languages import LANGUAGES
from tollkeeper.web.page import STYLE
from tollkeeper.web.pages import make_pages
from tollkeeper.web.refusal_texts import LENGTH_MAX

TOKEN = "mail-tk-" + "a" * 43
PATHS = [f"/{name}" for name in ACCOUNT_PAGES]


async def _get(path: str, *, said: str | None = None, **headers: str) -> httpx.Response:
    async with client_of(page_app()) as client:
        return await client.get(path, headers=headers, params=None if said is None else {"said": said})


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("page", ["verify-email", "reset-password", "accept-invitation"])
async def test_the_links_of_e_mails_lead_to_pages(page: Page) -> None:
    link = AccountRules(public_url="http://tollkeeper.test").link(page, TOKEN)
    assert link == f"http://tollkeeper.test{path_of(page, TOKEN)}"
    assert (await _get(link)).status_code == 200
    assert (await _get(FORGOT_PASSWORD_PATH)).status_code == 200


async def test_what_the_api_refuses_is_told_in_the_readers_language_as_plain_text() -> None:
    said = "The e-mail address or the password is not right."
    korean = await _get("/refusal", said=said, **{"accept-language": "ko-KR,en;q=0.5"})
    assert korean.text == "이메일 주소나 비밀번호가 맞지 않습니다."
    assert (await _get("/refusal", said=said)).text == said
    for nobody_knows in ("<script>alert(1)</script>", "%(x)s", "", "가" * 5000):
        answer = await _get("/refusal", said=nobody_knows, **{"accept-language": "ko"})
        assert answer.text == nobody_knows[:LENGTH_MAX]
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_page_is_public_and_nothing_else_is_named_a_page() -> None:
    assert set(make_pages(has_accounts=True)) == PUBLIC_PAGES
    assert set(make_pages(has_accounts=False)) == {"/"}


async def test_a_process_without_accounts_has_no_pages_and_no_link_to_them() -> None:
    app = make_app(
        administration=None,  # type: ignore[arg-type]
        authenticator=None,  # type: ignore[arg-type]
        pages=make_pages(has_accounts=False),
        has_administration=False,
    )
    async with client_of(app) as client:
        assert (await client.get("/sign-in")).status_code == 404
        assert "sign-in" not in (await client.get("/")).text
    assert 'href="sign-in"' in (await _get("/")).text


@pytest.mark.parametrize("path", PATHS)
async def test_only_the_pages_own_script_and_style_may_run(path: str) -> None:
    answer = await _get(path)
    markup = Markup(answer.text)
    policy = dict(each.split(" ", 1) for each in answer.headers["content-security-policy"].split("; "))
    data, script = markup.texts["script"]
    assert policy == {
        "default-src": "'none'",
        "style-src": _digest(markup.texts["style"][0]),
        "script-src": _digest(script),
        "connect-src": "'self'",
        "require-trusted-types-for": "'script'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert json.loads(data)["errors"]
    names = {name for _, attributes in markup.tags for name in attributes}
    assert not names & {"src", "srcset", "style", "action", "integrity"}
    assert not [name for name in names if name.startswith("on")]
    assert {tag for tag, _ in markup.tags}.isdisjoint({"link", "img", "iframe", "object", "base"})


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_is_kept_and_told_to_nobody(path: str) -> None:
    answer = await _get(f"{path}?token={TOKEN}")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "set-cookie" not in answer.headers
    assert TOKEN not in answer.text


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_of_the_address_comes_back_in_the_page(path: str) -> None:
    plain = await _get(path)
    for query in ('token="><script>alert(1)</script>', "token=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "next=//evil"):
        asked = await _get(f"{path}?{query}", referer='"><script>alert(2)</script>')
        assert asked.content == plain.content


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_speaks_the_readers_language(path: str) -> None:
    english, korean = await _get(path, **{"accept-language": "en"}), await _get(path, **{"accept-language": "ko-KR"})
    for answer, language in ((english, "en"), (korean, "ko")):
        markup = Markup(answer.text)
        assert markup.all("html")[0]["lang"] == language
        assert answer.headers["content-language"] == language
        assert answer.headers["vary"].startswith("accept-language")
        assert markup.texts["title"][0].endswith("· Tollkeeper")
    shown = re.sub(r"<script>.*</script>", "", korean.text, flags=re.DOTALL)
    assert re.search("[가-힣]", Markup(shown).texts["title"][0])
    assert "$" not in re.sub(r"<style>.*?</style>", "", shown, flags=re.DOTALL)


@pytest.mark.parametrize("path", PATHS)
async def test_every_field_has_a_label_cuts_nothing_and_tells_password_managers_what_it_is(path: str) -> None:
    markup = Markup((await _get(path)).text)
    bound = {each.get("for") for each in markup.all("label")}
    for field in markup.all("input"):
        if field.get("type") == "checkbox":
            continue
        assert field["id"] in bound
        assert field["autocomplete"] in {"username", "current-password", "new-password", "name"}
        assert "maxlength" not in field, "what is pasted would be cut without a word"
        assert "required" in field
    assert all(form["method"] == "post" for form in markup.all("form"))


@pytest.mark.parametrize("path", PATHS)
async def test_pages_link_to_pages_that_there_are_also_below_a_prefix(path: str) -> None:
    links = {each["href"] for each in Markup((await _get(path)).text).all("a")}
    assert links
    assert links <= {".", *ACCOUNT_PAGES}, "a link that begins with a slash loses a proxy's prefix"


async def test_pages_are_read_only() -> None:
    async with client_of(page_app()) as client:
        assert (await client.head("/sign-in")).status_code == 200
        assert (await client.post("/sign-in", json={})).status_code == 405


def test_both_languages_say_the_same_things() -> None:
    english, korean = LANGUAGES
    for table in (account_texts.SHARED, account_texts.SCRIPT):
        assert table[english].keys() == table[korean].keys()
    for name in ACCOUNT_PAGES:
        assert account_texts.PAGES[english][name].keys() == account_texts.PAGES[korean][name].keys(), name
        in_english, in_korean = (
            account_texts.ERRORS[each][""] | account_texts.ERRORS[each].get(name, {}) for each in LANGUAGES
        )
        assert in_english.keys() == in_korean.keys(), name
    values = re.compile(r"\{(?!message)\w+\}")
    for name, text in account_texts.ERRORS[english][""].items():
        assert values.findall(text) == values.findall(account_texts.ERRORS[korean][""][name]), name


def test_every_error_that_is_translated_is_one_that_happens() -> None:
    happen = {each.code for each in error_classes()} | {"unreachable", "unknown"}
    told = {key.partition(".")[0] for texts in account_texts.ERRORS["ko"].values() for key in texts}
    assert told <= happen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_edges_stand_out_from_their_ground(scheme: str) -> None:
    """WCAG 2.2, 1.4.3 and 1.4.11 (https://www.w3.org/TR/WCAG22/, 2026-11-22): 4.5 for text, 3 for what is to be seen."""
    colours = _colours()[scheme]
    for ink, ground in (
        ("ink", "card"),
        ("ink", "paper"),
        ("ink", "code"),
        ("quiet", "card"),
        ("accent", "card"),
        ("accent-ink", "accent"),
        ("fault", "fault-paper"),
    ):
        assert _contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    for edge in ("edge", "bar", "fault"):
        assert _contrast(colours[edge], colours["card"]) >= 3, edge


def _colours() -> dict[str, dict[str, str]]:
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block))
        for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    )
    assert light.keys() == dark.keys()
    return {"light": light, "dark": dark}


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(each * 2 for each in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
