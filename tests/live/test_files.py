"""OpenAI's official client and files against real processes, on each database: whose a file is, and that nothing is billed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from tests.live.databases import read_records
from tests.live.mixed_run import SHORT_DEADLINES
from tests.live.processes import GatewayProcess, SimulatorProcess, post_json

CONTENT = b'{"custom_id": "1"}\r\n\x00\xff\n' * 5_000


@pytest.fixture
def gateway(tmp_path: Path, simulator: SimulatorProcess, new_database_url: str) -> Iterator[GatewayProcess]:
    running = GatewayProcess(tmp_path, simulator, new_database_url, extra=SHORT_DEADLINES)
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


@pytest.fixture
def client(gateway: GatewayProcess) -> OpenAI:
    return OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0, timeout=20)


@pytest.fixture
def stranger(client: OpenAI, gateway: GatewayProcess) -> OpenAI:
    """The same client with a key of another project."""
    project = json.loads(gateway.tollkeeper("projects", "create", "another", "--org", "acme", "--json"))
    wanted = {"name": "a stranger", "project_id": project["id"], "permissions": ["files:manage"]}
    headers = {"authorization": f"Bearer {gateway.admin_key}"}
    made = post_json(f"{gateway.base_url}/api-keys/service", wanted, headers)
    return client.with_options(api_key=made["key"])


def test_the_official_client_works_with_its_own_files_and_sees_no_others(
    client: OpenAI, stranger: OpenAI, gateway: GatewayProcess, simulator: SimulatorProcess
) -> None:
    billed = len(simulator.bill())
    made = client.files.create(
        file=("in.jsonl", CONTENT), purpose="batch", expires_after={"anchor": "created_at", "seconds": 7_200}
    )
    assert (made.bytes, made.filename, made.expires_at) == (len(CONTENT), "in.jsonl", made.created_at + 7_200)
    second = client.files.create(file=("a.txt", b"x"), purpose="user_data")
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == CONTENT
    assert {each.id: each for each in client.files.list(limit=1)} == {made.id: made, second.id: second}
    assert [each.id for each in client.files.list(purpose="batch", order="asc")] == [made.id]

    assert stranger.files.list().data == []
    for ask in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
        with pytest.raises(openai.NotFoundError):
            ask(made.id)
    with pytest.raises(openai.BadRequestError):
        stranger.files.list(after=made.id)
    own = stranger.files.create(file=("b.txt", b"y"), purpose="user_data")
    assert [each.id for each in stranger.files.list()] == [own.id]

    assert gateway.stop() == 0
    gateway.start()
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)
    assert [each.id for each in client.files.list()] == [second.id]
    assert read_records(gateway.database_url) == []
    assert len(simulator.bill()) == billed
