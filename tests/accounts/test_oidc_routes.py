"""Logging in by an OpenID provider through our routes: a real provider for what is right, one of our own for what is not."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

import httpx
import msgspec
import pytest
from tests.accounts.people_factories import PASSWORD, RULES, URL, Town, error_of, running_town
from tests.admin.admin_factories import ONLY_SQLITE
from tests.identity.own_issuer import OwnIssuer, running

from tollkeeper.admin.callers import SESSION_COOKIE
from tollkeeper.admin.oidc import LOGIN_COOKIE, REFUSAL_COOKIE
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.accounts import set_account_status
from tollkeeper.control.administration import operator
from tollkeeper.control.invites import RoleAt, create_invite
from tollkeeper.control.people import Throttles
from tollkeeper.domain.account import AccountStatus
from tollkeeper.identity.issuers import Issuer
from tollkeeper.store.engine import Store
from tollkeeper.store.organizations import create_organization

KIM = "kim@example.com"
pytestmark = pytest.mark.filterwarnings("ignore")  # the provider uses parts of its library that have successors


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with warnings.catch_warnings():
        import authlib.deprecate  # noqa: F401  # its filter comes first, so that ours goes before it

        warnings.simplefilter("ignore")
        from oidc_provider_mock import User, run_server_in_thread

    users = [
        User(sub="kim", claims={"email": "Kim@Example.com", "email_verified": True, "name": "김하나"}),
        User(sub="lee", claims={"email": "lee@example.com", "email_verified": False, "name": "Lee"}),
        User(sub="nameless", claims={"email": "nameless@example.com", "email_verified": True}),
    ]
    with run_server_in_thread(require_client_registration=True, require_nonce=True, user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def issuer(provider: str) -> Issuer:
    body = {"redirect_uris": [f"{URL}/v1/auth/oidc/real/callback"]}
    answer = httpx.post(f"{provider}/oauth2/clients", json=body, trust_env=False).json()
    return Issuer(name="real", issuer=provider, client_id=answer["client_id"], client_secret=answer["client_secret"])


@pytest.fixture
async def town(store: Store, issuer: Issuer) -> AsyncIterator[Town]:
    async with running_town(store, issuers=[issuer]) as town:
        yield town


async def start(client: httpx.AsyncClient, name: str = "real", **query: str) -> str:
    """Set out for the provider; returns its address."""
    answer = await client.get(f"/v1/auth/oidc/{name}/start", params=query)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def consent(address: str, sub: str = "kim") -> str:
    """Log in at the provider; returns the path that it sends the browser back to."""
    answer = await asyncio.to_thread(httpx.post, address, data={"sub": sub}, trust_env=False)
    assert answer.status_code == 302, answer.text
    back = answer.headers["location"]
    assert back.startswith(f"{URL}/v1/auth/oidc/")
    return back.removeprefix(URL)


async def log_in(town: Town, sub: str = "kim", **query: str) -> httpx.Response:
    client = town.client()
    return await client.get(await consent(await start(client, **query), sub))


def session_of(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.cookies[SESSION_COOKIE]


async def test_a_new_person_comes_in_and_comes_back(town: Town) -> None:
    first = await log_in(town, next="/usage?days=7")
    assert first.headers["location"] == "/usage?days=7"
    account = (await town.client(session_of(first)).get("/v1/account")).json()
    assert (account["email"], account["name"], account["has_password"]) == (KIM, "김하나", False)
    second = await log_in(town)
    assert second.headers["location"] == "/"
    assert (await town.client(session_of(second)).get("/v1/account")).json()["id"] == account["id"]
    assert await town.actions() == ["account.sign_up", "account.link_identity", "session.begin", "session.begin"]


async def test_the_cookie_is_for_our_pages_alone(store: Store, issuer: Issuer) -> None:
    for rules, is_secure in ((RULES, False), (msgspec.structs.replace(RULES, public_url="https://ai.example"), True)):
        async with running_town(store, rules, issuers=[issuer]) as town:
            client = town.client()
            begun = await client.get("/v1/auth/oidc/real/start")
            assert (
                f"redirect_uri={rules.public_url.replace(':', '%3A').replace('/', '%2F')}" in begun.headers["location"]
            )
            cookie = begun.headers["set-cookie"]
            assert cookie.startswith(LOGIN_COOKIE)
            assert ("Secure" in cookie) is is_secure
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie
    async with running_town(store, issuers=[issuer]) as town:
        answer = await log_in(town)
        (cookie,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith(SESSION_COOKIE)]
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert f"Max-Age={RULES.session_s}" in cookie
        assert session_of(answer) not in answer.headers["location"]


async def test_an_account_that_is_verified_on_both_sides_is_linked(town: Town) -> None:
    by_password = await town.resident(KIM)
    account = (await town.client(by_password).get("/v1/account")).json()
    linked = (await town.client(session_of(await log_in(town))).get("/v1/account")).json()
    assert linked["id"] == account["id"]
    assert linked["name"] == account["name"]
    await town.session(KIM)
    assert "account.link_identity" in await town.actions()


async def test_an_account_that_somebody_made_with_my_address_is_not_linked(town: Town) -> None:
    """Pre-hijacking: https://www.usenix.org/conference/usenixsecurity22/presentation/sudhodanan, 2026-11-22."""
    await town.sign_up(KIM, "the intruder's words")
    refused = await log_in(town)
    status, code, message = error_of(refused)
    assert (status, code) == (401, "login_failed")
    assert "reset its password" in message
    assert SESSION_COOKIE not in refused.cookies
    await town.post("/v1/auth/forgot-password", {"email": KIM})
    token = await town.last_token("reset_password")
    await town.post("/v1/auth/reset-password", {"token": token, "password": PASSWORD})
    session_of(await log_in(town))
    assert (await town.log_in(KIM, "the intruder's words")).status_code == 401


async def test_an_address_that_the_provider_has_not_verified_lets_nobody_in(town: Town) -> None:
    await town.resident("lee@example.com")
    assert "not say that your e-mail address is verified" in error_of(await log_in(town, "lee"))[2]


async def test_a_disabled_account_stays_out(town: Town) -> None:
    session = session_of(await log_in(town))
    caller = operator("", name="root")
    await town.people.change(caller, set_account_status, email=KIM, status=AccountStatus.DISABLED)
    assert (await town.client(session).get("/v1/account")).status_code == 401
    assert "disabled" in error_of(await log_in(town))[2]


@ONLY_SQLITE
async def test_who_has_no_name_is_called_by_the_address(town: Town) -> None:
    session = session_of(await log_in(town, "nameless"))
    assert (await town.client(session).get("/v1/account")).json()["name"] == "nameless"


async def test_nobody_new_comes_in_without_an_invitation(store: Store, issuer: Issuer) -> None:
    rules = AccountRules(public_url=URL, sign_up="invited")
    async with running_town(store, rules, issuers=[issuer]) as town:
        assert "needs an invitation" in error_of(await log_in(town))[2]
        organization = await store.write(lambda c: create_organization(c, "Acme"))
        caller = operator(organization.id, name="root")
        made = await town.people.change(caller, create_invite, rules, email=KIM, offered=[RoleAt("viewer")])
        session = session_of(await log_in(town))
        assert (await town.client(session).get("/v1/account/organizations")).json()["data"] == []
        accepted = await town.post("/v1/auth/accept-invitation", {"token": made.token}, session)
        assert accepted.json()["organization_id"] == organization.id
    async with running_town(store, AccountRules(public_url=URL, sign_up="closed"), issuers=[issuer]) as town:
        session_of(await log_in(town))  # who is there may come back
        assert "needs an invitation" in error_of(await log_in(town, "nameless"))[2]


async def test_a_login_that_came_back_does_not_come_back_again(town: Town) -> None:
    client = town.client()
    back = await consent(await start(client))
    session_of(await client.get(back))
    assert "is over" in error_of(await client.get(back))[2]  # state and code, replayed


async def test_a_code_that_was_used_is_refused_in_a_new_login(town: Town) -> None:
    client = town.client()
    used = await consent(await start(client))
    session_of(await client.get(used))
    fresh = await consent(await start(client))
    mixed = dict(parse_qsl(urlsplit(fresh).query)) | {"code": dict(parse_qsl(urlsplit(used).query))["code"]}
    answer = await client.get(f"/v1/auth/oidc/real/callback?{urlencode(mixed)}")
    assert "used before" in error_of(answer)[2]
    assert SESSION_COOKIE not in answer.cookies


async def test_another_browser_cannot_come_back(town: Town) -> None:
    """Whoever is sent a link with somebody else's state and code would work in that person's account."""
    begun, other = town.client(), town.client()
    back = await consent(await start(begun))
    assert "another browser" in error_of(await other.get(back))[2]
    await start(other)
    back = await consent(await start(begun))
    answer = await other.get(back)
    assert (answer.status_code, SESSION_COOKIE in answer.cookies) == (401, False)
    assert (await begun.get(back)).status_code == 401  # whose state went astray begins anew


async def test_two_logins_of_one_browser_go_side_by_side(town: Town) -> None:
    client = town.client()
    first, second = await start(client), await start(client)
    for address in (first, second):
        session_of(await client.get(await consent(address)))


@ONLY_SQLITE
async def test_a_token_with_another_nonce_is_refused(town: Town) -> None:
    client = town.client()
    parts = urlsplit(await start(client))
    query = dict(parse_qsl(parts.query)) | {"nonce": "of another login"}
    back = await consent(parts._replace(query=urlencode(query)).geturl())
    answer = await client.get(back)
    assert "belongs to another login" in error_of(answer)[2]
    assert SESSION_COOKIE not in answer.cookies


@ONLY_SQLITE
async def test_the_provider_may_say_no(town: Town) -> None:
    client = town.client()
    state = parse_qs(urlsplit(await start(client)).query)["state"][0]
    answer = await client.get("/v1/auth/oidc/real/callback", params={"state": state, "error": "access_denied<script>"})
    assert error_of(answer)[:2] == (401, "login_failed")
    assert "script" not in answer.text


@ONLY_SQLITE
async def test_a_browser_that_is_refused_reads_why_on_the_page_for_signing_in(town: Town) -> None:
    await town.resident("lee@example.com")
    client = town.client()
    back = await consent(await start(client), "lee")
    answer = await client.get(back, headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert SESSION_COOKIE not in answer.cookies
    (cookie,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith(REFUSAL_COOKIE)]
    assert "verified" in unquote(cookie)
    assert {"Max-Age=60", "Path=/sign-in", "SameSite=lax"} <= {part.strip() for part in cookie.split(";")}


@ONLY_SQLITE
@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "/\t/evil.example",
        "/ok\r\nset-cookie: a=b",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/" + "x" * 600,
        "/\u2028x",
    ],
)
async def test_open_redirect(town: Town, path: str) -> None:
    """Nobody is sent on to another site after a login: https://cwe.mitre.org/data/definitions/601.html, 2026-11-22."""
    answer = await town.client().get("/v1/auth/oidc/real/start", params={"next": path})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "next"


@ONLY_SQLITE
async def test_providers_are_listed_and_others_not_there(town: Town) -> None:
    listed = (await town.client().get("/v1/auth/oidc")).json()
    assert [each["name"] for each in listed["data"]] == ["real"]
    assert (await town.client().get(listed["data"][0]["start"])).status_code == 303
    assert error_of(await town.client().get("/v1/auth/oidc/other/start"))[0] == 404
    assert error_of(await town.client().get("/v1/auth/oidc/real/callback?state=x&code=y"))[0] == 401


@ONLY_SQLITE
async def test_logins_from_one_place_are_slowed_down(town: Town) -> None:
    statuses = {(await town.client().get("/v1/auth/oidc/real/callback?state=x")).status_code for _ in range(40)}
    assert statuses == {401, 429}


# A provider that answers wrongly


@asynccontextmanager
async def own_town(store: Store) -> AsyncIterator[tuple[Town, OwnIssuer]]:
    async with running() as own, running_town(store, issuers=[own.issuer()]) as town:
        yield town, own


class _Sent:
    """What the provider's token needs of a login under way."""

    def __init__(self, address: str) -> None:
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}

    @property
    def nonce(self) -> str:
        return self.query["nonce"]


async def come_back(town: Town, own: OwnIssuer) -> httpx.Response:
    town.people.throttles = Throttles()
    client = town.client()
    sent = _Sent(await start(client, "own"))
    own.flow = sent  # type: ignore[assignment]  # only its nonce is looked at
    return await client.get("/v1/auth/oidc/own/callback", params={"state": sent.query["state"], "code": "c0de"})


@ONLY_SQLITE
@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"nonce": "of another login"}, "belongs to another login"),
        ({"aud": "another-client"}, "another application"),
        ({"exp": int(time.time()) - 3600, "iat": int(time.time()) - 7200}, "expired"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"email_verified": False}, "verified"),
        ({"email": None}, "verified"),
    ],
)
async def test_a_token_that_is_not_right_lets_nobody_in(store: Store, claims: dict[str, Any], words: str) -> None:
    async with own_town(store) as (town, own):
        session_of(await come_back(town, own))
        own.claims = claims | {"sub": "somebody else"}
        answer = await come_back(town, own)
        status, code, message = error_of(answer)
        assert (status, code, SESSION_COOKIE in answer.cookies) == (401, "login_failed", False)
        assert words in message


@ONLY_SQLITE
async def test_the_account_is_the_subjects_whatever_address_it_has_now(store: Store) -> None:
    async with own_town(store) as (town, own):
        first = (await town.client(session_of(await come_back(town, own))).get("/v1/account")).json()
        await town.resident("lee@example.com")
        own.claims = {"email": "lee@example.com"}
        second = (await town.client(session_of(await come_back(town, own))).get("/v1/account")).json()
        assert first == second


@ONLY_SQLITE
async def test_a_login_begun_with_one_provider_does_not_end_with_another(store: Store) -> None:
    async with running() as own:
        issuers = [own.issuer(), own.issuer(name="twin")]
        async with running_town(store, issuers=issuers) as town:
            client = town.client()
            sent = _Sent(await start(client, "own"))
            own.flow = sent  # type: ignore[assignment]
            query = {"state": sent.query["state"], "code": "c0de"}
            assert "is over" in error_of(await client.get("/v1/auth/oidc/twin/callback", params=query))[2]


async def test_a_flow_in_the_database_is_sealed_and_good_for_its_row_alone(store: Store) -> None:
    from sqlalchemy import select, update

    from tollkeeper.store.schema_control import login_flow

    async with own_town(store) as (town, own):
        client = town.client()
        first, second = _Sent(await start(client, "own")), _Sent(await start(client, "own"))
        rows = list(await store.read(lambda c: c.execute(select(login_flow))))
        for each in (first, second):
            for secret in (each.nonce, each.query["state"]):
                assert secret not in repr(rows)
        swapped = {row.digest: rows[1 - at].sealed_flow for at, row in enumerate(rows)}

        async def swap(connection: Any) -> None:
            for digest, sealed in swapped.items():
                changed = update(login_flow).where(login_flow.c.digest == digest).values(sealed_flow=sealed)
                await connection.execute(changed)

        await store.write(swap)
        own.flow = first  # type: ignore[assignment]
        answer = await client.get("/v1/auth/oidc/own/callback", params={"state": first.query["state"], "code": "c0de"})
        assert "is over" in error_of(answer)[2]
