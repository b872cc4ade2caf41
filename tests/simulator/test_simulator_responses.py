"""Responses, forms and media of the simulator: what the official client reads is what was billed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import openai
import pytest

from tollkeeper_simulator import Simulator
from tollkeeper_simulator.forms import read_form

WAV = (
    b"RIFF____WAVEfmt \x10\0\0\0\x01\0\x01\0"
    + (8_000).to_bytes(4, "little")
    + (16_000).to_bytes(4, "little")
    + bytes(40_000)
)


@pytest.fixture
async def client(simulator: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    transport = openai.DefaultAsyncHttpxClient(verify=False)
    async with openai.AsyncOpenAI(
        base_url=simulator.base_url, api_key="sk-sim-000001", max_retries=0, http_client=transport
    ) as sdk:
        yield sdk


async def test_a_response_says_what_is_billed(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    response = await client.responses.create(model="gpt-5.6-luna", input="how are you?", instructions="be brief")
    (record,) = simulator.bill.records
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (
        record.usage.input_tokens, record.usage.output_tokens,
    )  # fmt: skip
    assert response.usage.output_tokens_details.reasoning_tokens == record.usage.reasoning_tokens > 0
    again = await client.responses.retrieve(response.id)
    assert again.output_text == response.output_text
    assert len(simulator.bill.records) == 1


async def test_a_stream_bills_what_was_written(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    stream = await client.responses.create(model="gpt-4o-mini", input="x [[sim:tokens=40]]", stream=True)
    kinds = [event.type async for event in stream]
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert simulator.bill.records[0].usage.output_tokens == 40


async def test_a_response_in_the_background_shows_its_usage_at_its_end(
    client: openai.AsyncOpenAI, simulator: Simulator
) -> None:
    said = "x [[sim:tokens=6000]]"
    response = await client.responses.create(model="gpt-4o-mini", input=said, background=True)
    assert (response.status, response.usage) == ("queued", None)
    assert (await client.responses.retrieve(response.id)).status == "in_progress"
    cancelled = await client.responses.cancel(response.id)
    assert (cancelled.status, cancelled.usage) == ("cancelled", None)
    assert simulator.bill.records[0].amount_nano > 0
    await client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(response.id)


async def test_what_is_made_and_heard_is_billed_by_its_own_units(
    client: openai.AsyncOpenAI, simulator: Simulator
) -> None:
    await client.moderations.create(input="x")
    await client.audio.speech.create(model="tts-1", voice="alloy", input="twelve chars")
    await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", WAV))
    await client.images.generate(model="dall-e-3", prompt="x", quality="hd", size="1024x1792")
    await client.images.generate(model="gpt-image-2", prompt="x", quality="low")
    amounts = [record.amount_nano for record in simulator.bill.records]
    assert amounts[0] == 0
    assert amounts[1] == 12 * 15_000  # $15 per million characters
    assert amounts[2] == 3 * 100_000  # $0.006 per minute, three seconds begun
    assert amounts[3] == 120_000_000
    assert amounts[4] == 1 * 5_000 + 272 * 30_000


@pytest.mark.parametrize(("quality", "amount"), [("standard", 80_000_000), ("hd", 120_000_000)])
async def test_a_wide_picture_is_billed_and_an_unknown_size_refused(
    client: openai.AsyncOpenAI, simulator: Simulator, quality: Literal["standard", "hd"], amount: int
) -> None:
    await client.images.generate(model="dall-e-3", prompt="x", quality=quality, size="1792x1024")
    with pytest.raises(openai.BadRequestError):
        await client.images.generate(model="dall-e-3", prompt="x", quality=quality, size="512x512")
    assert [record.amount_nano for record in simulator.bill.records] == [amount, 0]


async def test_a_stream_of_a_picture_that_is_cut_early_is_billed_for_what_was_drawn(
    client: openai.AsyncOpenAI, simulator: Simulator
) -> None:
    asked: dict[str, Any] = {"model": "gpt-image-2", "prompt": "[[sim:cut=500]]", "quality": "high"}
    stream = await client.images.generate(**asked, stream=True, partial_images=3)
    with pytest.raises(openai.APIConnectionError):
        async for _ in stream:
            pass
    (record,) = simulator.bill.records
    assert 0 < record.usage.output_image_tokens == record.usage.output_tokens < 4_160


def test_a_form_is_read_as_texts_and_files() -> None:
    part = '--x\r\nContent-Disposition: form-data; name="{}"{}\r\n\r\n{}\r\n'
    body = (
        part.format("n", "", "2")
        + part.format("image[]", '; filename="a"', "A")
        + part.format("image[]", '; filename="b"', "B")
    )
    form = read_form(body.encode() + b"--x--\r\n", "multipart/form-data; boundary=x")
    assert form == {"n": "2", "image": [b"A", b"B"]}
    with pytest.raises(ValueError, match="form"):
        read_form(b"nothing", "multipart/form-data; boundary=x")
