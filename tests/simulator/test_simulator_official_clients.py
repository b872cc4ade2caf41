"""The official clients of Anthropic and Google against the simulator: what they parse is what was billed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import anthropic_calls
import gemini_calls
import pydantic
import pytest
from google import genai
from google.genai import errors, types

from tollkeeper_simulator import Simulator


class Forecast(pydantic.BaseModel):
    city: str
    days: int


def get_weather(city: str) -> str:
    """Say what the weather is."""
    return f"sun over {city}"


@pytest.fixture
async def claude(simulator: Simulator) -> AsyncIterator[anthropic.AsyncAnthropic]:
    transport = anthropic.DefaultAsyncHttpxClient(verify=False)
    async with anthropic.AsyncAnthropic(
        base_url=simulator.origin, api_key=anthropic_calls.KEY, max_retries=0, http_client=transport
    ) as sdk:
        yield sdk


@pytest.fixture
async def gemini(simulator: Simulator) -> AsyncIterator[genai.client.AsyncClient]:
    options = types.HttpOptions(
        base_url=simulator.origin,
        api_version="v1beta",
        client_args={"verify": False},
        async_client_args={"verify": False},
    )
    client = genai.Client(api_key=gemini_calls.KEY, vertexai=False, http_options=options)
    yield client.aio
    await client.aio.aclose()
    client.close()


async def test_claude_answers_and_counts(claude: anthropic.AsyncAnthropic, simulator: Simulator) -> None:
    body: dict[str, Any] = anthropic_calls.saying("how are you?")
    message = await claude.messages.create(**body)
    record = simulator.bill.records[0]
    assert message._request_id == record.request_id
    assert (message.usage.input_tokens, message.usage.output_tokens) == (
        record.usage.input_tokens, record.usage.output_tokens,
    )  # fmt: skip
    counted = await claude.messages.count_tokens(model=body["model"], messages=body["messages"])
    assert counted.input_tokens == message.usage.input_tokens


async def test_claude_streams_thoughts_searches_and_calls(
    claude: anthropic.AsyncAnthropic, simulator: Simulator
) -> None:
    body: dict[str, Any] = anthropic_calls.saying(
        "search, then use the tools",
        tools=[anthropic_calls.SEARCH, anthropic_calls.WEATHER, anthropic_calls.TIME],
        thinking={"type": "adaptive"},
    )
    async with claude.messages.stream(**body) as stream:
        kinds = [event.type async for event in stream]
        message = await stream.get_final_message()
    assert {"thinking", "signature", "input_json", "message_stop"} <= set(kinds)
    assert [block.type for block in message.content] == [
        "thinking", "server_tool_use", "web_search_tool_result", "tool_use", "tool_use",
    ]  # fmt: skip
    assert message.stop_reason == "tool_use"
    calls = [block for block in message.content if block.type == "tool_use"]
    assert set(calls[0].input) == {"city", "days"}
    usage = message.usage
    assert usage.server_tool_use is not None
    assert usage.server_tool_use.web_search_requests == simulator.bill.records[0].usage.web_searches == 1
    assert usage.output_tokens == simulator.bill.records[0].usage.output_tokens
    answers: list[Any] = [{"type": "tool_result", "tool_use_id": call.id, "content": "fine"} for call in calls]
    turns = [*body["messages"], {"role": "assistant", "content": message.content}, {"role": "user", "content": answers}]
    second = await claude.messages.create(**body | {"messages": turns})
    assert second.stop_reason == "end_turn"


async def test_claude_parses_structured_output(claude: anthropic.AsyncAnthropic) -> None:
    parsed = await claude.messages.parse(**anthropic_calls.saying(), output_format=Forecast)
    assert isinstance(parsed.parsed_output, Forecast)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("status=429", anthropic.RateLimitError),
        ("status=529", anthropic.InternalServerError),
        ("status=400:quota", anthropic.BadRequestError),
        ("status=401", anthropic.AuthenticationError),
        ("status=404", anthropic.NotFoundError),
    ],
)
async def test_claudes_errors_are_told_apart(
    claude: anthropic.AsyncAnthropic, fault: str, error: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(error) as refused:
        await claude.messages.create(**anthropic_calls.saying(f"[[sim:{fault}]]"))
    assert refused.value.request_id is not None


async def test_an_error_event_is_an_error_to_claudes_client(claude: anthropic.AsyncAnthropic) -> None:
    stream = await claude.messages.create(**anthropic_calls.saying("[[sim:error_event;tokens=40]]"), stream=True)
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        async for _ in stream:
            pass


async def test_claudes_models_can_be_listed(claude: anthropic.AsyncAnthropic) -> None:
    listed = [model.id async for model in claude.models.list(limit=4)]
    assert len(listed) > 15
    assert (await claude.models.retrieve("claude-opus-5-5")).display_name == "Claude Opus 5.5"


async def test_gemini_answers_and_counts(gemini: genai.client.AsyncClient, simulator: Simulator) -> None:
    answer = await gemini.models.generate_content(model=gemini_calls.FLASH, contents="how are you?")
    used = answer.usage_metadata
    assert used is not None
    record = simulator.bill.records[0]
    assert answer.response_id == record.request_id
    assert used.prompt_token_count == record.usage.input_tokens
    assert (used.candidates_token_count or 0) + (used.thoughts_token_count or 0) == record.usage.output_tokens
    counted = await gemini.models.count_tokens(model=gemini_calls.FLASH, contents="how are you?")
    assert counted.total_tokens == used.prompt_token_count


async def test_gemini_streams(gemini: genai.client.AsyncClient, simulator: Simulator) -> None:
    config = types.GenerateContentConfig(
        system_instruction="Be short.", thinking_config=types.ThinkingConfig(include_thoughts=True), temperature=0.5
    )
    chunks = [
        chunk
        async for chunk in await gemini.models.generate_content_stream(
            model=gemini_calls.FLASH, contents="hello", config=config
        )
    ]
    last = chunks[-1].usage_metadata
    assert last is not None
    assert (
        last.total_token_count
        == simulator.bill.records[0].usage.input_tokens + simulator.bill.records[0].usage.output_tokens
    )
    assert len([chunk for chunk in chunks if chunk.text]) > 2


async def test_gemini_calls_a_function_by_itself_and_keeps_its_signature(
    gemini: genai.client.AsyncClient, simulator: Simulator
) -> None:
    config = types.GenerateContentConfig(tools=[get_weather])
    answer = await gemini.models.generate_content(model=gemini_calls.FLASH, contents="use the tool", config=config)
    assert answer.text
    assert [record.status for record in simulator.bill.records] == [200, 200]


async def test_gemini_parses_structured_output(gemini: genai.client.AsyncClient) -> None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Forecast)
    answer = await gemini.models.generate_content(model=gemini_calls.FLASH, contents="hello", config=config)
    assert isinstance(answer.parsed, Forecast)


async def test_gemini_embeds(gemini: genai.client.AsyncClient, simulator: Simulator) -> None:
    config = types.EmbedContentConfig(output_dimensionality=16)
    answer = await gemini.models.embed_content(model="gemini-embedding-001", contents=["a b", "c"], config=config)
    assert answer.embeddings is not None
    assert [len(each.values or []) for each in answer.embeddings] == [16, 16]
    assert simulator.bill.total_nano > 0


async def test_geminis_errors_are_told_apart(gemini: genai.client.AsyncClient) -> None:
    for fault, error, code in (("status=429", errors.ClientError, 429), ("status=503", errors.ServerError, 503)):
        with pytest.raises(error) as refused:
            await gemini.models.generate_content(model=gemini_calls.FLASH, contents=f"[[sim:{fault}]]")
        assert refused.value.code == code


async def test_geminis_models_can_be_listed(gemini: genai.client.AsyncClient) -> None:
    listed = [model.name async for model in await gemini.models.list(config={"page_size": 5})]
    assert f"models/{gemini_calls.FLASH}" in listed
    assert len(listed) > 12
