"""The official `openai` client, unmodified but for base URL and key, against real processes: every kind of call works as there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel
from tests.live.processes import GatewayProcess, SimulatorProcess

MODEL = "gpt-4o-mini"
HELLO: list[Any] = [{"role": "user", "content": "hello"}]


class Toll(BaseModel):
    bridge: str
    axles: int


TOLL_TOOL: Any = {
    "type": "function",
    "function": {
        "name": "look_up_toll",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"bridge": {"type": "string"}, "axles": {"type": "integer"}},
            "required": ["bridge", "axles"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[OpenAI]:
    transport = openai.DefaultHttpxClient(verify=False)  # reading the system's certificates takes longer than the tests
    with OpenAI(
        base_url=gateway.base_url, api_key=gateway.key, max_retries=0, timeout=20, http_client=transport
    ) as sdk:
        yield sdk


def message(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def billed(simulator: SimulatorProcess) -> dict[str, Any]:
    return simulator.bill()[-1]


def test_a_chat_completion_states_the_usage_that_is_billed(client: OpenAI, simulator: SimulatorProcess) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO)
    assert answer.choices[0].message.content
    assert answer.model == "gpt-4o-mini-2024-07-18"
    assert answer.usage is not None
    line = billed(simulator)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (
        line["usage"]["input_tokens"],
        line["usage"]["output_tokens"],
    )


def test_the_raw_response_has_the_cost_and_our_request_id(client: OpenAI, simulator: SimulatorProcess) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO)
    assert Decimal(raw.headers["x-tollkeeper-cost-usd"]) * 10**9 == billed(simulator)["amount_nano"]
    assert raw.request_id is not None
    assert raw.request_id.startswith("req_")
    assert raw.parse().choices[0].message.role == "assistant"


def test_an_async_chat_completion_answers(gateway: GatewayProcess) -> None:
    async def ask() -> str | None:
        async with AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as sdk:
            answers = await asyncio.gather(
                *(sdk.chat.completions.create(model=MODEL, messages=HELLO) for _ in range(8))
            )
            return answers[0].choices[0].message.content

    assert asyncio.run(ask())


def test_a_stream_without_include_usage_shows_no_usage_chunk(client: OpenAI, simulator: SimulatorProcess) -> None:
    with client.chat.completions.create(model=MODEL, messages=HELLO, stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert billed(simulator)["usage_sent"], "the gateway asks for the usage although its client did not"


def test_a_stream_with_include_usage_ends_with_usage_and_cost(client: OpenAI, simulator: SimulatorProcess) -> None:
    options: Any = {"include_usage": True}
    with client.chat.completions.create(model=MODEL, messages=HELLO, stream=True, stream_options=options) as stream:
        last = list(stream)[-1]
    assert last.choices == []
    assert last.usage is not None
    line = billed(simulator)
    assert last.usage.completion_tokens == line["usage"]["output_tokens"]
    assert last.usage.model_extra is not None
    assert round(Decimal(str(last.usage.model_extra["cost"])) * 10**9) == line["amount_nano"]


def test_an_async_stream_gives_the_same_text_as_the_whole_answer(gateway: GatewayProcess, client: OpenAI) -> None:
    async def ask() -> str:
        async with AsyncOpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0) as sdk:
            stream = await sdk.chat.completions.create(model=MODEL, messages=message("same"), stream=True, seed=7)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    whole = client.chat.completions.create(model=MODEL, messages=message("same"), seed=7)
    assert asyncio.run(ask()) == whole.choices[0].message.content


def test_the_streaming_helper_gathers_the_final_completion(client: OpenAI) -> None:
    with client.chat.completions.stream(model=MODEL, messages=HELLO) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content


def test_a_stream_left_early_is_still_billed_in_full(client: OpenAI, simulator: SimulatorProcess) -> None:
    with client.chat.completions.create(model=MODEL, messages=message("[[sim:tokens=300]]"), stream=True) as stream:
        next(iter(stream))
    client.chat.completions.create(model=MODEL, messages=HELLO)
    lines = [line for line in simulator.bill() if line["fault"] == "tokens=300"]
    assert [line["usage"]["output_tokens"] for line in lines] == [300]


def test_tools_are_called_with_arguments(client: OpenAI) -> None:
    asked = client.chat.completions.create(model=MODEL, messages=HELLO, tools=[TOLL_TOOL], tool_choice="required")
    calls = asked.choices[0].message.tool_calls
    assert calls is not None
    assert asked.choices[0].finish_reason == "tool_calls"
    Toll.model_validate_json(calls[0].function.arguments)  # type: ignore[union-attr]


def test_a_streamed_tool_call_has_whole_arguments(client: OpenAI) -> None:
    with client.chat.completions.create(
        model=MODEL, messages=HELLO, tools=[TOLL_TOOL], tool_choice="required", stream=True
    ) as stream:
        deltas = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or []]
    Toll.model_validate_json("".join(delta.function.arguments or "" for delta in deltas if delta.function))


def test_structured_output_is_parsed(client: OpenAI) -> None:
    parsed = client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Toll)
    assert isinstance(parsed.choices[0].message.parsed, Toll)


def test_several_choices_come_back(client: OpenAI) -> None:
    assert len(client.chat.completions.create(model=MODEL, messages=HELLO, n=3).choices) == 3


@pytest.mark.parametrize("given", ["one", ["one", "two"], [1, 2, 3]])
def test_embeddings_come_back_for_every_input(client: OpenAI, simulator: SimulatorProcess, given: Any) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input=given)
    assert len(answer.data) == (2 if given == ["one", "two"] else 1)
    assert len(answer.data[0].embedding) == 1536
    assert answer.usage.prompt_tokens == billed(simulator)["usage"]["input_tokens"]


def test_a_legacy_completion_answers(client: OpenAI) -> None:
    assert client.completions.create(model="gpt-3.5-turbo-instruct", prompt="once", max_tokens=9).choices[0].text


def test_models_are_listed_and_found(client: OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert {MODEL, "gpt-5"} <= names
    assert client.models.retrieve(MODEL).owned_by == "openai"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


def test_provider_prefixed_names_resolve(client: OpenAI) -> None:
    assert client.chat.completions.create(model=f"openai/{MODEL}", messages=HELLO).model == "gpt-4o-mini-2024-07-18"


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("status=400", openai.BadRequestError, 400),
        ("status=403", openai.PermissionDeniedError, 403),
        ("status=404", openai.NotFoundError, 404),
        ("status=409", openai.ConflictError, 409),
        ("status=422", openai.UnprocessableEntityError, 422),
        ("status=429", openai.RateLimitError, 429),
        ("status=500", openai.InternalServerError, 500),
        ("status=503", openai.InternalServerError, 503),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_provider_errors_keep_status_and_body(
    client: OpenAI,
    simulator: SimulatorProcess,
    fault: str,
    error: type[openai.APIStatusError],
    status: int,
    stream: bool,
) -> None:
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=MODEL, messages=message(f"[[sim:{fault}]]"), stream=stream)
    assert caught.value.status_code == status
    assert isinstance(caught.value.body, dict)
    assert {"message", "type", "param", "code"} <= caught.value.body.keys()
    assert billed(simulator)["amount_nano"] == 0
    assert Decimal(caught.value.response.headers["x-tollkeeper-cost-usd"]) == 0


@pytest.mark.parametrize("status", [401, 402])
def test_a_refusal_of_the_gateways_own_key_is_not_the_callers_fault(
    client: OpenAI, simulator: SimulatorProcess, status: int
) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=MODEL, messages=message(f"[[sim:status={status}]]"))
    assert (caught.value.status_code, caught.value.code) == (502, "provider_key_refused")
    assert billed(simulator)["amount_nano"] == 0


def test_our_own_refusals_raise_the_sdks_exceptions(client: OpenAI, gateway: GatewayProcess) -> None:
    with pytest.raises(openai.NotFoundError) as not_found:
        client.chat.completions.create(model="no-such-model", messages=HELLO)
    assert not_found.value.code == "model_not_found"
    wrong_message: Any = "hello"
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model=MODEL, messages=wrong_message)
    assert bad.value.param == "messages"
    with pytest.raises(openai.AuthenticationError) as unknown:
        client.with_options(api_key="sk-tk-nonsense").models.list()
    assert unknown.value.code == "invalid_api_key"
    with pytest.raises(openai.PermissionDeniedError):
        client.with_options(api_key=gateway.admin_key).chat.completions.create(model=MODEL, messages=HELLO)


def test_a_stream_that_breaks_raises_and_does_not_end_quietly(client: OpenAI) -> None:
    with (
        pytest.raises(openai.APIError),
        client.chat.completions.create(model=MODEL, messages=message("[[sim:reset=700]]"), stream=True) as stream,
    ):
        list(stream)


def test_an_error_event_of_the_provider_reaches_the_client(client: OpenAI) -> None:
    with (
        pytest.raises(openai.APIError, match="server had an error"),
        client.chat.completions.create(
            model=MODEL, messages=message("[[sim:error_event;drip=100,10]]"), stream=True
        ) as stream,
    ):
        list(stream)


def test_the_sdks_own_retry_gets_through_a_busy_provider(client: OpenAI, simulator: SimulatorProcess) -> None:
    simulator.fault("status=503", count=1)
    answer = client.with_options(max_retries=2).chat.completions.create(model=MODEL, messages=HELLO)
    assert answer.choices[0].message.content


def test_unknown_fields_pass_through_to_the_provider(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no_such_field"):
        client.chat.completions.create(model=MODEL, messages=HELLO, extra_body={"no_such_field": 1})
