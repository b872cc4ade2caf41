"""No secret that went in anywhere comes out anywhere else: not in a log, an answer, an audit row, the database, the journal."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.live.databases import new_postgres_database
from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.notify.mail_server import PASSWORD as MAIL_PASSWORD
from tests.notify.mail_server import USERNAME, MailServer
from tests.security.canary import Canaries, Visitor, files_below, postgres_dump

_MAIL_TOKEN = re.compile(r"mail-tk-[0-9A-Za-z]{43}")
_SECRET_FILES = ("tollkeeper.pepper",)
MAIL_S = 20.0


class Stage:
    """A gateway with everything switched on, and the mail server that it writes to."""

    def __init__(self, folder: Path, database_url: str, canaries: Canaries) -> None:
        self.folder, self.database_url, self.canaries = folder, database_url, canaries
        self.mail = MailServer(auth_require_tls=False)
        self.mail.start()
        self.simulator = SimulatorProcess(folder)
        self.gateway = GatewayProcess(folder, self.simulator, database_url, extra=self._settings())
        self.gateway.env |= {
            "MAIL_SECRET": canaries.new("mail password", MAIL_PASSWORD),
            "ISSUER_SECRET": canaries.new("oidc client secret"),
            "SIMULATOR_KEY": canaries.new("operator provider key", "sk-sim-gateway-000001"),
        }
        canaries.new("pepper", (folder / "tollkeeper.pepper").read_text().strip())
        canaries.new("first admin key", self.gateway.admin_key)
        canaries.new("first project key", self.gateway.key)
        self.gateway.start()
        self.visitor = Visitor(self.gateway, canaries)

    def _settings(self) -> str:
        return f"""
[logging]
level = "debug"
[accounts]
sign_up = "open"
[email]
host = "127.0.0.1"
port = {self.mail.port}
security = "none"
username = "{USERNAME}"
password_env = "MAIL_SECRET"
sender = "Tollkeeper <tollkeeper@example.com>"
[[oidc]]
name = "company"
issuer = "http://127.0.0.1:9"
client_id = "tollkeeper"
client_secret_env = "ISSUER_SECRET"
"""

    def mailed(self, recipient: str, named: str) -> str:
        """Wait for the next mail to somebody; returns the token in it."""
        deadline = time.monotonic() + MAIL_S
        while time.monotonic() < deadline:
            for taken in [each for each in self.mail.taken if recipient in each.recipients]:
                found = _MAIL_TOKEN.search(taken.body("plain"))
                self.mail.taken.remove(taken)
                if found:
                    return self.canaries.new(named, found[0])
            time.sleep(0.05)
        raise AssertionError(f"no mail came to {recipient}: {self.gateway.log[-2000:]}")

    def close(self) -> dict[str, bytes]:
        """Stop everything; returns whatever is left behind, by where it is."""
        self.visitor.close()
        assert self.gateway.stop() == 0
        self.simulator.stop()
        self.mail.stop()
        left = dict(files_below(self.folder, but=_SECRET_FILES))
        if self.database_url.startswith("postgresql"):
            left["PostgreSQL"] = asyncio.run(postgres_dump(self.database_url))
        return left


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'tollkeeper.db'}"
    else:
        server: Callable[[str], str] = request.getfixturevalue("postgres_server")
        url = new_postgres_database(server)
    opened = Stage(tmp_path, url, Canaries())
    yield opened
    opened.gateway.kill()
    opened.simulator.stop()


def test_no_secret_comes_out_anywhere(stage: Stage):
    canaries = stage.canaries
    session, organization_id, project_id = _people(stage)
    _keys(stage, session, organization_id, project_id)
    _providers(stage, session, organization_id)
    _refusals(stage)
    _everything_is_read(stage, session, organization_id)
    planted = canaries.new("planted")
    stage.visitor.ask(
        "POST",
        "/v1/teams",
        session,
        {"name": planted},
        headers={"openai-organization": organization_id},
        shows=["planted"],
    )
    left = stage.close()
    found = {(where, name) for where, data in left.items() for name in canaries.found_in(data)}
    assert {name for _, name in found} == {"planted"}, found
    assert any("tollkeeper.db" in where or where == "PostgreSQL" for where, _ in found), (
        "the search looks where it should"
    )
    assert canaries.spoken() == []
    shown = [
        (where, name)
        for where, text, names in canaries.answers
        for name in names
        if name not in canaries.found_in(text.encode())
    ]
    assert shown == [], "the search is blind"
    assert len(canaries.secrets) >= 35
    assert "gateway.log" in left
    assert b"DEBUG" in left["gateway.log"].upper()
    assert any(where.startswith("journal") for where in left)


def _strangers(stage: Stage) -> tuple[str, str]:
    """Sign up, prove, log in, forget, reset, each once wrong and once right; returns a session and its password."""
    ask, secret, new = stage.visitor.ask, stage.visitor.secret, stage.canaries.new
    first = new("sign-up password", "quiet-canary-sign-up-river")
    body = {"email": "kim@example.com", "password": first, "name": "Kim"}
    assert ask("POST", "/v1/auth/sign-up", body=body, headers={"idempotency-key": "sign-up"}).status_code == 200
    token = stage.mailed("kim@example.com", "verification token")
    ask("POST", "/v1/auth/login", body={"email": "kim@example.com", "password": first})  # it sends the link again
    token = stage.mailed("kim@example.com", "second verification token")
    assert ask("POST", "/v1/auth/verify-email", body={"token": token}).status_code == 200
    ask("POST", "/v1/auth/verify-email", body={"token": token})
    for wrong in (new("wrong password"), token):
        assert ask("POST", "/v1/auth/login", body={"email": "kim@example.com", "password": wrong}).status_code == 401
    ask("POST", "/v1/auth/login", body={"email": new("password as email"), "password": new("password of nobody")})
    ask("POST", "/v1/auth/login", body={"email": "kim@example.com", "password": [new("password in a list")]})
    ask("POST", "/v1/auth/login", content='{"email": "kim@example.com", "password": "' + new("password in broken JSON"))
    ask(
        "POST",
        "/v1/auth/login",
        content=f"password={new('password in a form')}",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    ask("POST", f"/v1/auth/login?password={new('password in the address')}", body={"email": "kim@example.com"})
    session, _ = secret(
        "POST", "/v1/auth/login", None, {"email": "kim@example.com", "password": first}, named="session", at="token"
    )
    assert ask("POST", "/v1/auth/forgot-password", body={"email": "kim@example.com"}).status_code == 200
    reset = stage.mailed("kim@example.com", "reset token")
    second = new("reset password", "quiet-canary-reset-river")
    ask("POST", "/v1/auth/reset-password", body={"token": reset, "password": "short"})
    answer = ask("POST", "/v1/auth/reset-password", body={"token": reset, "password": second})
    assert answer.status_code == 200, answer.text
    ask("POST", "/v1/auth/reset-password", body={"token": reset, "password": new("password for a used token")})
    session, _ = secret(
        "POST",
        "/v1/auth/login",
        None,
        {"email": "kim@example.com", "password": second},
        named="second session",
        at="token",
    )
    return session, second


def _people(stage: Stage) -> tuple[str, str, str]:
    """Change the password, found an organization, invite, accept; returns a session, the organization, its project."""
    ask, secret, new = stage.visitor.ask, stage.visitor.secret, stage.canaries.new
    session, second = _strangers(stage)
    third = new("changed password", "quiet-canary-changed-river")
    ask("PUT", "/v1/account/password", session, {"current": new("wrong current password"), "new": third})
    assert ask("PUT", "/v1/account/password", session, {"current": second, "new": third}).status_code == 200
    session, _ = secret(
        "POST",
        "/v1/auth/login",
        None,
        {"email": "kim@example.com", "password": third},
        named="third session",
        at="token",
    )
    made = ask("POST", "/v1/organizations", session, {"name": "Canary cage"}, headers={"idempotency-key": "found"})
    assert made.status_code == 200, made.text
    chosen = {"openai-organization": made.json()["id"]}
    for _ in range(2):
        assert (
            ask(
                "POST",
                "/v1/invites",
                session,
                {"email": "lee@example.com", "role": "developer"},
                headers={**chosen, "idempotency-key": "i"},
            ).status_code
            == 200
        )
    invitation = stage.mailed("lee@example.com", "invitation token")
    fourth = new("invited password", "quiet-canary-invited-river")
    joined = ask(
        "POST",
        "/v1/auth/sign-up",
        body={"email": "lee@example.com", "password": fourth, "name": "Lee", "invitation": invitation},
    )
    assert joined.status_code == 200, joined.text
    lee, _ = secret(
        "POST",
        "/v1/auth/login",
        None,
        {"email": "lee@example.com", "password": fourth},
        named="invited session",
        at="token",
    )
    ask("POST", "/v1/auth/accept-invitation", lee, {"token": invitation})
    ask("GET", "/v1/auth/oidc/company/start")
    ask("GET", f"/v1/auth/oidc/company/callback?state={new('oidc state')}&code={new('oidc code')}")
    return session, made.json()["id"], made.json()["default_project_id"]


def _keys(stage: Stage, session: str, organization_id: str, project_id: str) -> None:
    """Make, repeat, rotate and use keys of every kind."""
    ask, secret = stage.visitor.ask, stage.visitor.secret
    for kind, path, body in (
        ("service", "/v1/api-keys/service", {"name": "service", "project_id": project_id}),
        ("member", "/v1/api-keys", {"name": "member", "project_id": project_id}),
        ("admin", "/v1/api-keys/admin", {"name": "admin"}),
    ):
        headers = {"openai-organization": organization_id, "idempotency-key": f"make-{kind}"}
        named = f"{kind} key"
        key, made = secret("POST", path, session, body, named=named, at="key", headers=headers)
        ask("POST", path, session, body, headers=headers, shows=[named])
        ask("POST", path, session, {**body, "name": "another"}, headers=headers)
        rotated = f"rotated {kind} key"
        headers = {"openai-organization": organization_id, "idempotency-key": f"rotate-{kind}"}
        rotating = f"/v1/api-keys/{made['id']}/rotate"
        fresh, _ = secret("POST", rotating, session, {"grace_seconds": 600}, named=rotated, at="key", headers=headers)
        ask("POST", rotating, session, {"grace_seconds": 600}, headers=headers, shows=[rotated])
        ask("POST", rotating, session, {}, headers={"openai-organization": organization_id})
        for credential in (key, fresh):
            for header in ("x-api-key", "api-key", "x-goog-api-key"):
                ask("GET", "/v1/models", headers={header: credential})
            ask("GET", f"/v1/teams?key={credential}")
            ask("GET", f"/v1beta/models?key={credential}")
            ask(
                "POST",
                "/v1/chat/completions",
                credential,
                {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]},
            )
            ask("POST", "/v1/chat/completions", credential, {"model": "no-such-model", "messages": []})
            ask("GET", "/v1/api-keys", credential)
    stage.simulator.fault("status=401")
    ask(
        "POST",
        "/v1/chat/completions",
        stage.gateway.key,
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]},
    )


def _providers(stage: Stage, session: str, organization_id: str) -> None:
    """Bring providers, right and wrong in every way."""
    chosen = {"openai-organization": organization_id}

    def ask(method: str, path: str, body: Any, **headers: str) -> Any:
        return stage.visitor.ask(method, path, session, body, headers={**chosen, **headers})

    new = stage.canaries.new
    good = {"name": "mine", "kind": "openai", "secret": new("provider secret"), "base_url": "https://provider.test/v1"}
    made = ask("POST", "/v1/providers", good, **{"idempotency-key": "p"})
    assert made.status_code == 200, made.text
    ask("POST", "/v1/providers", good, **{"idempotency-key": "p"})
    ask("POST", "/v1/providers", good)
    path = f"/v1/providers/{made.json()['id']}"
    ask("PUT", path, {"secret": new("changed provider secret")})
    ask("PUT", path, {"secret": [new("provider secret in a list")]})
    ask(
        "PUT",
        path,
        {"base_url": f"https://user:{new('secret in an address')}@provider.test/v1", "secret": "sk-something"},
    )
    for wrong in (
        {"name": "NOT GOOD"},
        {"kind": "nothing"},
        {"base_url": "http://127.0.0.1/v1"},
        {"surprise": 1},
        {"secret": {"a": new("secret in an object")}},
    ):
        ask("POST", "/v1/providers", {**good, "secret": new(f"provider secret beside {next(iter(wrong))}"), **wrong})
    ask(
        "POST",
        "/v1/providers",
        {"name": "x", "kind": "openai", "secret": new("spaced secret", "canary spaced secret\n7Qx")},
    )


def _refusals(stage: Stage) -> None:
    """Show credentials that are none, in everything that takes one."""
    ask, new = stage.visitor.ask, stage.canaries.new
    for path in ("/v1/teams", "/v1/models", "/v1/chat/completions", "/no/such/route"):
        method = "POST" if "chat" in path else "GET"
        for header, value in (
            ("authorization", f"Bearer {new('bearer')}"),
            ("authorization", f"Basic {new('basic')}"),
            ("authorization", f"Bearer sess-tk-{new('almost a session')}"),
            ("x-api-key", new("x-api-key")),
            ("api-key", new("api-key")),
            ("cookie", f"tollkeeper_session={new('cookie')}"),
            ("cookie", f"tollkeeper_login={new('login cookie')}"),
            ("proxy-authorization", new("proxy")),
        ):
            ask(method, path, headers={header: value}, body={} if method == "POST" else None)
        ask(
            method,
            f"{path}?key={new('key in the address')}&token={new('token in the address')}",
            body={} if method == "POST" else None,
        )


def _everything_is_read(stage: Stage, session: str, organization_id: str) -> None:
    chosen = {"openai-organization": organization_id}
    for path in (
        "teams",
        "projects",
        "members",
        "roles",
        "invites",
        "api-keys",
        "providers",
        "budgets",
        "audit-log?limit=100",
        "usage",
        "usage/export?group_by=key",
        "usage/export?group_by=key&format=parquet",
        "audit-log/export",
        "audit-log/export?format=csv",
        f"organizations/{organization_id}",
        f"organizations/{organization_id}/analytics",
    ):
        assert stage.visitor.ask("GET", f"/v1/{path}", session, headers=chosen).status_code == 200, path
    for path in ("account", "account/sessions", "account/organizations", "auth/oidc"):
        assert stage.visitor.ask("GET", f"/v1/{path}", session).status_code == 200, path
    stage.visitor.ask("GET", "/v1/audit-log/export", stage.gateway.admin_key)
    for command in (("audit", "list"), ("keys", "list"), ("usage",)):
        try:
            told = stage.gateway.tollkeeper(*command)
        except AssertionError as error:
            told = str(error)
        stage.canaries.answers.append((" ".join(command), told, frozenset()))


def test_a_secret_is_found_in_every_writing():
    canaries = Canaries()
    secret = canaries.new("one", "mail-tk-" + "Ab3" * 14 + "Z")
    core = secret.removeprefix("mail-tk-").encode()
    import base64

    for data in (
        core,
        core.lower(),
        core.hex().encode(),
        base64.b64encode(b"password=" + core),
        base64.b64encode(core),
    ):
        assert canaries.found_in(b"... " + data + b" ...") == (
            ["one"] if data != base64.b64encode(b"password=" + core) else canaries.found_in(data)
        )
    assert canaries.found_in(secret[:20].encode()) == []
