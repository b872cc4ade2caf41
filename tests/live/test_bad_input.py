"""Bad input against a real server: a clear error in OpenAI's shape, nothing forwarded, nothing recorded, and it goes on."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from tests.live.databases import read_records
from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.live.raw_http import RawConnection, Reply, render

CHAT = "/v1/chat/completions"
GOOD: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
UNKNOWN_KEY = "sk-tk-000000000000-" + "0" * 43


@pytest.fixture(scope="module", autouse=True)
def _leaves_no_trace(gateway: GatewayProcess, simulator: SimulatorProcess) -> Iterator[None]:
    yield
    assert send(gateway, GOOD).status == 200, "the server must have survived"
    assert gateway.stop() == 0
    assert len(simulator.bill()) == len(read_records(gateway.database_url)) == 1
    gateway.start()


def send(gateway: GatewayProcess, body: Any, *, path: str = CHAT, **headers: str) -> Reply:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    key = named.pop("key", gateway.key)
    return asyncio.run(RawConnection(gateway.port).post(path, encoded, key=key, headers=named))


def send_raw(gateway: GatewayProcess, request: bytes) -> bytes:
    """Send bytes, close our sending side, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65_536):
            received += piece
        return received


def assert_error(reply: Reply, status: int, *, code: str | None = None, param: str | None = None) -> None:
    assert reply.status == status, reply.body
    error = reply.json()["error"]
    assert {"message", "type", "param", "code", "request_id"} <= error.keys()
    assert isinstance(error["message"], str)
    assert error["message"]
    assert b"Traceback" not in reply.body
    assert b".py" not in reply.body
    if code is not None:
        assert error["code"] == code
    if param is not None:
        assert error["param"] == param


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"model"',
        b"nonsense",
        b"[]",
        b"null",
        b'"text"',
        b"17",
        b"{}trailing",
        b"\xff\xfe\x00",
        b"{'a':1}",
        b"NaN",
    ],
)
def test_what_is_not_a_json_object_is_refused(gateway: GatewayProcess, body: bytes) -> None:
    assert_error(send(gateway, body), 400, code="invalid_request")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"model": ""}, "model"),
        ({"model": "m" * 300}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": {}}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"stream": 1}, "stream"),
        ({"stream": True, "stream_options": 3}, "stream_options"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"n": 0}, "n"),
        ({"n": "two"}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": 10**30}, "n"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"metadata": []}, "metadata"),
        ({"user": 5}, "user"),
        ({"service_tier": 5}, "service_tier"),
    ],
)
def test_a_wrong_field_is_named(gateway: GatewayProcess, change: dict[str, Any], param: str) -> None:
    assert_error(send(gateway, {**GOOD, **change}), 400, param=param)


def test_a_missing_field_is_named(gateway: GatewayProcess) -> None:
    assert_error(send(gateway, {"messages": []}), 400, param="model")
    assert_error(send(gateway, {"model": "gpt-4o"}), 400, param="messages")
    assert_error(send(gateway, {"model": "text-embedding-3-small"}, path="/v1/embeddings"), 400, param="input")


def test_bad_utf8_is_refused(gateway: GatewayProcess) -> None:
    assert_error(send(gateway, b'{"model":"gpt-4o","messages":[{"role":"user","content":"\xff"}]}'), 400)


def test_very_deep_json_is_refused(gateway: GatewayProcess) -> None:
    deep = b'{"model":"gpt-4o","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert_error(send(gateway, deep), 400)


def test_a_field_that_stands_twice_is_refused(gateway: GatewayProcess) -> None:
    twice = b'{"model":"gpt-4o-mini","model":"o1","messages":[{"role":"user","content":"hi"}]}'
    assert_error(send(gateway, twice), 400, param="model")
    escaped = b'{"model":"gpt-4o-mini","mod\\u0065l":"o1","messages":[{"role":"user","content":"hi"}]}'
    assert_error(send(gateway, escaped), 400, param="model")


def test_an_unknown_model_is_not_found(gateway: GatewayProcess) -> None:
    assert_error(send(gateway, {**GOOD, "model": "no-such-model"}), 404, code="model_not_found")


@pytest.mark.parametrize("key", ["", "x", "sk-tk-nonsense", "sk-proj-abc", UNKNOWN_KEY + "AAAAAA", "é" * 10])
def test_a_mistyped_key_is_unauthorized(gateway: GatewayProcess, key: str) -> None:
    assert_error(send(gateway, GOOD, key=key), 401, code="invalid_api_key")


def test_a_well_written_but_unknown_key_is_unauthorized(gateway: GatewayProcess) -> None:
    from tollkeeper.domain.api_key import checksum

    assert_error(send(gateway, GOOD, key=UNKNOWN_KEY + checksum(UNKNOWN_KEY.encode())), 401, code="invalid_api_key")


def test_no_key_is_unauthorized(gateway: GatewayProcess) -> None:
    request = render(f"POST {CHAT}", {"content-type": "application/json"}, json.dumps(GOOD).encode())
    assert_error(asyncio.run(RawConnection(gateway.port).send(request)), 401, code="invalid_api_key")


def test_an_administration_key_cannot_call_models(gateway: GatewayProcess) -> None:
    assert_error(send(gateway, GOOD, key=gateway.admin_key), 403, code="permission_denied")


def test_another_content_type_is_refused(gateway: GatewayProcess) -> None:
    assert_error(send(gateway, GOOD, content_type="text/plain"), 415)
    assert_error(send(gateway, GOOD, content_type="application/x-www-form-urlencoded"), 415)


def test_a_body_that_is_too_large_is_refused_without_being_read(gateway: GatewayProcess) -> None:
    head = render(f"POST {CHAT}", {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}, b"")
    announced = head.replace(b"content-length: 0", b"content-length: %d" % (1 << 40))
    assert_error(asyncio.run(RawConnection(gateway.port).send(announced)), 413, code="request_too_large")


def test_wrong_labels_are_refused(gateway: GatewayProcess) -> None:
    assert_error(send(gateway, GOOD, x_tollkeeper_labels="no equals sign"), 400, param="x-tollkeeper-labels")
    assert_error(send(gateway, GOOD, x_tollkeeper_labels=",".join(f"l{i}=1" for i in range(40))), 400)


def test_another_method_is_not_allowed(gateway: GatewayProcess) -> None:
    for method, path in (("GET", CHAT), ("DELETE", CHAT), ("POST", "/v1/models")):
        request = render(f"{method} {path}", {"authorization": f"Bearer {gateway.key}"}, b"")
        assert_error(asyncio.run(RawConnection(gateway.port).send(request)), 405)


def test_an_unknown_path_is_not_found(gateway: GatewayProcess) -> None:
    assert_error(send(gateway, GOOD, path="/v1/no/such/route"), 404)


def test_half_a_request_leaves_nothing_behind(gateway: GatewayProcess) -> None:
    whole = render(
        f"POST {CHAT}",
        {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"},
        json.dumps(GOOD).encode(),
    )
    for cut in (1, 10, len(whole) // 2, len(whole) - 1):
        assert b"200 OK" not in send_raw(gateway, whole[:cut])


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00" * 500,
        b"POST\r\n\r\n",
    ],
)
def test_what_is_not_http_is_answered_400_and_closed(gateway: GatewayProcess, request_bytes: bytes) -> None:
    answer = send_raw(gateway, request_bytes)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert b"Traceback" not in answer
