"""Streams: their pieces, their usage, and what is billed when the caller hangs up."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from simulator_calls import KEY, WEATHER, WITH_USAGE, asking, settled

from tollkeeper_simulator import Settings, Simulator, tokens


async def lines_of(http: httpx.AsyncClient, body: dict[str, Any]) -> list[str]:
    answer = await http.post("/v1/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.split("\n\n")
    assert events.pop() == ""
    return [event.removeprefix("data: ") for event in events]


async def test_a_stream_ends_with_usage_and_done(http: httpx.AsyncClient, simulator: Simulator) -> None:
    *chunks, usage, done = await lines_of(http, asking(**WITH_USAGE))
    assert done == "[DONE]"
    last = json.loads(usage)
    assert last["choices"] == []
    parsed = [json.loads(chunk) for chunk in chunks]
    assert all(chunk["usage"] is None for chunk in parsed)
    assert parsed[0]["choices"][0]["delta"]["role"] == "assistant"
    assert parsed[-1]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    words = [chunk["choices"][0]["delta"]["content"] for chunk in parsed[1:-1]]
    assert all(1 <= tokens.count(word) <= 3 for word in words)
    assert last["usage"]["completion_tokens"] == tokens.count("".join(words))
    record = simulator.bill.records[0]
    assert record.usage.output_tokens == last["usage"]["completion_tokens"]
    assert (record.complete, record.usage_sent, record.stream) == (True, True, True)


async def test_without_include_usage_nobody_is_told_but_all_is_billed(
    http: httpx.AsyncClient, simulator: Simulator
) -> None:
    lines = await lines_of(http, asking(stream=True))
    assert not any('"usage"' in line for line in lines)
    record = simulator.bill.records[0]
    assert record.usage.output_tokens > 0
    assert record.usage_sent is False


async def test_a_stream_says_what_the_plain_answer_says(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    plain = await client.chat.completions.create(**asking())
    stream = await client.chat.completions.create(**asking(), **WITH_USAGE)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert text == plain.choices[0].message.content
    first, second = simulator.bill.records
    assert first.lines == second.lines


async def test_choices_take_turns(http: httpx.AsyncClient, simulator: Simulator) -> None:
    lines = await lines_of(http, asking(n=2, **WITH_USAGE))
    order = [json.loads(line)["choices"][0]["index"] for line in lines[:-2]]
    assert order[:4] == [0, 1, 0, 1]
    assert simulator.bill.records[0].usage.output_tokens == json.loads(lines[-2])["usage"]["completion_tokens"]


async def test_a_tool_call_can_be_streamed(client: openai.AsyncOpenAI) -> None:
    async with client.chat.completions.stream(**asking(), tools=[WEATHER], tool_choice="required") as stream:
        answer = await stream.get_final_completion()
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert set(json.loads(calls[0].function.arguments)) == {"city", "unit", "days"}


async def test_spoken_answers_can_be_streamed(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    voice = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}, "model": "gpt-audio"}
    stream = await client.chat.completions.create(**asking() | voice | WITH_USAGE)
    usage = [chunk.usage async for chunk in stream if chunk.usage]
    record = simulator.bill.records[0]
    assert usage[0].completion_tokens == record.usage.output_tokens
    assert usage[0].completion_tokens_details is not None
    assert usage[0].completion_tokens_details.audio_tokens == record.usage.output_audio_tokens > 0


async def test_who_hangs_up_pays_for_what_was_generated() -> None:
    async with Simulator(Settings(tokens_per_second=100)) as simulator:
        sdk = openai.AsyncOpenAI(base_url=simulator.base_url, api_key=KEY, max_retries=0)
        stream = await sdk.chat.completions.create(**asking("[[sim:tokens=500]]"), **WITH_USAGE)
        heard = 0
        async for chunk in stream:
            heard += tokens.count(chunk.choices[0].delta.content or "")
            if heard >= 5:
                break
        await stream.close()
        await sdk.close()
        await settled(simulator)
        record = simulator.bill.records[0]
    assert record.complete is False
    assert record.usage_sent is False
    assert record.client_gone_after_bytes is not None
    assert record.client_gone_after_bytes > 0
    assert heard <= record.usage.output_tokens < 500
    assert record.usage.input_tokens > 0


async def test_who_hangs_up_on_a_plain_answer_pays_for_what_was_generated() -> None:
    async with Simulator(Settings(tokens_per_second=100)) as simulator:
        async with openai.AsyncOpenAI(base_url=simulator.base_url, api_key=KEY, max_retries=0, timeout=0.2) as sdk:
            with pytest.raises(openai.APITimeoutError):
                await sdk.chat.completions.create(**asking("[[sim:tokens=500]]"))
        await settled(simulator)
        record = simulator.bill.records[0]
    assert record.complete is False
    assert 1 <= record.usage.output_tokens < 500


async def test_generation_keeps_its_pace() -> None:
    now = asyncio.get_running_loop().time
    async with (
        Simulator(Settings(tokens_per_second=200)) as simulator,
        openai.AsyncOpenAI(base_url=simulator.base_url, api_key=KEY, max_retries=0) as sdk,
    ):
        started = now()
        await sdk.chat.completions.create(**asking("[[sim:tokens=40]]"))
        plain = now()
        async for _ in await sdk.chat.completions.create(**asking("[[sim:tokens=40]]"), stream=True):
            pass
        streamed = now()
    assert plain - started >= 0.19
    assert streamed - plain >= 0.19


async def test_stopping_the_simulator_bills_open_streams() -> None:
    simulator = Simulator(Settings(tokens_per_second=50))
    async with simulator:
        sdk = openai.AsyncOpenAI(base_url=simulator.base_url, api_key=KEY, max_retries=0)
        stream = await sdk.chat.completions.create(**asking("[[sim:tokens=500]]"), **WITH_USAGE)
        await anext(aiter(stream))
        assert simulator.bill.in_flight == 1
    assert simulator.bill.records[0].complete is False
    await stream.close()
    await sdk.close()


async def test_a_slow_reader_holds_the_stream_back_and_pays_until_it_hangs_up(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = simulator.origin.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(asking("[[sim:tokens=400000]]", stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.2)
    assert simulator.bill.in_flight == 1
    writer.transport.abort()
    await settled(simulator)
    record = simulator.bill.records[0]
    assert 0 < record.usage.output_tokens < 400_000
    assert record.client_gone_after_bytes is not None
    assert caplog.records == []
