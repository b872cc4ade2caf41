"""OpenAI's official client and Responses against real processes: what it reads, and that the bill equals the ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from tests.live.databases import read_records
from tests.live.judge import judge
from tests.live.mixed_run import SHORT_DEADLINES
from tests.live.processes import GatewayProcess, SimulatorProcess, post_json

PROVIDERS = """
[[providers]]
name = "xai"
kind = "xai"
base_url = "{origin}/v1"
api_key_env = "SIMULATOR_KEY"
"""
GPT, THINKER, GROK = "gpt-4o-mini", "gpt-5.6-luna", "grok-4.7"
SAY, ONCE = "hello [[sim:tokens=12]]", "hello [[sim:tokens=13]]"


@pytest.fixture(scope="module")
def gateway(folder: Path, simulator: SimulatorProcess) -> Iterator[GatewayProcess]:
    extra = PROVIDERS.format(origin=simulator.origin) + SHORT_DEADLINES
    running = GatewayProcess(folder, simulator, f"sqlite:///{folder / 'tollkeeper.db'}", extra=extra)
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log


@pytest.fixture(scope="module", autouse=True)
def bill_equals_ledger(gateway: GatewayProcess, simulator: SimulatorProcess) -> Iterator[None]:
    """To the nano, for every call that the tests here have made, in whatever order."""
    yield
    deadline = time.monotonic() + 15
    while len(records := read_records(gateway.database_url)) < len(simulator.bill()) and time.monotonic() < deadline:
        time.sleep(0.2)
    verdict = judge(records, simulator.bill())
    assert not verdict.faults, verdict.table()
    assert not verdict.crashed
    assert not verdict.unmatched_lines
    assert verdict.exact > 0
    estimated = {line["fault"] for _, line in verdict.estimated}
    assert estimated <= {"error_event;tokens=30;drip=200,10"}, verdict.estimated_list()


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> OpenAI:
    return OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0, timeout=20)


@pytest.mark.parametrize("model", [GPT, THINKER, GROK])
def test_the_client_is_answered(client: OpenAI, simulator: SimulatorProcess, model: str) -> None:
    raw = client.responses.with_raw_response.create(model=model, instructions="be brief", input=ONCE)
    response = raw.parse()
    assert response.output_text
    assert response.usage is not None
    assert (response.status, "_tk" in response.id) == ("completed", True)
    (line,) = (each for each in simulator.bill() if _is_of(each, model))
    assert response.usage.output_tokens == line["usage"]["output_tokens"]
    assert raw.headers["x-tollkeeper-cost-usd"] == f"{line['amount_nano'] / 1e9:.9f}"


def _is_of(line: dict[str, Any], model: str) -> bool:
    """Tell whether a line of the bill is of the one whole answer of a model that `ONCE` asks for."""
    return bool(line["fault"] == "tokens=13" and line["model"].startswith(model))


@pytest.mark.parametrize("model", [GPT, THINKER, GROK])
def test_the_client_reads_streams(client: OpenAI, model: str) -> None:
    events = list(client.responses.create(model=model, input=SAY, stream=True))
    assert "".join(each.delta for each in events if each.type == "response.output_text.delta")
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage is not None
    assert events[0].response.id == events[-1].response.id


def test_the_clients_own_accumulation_of_a_stream_works(client: OpenAI) -> None:
    with client.responses.stream(model=GPT, input=SAY) as stream:
        final = list(stream)[-1]
        assert final.type == "response.completed"
        assert stream.get_final_response().output_text


def test_a_conversation_goes_on_from_an_earlier_response(client: OpenAI) -> None:
    first = client.responses.create(model=GPT, input=SAY)
    second = client.responses.create(model=GPT, input="and then?", previous_response_id=first.id)
    assert second.previous_response_id == first.id
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens + 5
    with pytest.raises(openai.BadRequestError) as found:
        client.responses.create(model=GPT, input="and then?", previous_response_id=first.id.partition("_tk")[0])
    assert found.value.param == "previous_response_id"


def test_functions_are_called(client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"bridge": {"type": "string"}}, "required": ["bridge"]}
    tools: Any = [{"type": "function", "name": "look_up_toll", "parameters": schema, "strict": False}]
    response = client.responses.create(model=GPT, input="look it up", tools=tools, tool_choice="required")
    (call,) = [item for item in response.output if item.type == "function_call"]
    answer: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "three coins"}
    following = client.responses.create(model=GPT, input=[answer], previous_response_id=response.id)
    assert following.output_text


@pytest.mark.parametrize("is_streamed", [False, True])
def test_tools_of_the_provider_are_billed_by_use(client: OpenAI, *, is_streamed: bool) -> None:
    tools: Any = [
        {"type": "web_search"},
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "code_interpreter", "container": {"type": "auto"}},
    ]
    asked: Any = {"model": GPT, "input": "find out [[sim:searches=3;tokens=20]]", "tools": tools}
    if is_streamed:
        *_, last = client.responses.create(**asked, stream=True)
        assert last.type == "response.completed"
        response = last.response
    else:
        response = client.responses.create(**asked)
    assert [item.type for item in response.output].count("web_search_call") == 3


def test_an_answer_that_is_cut_is_incomplete(client: OpenAI) -> None:
    response = client.responses.create(model=GPT, input="tell me", max_output_tokens=16)
    events = list(client.responses.create(model=GPT, input="tell me", max_output_tokens=16, stream=True))
    if response.status == "incomplete":  # what it says may be shorter
        assert events[-1].type == "response.incomplete"


def test_errors_are_openais(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="nobody", input="x")
    with pytest.raises(openai.BadRequestError) as found:
        client.responses.create(model=GPT, input="x", max_output_tokens=1)
    assert found.value.param == "max_output_tokens"
    with pytest.raises(openai.UnprocessableEntityError):
        client.responses.create(model=GPT, input="[[sim:status=422]]")
    events = list(client.responses.create(model=GPT, input="[[sim:error_event;tokens=30;drip=200,10]]", stream=True))
    assert events[-1].type == "error"


def test_a_response_is_retrieved_listed_and_deleted_by_whom_it_belongs_to(
    client: OpenAI, gateway: GatewayProcess
) -> None:
    response = client.responses.create(model=GPT, input=SAY)
    assert client.responses.retrieve(response.id).id == response.id
    assert [event.type for event in client.responses.retrieve(response.id, stream=True)][-1] == "response.completed"
    resumed = list(client.responses.retrieve(response.id, stream=True, starting_after=2))
    assert resumed[0].sequence_number == 3
    assert [item.type for item in client.responses.input_items.list(response.id).data] == ["message"]
    headers = {"authorization": f"Bearer {gateway.admin_key}"}
    project = json.loads(gateway.tollkeeper("projects", "create", "another", "--org", "acme", "--json"))
    made = post_json(
        f"{gateway.base_url}/api-keys/service",
        {"name": "a stranger", "project_id": project["id"], "permissions": ["responses:create"]},
        headers,
    )
    stranger = client.with_options(api_key=made["key"])
    for ask in (stranger.responses.retrieve, stranger.responses.delete, stranger.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            ask(response.id)
    with pytest.raises(openai.BadRequestError):
        stranger.responses.create(model=GPT, input="x", previous_response_id=response.id)
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_ids_hold_over_a_restart(client: OpenAI, gateway: GatewayProcess) -> None:
    response = client.responses.create(model=GPT, input=SAY)
    assert gateway.stop() == 0
    gateway.start()
    assert client.responses.retrieve(response.id).output_text == response.output_text


def test_a_response_in_the_background_is_asked_for_until_it_ends(client: OpenAI) -> None:
    response = client.responses.create(model=GPT, input="hello [[sim:tokens=40]]", background=True)
    assert response.status == "queued"
    deadline = time.monotonic() + 10
    while response.status in {"queued", "in_progress"} and time.monotonic() < deadline:
        time.sleep(0.1)
        response = client.responses.retrieve(response.id)
    assert response.status == "completed"
    unasked = client.responses.create(model=THINKER, input=SAY, background=True)
    assert unasked.usage is None
    deleted = client.responses.create(model=GPT, input=SAY, background=True)
    client.responses.delete(deleted.id)


def test_a_client_that_hangs_up_on_a_stream_is_charged_what_it_came_to(client: OpenAI) -> None:
    for number in range(6):
        stream = client.responses.create(model=GPT, input=f"hello [[sim:tokens={30 + number};drip=200,5]]", stream=True)
        for _ in range(number + 1):
            next(stream)
        stream.close()
