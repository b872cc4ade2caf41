"""Faults that other gateways and platforms had, each as a test of ours; the docstring says which and what it was.

Sources: the advisories of the projects named, as of 2026-11-22.
"""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from tests.accounts.people_factories import PASSWORD, running_town
from tests.admin.admin_factories import client_of
from tests.fakes.gateway import FakeGateway, answer, chat
from tests.security.conftest import Opening
from tests.security.matrix import Matrix, dump_of
from tests.security.realms import bearer

from tollkeeper.admin.permissions import PUBLIC, is_public
from tollkeeper.control.installation import load_pepper
from tollkeeper.domain.api_key import write_key
from tollkeeper.domain.errors import ConfigurationError
from tollkeeper.store.engine import Store
from tollkeeper.store.schema import metadata

CREDENTIAL_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie")
INJECTIONS = (
    "' OR '1'='1",
    "' OR 1=1 --",
    "sk-tk-' UNION SELECT * FROM api_key --",
    "'; DROP TABLE api_key; --",
    '" OR ""="',
    "sess-tk-' OR 1=1; --",
    "\\x27 OR pg_sleep(5)--",
    "%' OR '%'='",
    "$1",
    "?1",
    ":digest",
)


async def ask(
    app: Any, method: str, path: str, credential: dict[str, str], body: Any = None, **more: Any
) -> httpx.Response:
    async with client_of(app) as client:
        return await client.request(method, path, headers={**credential, **more.pop("headers", {})}, json=body, **more)


@pytest.mark.parametrize("header", [*CREDENTIAL_HEADERS, "openai-organization", "openai-project", "idempotency-key"])
async def test_sql_in_headers_is_text_on_every_database(store: Store, header: str):
    """CVE-2026-42208 (LiteLLM): the Authorization header was concatenated into SQL on the key check's error path."""
    async with running_town(store) as town:
        session = await town.resident("kim@example.com")
        await town.found(session)
        before = await dump_of(store)
        for text in INJECTIONS:
            value = (
                f"Bearer {text}"
                if header == "authorization"
                else f"tollkeeper_session={text}"
                if header == "cookie"
                else text
            )
            good = {} if header in CREDENTIAL_HEADERS else bearer(session)
            asked = await ask(town.app, "GET", "/v1/api-keys", good, headers={header: value})
            wanted = {401} if header in CREDENTIAL_HEADERS else {404} if header != "idempotency-key" else {200}
            assert asked.status_code in wanted, (text, asked.text)
            assert "syntax" not in asked.text.lower()
        assert await dump_of(store) == before


async def test_sql_in_paths_queries_and_names_is_text(open_matrix: Opening):
    """CVE-2026-42208 (LiteLLM), the same by other doors."""
    async with open_matrix() as matrix:
        admin = matrix.mine.credentials["admin"]
        for text in INJECTIONS:
            for path in ("/v1/teams/", "/v1/projects/", "/v1/api-keys/", "/v1/members/", "/v1/roles/"):
                got = await ask(matrix.app, "GET", path + text.replace("?", "%3F").replace("%'", "%25'"), admin)
                assert got.status_code in {400, 404}, got.text
            for path in ("/v1/teams?after=", "/v1/api-keys?project_id=", "/v1/members?role=", "/v1/usage?models="):
                got = await ask(matrix.app, "GET", path + text.replace("%", "%25").replace(";", "%3B"), admin)
                assert got.status_code in {200, 400, 404}, got.text
                assert not got.json().get("data"), got.text
            made = await ask(matrix.app, "POST", "/v1/teams", admin, {"name": text})
            assert made.status_code == 200, made.text
            assert made.json()["name"] == text
        listed = await ask(matrix.app, "GET", "/v1/teams?limit=100", admin)
        assert {each["name"] for each in listed.json()["data"]} >= set(INJECTIONS)


HOSTS = (
    "tollkeeper.test/healthz",
    "tollkeeper.test/v1/auth/login?",
    "localhost/readyz#",
    "x/openapi.json?a=",
    "user@tollkeeper.test",
    "tollkeeper.test:80/v1/auth/..",
    "[::1]/healthz",
    "127.0.0.1",
    "",
    "\\healthz",
)


@pytest.mark.parametrize("host", HOSTS)
async def test_the_host_header_decides_nothing(open_matrix: Opening, host: str):
    """CVE-2026-48710 (Starlette "BadHost"), CVE-2026-49468 (LiteLLM): a path within Host made the check see another route."""
    async with open_matrix() as matrix:
        for path in ("/v1/teams", "/v1/api-keys", "/v1/organizations", "/v1/usage"):
            got = await ask(matrix.app, "GET", path, {}, headers={"host": host})
            assert got.status_code == 401, (host, path, got.text)
            for name in ("x-forwarded-host", "x-original-url", "x-rewrite-url", "x-forwarded-prefix", "forwarded"):
                got = await ask(matrix.app, "GET", path, {}, headers={name: host or "/healthz"})
                assert got.status_code == 401, (name, host, path, got.text)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/auth/../teams", "/v1/auth/%2e%2e/teams", "/v1/auth//teams", "//v1/teams", "/v1//teams", "/v1/teams/", "/./v1/teams",
        "/V1/teams", "/v1/teams;/v1/auth/login", "/v1/teams%00", "/v1/teams%2f", "/healthz/../v1/teams", "/v1/auth/..%2fteams",
    ],
)  # fmt: skip
async def test_no_spelling_of_a_path_goes_around_the_check(open_matrix: Opening, path: str):
    """CVE-2026-49468 (LiteLLM) by paths: a public prefix must not let anything else in."""
    async with open_matrix() as matrix:
        scope = {
            "type": "http",
            "method": "GET",
            "query_string": b"",
            "headers": [],
            "http_version": "1.1",
            "scheme": "http",
        }
        for spelled in (path, path.replace("%2e", ".").replace("%2f", "/").replace("%00", "\0")):
            sent: list[Any] = []

            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": b""}

            async def send(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message)

            await matrix.app({**scope, "path": spelled, "raw_path": path.encode()}, receive, send)
            assert sent[0]["status"] in {400, 401, 404, 405}, (spelled, sent)


async def test_a_credential_is_known_by_all_of_it_and_not_by_its_beginning(open_matrix: Opening):
    """CVE-2026-35030 (LiteLLM): the cache of OIDC tokens went by the first 20 characters."""
    async with open_matrix() as matrix:
        good = matrix.mine.credentials["admin"]["authorization"].removeprefix("Bearer ")
        session = matrix.mine.credentials["org_admin"]["authorization"].removeprefix("Bearer ")
        for _ in range(2):  # the first fills what is remembered
            assert (await ask(matrix.app, "GET", "/v1/teams", bearer(good))).status_code == 200
            assert (await ask(matrix.app, "GET", "/v1/teams", bearer(session))).status_code == 200
            key_id, secret = good.removeprefix("sk-tk-").split("-")
            for at in (0, 20, 41, 42):
                other = secret[:at] + ("a" if secret[at] != "a" else "b") + secret[at + 1 : 43]
                near = write_key(key_id, other)
                assert near != good
                assert near[: 19 + at] == good[: 19 + at]
                assert (await ask(matrix.app, "GET", "/v1/teams", bearer(near))).status_code == 401
            for near in (
                session[:-1] + ("a" if session[-1] != "a" else "b"),
                session[:-1],
                session + "a",
                session[:20],
            ):
                assert (await ask(matrix.app, "GET", "/v1/teams", bearer(near))).status_code == 401


async def test_who_administers_little_cannot_make_it_more(open_matrix: Opening):
    """CVE-2026-35029 (LiteLLM): any user changed the configuration and so became admin."""
    async with open_matrix() as matrix:
        ids, before = matrix.mine.ids, await dump_of(matrix.store)
        everything = ["org:manage", "member:manage", "role:manage", "provider:manage"]
        attempts: tuple[tuple[str, str, Any], ...] = (
            ("PUT", f"/v1/members/{ids['member_id']}/roles", {"role": "org_admin"}),
            ("PUT", f"/v1/members/{ids['member_id']}/roles", {"role": "team_admin", "scope": ids["team_id"]}),
            ("PUT", f"/v1/roles/{ids['role_id']}", {"permissions": everything}),
            ("POST", "/v1/roles", {"name": "mine", "permissions": everything}),
            ("POST", "/v1/invites", {"email": "friend@example.com", "role": "org_admin"}),
            ("POST", "/v1/api-keys/admin", {"name": "mine"}),
            ("POST", "/v1/api-keys", {"name": "m", "project_id": ids["project_id"], "permissions": everything}),
            ("POST", "/v1/api-keys/service", {"name": "m", "project_id": ids["project_id"], "permissions": everything}),
            ("PUT", f"/v1/api-keys/{ids['key_id']}", {"add_permissions": everything}),
            ("PUT", f"/v1/organizations/{ids['organization_id']}", {"name": "mine"}),
            ("PUT", "/v1/budgets", {"scope": ids["team_id"], "amount_usd": 1_000_000}),
            ("POST", "/v1/providers", {"name": "mine", "kind": "openai", "secret": "sk-mine-mine-mine"}),
        )
        for who in ("developer", "viewer", "own", "service"):
            for method, path, body in attempts:
                got = await ask(matrix.app, method, path, matrix.mine.credentials[who], body)
                assert got.status_code == 403, (who, path, body, got.text)
        assert await dump_of(matrix.store) == before


async def test_a_team_admin_becomes_no_more_than_that(open_matrix: Opening):
    """CVE-2026-35029 (LiteLLM): nobody grants what they do not have, nor where they do not have it."""
    async with open_matrix() as matrix:
        ids, before = matrix.mine.ids, await dump_of(matrix.store)
        lead = matrix.mine.credentials["lead"]
        own_member = matrix.mine.principals["lead"].member_id
        for method, path, body in (
            ("PUT", f"/v1/members/{own_member}/roles", {"role": "org_admin"}),
            ("PUT", f"/v1/members/{own_member}/roles", {"role": "viewer"}),
            ("POST", "/v1/invites", {"email": "friend@example.com", "role": "org_admin"}),
            ("POST", "/v1/roles", {"name": "mine", "permissions": ["org:manage"]}),
            ("PUT", f"/v1/roles/{ids['role_id']}", {"permissions": ["org:manage"]}),
            ("POST", "/v1/api-keys/admin", {"name": "mine"}),
            ("PUT", f"/v1/organizations/{ids['organization_id']}", {"name": "mine"}),
        ):
            got = await ask(matrix.app, method, path, lead, body)
            assert got.status_code == 403, (path, body, got.text)
        assert await dump_of(matrix.store) == before


TEMPLATES = (
    "{{7*7}}",
    "${7*7}",
    "{% print(7*7) %}",
    "#{7*7}",
    "{0.__class__}",
    "%(name)s %s %n",
    "<%= 7*7 %>",
    "{organization}",
)


@pytest.mark.parametrize("text", TEMPLATES)
async def test_what_people_write_is_no_template(store: Store, text: str):
    """GHSA-xqmj-j6mv-4862 (LiteLLM): a prompt was rendered as a template and ran code."""
    async with running_town(store) as town:
        session = await town.resident("kim@example.com")
        organization_id = await town.found(session, text)
        shown = await ask(town.app, "GET", f"/v1/organizations/{organization_id}", bearer(session))
        assert shown.json()["name"] == text
        made = await town.post("/v1/invites", {"email": "lee@example.com", "role": "viewer"}, session)
        assert made.status_code == 200, made.text
        mail = (await town.mails("invitation"))[-1].message
        assert "49" not in mail.subject
        assert "class" not in mail.text.replace(text, "")
        missing = await ask(
            town.app, "GET", f"/v1/teams?after={text.replace('%', '%25').replace('#', '%23')}", bearer(session)
        )
        assert "49" not in missing.json().get("error", {}).get("message", "")


@pytest.mark.parametrize(
    "name", ["api_base", "base_url", "api_key", "custom_llm_provider", "api_type", "model_list", "extra_headers"]
)
async def test_a_client_does_not_choose_where_the_providers_key_goes(name: str):
    """CVE-2024-6587 (LiteLLM): `api_base` in the body sent the provider's key to whoever asked; its guard was never called."""
    gateway = FakeGateway()
    gateway.will_answer(answer())
    value: Any = {"x": "https://attacker.test"} if name == "extra_headers" else "https://attacker.test"
    client = await gateway.call(chat(**{name: value}), headers={"x-" + name.replace("_", "-"): "https://attacker.test"})
    assert client.status == 200
    [sent] = gateway.upstream.requests
    assert (sent.origin.scheme, sent.origin.host, sent.origin.path_prefix) == ("https", "provider.test", "/v1")
    assert b"attacker" not in sent.head  # unknown headers stay with us


@pytest.mark.parametrize("dashes", [10, 100_000, 900_000])
async def test_a_multipart_boundary_costs_nothing(open_matrix: Opening, dashes: int):
    """CVE-2024-8984 (LiteLLM): dashes behind a multipart boundary kept the server busy without a login."""
    async with open_matrix() as matrix:
        body = b"--b\r\n\r\n--b" + b"-" * dashes + b"\r\n"
        started = time.perf_counter()
        async with client_of(matrix.app) as client:
            got = await client.post(
                "/v1/teams", content=body, headers={"content-type": "multipart/form-data; boundary=b"}
            )
            begun = await client.post(
                "/v1/auth/login", content=body, headers={"content-type": "multipart/form-data; boundary=" + "b" * 5000}
            )
        assert (got.status_code, begun.status_code) == (415, 415)
        assert time.perf_counter() - started < 2.0


async def test_wildcards_find_nothing_but_themselves(open_matrix: Opening):
    """CVE-2026-25591 (New API): `%` and `_` in a search went into LIKE as they were and kept the database busy."""
    async with open_matrix() as matrix:
        admin = matrix.mine.credentials["admin"]
        known = await ask(matrix.app, "GET", "/v1/audit-log?action=team.", admin)
        assert known.json()["data"]
        for text in ("t_am.", "____.", "te__."):
            got = await ask(matrix.app, "GET", f"/v1/audit-log?action={text}", admin)
            assert got.json()["data"] == [], text
        for text in ("%25", "%25%25%25.", "te%25.", "team.%25", "%25_" * 200):
            got = await ask(matrix.app, "GET", f"/v1/audit-log?action={text}", admin)
            assert got.status_code == 400, got.text
        for path in (
            "/v1/members?role=%25",
            "/v1/api-keys?project_id=proj_%25",
            "/v1/usage?models=%25",
            "/v1/usage?team_ids=team_%25",
        ):
            got = await ask(matrix.app, "GET", path, admin)
            assert not got.json().get("data"), (path, got.text)


async def test_who_is_logged_in_is_let_into_no_organization_for_that(open_matrix: Opening, store: Store):
    """CVE-2025-59305 (Langfuse): being logged in was taken for being allowed."""
    async with running_town(store) as town:
        owner = await town.resident("kim@example.com")
        organization_id = await town.found(owner)
        stranger = await town.resident("lee@example.com")
        async with open_matrix() as matrix:
            paths = [each.path for each in matrix.routes if each.method == "GET" and matrix.permission(each) != "login"]
        for path in paths:
            if "{" in path and "organization_id" not in path:
                continue
            asked = path.replace("{organization_id}", organization_id)
            for named in ({}, {"openai-organization": organization_id}):
                got = await ask(
                    town.app,
                    "GET",
                    asked,
                    bearer(stranger),
                    headers=named,
                    params={"start_time": "0"} if "/organization/" in path else None,
                )
                assert got.status_code == (404 if named else 400), (asked, got.text)
        assert (await ask(town.app, "GET", "/v1/organizations", bearer(stranger))).json()["data"] == []


async def test_a_reset_lets_nobody_in_by_itself(store: Store):
    """Langfuse before 3.174.0: the reset of a password went around the rules of logging in."""
    async with running_town(store) as town:
        session = await town.resident("kim@example.com")
        await town.post("/v1/auth/forgot-password", {"email": "kim@example.com"})
        token = await town.last_token("reset_password")
        await _disable_accounts(store)
        reset = await town.post("/v1/auth/reset-password", {"token": token, "password": "another quiet river"})
        assert "set-cookie" not in reset.headers
        assert "sess-tk-" not in reset.text
        for password in (PASSWORD, "another quiet river"):
            assert (await town.log_in("kim@example.com", password)).status_code == 401
        assert (await ask(town.app, "GET", "/v1/account", bearer(session))).status_code == 401


async def test_another_address_needs_the_providers_secret_again(open_matrix: Opening):
    """CVE-2026-41487 (Langfuse): a stored secret was sent to whatever base URL somebody wrote beside it."""
    async with open_matrix() as matrix:
        path, admin = f"/v1/providers/{matrix.mine.ids['provider_id']}", matrix.mine.credentials["admin"]
        before = await dump_of(matrix.store)
        for address in (
            "https://attacker.test/v1",
            "https://provider.test:8443/v1",
            "https://provider.test.attacker.test/v1",
        ):
            got = await ask(matrix.app, "PUT", path, admin, {"base_url": address})
            assert got.status_code == 400, got.text
        assert await dump_of(matrix.store) == before
        got = await ask(
            matrix.app, "PUT", path, admin, {"base_url": "https://other.test/v1", "secret": "sk-entered-once-again"}
        )
        assert got.status_code == 200, got.text
        assert "entered" not in got.text


async def test_objects_are_found_by_organization_and_not_by_guessing(open_matrix: Opening):
    """CVE-2026-55255, CVE-2026-34046 (Langflow): whoever guessed an id got the object. The matrix asks every route."""
    async with open_matrix() as matrix:
        admin = matrix.mine.credentials["admin"]
        for kind, parameter in (
            ("teams", "team_id"),
            ("projects", "project_id"),
            ("api-keys", "key_id"),
            ("members", "member_id"),
            ("roles", "role_id"),
            ("providers", "provider_id"),
            ("invites", "invite_id"),
        ):
            got = await ask(matrix.app, "GET", f"/v1/{kind}/{matrix.theirs.ids[parameter]}", admin)
            assert got.status_code == 404, got.text
            for header in ("openai-organization", "x-organization-id", "x-org-id"):
                got = await ask(
                    matrix.app,
                    "GET",
                    f"/v1/{kind}/{matrix.theirs.ids[parameter]}",
                    admin,
                    headers={header: matrix.theirs.id},
                )
                assert got.status_code in {401, 404}, got.text


async def test_no_route_works_without_a_credential_but_those_that_tell_nothing(open_matrix: Opening):
    """CVE-2026-10560 (Langflow): routes that began jobs asked nobody who they were."""
    async with open_matrix() as matrix:
        open_routes = [
            each
            for each in matrix.document["paths"]
            if not any((m.upper(), each) in matrix.permissions for m in matrix.document["paths"][each])
        ]
        assert all(is_public(each) for each in open_routes)
        for path in PUBLIC - {"/"}:
            got = await ask(matrix.app, "GET", path, {})
            assert not any(mark in got.text.lower() for mark in matrix.mine.marks | matrix.theirs.marks), path


async def test_what_the_database_holds_is_no_credential(open_matrix: Opening):
    """CVE-2026-35029's sibling (LiteLLM): the hash of a password or key let its reader in, as if it were the thing itself."""
    async with open_matrix() as matrix:
        for digest in await _digests(matrix):
            for text in (digest.hex(), digest.decode("latin-1"), "sk-tk-" + digest.hex(), "sess-tk-" + digest.hex()):
                for header in CREDENTIAL_HEADERS:
                    value = (
                        f"Bearer {text}"
                        if header == "authorization"
                        else f"tollkeeper_session={text}"
                        if header == "cookie"
                        else text
                    )
                    raw = value.encode("latin-1").replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
                    async with client_of(matrix.app) as client:
                        got = await client.get("/v1/teams", headers=[(header.encode(), raw)])
                    assert got.status_code == 401, got.text
        hashed = await matrix.store.read(_password_hashes)
        assert hashed
        for each in hashed:
            email = matrix.mine.principals["org_admin"].name
            got = await ask(matrix.app, "POST", "/v1/auth/login", {}, {"email": email, "password": each})
            assert got.status_code in {401, 429}, got.text


@pytest.mark.parametrize("text", ["", "Bearer", "Bearer ", "bearer    ", "Basic Og==", "Bearer \t"])
async def test_an_empty_secret_is_none(open_matrix: Opening, text: str, tmp_path: Any):
    """CVE-2026-41432 (New API): with a blank secret everybody's signature was right."""
    async with open_matrix() as matrix:
        for header in ("authorization", "x-api-key", "api-key"):
            assert (await ask(matrix.app, "GET", "/v1/teams", {}, headers={header: text})).status_code == 401
        assert (
            await ask(matrix.app, "GET", "/v1/teams", {}, headers={"cookie": "tollkeeper_session="})
        ).status_code == 401
        for secret in ("", "   ", "\t\t\t\t\t\t\t\t\t\t\t\t"):
            body = {"name": "blank", "kind": "openai", "secret": secret}
            assert (
                await ask(matrix.app, "POST", "/v1/providers", matrix.mine.credentials["admin"], body)
            ).status_code == 400
    for pepper in ("00", " " * 64, "zz" * 32):
        with pytest.raises(ConfigurationError):
            load_pepper(text=pepper, path=tmp_path / "none")


async def _disable_accounts(store: Store) -> None:
    from sqlalchemy import update

    from tollkeeper.store.schema_tenancy import account

    await store.write(lambda c: c.execute(update(account).values(status="disabled")))


async def _digests(matrix: Matrix) -> list[bytes]:
    found: list[bytes] = []

    async def read(connection: Any) -> None:
        for table in metadata.tables.values():
            if "digest" in table.c:
                found.extend(bytes(row[0]) for row in await connection.execute(select(table.c.digest)))

    await matrix.store.read(read)
    assert len(found) > 20
    return found


async def _password_hashes(connection: Any) -> list[str]:
    from tollkeeper.store.schema_tenancy import account

    query = select(account.c.password_hash).where(account.c.password_hash.is_not(None))
    return [row[0] for row in await connection.execute(query)]
