"""A login goes through with a real OpenID Connect provider, and ends in order with one that misbehaves."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import itertools
import json
import logging
import ssl
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import trustme
from joserfc import jwt
from own_issuer import (
    ACCESS_TOKEN,
    CALLBACK,
    CLIENT_ID,
    CLIENT_SECRET,
    CODE,
    OTHER_KEY,
    OwnIssuer,
    as_json,
    public,
    running,
)

from tollkeeper.domain.errors import LoginFailed, NotFound
from tollkeeper.identity.flow import Flow
from tollkeeper.identity.issuers import Issuer
from tollkeeper.identity.oidc import FLOW_AGE_MAX_S, OidcClient
from tollkeeper.kit import clock

DISCOVERY = "/.well-known/openid-configuration"
KIM = {"email": "kim@example.com", "email_verified": True, "name": "김하나"}


# A real provider


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with warnings.catch_warnings():
        import authlib.deprecate  # noqa: F401  # its filter comes first, so that ours goes before it

        warnings.simplefilter("ignore")  # the provider uses parts of its library that have successors
        from oidc_provider_mock import User, run_server_in_thread

    users = [User(sub="kim", claims=KIM)]
    with run_server_in_thread(require_client_registration=True, require_nonce=True, user_claims=users) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def registered(provider: str) -> Issuer:
    body = {"redirect_uris": [CALLBACK]}
    answer = httpx.post(f"{provider}/oauth2/clients", json=body, trust_env=False).json()
    return Issuer(name="real", issuer=provider, client_id=answer["client_id"], client_secret=answer["client_secret"])


def _browse(address: str, sub: str) -> dict[str, str]:
    """Log in at the provider and return what the browser brings back."""
    answer = httpx.post(address, data={"sub": sub}, trust_env=False)
    assert answer.status_code == 302, answer.text
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


@pytest.mark.filterwarnings("ignore")
async def test_login_with_a_real_provider(registered: Issuer) -> None:
    client = OidcClient([registered])
    address, flow = await client.begin("real", redirect_uri=CALLBACK)
    back = await asyncio.to_thread(_browse, address, "kim")
    identity = await client.finish(flow, **back)
    assert (identity.issuer, identity.subject) == (registered.issuer, "kim")
    assert (identity.email, identity.is_email_verified, identity.name) == ("kim@example.com", True, "김하나")
    with pytest.raises(LoginFailed, match="used before"):
        await client.finish(flow, **back)


@pytest.mark.filterwarnings("ignore")
async def test_unknown_client_is_told_so(registered: Issuer) -> None:
    address, flow = await OidcClient([registered]).begin("real", redirect_uri=CALLBACK)
    back = await asyncio.to_thread(_browse, address, "kim")
    unknown = Issuer(name="real", issuer=registered.issuer, client_id="unknown", client_secret="x")
    with pytest.raises(LoginFailed, match="does not accept the configured client_id"):
        await OidcClient([unknown]).finish(flow, **back)


@pytest.mark.filterwarnings("ignore")
async def test_code_for_another_callback_is_refused(registered: Issuer) -> None:
    client = OidcClient([registered])
    address, flow = await client.begin("real", redirect_uri=CALLBACK)
    back = await asyncio.to_thread(_browse, address, "kim")
    fields = {name: getattr(flow, name) for name in flow.__struct_fields__}
    with pytest.raises(LoginFailed, match="refused the login"):
        await client.finish(Flow(**fields | {"redirect_uri": "https://evil.example"}), **back)


# What is sent


async def test_browser_is_sent_with_fresh_secrets_and_a_challenge(own: OwnIssuer) -> None:
    own.metadata = {"authorization_endpoint": own.url + "/authorize?theme=dark"}
    client = OidcClient([own.issuer()])
    address, flow = await client.begin("own", redirect_uri=CALLBACK)
    _, other = await client.begin("own", redirect_uri=CALLBACK)
    assert len({flow.state, flow.nonce, flow.code_verifier, other.state, other.nonce, other.code_verifier}) == 6
    challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.code_verifier.encode()).digest()).rstrip(b"=").decode()
    assert address.startswith(own.url + "/authorize?")
    assert {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()} == {
        "theme": "dark",
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "scope": "openid email profile",
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }


async def test_code_is_redeemed_with_its_verifier(own: OwnIssuer) -> None:
    await own.log_in()
    (sent,) = [form for path, _, form in own.requests if path == "/token"]
    assert own.flow is not None
    assert sent == {
        "grant_type": "authorization_code",
        "code": CODE,
        "redirect_uri": CALLBACK,
        "code_verifier": own.flow.code_verifier,
    }


@pytest.mark.parametrize(
    ("methods", "secret", "way"),
    [
        (None, CLIENT_SECRET, "header"),
        (["client_secret_post", "client_secret_basic"], CLIENT_SECRET, "header"),
        (["client_secret_post", "private_key_jwt"], CLIENT_SECRET, "form"),
        (["client_secret_basic"], "", "none"),
    ],
)
async def test_client_is_authenticated_as_the_issuer_wants(
    own: OwnIssuer, methods: list[str] | None, secret: str, way: str
) -> None:
    own.metadata = {"token_endpoint_auth_methods_supported": methods} if methods else {}
    await own.log_in(OidcClient([own.issuer(client_secret=secret)]))
    ((headers, form),) = [(headers, form) for path, headers, form in own.requests if path == "/token"]
    encoded = base64.b64encode(b"tollkeeper-client:s3cr3t~of%2Fthe+client").decode()
    assert headers.get("authorization") == (f"Basic {encoded}" if way == "header" else None)
    assert form.get("client_secret") == (CLIENT_SECRET if way == "form" else None)
    assert form.get("client_id") == (None if way == "header" else CLIENT_ID)


async def test_issuer_that_wants_another_proof_is_named(own: OwnIssuer) -> None:
    own.metadata = {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}
    with pytest.raises(LoginFailed, match="another proof"):
        await own.log_in()
    assert own.asked("/token") == 0


# What comes back


@pytest.mark.parametrize("state", ["", "wrong", "x" * 600, "\ud800", "é"])
async def test_wrong_state_is_refused_before_anybody_is_asked(own: OwnIssuer, state: str) -> None:
    with pytest.raises(LoginFailed, match="not begun in this browser"):
        await own.log_in(state=state)
    assert own.asked("/token") == 0


@pytest.mark.parametrize("code", ["", "x" * 8_193, "é"])
async def test_unusable_code_is_refused_before_anybody_is_asked(own: OwnIssuer, code: str) -> None:
    with pytest.raises(LoginFailed, match="no usable code"):
        await own.log_in(code=code)
    assert own.asked("/token") == 0


@pytest.mark.parametrize(
    ("age_s", "is_refused"), [(FLOW_AGE_MAX_S + 1, True), (-61, True), (FLOW_AGE_MAX_S - 1, False)]
)
async def test_login_must_end_within_ten_minutes(own: OwnIssuer, age_s: int, is_refused: bool) -> None:
    _, own.flow = await OidcClient([own.issuer()]).begin("own", redirect_uri=CALLBACK)
    later = OidcClient([own.issuer()], now_us=lambda: own.flow.started_at_us + age_s * 1_000_000)
    own.claims = {"exp": 1 << 40}
    finish = later.finish(own.flow, code=CODE, state=own.flow.state)
    if is_refused:
        with pytest.raises(LoginFailed, match="longer than 10 minutes"):
            await finish
    else:
        assert (await finish).subject


async def test_browser_sent_back_by_another_issuer_is_refused(own: OwnIssuer) -> None:
    assert (await own.log_in(iss=own.url)).subject
    with pytest.raises(LoginFailed, match="Another identity provider"):
        await own.log_in(iss="https://evil.example")


async def test_unknown_issuer_is_not_found(own: OwnIssuer) -> None:
    with pytest.raises(NotFound):
        await OidcClient([own.issuer()]).begin("other", redirect_uri=CALLBACK)


async def test_login_by_an_issuer_that_was_removed_is_refused(own: OwnIssuer) -> None:
    _, flow = await OidcClient([own.issuer()]).begin("own", redirect_uri=CALLBACK)
    with pytest.raises(LoginFailed, match="no longer configured"):
        await OidcClient([]).finish(flow, code=CODE, state=flow.state)


# Who may log in


@pytest.mark.parametrize(
    ("said", "is_trusted", "is_verified"),
    [
        (True, False, True),
        ("true", False, True),
        (False, True, False),
        (None, False, False),
        (None, True, True),
        ([], True, False),
    ],
)
async def test_email_is_verified_when_the_issuer_says_so_or_is_trusted(
    own: OwnIssuer, said: object, is_trusted: bool, is_verified: bool
) -> None:
    own.claims = {"email_verified": said}
    identity = await own.log_in(OidcClient([own.issuer(is_email_trusted=is_trusted)]))
    assert (identity.email, identity.is_email_verified) == ("kim@example.com", is_verified)


@pytest.mark.parametrize(
    "email", ["kim", "kim@", "a b@example.com", "a@b@c", f"{'x' * 250}@example.com", 7, "k\n@example.com"]
)
async def test_what_is_no_email_address_is_none(own: OwnIssuer, email: object) -> None:
    own.claims = {"email": email}
    identity = await own.log_in()
    assert (identity.email, identity.is_email_verified) == (None, False)


async def test_name_is_made_safe_to_show(own: OwnIssuer) -> None:
    own.claims = {"name": "Kim\r\n\u202eevil" + "x" * 300}
    assert (await own.log_in()).name == "Kimevil" + "x" * 193


@pytest.mark.parametrize(
    ("claims", "may"),
    [
        ({}, True),
        ({"email": "kim@EXAMPLE.com"}, True),
        ({"email": "kim@example.org"}, False),
        ({"email": "kim@sub.example.com"}, False),
        ({"email_verified": False}, False),
        ({"email": None}, False),
    ],
)
async def test_only_verified_addresses_of_allowed_domains_log_in(
    own: OwnIssuer, claims: dict[str, Any], may: bool
) -> None:
    client = OidcClient([own.issuer(allowed_domains=("Example.com",))])
    own.claims = claims
    if may:
        assert (await own.log_in(client)).subject
    else:
        with pytest.raises(LoginFailed, match="certain domains"):
            await own.log_in(client)


@pytest.mark.parametrize(
    ("hosted", "may"), [("example.com", True), (None, False), ("evil.example", False), (["example.com"], False)]
)
async def test_account_outside_the_hosted_domain_is_refused(own: OwnIssuer, hosted: object, may: bool) -> None:
    client = OidcClient([own.issuer(allowed_domains=("example.com",), domain_claim="hd")])
    own.claims = {"hd": hosted}
    if may:
        assert (await own.log_in(client)).subject
    else:
        with pytest.raises(LoginFailed, match="certain domains"):
            await own.log_in(client)


def _without_email(own: OwnIssuer, **profile: Any) -> None:
    own.claims = {"email": None, "email_verified": None, "name": None}
    own.metadata = {"userinfo_endpoint": own.url + "/userinfo"}
    own.answers["/userinfo"] = as_json(KIM | {"sub": "248289761001"} | profile)


async def test_email_that_is_not_in_the_token_is_asked_for(own: OwnIssuer) -> None:
    _without_email(own)
    identity = await own.log_in()
    assert (identity.email, identity.is_email_verified, identity.name) == ("kim@example.com", True, "김하나")
    (headers,) = [headers for path, headers, _ in own.requests if path == "/userinfo"]
    assert headers["authorization"] == f"Bearer {ACCESS_TOKEN}"


async def test_answer_about_another_account_is_refused(own: OwnIssuer) -> None:
    _without_email(own, sub="admin")
    with pytest.raises(LoginFailed, match="another account"):
        await own.log_in()


async def test_nothing_is_asked_for_when_the_token_has_it(own: OwnIssuer) -> None:
    own.metadata = {"userinfo_endpoint": own.url + "/userinfo"}
    await own.log_in()
    assert own.asked("/userinfo") == 0


# An issuer that misbehaves


async def test_discovery_document_of_another_issuer_is_refused(own: OwnIssuer) -> None:
    own.metadata = {"issuer": own.url + "/"}
    with pytest.raises(LoginFailed, match="of another issuer"):
        await own.log_in()


@pytest.mark.parametrize("endpoint", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
@pytest.mark.parametrize(
    "url", ["http://issuer.example/x", "ftp://127.0.0.1/", "https://u:p@issuer.example/", "file:///etc", "x"]
)
async def test_endpoint_without_tls_is_refused(own: OwnIssuer, endpoint: str, url: str) -> None:
    own.metadata = {endpoint: url}
    with pytest.raises(LoginFailed, match="no https URL"):
        await own.log_in()


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks", "/token"])
@pytest.mark.parametrize(
    "answer",
    [
        (500, b"{}"),
        (302, b"{}"),
        (200, b"<html>"),
        (200, b"\xff\xfe"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b"[" * 100_000),
        (200, b'{"keys":' + b"[" * 100_000),
        (200, b" " * 1_000_001 + b"{}"),
        (200, b'{"keys": 7, "issuer": 7, "id_token": 7}'),
        (400, b'{"error": "c0de-that-nobody-may-see"}'),
        (400, b'{"error": {}}'),
    ],
    ids=itertools.count(),
)
async def test_unusable_answer_is_refused(own: OwnIssuer, path: str, answer: tuple[int, bytes]) -> None:
    own.answers[path] = answer
    with pytest.raises(LoginFailed, match="identity provider"):
        await own.log_in()
    assert own.asked("/elsewhere") == 0


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks", "/token"])
async def test_large_answer_is_named(own: OwnIssuer, path: str) -> None:
    own.answers[path] = (200, b" " * 1_000_001)
    with pytest.raises(LoginFailed, match="too large"):
        await own.log_in()


async def test_packed_answer_is_not_unpacked(own: OwnIssuer) -> None:
    await own.log_in()
    own.answers["/jwks"] = (200, gzip.compress(json.dumps(own.published).encode()))
    with pytest.raises(LoginFailed, match="cannot be read"):
        await own.log_in()


@pytest.mark.parametrize("path", [DISCOVERY, "/jwks", "/token"])
async def test_slow_issuer_is_given_up(own: OwnIssuer, path: str) -> None:
    await own.log_in()  # what is imported with the first login takes its time
    own.answers[path] = None
    with pytest.raises(LoginFailed, match="not answer in time"):
        async with asyncio.timeout(8):
            await own.log_in(OidcClient([own.issuer()], deadline_s=0.3))


async def test_unreachable_issuer_is_named() -> None:
    async with running() as gone:
        issuer = gone.issuer()
    with pytest.raises(LoginFailed, match=r"cannot be reached \(ConnectError\)"):
        await OidcClient([issuer]).begin("own", redirect_uri=CALLBACK)


async def test_certificate_is_checked() -> None:
    authority = trustme.CA()
    server, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(trusting)
    async with running(server) as own:
        with pytest.raises(LoginFailed, match="cannot be reached"):
            await own.log_in()
        assert (await own.log_in(OidcClient([own.issuer()], tls=trusting))).subject
        own.metadata = {"token_endpoint": "http://127.0.0.1:1/token"}  # plain only where the issuer is plain itself
        with pytest.raises(LoginFailed, match="no https URL"):
            await own.log_in(OidcClient([own.issuer()], tls=trusting))


# How often an issuer is asked


class _Clock:
    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return clock.monotonic_s() + self.ahead_s


async def test_documents_are_kept_for_an_hour(own: OwnIssuer) -> None:
    monotonic_s = _Clock()
    client = OidcClient([own.issuer()], monotonic_s=monotonic_s)
    for ahead_s, asked in ((0, 1), (3_590, 1), (3_610, 2)):
        monotonic_s.ahead_s = ahead_s
        await own.log_in(client)
        assert (own.asked(DISCOVERY), own.asked("/jwks")) == (asked, asked)


async def test_logins_at_the_same_time_share_one_fetch(own: OwnIssuer) -> None:
    client = OidcClient([own.issuer()])
    await asyncio.gather(*(client.begin("own", redirect_uri=CALLBACK) for _ in range(20)))
    assert own.asked(DISCOVERY) == 1


async def test_logins_at_the_same_time_share_one_failure_and_later_ones_try_again(own: OwnIssuer) -> None:
    own.answers[DISCOVERY] = (500, b"")
    client = OidcClient([own.issuer()])
    with pytest.raises(LoginFailed):
        await client.begin("own", redirect_uri=CALLBACK)
    begun = [client.begin("own", redirect_uri=CALLBACK) for _ in range(20)]
    assert all(isinstance(each, LoginFailed) for each in await asyncio.gather(*begun, return_exceptions=True))
    assert own.asked(DISCOVERY) == 2
    del own.answers[DISCOVERY]
    assert await client.begin("own", redirect_uri=CALLBACK)


async def test_cancelled_login_does_not_fail_those_that_wait_with_it(own: OwnIssuer) -> None:
    await own.log_in()
    own.answers[DISCOVERY] = None
    client = OidcClient([own.issuer()])
    first = asyncio.ensure_future(client.begin("own", redirect_uri=CALLBACK))
    while own.asked(DISCOVERY) < 2:
        await asyncio.sleep(0.005)
    second = asyncio.ensure_future(client.begin("own", redirect_uri=CALLBACK))
    await asyncio.sleep(0)
    del own.answers[DISCOVERY]
    first.cancel()
    assert await second


async def test_new_key_is_fetched_once_and_not_more_often_than_every_half_minute(own: OwnIssuer) -> None:
    monotonic_s = _Clock()
    client = OidcClient([own.issuer()], monotonic_s=monotonic_s)
    await own.log_in(client)
    own.published = public(OTHER_KEY)
    own.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "other"}, claims, OTHER_KEY)
    with pytest.raises(LoginFailed, match="does not publish"):
        await own.log_in(client)
    assert own.asked("/jwks") == 1
    monotonic_s.ahead_s = 31
    await own.log_in(client)
    assert own.asked("/jwks") == 2
    own.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "unknown"}, claims, OTHER_KEY)
    for ahead_s in (62, 63, 64):
        monotonic_s.ahead_s = ahead_s
        with pytest.raises(LoginFailed, match="does not publish"):
            await own.log_in(client)
    assert own.asked("/jwks") == 3


# What nobody may see

_FAULTS: dict[str, Any] = {
    "right": {},
    "nonce": {"claims": {"nonce": "x"}},
    "audience": {"claims": {"aud": "x"}},
    "signature": {"sign": lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, OTHER_KEY)},
    "unknown key": {"sign": lambda claims: jwt.encode({"alg": "RS256", "kid": "?"}, claims, OTHER_KEY)},
    "malformed": {"sign": lambda claims: ACCESS_TOKEN},
    "echoed code": {"answers": {"/token": (400, f'{{"error": "{CODE}", "error_description": "{CODE}"}}'.encode())}},
    "echoed secret": {"answers": {"/token": (401, CLIENT_SECRET.encode())}},
    "no token": {"answers": {"/token": as_json({"access_token": ACCESS_TOKEN})}},
    "wrong token": {"answers": {"/token": as_json({"id_token": [ACCESS_TOKEN]})}},
    "moved": {"answers": {"/token": (302, b"")}},
    "too large": {"answers": {"/token": (200, ACCESS_TOKEN.encode() * 50_000)}},
    "userinfo": {"claims": {"email": None}, "metadata": {"userinfo_endpoint": "{url}/userinfo"}},
}


@pytest.mark.parametrize("fault", _FAULTS)
async def test_no_secret_code_or_token_is_told(own: OwnIssuer, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name, value in _FAULTS[fault].items():
        setattr(own, name, value)
    own.metadata = {name: value.replace("{url}", own.url) for name, value in own.metadata.items()}
    issued: list[str] = []
    sign = own.sign
    own.sign = lambda claims: issued.append(sign(claims)) or issued[-1]
    told = ""
    try:
        told += repr(await own.log_in())
        assert fault == "right"
    except LoginFailed as error:
        told += "".join(traceback.format_exception(error)) + repr(error) + repr(error.fields)
        assert fault != "right"
    flow, issuer = own.flow, own.issuer()
    assert flow is not None
    told += caplog.text + repr(flow) + repr(issuer) + repr(list(flow.__rich_repr__())) + repr(issuer.__rich_repr__())
    basic = base64.b64encode(b"tollkeeper-client:s3cr3t~of%2Fthe+client").decode()
    secrets = [CLIENT_SECRET, basic, CODE, ACCESS_TOKEN, flow.state, flow.nonce, flow.code_verifier, *issued]
    assert [each for each in secrets if each in told] == []


def test_heavy_libraries_wait_for_the_first_login() -> None:
    program = (
        "import sys; from tollkeeper.identity import oidc, passwords; oidc.OidcClient([]); passwords.PasswordHasher();"
        "print({'httpx', 'joserfc', 'argon2', 'cryptography', 'authlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
