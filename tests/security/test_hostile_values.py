"""Values that break databases, in every parameter and field of every route, on each database: refused or kept, never our fault."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from tests.admin.admin_factories import client_of
from tests.security.examples import Example
from tests.security.matrix import Matrix, secured_app
from tests.security.realms import open_realm

from tollkeeper.store.engine import Store

TEXTS = ("\u0000", "a\u0000b", "\u001f", "\ufffe\uffff", "\U0010ffff", "%", "_", "'", "\\", "é" * 70, "x" * 100_000, "2026-13-45T99:99:99Z", "-1", "1e999", "9" * 400, "true", "[]", "{}", "../..", "\u202e")  # fmt: skip
RAW = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5000, "0.1e-5000", '"\\ud800"', '"\\udfff\\ud800"', "[" * 5000 + "]" * 5000, '{"a":' * 5000 + "1" + "}" * 5000, "null", "true", "[]", "{}", '""', "-0", "18446744073709551616", "01", "")  # fmt: skip
MARK = "REPLACED"
AT_ONCE = 8


@pytest.mark.timeout(600)  # tens of thousands of requests; no test is judged by its time
async def test_nothing_in_a_parameter_or_field_is_our_fault(store: Store):
    mine, theirs = await open_realm(store, "Aardvark"), await open_realm(store, "Badger")
    async with secured_app(store) as app:
        matrix = Matrix(app, store, mine, theirs)
        wanted = [
            (example, raw)
            for route in matrix.routes
            if (route.method, route.path) not in {("POST", "/v1/auth/logout"), ("DELETE", "/v1/account/sessions")}
            for example in _places(matrix, route)
            for raw in _values(example)
        ]
        if store.dialect == "sqlite":  # what breaks it is rarer, and it writes one after the other
            wanted = random.Random(7).sample(wanted, 500)
        faults: list[str] = []
        gate = asyncio.Semaphore(AT_ONCE)
        async with client_of(app) as client:

            async def ask(example: Example, raw: str) -> None:
                async with gate:
                    query = {name: value.replace(MARK, raw) for name, value in example.query.items()}
                    path = example.path.replace(
                        MARK, "".join(f"%{byte:02x}" for byte in raw.encode("utf-8", "surrogatepass"))
                    )
                    content = (
                        None
                        if example.body is None
                        else json.dumps(example.body).replace(f'"{MARK}"', raw).encode("utf-8", "surrogatepass")
                    )
                    who = "org_admin" if matrix.permissions.get((example.method, example.path)) == "login" else "admin"
                    headers = {**mine.credentials[who], "content-type": "application/json"}
                    got = await client.request(
                        example.method, path, params=query or None, content=content, headers=headers
                    )
                    if (
                        got.status_code == 503 and "Try again" in got.text
                    ):  # a busy machine: SQLite writes one after the other
                        got = await client.request(
                            example.method, path, params=query or None, content=content, headers=headers
                        )
                    if got.status_code >= 500:
                        faults.append(
                            f"{example.method} {path[:120]} {query!r:.120} {(content or b'')[:200]!r}: {got.text[:200]}"
                        )

            await asyncio.gather(*(ask(example, raw) for example, raw in wanted))
        assert faults[:10] == [], len(faults)
        assert len(wanted) >= 500


def _places(matrix: Matrix, route: Any) -> Iterator[Example]:
    """Yield the route's example with one place marked after the other."""
    good = matrix.example(route)
    for parameter in route.path_parameters:
        yield matrix.example(route, {**matrix.mine.ids, parameter: MARK})
    for each in route.operation.get("parameters", []):
        if each["in"] == "query":
            yield Example(good.method, good.path, {**good.query, each["name"]: MARK}, good.body)
    if good.body is not None:
        content = route.operation["requestBody"]["content"]["application/json"]["schema"]
        name = content.get("$ref", content.get("anyOf", [{}])[0].get("$ref", "")).rsplit("/", 1)[-1]
        for field in matrix.document["components"]["schemas"][name].get("properties", {}):
            yield Example(good.method, good.path, good.query, {**good.body, field: MARK})


def _values(example: Example) -> Iterator[str]:
    if MARK in example.path or MARK in example.query.values():
        yield from (text for text in TEXTS if len(text) < 5000)
    else:
        yield from (json.dumps(text) for text in TEXTS)
        yield from RAW


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 5000 + b"]" * 5000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"\xff\xfe",
        b"{",
        b"nul",
        b"\xef\xbb\xbf{}",
        b'{"name":"x","name":"y"}',
    ],
)
async def test_bodies_that_are_hardly_json_are_the_callers_fault(open_matrix: Any, body: bytes):
    async with open_matrix() as matrix, client_of(matrix.app) as client:
        headers = {**matrix.mine.credentials["admin"], "content-type": "application/json"}
        for path in ("/v1/teams", "/v1/api-keys/service", "/v1/auth/login", "/v1/organizations/quota/allocate"):
            got = await client.post(path, content=body, headers=headers)
            assert got.status_code == 400 or b'"y"' in body, (path, got.text)
            assert got.status_code < 500


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3 * 1024 * 1024])
async def test_a_body_beyond_the_bound_is_refused_on_every_route_that_takes_one(open_matrix: Any, size: int):
    async with open_matrix() as matrix, client_of(matrix.app) as client:
        for route in matrix.routes:
            if route.method in {"POST", "PUT"}:
                example = matrix.example(route)
                headers = {**matrix.mine.credentials["admin"], "content-type": "application/json"}
                got = await client.request(route.method, example.path, content=b" " * size, headers=headers)
                assert got.status_code == 413, (route.name, got.text)
