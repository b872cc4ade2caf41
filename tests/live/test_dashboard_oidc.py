"""Signing in by an OpenID provider, in a real browser: to an invitation, back to the page that was wanted, and when it says no."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.live.pages_house import PagesHouse, pages_house
from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.live.watched_browser import Watched, needs_chromium

pytestmark = [needs_chromium, pytest.mark.filterwarnings("ignore")]  # the provider's library warns
KIM = "kim@example.com"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with warnings.catch_warnings():
        import authlib.deprecate  # noqa: F401  # its filter comes first, so that ours goes before it

        warnings.simplefilter("ignore")
        from oidc_provider_mock import User, run_server_in_thread

    users = [
        User(sub="kim", claims={"email": KIM, "email_verified": True, "name": "김하나"}),
        User(sub="lee", claims={"email": "lee@example.com", "email_verified": False, "name": "Lee"}),
    ]
    with run_server_in_thread(require_client_registration=True, require_nonce=True, user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture(scope="module")
def pages_of_module(folder: Path, simulator: SimulatorProcess, opened: Any, provider: str) -> Iterator[PagesHouse]:
    def settings(gateway: GatewayProcess) -> str:
        callback = f"{gateway.origin}/v1/auth/oidc/company/callback"
        body = {"redirect_uris": [callback]}
        client = httpx.post(f"{provider}/oauth2/clients", json=body, trust_env=False).json()
        gateway.env["OIDC_SECRET"] = client["client_secret"]
        lines = {"name": "company", "issuer": provider, "client_id": client["client_id"]}
        lines["client_secret_env"] = "OIDC_SECRET"
        return "[[oidc]]\n" + "".join(f'{name} = "{value}"\n' for name, value in lines.items())

    with pages_house(folder, simulator, opened, extra=settings) as house:
        yield house


def at_the_provider(watched: Watched, house: PagesHouse, button: str) -> Page:
    """Go to the provider from the page for signing in, and press a button there; its own style sheet is left out."""
    page = watched.page
    watched.context.route(re.compile("^https://"), lambda route: route.fulfill(content_type="text/css", body=""))
    page.get_by_role("link", name="Continue with company").click()
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_url(f"{house.origin}/**")
    return page


def test_a_login_by_a_provider_accepts_the_invitation_and_then_goes_where_it_was_wanted(house: PagesHouse) -> None:
    house.post("/v1/invites", {"email": KIM, "role": "developer"})
    watched = house.stranger()
    page = watched.page
    page.goto(house.link(KIM))
    page.get_by_role("link", name="Sign in").click()
    expect(page.get_by_role("link", name="Continue with company")).to_be_visible()
    watched.assert_sound()
    at_the_provider(watched, house, "kim")
    expect(page.get_by_text(f"Signed in as 김하나 ({KIM}).")).to_be_visible()
    page.get_by_role("button", name="Accept invitation").click()
    page.get_by_role("link", name="See your organizations").click()
    watched.assert_sound()
    page.get_by_role("link", name="acme").click()
    expect(page).to_have_url(f"{house.home}/overview")
    page.locator("details.person summary").click()
    page.get_by_role("button", name="Sign out").click()
    wanted = f"{house.home}/usage?by=model&compare=1"
    page.goto(wanted)
    expect(page).to_have_url(re.compile("/sign-in$"))
    at_the_provider(watched, house, "kim")
    expect(page).to_have_url(wanted)
    watched.assert_sound()


@pytest.mark.parametrize(
    ("button", "reason"),
    [
        ("Deny", "log in again"),
        ("lee", "does not say that your e-mail address is verified"),
    ],
)
def test_who_is_not_let_in_reads_why_where_they_can_try_again(house: PagesHouse, button: str, reason: str) -> None:
    watched = house.stranger()
    page = watched.page
    page.goto(f"{house.home}/keys")
    expect(page).to_have_url(re.compile("/sign-in$"))
    at_the_provider(watched, house, button)
    expect(page).to_have_url(f"{house.origin}/sign-in")
    expect(page.get_by_role("alert")).to_contain_text(reason)
    watched.assert_sound()
    page.reload()
    expect(page.get_by_role("link", name="Continue with company")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    house.member("sera@example.com")
    house.sign_in(page, "sera@example.com")
    expect(page).to_have_url(f"{house.home}/keys")
