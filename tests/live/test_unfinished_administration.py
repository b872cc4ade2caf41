"""Requests of the administration that never end: nothing happens, and the next one is answered."""

from __future__ import annotations

import json
import socket
import time

import pytest
from tests.live.processes import GatewayProcess, get_json

NAMES = ("half a body", "half a head", "no body", "too slow")


@pytest.mark.parametrize("name", NAMES)
def test_who_hangs_up_in_the_middle_changes_nothing(gateway: GatewayProcess, name: str) -> None:
    headers = {"authorization": f"Bearer {gateway.admin_key}"}
    body = json.dumps({"name": f"team of {name}"}).encode()
    head = f"POST /v1/teams HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.admin_key}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    pieces = {
        "half a body": [head + body[:5]],
        "half a head": [head[:40]],
        "no body": [head],
        "too slow": [head, *(body[at : at + 1] for at in range(5))],
    }
    before = get_json(f"{gateway.base_url}/teams", headers)
    for _ in range(20 if name != "too slow" else 2):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as connection:
            for piece in pieces[name]:
                connection.sendall(piece)
                if name == "too slow":
                    time.sleep(0.05)
    assert get_json(f"{gateway.base_url}/teams", headers) == before
    assert get_json(f"{gateway.base_url}/audit-log?action=team.", headers)["data"] == []


def test_who_leaves_before_the_answer_has_done_it_once(gateway: GatewayProcess) -> None:
    """The body was whole: the change is made, and its repetition with the same key tells of it."""
    headers = {"authorization": f"Bearer {gateway.admin_key}"}
    body = json.dumps({"name": "Custom", "permissions": ["audit:read"]}).encode()
    head = f"POST /v1/roles HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.admin_key}\r\nidempotency-key: once\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as connection:
            connection.sendall(head + body)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(head + body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    found = get_json(f"{gateway.base_url}/roles?limit=100", headers)["data"]
    assert [each["name"] for each in found].count("Custom") == 1
