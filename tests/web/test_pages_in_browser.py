"""People at work with the account pages, in a real browser: what they read, what they press, what never leaks."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec
import pytest
from tests.accounts.people_factories import PASSWORD, RULES, Town
from tests.admin.admin_factories import ONLY_SQLITE
from tests.web.chromium import Browser, Tab, needs_chromium, running_browser
from tests.web.web_factories import free_address, town_on

from tollkeeper.control.people import Throttles
from tollkeeper.identity.issuers import Issuer
from tollkeeper.store.engine import Store
from tollkeeper.web.account_pages import ACCOUNT_PAGES

KIM, LEE = "kim@example.com", "lee@example.com"
pytestmark = [needs_chromium, ONLY_SQLITE, pytest.mark.filterwarnings("ignore")]  # the provider's library warns


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with running_browser(tmp_path / "chromium") as browser:
        yield browser


@pytest.fixture
async def town(store: Store) -> AsyncIterator[Town]:
    listening, address = free_address()
    async with town_on(listening, address, store) as town:
        yield town


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with warnings.catch_warnings():
        import authlib.deprecate  # noqa: F401  # its filter comes first, so that ours goes before it

        warnings.simplefilter("ignore")
        from oidc_provider_mock import User, run_server_in_thread

    users = [User(sub="kim", claims={"email": KIM, "email_verified": True, "name": "김하나"})]
    with run_server_in_thread(require_client_registration=True, require_nonce=True, user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


def address_of(town: Town) -> str:
    return town.people.rules.public_url


async def sign_in(tab: Tab, town: Town, email: str, password: str = PASSWORD) -> None:
    """Sign in on the Korean page."""
    await tab.go(f"{address_of(town)}/sign-in")
    await tab.wait("비밀번호 표시")
    await tab.fill(email=email, password=password)
    await tab.click("로그인")


async def invited(town: Town, email: str) -> str:
    """Invite somebody into an organization of Kim's; returns the link of the e-mail."""
    kim = await town.resident(KIM)
    await town.found(kim, "Acme")
    answer = await town.post("/v1/invites", {"email": email, "role": "developer"}, kim)
    assert answer.status_code == 200, answer.text
    return f"{address_of(town)}/accept-invitation?token={await town.last_token('invitation')}"


def assert_token_stayed(tab: Tab, link: str) -> None:
    """Only the link itself carried the token: no other address, no Referer header."""
    token = link.partition("token=")[2]
    assert [each for each in tab.addresses if token in each] == [f"GET {link}"]
    assert tab.complaints == []


async def test_a_person_signs_up_and_comes_in_by_keyboard_alone(browser: Browser, town: Town) -> None:
    tab = await browser.open_tab()
    await tab.go(f"{address_of(town)}/sign-up")
    await tab.wait("Create account")
    for text in ("Hana Kim", KIM, PASSWORD):
        await tab.press("Tab")
        await tab.type(text)
    await tab.press("Enter")
    await tab.wait(f"An e-mail is on its way to {KIM}.")
    link = f"{address_of(town)}/verify-email?token={await town.last_token('verify_email')}"
    await tab.go(link)
    await tab.wait_path("/verify-email")
    await tab.wait("Press the button")
    await tab.run("document.querySelector('form button').focus()")
    await tab.press("Enter")
    await tab.wait("Your e-mail address is confirmed.")
    await tab.press("Tab")
    await tab.press("Enter")
    await tab.wait_path("/sign-in")
    await tab.wait("Show password")
    for text in (KIM, PASSWORD):
        await tab.press("Tab")
        await tab.type(text)
    await tab.press("Enter")
    shown = await tab.wait("Welcome, Hana Kim")
    assert "You belong to no organization yet." in shown
    assert_token_stayed(tab, link)
    await tab.run("document.querySelector('details.person').open = true")
    await tab.click("Sign out")
    await tab.wait("Show password")
    assert await tab.run("sessionStorage.length") == 0
    assert "session.end" in await town.actions()


async def test_a_forgotten_password_is_set_anew_in_korean(browser: Browser, town: Town) -> None:
    await town.resident(KIM, language="ko")
    tab = await browser.open_tab(language="ko-KR", width=320, is_dark=True)
    await sign_in(tab, town, KIM, "not the password")
    await tab.wait("이메일 주소나 비밀번호가 맞지 않습니다.")
    assert await tab.run("document.querySelector('#fault [lang]')") is None, "nothing of it is English"
    await tab.click("비밀번호를 잊으셨나요?")
    await tab.wait_path("/forgot-password")
    await tab.wait("링크 보내기")
    await tab.fill(email=KIM)
    await tab.click("링크 보내기")
    await tab.wait("가입한 계정이 있으면 메일이 발송됩니다.")
    link = f"{address_of(town)}/reset-password?token={await town.last_token('reset_password')}"
    await tab.go(link)
    await tab.wait_path("/reset-password")
    await tab.wait("비밀번호 설정")
    await tab.fill(password="1234567890")
    await tab.click("비밀번호 설정")
    await tab.wait("가장 흔한 비밀번호 중 하나입니다.")
    assert await tab.run("document.activeElement.getAttribute('aria-invalid')") == "true"
    await tab.ask("Page.reload")  # the link is still known although the address does not hold it
    await tab.wait("비밀번호 설정")
    await tab.fill(password="four loud mountains")
    await tab.click("비밀번호 설정")
    await tab.wait("새 비밀번호가 설정되었고")
    assert_token_stayed(tab, link)
    await tab.go(link)
    await tab.wait("비밀번호 설정")
    await tab.fill(password="five loud mountains")
    await tab.click("비밀번호 설정")
    await tab.wait("더 이상 유효하지 않은 링크입니다.")
    await tab.wait("새 링크 받기")
    await sign_in(tab, town, KIM, "four loud mountains")
    await tab.wait("Kim님, 환영합니다")


async def test_an_invitation_makes_a_newcomer_a_member(browser: Browser, town: Town) -> None:
    link = await invited(town, LEE)
    tab = await browser.open_tab()
    await tab.go(link)
    await tab.wait_path("/accept-invitation")
    shown = await tab.wait("Use the e-mail address that the invitation was sent to")
    assert f"{KIM} invites you to join the organization Acme." in shown
    assert LEE not in await tab.run("document.documentElement.outerHTML")
    await tab.click("Create an account")
    await tab.wait("You are accepting an invitation")
    await tab.fill(name="Lee", email=KIM, password=PASSWORD)
    await tab.click("Create account")
    await tab.wait("The invitation is for another e-mail address.")
    await tab.fill(email=LEE)
    await tab.click("Create account")
    assert "Acme" in await tab.wait("Overview")
    assert_token_stayed(tab, link)
    other = await browser.open_tab()
    await other.go(link)
    await other.wait("The invitation does not work any more")


async def test_who_holds_no_invitation_is_not_offered_an_account_where_one_is_needed(
    browser: Browser, store: Store
) -> None:
    listening, address = free_address()
    async with town_on(listening, address, store, rules=msgspec.structs.replace(RULES, sign_up="invited")) as town:
        town.people.rules = msgspec.structs.replace(town.people.rules, sign_up="open")  # somebody was there before
        link = await invited(town, LEE)
        tab = await browser.open_tab()
        await tab.go(f"{address}/sign-in")
        assert "Create an account" not in await tab.wait("Forgot your password?")
        await tab.go(link)
        await tab.wait("Create an account")
        await tab.click("Sign in")
        assert "Create an account" in await tab.wait("Forgot your password?")


async def test_an_invitation_waits_until_the_right_person_has_signed_in(browser: Browser, town: Town) -> None:
    link = await invited(town, LEE)
    await town.resident(LEE)
    await town.resident("mina@example.com")
    tab = await browser.open_tab()
    await tab.go(link)
    await tab.wait("Use the e-mail address")
    await tab.click("Sign in")
    await tab.wait("Show password")
    await tab.fill(email="mina@example.com", password=PASSWORD)
    await tab.click("Sign in")
    await tab.wait("Signed in as Kim (mina@example.com).")
    await tab.click("Accept invitation")
    await tab.wait("The invitation is for another e-mail address.")
    await tab.click("Use another account")
    await tab.wait("Use the e-mail address")
    await tab.click("Sign in")
    await tab.wait("Show password")
    await tab.fill(email=LEE, password=PASSWORD)
    await tab.click("Sign in")
    await tab.wait(f"Signed in as Kim ({LEE}).")
    await tab.click("Accept invitation")
    await tab.wait("You are a member now.")
    await tab.click("See your organizations")
    await tab.wait("Acme")
    assert_token_stayed(tab, link)


async def test_a_login_by_a_provider_comes_back_to_the_invitation(
    browser: Browser, store: Store, provider: str
) -> None:
    listening, address = free_address()
    body = {"redirect_uris": [f"{address}/v1/auth/oidc/google/callback"]}
    client = httpx.post(f"{provider}/oauth2/clients", json=body, trust_env=False).json()
    issuer = Issuer(
        name="google", issuer=provider, client_id=client["client_id"], client_secret=client["client_secret"]
    )
    async with town_on(listening, address, store, issuers=[issuer]) as town:
        lee = await town.resident(LEE)
        await town.found(lee, "Acme")
        assert (await town.post("/v1/invites", {"email": KIM, "role": "developer"}, lee)).status_code == 200
        link = f"{address}/accept-invitation?token={await town.last_token('invitation')}"
        tab = await browser.open_tab()
        await tab.go(link)
        await tab.wait("Use the e-mail address")
        await tab.click("Sign in")
        await tab.wait("Continue with Google")
        await tab.click("Continue with Google")
        await tab.wait("Authorize")
        await tab.run("document.querySelector('input[name=sub]').value = 'kim'; document.forms[0].submit()")
        await tab.wait(f"({KIM}).")
        assert await tab.run("document.cookie") == ""
        await tab.click("Accept invitation")
        await tab.wait("You are a member now.")
        await tab.click("See your organizations")
        await tab.wait("Acme")
        await tab.click("Sign out")
        await tab.wait("Show password")
        assert_token_stayed(tab, link)


async def test_a_hostile_token_is_taken_for_text(browser: Browser, town: Town) -> None:
    tab = await browser.open_tab()
    hostile = '"><script>document.title="owned"</script><img src=x onerror=document.title="owned">'
    await tab.go(f"{address_of(town)}/verify-email?token={quote(hostile)}")
    await tab.wait("Confirm e-mail address")
    await tab.click("Confirm e-mail address")
    await tab.wait("This page needs a link that still works.")
    assert "owned" not in await tab.run("document.title + document.body.innerHTML")
    assert tab.complaints == []


async def test_who_tries_too_often_is_told_when_to_come_back(browser: Browser, town: Town) -> None:
    throttles = Throttles()
    for _ in range(10):
        throttles.take_login(KIM, "192.0.2.9")
    town.people.throttles = throttles
    tab = await browser.open_tab(language="ko")
    await sign_in(tab, town, KIM)
    await tab.wait("초 후에 다시 시도해 주세요.")
    assert "{" not in await tab.shown()


async def test_no_page_is_wider_than_a_small_telephone(browser: Browser, town: Town) -> None:
    for language in ("en", "ko"):
        tab = await browser.open_tab(language=language, width=320)
        for path in ("", *ACCOUNT_PAGES):
            await tab.go(f"{address_of(town)}/{path}?token=mail-tk-{'a' * 43}")
            await tab.wait("Tollkeeper")
            if path:
                await tab.wait_path(f"/{path}")
            assert await tab.run("document.documentElement.scrollWidth") == 320, path
        assert tab.complaints == []


async def test_nobody_can_sign_up_where_it_is_closed_and_is_told_so(browser: Browser, store: Store) -> None:
    listening, address = free_address()
    async with town_on(listening, address, store, rules=msgspec.structs.replace(RULES, sign_up="closed")) as town:
        tab = await browser.open_tab(language="ko")
        await tab.go(f"{address_of(town)}/sign-up")
        await tab.wait("비밀번호 표시")
        await tab.fill(name="Kim", email=KIM, password=PASSWORD)
        await tab.click("계정 만들기")
        await tab.wait("운영자가 가입을 막아 두어 여기서는 가입할 수 없습니다.")


@pytest.mark.parametrize("next_", ["//[", "/%5C%5C[", "//evil.example/"])
async def test_a_way_on_that_is_none_leaves_the_page_at_work(browser: Browser, town: Town, next_: str) -> None:
    await town.resident(KIM)
    tab = await browser.open_tab()
    await tab.go(f"{address_of(town)}/sign-in?next={quote(next_, safe='%')}")
    await tab.wait("Show password")
    await tab.fill(email=KIM, password=PASSWORD)
    await tab.click("Sign in")
    await tab.wait("Welcome, ")
    assert (await tab.run("location.origin")) == address_of(town)
    assert tab.complaints == []


@pytest.mark.parametrize("cookie", ["%", "%E0%A4%A", "", "a=b%"])
async def test_a_refusal_that_cannot_be_read_leaves_the_page_at_work(browser: Browser, town: Town, cookie: str) -> None:
    tab = await browser.open_tab()
    await tab.go(f"{address_of(town)}/sign-in")
    await tab.wait("Show password")
    await tab.run(f"document.cookie = 'tollkeeper_refused={cookie}; path=/sign-in'")
    await tab.ask("Page.reload")
    await tab.wait("Show password")
    assert await tab.run("document.getElementById('fault').hidden")
    assert "tollkeeper_refused" not in await tab.run("document.cookie")
    assert tab.complaints == []
