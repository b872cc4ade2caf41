"""A tiny OpenID Connect issuer that says whatever a test wants: its documents, keys, tokens and manners are fields."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import Key, RSAKey

from tollkeeper.identity.flow import Flow, Identity
from tollkeeper.identity.issuers import Issuer
from tollkeeper.identity.oidc import OidcClient

CLIENT_ID = "tollkeeper-client"
CLIENT_SECRET = "s3cr3t~of/the client"
CODE = "c0de-that-nobody-may-see"
ACCESS_TOKEN = "acce55-token-that-nobody-may-see"
CALLBACK = "https://gateway.example/login/own/callback"
KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "other", "use": "sig"})

Answer = tuple[int, bytes]


def as_json(value: object, status: int = 200) -> Answer:
    return status, json.dumps(value).encode()


def public(*keys: Key, **more: Any) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False, **more) for key in keys]}


@dataclass
class OwnIssuer:
    """`answers` replaces what a path answers; what is None there never answers."""

    url: str = ""
    published: dict[str, Any] = field(default_factory=lambda: public(KEY))
    claims: dict[str, Any] = field(default_factory=dict)
    """Over the right ones; a claim of None is left out."""
    sign: Callable[[dict[str, Any]], str] = lambda claims: jwt.encode({"alg": "RS256", "kid": "first"}, claims, KEY)
    metadata: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Answer | None] = field(default_factory=dict)
    flow: Flow | None = None
    requests: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    """Path, header and form of each."""

    def asked(self, path: str) -> int:
        return sum(each[0] == path for each in self.requests)

    def issuer(self, **more: Any) -> Issuer:
        return Issuer(
            **{"name": "own", "issuer": self.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **more}
        )

    def right_claims(self) -> dict[str, Any]:
        now = int(time.time())
        assert self.flow is not None
        return {
            "iss": self.url,
            "sub": "248289761001",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": self.flow.nonce,
            "email": "kim@example.com",
            "email_verified": True,
            "name": "Kim",
        }

    def answer(self, path: str) -> Answer | None:
        if path in self.answers:
            return self.answers[path]
        if path == "/.well-known/openid-configuration":
            named = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/jwks"}
            return as_json({"issuer": self.url, **{key: self.url + at for key, at in named.items()}, **self.metadata})
        if path == "/jwks":
            return as_json(self.published)
        if path == "/token":
            claims = {key: value for key, value in (self.right_claims() | self.claims).items() if value is not None}
            return as_json({"id_token": self.sign(claims), "access_token": ACCESS_TOKEN, "token_type": "Bearer"})
        return 404, b"{}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            path = urlsplit(head[0].split(" ")[1]).path
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            self.requests.append((path, headers, form))
            answer = self.answer(path)
            if answer is None:
                await reader.read()  # until the client gives up
                return
            lines = f"HTTP/1.1 {answer[0]} Own\r\ncontent-length: {len(answer[1])}\r\nconnection: close\r\n"
            location = f"location: {self.url}/elsewhere\r\n" if answer[0] == 302 else ""
            packed = "content-encoding: gzip\r\n" if answer[1].startswith(b"\x1f\x8b") else ""
            writer.write((lines + location + packed + "\r\n").encode() + answer[1])
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def log_in(self, client: OidcClient | None = None, **more: Any) -> Identity:
        """Go through a whole login as a browser would that the issuer knows."""
        client = client or OidcClient([self.issuer()])
        _, self.flow = await client.begin("own", redirect_uri=CALLBACK)
        return await client.finish(self.flow, **{"code": CODE, "state": self.flow.state, **more})


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[OwnIssuer]:
    issuer = OwnIssuer()
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", 0, ssl=tls)
    issuer.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield issuer
