"""Requests of strangers, seeded: every route of the product, every header that a server might believe, and no good credential."""

from __future__ import annotations

import base64
import json
import random
from urllib.parse import quote

from tests.fuzz.hostile import ALPHABET, Shot

from tollkeeper.domain.api_key import write_key

PUBLIC_PREFIXES = ("/healthz", "/readyz", "/openapi.json", "/v1/auth/")
PLACES = (
    "/v1/teams", "/v1/teams/{}", "/v1/teams/{}/projects", "/v1/teams/{}/analytics", "/v1/projects", "/v1/projects/{}", "/v1/members",
    "/v1/members/{}", "/v1/members/{}/roles", "/v1/roles", "/v1/roles/{}", "/v1/invites", "/v1/invites/{}/resend", "/v1/budgets",
    "/v1/budgets/{}", "/v1/organizations", "/v1/organizations/{}", "/v1/organizations/quota/allocate", "/v1/api-keys",
    "/v1/api-keys/service", "/v1/api-keys/admin", "/v1/api-keys/{}", "/v1/api-keys/{}/rotate", "/v1/api-keys/{}/usage", "/v1/usage", "/v1/usage/export", "/v1/prices", "/v1/prices/preview",
    "/v1/usage/{}", "/v1/providers", "/v1/providers/{}", "/v1/audit-log", "/v1/audit-log/export", "/v1/access/explain", "/v1/account",
    "/v1/account/password", "/v1/account/sessions", "/v1/organization/costs", "/v1/organization/usage/completions", "/v1/models",
    "/v1/models/gpt-4o", "/v1/models/openai/gpt-4o", "/v1beta/models", "/v1beta/models/gpt-4o", "/v1/messages/count_tokens",
    "/v1beta/models/gpt-4o:countTokens", "/v1beta/models/gpt-4o:embedContent", "/v1/models/gpt-4o:batchEmbedContents",
    "/v1/chat/completions", "/v1/completions", "/v1/embeddings",
)  # fmt: skip
OPEN_PLACES = ("/v1/auth/login", "/v1/auth/sign-up", "/v1/auth/verify-email", "/v1/auth/forgot-password", "/v1/auth/reset-password", "/v1/auth/accept-invitation", "/v1/auth/invitation", "/v1/auth/oidc/google/callback")  # fmt: skip
METHODS = ("GET", "GET", "POST", "POST", "PUT", "DELETE", "GET", "POST", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "PROPFIND", "GET\t", "X" * 30)  # fmt: skip
SQL = (
    "' OR '1'='1",
    "'; DROP TABLE team; --",
    "1 UNION SELECT digest FROM api_key",
    "\\'; SELECT pg_sleep(9)--",
    "%' AND 1=1 --",
    "$$",
    ":p1",
    "?",
)
LIKES = ("%", "_", "%%%%", "\\%", "%_" * 200, "team_%")
TEMPLATES = ("{{7*7}}", "${jndi:ldap://x}", "{0.__class__}", "%(a)s", "<%=1%>", "#{1}")
ODD = ("\x00", "%00", "\u202e", "\ufeff", "é", "\U0001f600", "%ff%fe", "%c0%ae", "..", "../..", "%2e%2e%2f", "%252e", ";", "\\", "//", "a" * 3000, "-1", "1e999", "NaN", "null", "[]", "{}")  # fmt: skip
BELIEVED = (
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix", "x-forwarded-user", "x-real-ip", "forwarded", "via",
    "x-original-url", "x-rewrite-url", "x-http-method-override", "x-original-host", "x-user", "x-remote-user", "remote-user", "x-admin",
    "x-api-version", "x-organization-id", "x-tollkeeper-labels", "x-request-id", "openai-organization", "openai-project",
    "idempotency-key", "sec-fetch-site", "origin", "referer", "x-csrf-token", "accept", "accept-encoding", "user-agent", "content-length",
    "anthropic-version", "te", "trailer", "x-ms-client-principal", "cf-access-jwt-assertion", "x-amzn-oidc-data",
)  # fmt: skip
SAYINGS = ("127.0.0.1", "localhost", "admin", "operator", "true", "1", "same-origin", "/healthz", "/v1/auth/login", "GET", "for=127.0.0.1", "10.0.0.1, 127.0.0.1")  # fmt: skip
HOSTS = ("tollkeeper", "localhost", "127.0.0.1", "x/healthz", "x/v1/auth/login?", "user@x", "x:80:80", "[::1", "", "x\\healthz", "x#", "*", "a" * 500, "x\ty")  # fmt: skip


class StrangerMaker:
    """Makes shots that must not be let in; the same seed and key make the same ones. `key` is good: only its ruins are sent."""

    def __init__(self, seed: int, key: str) -> None:
        self._random = random.Random(seed)
        self._key = key

    def next(self) -> Shot:
        rng = self._random
        kind = rng.choices(("credential", "header", "path", "query", "body", "door"), (25, 20, 20, 10, 15, 10))[0]
        path = rng.choice(OPEN_PLACES if kind == "door" else PLACES).replace("{}", self._id())
        method = rng.choice(METHODS if kind in {"path", "header"} else ("GET", "GET", "POST", "POST", "PUT", "DELETE"))
        headers = [("host", "tollkeeper"), ("content-type", "application/json")]
        headers += self._credentials(1 if kind != "credential" else rng.randint(1, 4))
        if kind == "header":
            headers += [(rng.choice(BELIEVED), self._text()) for _ in range(rng.randint(1, 6))]
            headers[0] = ("host", rng.choice(HOSTS))
        if kind == "path":
            path = self._spelled(path)
        if kind == "query" or rng.random() < 0.1:
            path += "?" + "&".join(
                f"{self._name()}={quote(self._text(), safe=rng.choice(('', '%')))}" for _ in range(rng.randint(1, 5))
            )
        body = self._body() if kind in {"body", "door"} or rng.random() < 0.3 else b""
        data = _rendered(method, path, headers, body)
        return Shot(
            f"stranger: {kind}",
            data,
            must_be_refused=not path.startswith(PUBLIC_PREFIXES) and path not in {"/", "*"},
            is_whole="content-length" not in {name for name, _ in headers},
        )

    def _credentials(self, count: int) -> list[tuple[str, str]]:
        rng = self._random
        found = []
        for _ in range(count):
            name = rng.choice(
                (
                    "authorization",
                    "authorization",
                    "x-api-key",
                    "api-key",
                    "x-goog-api-key",
                    "cookie",
                    "proxy-authorization",
                )
            )
            text = self._credential()
            if name == "authorization":
                text = (
                    rng.choice(("Bearer ", "bearer ", "Bearer  ", "Basic ", "Token ", "", "Bearer\t", "Bearer,")) + text
                )
            elif name == "cookie":
                text = (
                    rng.choice(
                        (
                            "tollkeeper_session=",
                            "tollkeeper_session=;tollkeeper_session=",
                            "session=",
                            "tollkeeper_login=",
                        )
                    )
                    + text
                )
            found.append((name, text))
        return found

    def _credential(self) -> str:
        rng = self._random
        key = self._key
        at = rng.randrange(6, len(key))
        return rng.choice(
            (
                key[:-1], key + "0", key[:at], key[:at] + ("a" if key[at] != "a" else "b") + key[at + 1 :], key.swapcase(), key[::-1], " ".join(key),
                base64.b64encode(key.encode()).decode(), key.encode().hex(), quote(key).replace("-", "%2D"), f"{key},{key}", key.replace("sk-tk-", "sess-tk-"),
                write_key("".join(rng.choices(ALPHABET, k=12)), "".join(rng.choices(ALPHABET, k=43))),
                "sess-tk-" + "".join(rng.choices(ALPHABET, k=43)), "", " ", "null", "undefined", "true", *SQL, *LIKES, *TEMPLATES,
            )
        )  # fmt: skip

    def _spelled(self, path: str) -> str:
        rng = self._random
        at = rng.randrange(len(path))
        return rng.choice(
            (
                "/" + path, path + "/", path.replace("/", "//"), path.replace("/v1", "/v1/."), "/healthz/.." + path, "/v1/auth/.." + path[3:],
                "/v1/auth/%2e%2e" + path[3:], "/v1/auth/..%2f" + path[4:], path.upper(), path + "%00", path + ";x=/healthz", path + "#/healthz",
                path.replace("/", "\\"), path[:at] + rng.choice(ODD) + path[at:], quote(path[:at]) + "%" + path[at:], "http://x" + path,
                "http://x/healthz" + path, path + "?/healthz", "/openapi.json/.." + path, path.replace("v1", "v%31"), path + "/../../healthz/../" + path[1:],
            )
        )  # fmt: skip

    def _id(self) -> str:
        rng = self._random
        made = f"{rng.choice(('team', 'proj', 'key', 'mem', 'org', 'role', 'inv', 'prov', 'req'))}_{''.join(rng.choices(ALPHABET, k=20))}"
        return rng.choice(
            (made, made, quote(rng.choice(SQL)), quote(rng.choice(LIKES)), quote(rng.choice(ODD)), "me", "self", "*")
        )

    def _name(self) -> str:
        return self._random.choice(
            (
                "after",
                "limit",
                "key",
                "api_key",
                "token",
                "project_id",
                "role",
                "group_by",
                "group_by[]",
                "from",
                "start_time",
                "permission",
                "x",
                "__proto__",
            )
        )

    def _text(self) -> str:
        rng = self._random
        return rng.choice((*SAYINGS, *SQL, *LIKES, *TEMPLATES, *ODD, self._id()))

    def _body(self) -> bytes:
        rng = self._random
        value = rng.choice((*SQL, *LIKES, *TEMPLATES, *ODD, "x", "kim@example.com"))
        whole = {name: rng.choice((value, [value], {value: value}, 10**30, -1, None, True)) for name in rng.sample(("name", "email", "password", "token", "role", "scope", "project_id", "permissions", "amount_usd", "secret", "base_url", "__class__"), 4)}  # fmt: skip
        depth = rng.choice((50, 5_000))
        return rng.choice(
            (
                json.dumps(whole).encode(), json.dumps(whole).encode(), json.dumps(whole).encode(),
                b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth, b'{"name":NaN}', b'{"name":1e999}', b'{"limit":' + b"9" * 4000 + b"}",
                b'{"name":"\\u0000"}', b'{"name":"\\ud800"}', b'{"name":"\xff"}', b"\xff\xfe\x00", b"{", rng.randbytes(200),
                b'{"name":"' + b"x" * 1_100_000 + b'"}' if rng.random() < 0.02 else b"null",
            )
        )  # fmt: skip


def _rendered(method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    if body and not any(name == "content-length" for name, _ in headers):
        headers = [*headers, ("content-length", str(len(body)))]
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode("utf-8", "surrogatepass") + b"\r\n\r\n" + body
