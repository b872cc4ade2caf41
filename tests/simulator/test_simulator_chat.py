"""Chat answers as the official SDK reads them."""

from __future__ import annotations

import asyncio
import json
from enum import Enum

import openai
import pydantic
import pytest
from openai.types.chat import ChatCompletion
from simulator_calls import KEY, WEATHER, asking

from tollkeeper_simulator import Simulator, tokens


def said(answer: ChatCompletion) -> str:
    return answer.choices[0].message.content or ""


async def test_an_answer_says_what_it_used(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(**asking("how are you?"))
    assert answer.usage is not None
    assert answer.usage.completion_tokens == tokens.count(said(answer)) > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model == "gpt-4o-mini-2024-07-18"
    assert answer.service_tier == "default"
    assert answer.choices[0].finish_reason == "stop"


async def test_the_blocking_client_works_too(simulator: Simulator) -> None:
    def call() -> ChatCompletion:
        with openai.OpenAI(base_url=simulator.base_url, api_key=KEY, max_retries=0) as sdk:
            return sdk.chat.completions.create(**asking())

    answer = await asyncio.to_thread(call)
    assert answer.usage is not None
    assert simulator.bill.records[0].usage.output_tokens == answer.usage.completion_tokens


async def test_usage_details_are_all_there(client: openai.AsyncOpenAI) -> None:
    usage = (await client.chat.completions.create(**asking())).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert usage.prompt_tokens_details.model_dump() == {
        "audio_tokens": 0, "cache_write_tokens": 0, "cached_tokens": 0, "image_tokens": 0,
        "text_tokens": usage.prompt_tokens,
    }  # fmt: skip
    assert usage.completion_tokens_details.model_dump() == {
        "accepted_prediction_tokens": 0, "audio_tokens": 0, "reasoning_tokens": 0, "rejected_prediction_tokens": 0,
        "text_tokens": usage.completion_tokens,
    }  # fmt: skip


async def test_headers_are_openais(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    raw = await client.chat.completions.with_raw_response.create(**asking())
    assert raw.headers["x-request-id"] == simulator.bill.records[0].request_id
    for name in ("openai-processing-ms", "openai-version", "openai-organization", "x-ratelimit-remaining-tokens"):
        assert raw.headers[name]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_an_output_limit_ends_the_answer(client: openai.AsyncOpenAI, name: str) -> None:
    answer = await client.chat.completions.create(**asking(), **{name: 3})
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3
    assert answer.choices[0].finish_reason == "length"


async def test_a_stop_sequence_ends_the_answer(client: openai.AsyncOpenAI) -> None:
    whole = said(await client.chat.completions.create(**asking()))
    word = whole.split()[4]
    cut = await client.chat.completions.create(**asking(), stop=[word])
    assert said(cut) == whole[: whole.index(word)]
    assert cut.usage is not None
    assert cut.usage.completion_tokens == tokens.count(said(cut))


async def test_the_seed_decides_what_is_said(client: openai.AsyncOpenAI) -> None:
    first, same, other = [said(await client.chat.completions.create(**asking(), seed=seed)) for seed in (1, 1, 2)]
    assert first == same != other


async def test_every_choice_is_billed(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(**asking(), n=3)
    texts = [choice.message.content or "" for choice in answer.choices]
    assert len(set(texts)) == 3
    assert answer.usage is not None
    assert answer.usage.completion_tokens == sum(tokens.count(text) for text in texts)


@pytest.mark.parametrize("model", ["o3", "o4-mini", "gpt-5", "gpt-5.4-mini", "gpt-6-luna"])
async def test_reasoning_is_part_of_the_output(client: openai.AsyncOpenAI, model: str) -> None:
    answer = await client.chat.completions.create(**asking() | {"model": model, "reasoning_effort": "low"})
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 64
    assert answer.usage.completion_tokens == 64 + tokens.count(said(answer))


async def test_reasoning_may_use_up_the_limit(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(**asking() | {"model": "gpt-5"}, max_completion_tokens=50)
    assert answer.usage is not None
    assert said(answer) == ""
    assert answer.usage.completion_tokens == 50
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    "asked",
    [
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
        {"messages": [{"role": "user", "content": "Please use the tool."}]},
    ],
)
async def test_a_tool_is_called_with_valid_arguments(client: openai.AsyncOpenAI, asked: dict[str, object]) -> None:
    answer = await client.chat.completions.create(**asking() | {"tools": [WEATHER], **asked})
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls
    call = choice.message.tool_calls[0]
    assert call.type == "function"
    assert call.function.name == "get_weather"
    arguments = json.loads(call.function.arguments)
    assert set(arguments) == {"city", "unit", "days"}
    assert arguments["unit"] in {"celsius", "fahrenheit"}
    assert 1 <= arguments["days"] <= 7
    assert answer.usage is not None
    assert answer.usage.completion_tokens == tokens.count("get_weather") + tokens.count(call.function.arguments)


async def test_tools_are_part_of_the_prompt(client: openai.AsyncOpenAI) -> None:
    without = (await client.chat.completions.create(**asking())).usage
    with_tools = (await client.chat.completions.create(**asking(), tools=[WEATHER])).usage
    assert without is not None
    assert with_tools is not None
    assert with_tools.prompt_tokens > without.prompt_tokens + 20


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Branch(pydantic.BaseModel):
    name: str
    children: list[Branch]


class Everything(pydantic.BaseModel):
    text: str
    count: int
    share: float
    yes: bool
    colour: Colour
    maybe: str | None
    either: int | list[str]
    tree: Branch


async def test_structured_output_satisfies_its_schema(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.parse(**asking(), response_format=Everything)
    assert isinstance(answer.choices[0].message.parsed, Everything)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == tokens.count(answer.choices[0].message.content or "")


async def test_json_mode_answers_an_object(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(**asking(), response_format={"type": "json_object"})
    assert isinstance(json.loads(said(answer)), dict)


async def test_images_count_as_image_tokens(client: openai.AsyncOpenAI) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
    content = [{"type": "text", "text": "what is it?"}, picture]
    answer = await client.chat.completions.create(**asking() | {"messages": [{"role": "user", "content": content}]})
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.image_tokens == 2_833  # what gpt-4o-mini takes for one without detail


async def test_audio_in_and_out_is_counted_and_billed_apart(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    heard = {"type": "input_audio", "input_audio": {"data": "A" * 9_600, "format": "wav"}}
    answer = await client.chat.completions.create(
        model="gpt-audio",
        messages=[{"role": "user", "content": [heard]}],
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "wav"},
    )
    assert answer.choices[0].message.audio is not None
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.audio_tokens == 4
    billed = {line.dimension: line.quantity for line in simulator.bill.records[0].lines}
    assert billed["input_audio"] == 4
    assert billed["output_audio"] == simulator.bill.records[0].usage.output_audio_tokens > 0
    assert sum(billed.values()) == answer.usage.total_tokens


@pytest.mark.parametrize(
    ("asked", "served", "pico"),
    [(None, "default", 1_250_000), ("auto", "default", 1_250_000), ("flex", "flex", 625_000),
     ("priority", "priority", 2_500_000)],
)  # fmt: skip
async def test_the_service_tier_sets_the_price(
    client: openai.AsyncOpenAI, simulator: Simulator, asked: str | None, served: str, pico: int
) -> None:
    tier = {} if asked is None else {"service_tier": asked}
    answer = await client.chat.completions.create(**asking() | {"model": "gpt-5"} | tier)
    assert answer.service_tier == served
    record = simulator.bill.records[0]
    assert record.service_tier == served
    assert record.lines[0].unit_price_pico == pico


async def test_a_dated_model_is_served_and_priced_as_its_family(
    client: openai.AsyncOpenAI, simulator: Simulator
) -> None:
    answer = await client.chat.completions.create(**asking() | {"model": "gpt-4o-2024-11-20"})
    assert answer.model == "gpt-4o-2024-11-20"
    assert simulator.bill.records[0].model == "gpt-4o"


async def test_models_can_be_listed_and_retrieved(client: openai.AsyncOpenAI) -> None:
    listed = [model.id async for model in client.models.list()]
    assert "gpt-4o-mini" in listed
    assert (await client.models.retrieve("o3")).id == "o3"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-0")
