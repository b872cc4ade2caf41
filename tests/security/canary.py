"""Secrets with a mark on each, put into everything that takes one, and the search for them wherever they must not be."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
from tests.live.processes import GatewayProcess

_OURS = re.compile(r"^(?:sk-tk-[0-9A-Za-z]{12}-|sess-tk-|mail-tk-)([0-9A-Za-z]{43})")


@dataclass
class Canaries:
    """The secrets by name, every answer, and which secrets an answer is there to show."""

    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, str, frozenset[str]]] = field(default_factory=list)

    def new(self, name: str, value: str | None = None) -> str:
        """Return a secret that is looked for from now on."""
        self.secrets[name] = value or f"canary-{name.replace(' ', '-')}-7Qx"
        return self.secrets[name]

    def spoken(self) -> list[str]:
        """Return the answers that show a secret which is not theirs to show."""
        return [
            f"{where} shows {found}"
            for where, text, shown in self.answers
            for found in self.found_in(text.encode())
            if found not in shown
        ]

    def found_in(self, data: bytes) -> list[str]:
        """Return the names of the secrets in some bytes, in any of the usual writings."""
        lowered = data.lower()
        return [
            name for name, secret in self.secrets.items() if any(each.lower() in lowered for each in _writings(secret))
        ]


class Visitor:
    """Asks a running gateway and keeps every answer."""

    def __init__(self, gateway: GatewayProcess, canaries: Canaries) -> None:
        self._client = httpx.Client(base_url=gateway.origin, timeout=60.0, trust_env=False)
        self.canaries = canaries

    def ask(
        self,
        method: str,
        path: str,
        credential: str | None = None,
        body: Any = None,
        *,
        shows: Iterable[str] = (),
        **more: Any,
    ) -> httpx.Response:
        """Ask; the answer is there to show the secrets named in `shows`, and no others."""
        headers = {**({"authorization": f"Bearer {credential}"} if credential else {}), **more.pop("headers", {})}
        answer = self._client.request(method, path, json=body, headers=headers, **more)
        where = f"{method} {path.partition('?')[0]} {answer.status_code}"
        text = answer.text + json.dumps(dict(answer.headers))
        self.canaries.answers.append((where, text, frozenset(shows)))
        assert answer.status_code < 500 or answer.status_code in {502, 503, 504}, f"{where} {answer.text}"
        return answer

    def secret(
        self, method: str, path: str, credential: str | None, body: Any, *, named: str, at: str, **more: Any
    ) -> tuple[str, dict[str, Any]]:
        """Ask for something that shows a new secret once; returns it and the answer."""
        answer = self.ask(method, path, credential, body, shows=[named], **more)
        assert answer.status_code == 200, answer.text
        return self.canaries.new(named, answer.json()[at]), answer.json()

    def close(self) -> None:
        self._client.close()


def files_below(folder: Path, *, but: Iterable[str] = ()) -> Mapping[str, bytes]:
    """Return the bytes of every file, without those that are there to hold a secret."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in but
    }


async def postgres_dump(url: str) -> bytes:
    """Return every row of every table as text."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        pieces = []
        for table in tables:
            pieces += [row[0].encode() for row in await connection.fetch(f'SELECT t::text FROM "{table[0]}" t')]
            for row in await connection.fetch(f'SELECT * FROM "{table[0]}"'):
                pieces += [bytes(value) for value in row.values() if isinstance(value, bytes)]
        return b"\n".join(pieces)
    finally:
        await connection.close()


def _writings(secret: str) -> list[bytes]:
    ours = _OURS.match(secret)
    core = ours[1] if ours else secret  # the public part of a key may be shown
    raw = core.encode()
    # Base64 of the middle: where a secret begins within a longer text changes the letters at its ends.
    return [raw, quote(core).encode(), raw.hex().encode(), base64.b64encode(raw)[4:-6], json.dumps(core)[1:-1].encode()]
