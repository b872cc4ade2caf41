"""OpenAI's official client on moderations, images and audio against real processes; the bill equals the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from tests.live.databases import read_records
from tests.live.judge import judge
from tests.live.processes import GatewayProcess, SimulatorProcess

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
WAV = (
    b"RIFF____WAVEfmt \x10\0\0\0\x01\0\x01\0"
    + (8_000).to_bytes(4, "little")
    + (16_000).to_bytes(4, "little")
    + b"\x02\0\x10\0"
    + bytes(40_000)
)


@pytest.fixture(scope="module", autouse=True)
def bill_equals_ledger(gateway: GatewayProcess, simulator: SimulatorProcess) -> Iterator[None]:
    """To the nano, for every call that the tests here have made, in whatever order."""
    yield
    deadline = time.monotonic() + 15
    while len(records := read_records(gateway.database_url)) < len(simulator.bill()) and time.monotonic() < deadline:
        time.sleep(0.2)
    verdict = judge(records, simulator.bill())
    assert not verdict.unmatched_lines
    assert not verdict.faults, verdict.table() + "\n".join(verdict.faults)
    assert verdict.exact > 0
    for estimated, line in verdict.estimated:  # a transcript as text: by the recording's own length
        assert estimated.amount_nanos == line["amount_nano"]


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> OpenAI:
    return OpenAI(base_url=gateway.base_url, api_key=gateway.key, max_retries=0, timeout=20)


def last_cost(simulator: SimulatorProcess) -> str:
    return f"{simulator.bill()[-1]['amount_nano'] / 1e9:.9f}"


def test_moderations_are_free(client: OpenAI) -> None:
    raw = client.moderations.with_raw_response.create(input=["one", "two"])
    assert [result.flagged for result in raw.parse().results] == [False, False]
    assert raw.headers["x-tollkeeper-cost-usd"] == "0.000000000"
    assert client.moderations.create(model="omni-moderation-latest", input="x").model


@pytest.mark.parametrize("model", ["gpt-image-1", "gpt-image-2"])
def test_pictures_are_made(client: OpenAI, simulator: SimulatorProcess, model: str) -> None:
    raw = client.images.with_raw_response.generate(model=model, prompt="a gate", n=2, quality="low")
    images = raw.parse()
    assert len(images.data or ()) == 2
    assert images.usage is not None
    assert raw.headers["x-tollkeeper-cost-usd"] == last_cost(simulator)


def test_pictures_are_streamed(client: OpenAI) -> None:
    events = list(client.images.generate(model="gpt-image-1", prompt="a gate", stream=True, partial_images=2))
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]


def test_pictures_are_edited(client: OpenAI, simulator: SimulatorProcess) -> None:
    images: Any = [("a.png", PNG), ("b.png", PNG)]
    raw = client.images.with_raw_response.edit(model="gpt-image-1", image=images, mask=("m.png", PNG), prompt="open it")
    edited = raw.parse()
    assert edited.usage is not None
    assert edited.usage.input_tokens_details.image_tokens == 3 * 323
    assert raw.headers["x-tollkeeper-cost-usd"] == last_cost(simulator)
    events = list(client.images.edit(model="gpt-image-1", image=("a.png", PNG), prompt="x", stream=True))
    assert events[-1].type == "image_edit.completed"


@pytest.mark.parametrize("model", ["tts-1", "gpt-4o-mini-tts"])
def test_speech_is_made(client: OpenAI, simulator: SimulatorProcess, model: str) -> None:
    raw = client.audio.speech.with_raw_response.create(
        model=model, voice="alloy", input="the toll is paid", response_format="wav"
    )
    assert len(raw.content) > 100
    assert raw.headers["content-type"] == "audio/wav"
    assert raw.headers["x-tollkeeper-cost-usd"] == last_cost(simulator)
    with client.audio.speech.with_streaming_response.create(model=model, voice="alloy", input="hello") as streamed:
        assert b"".join(streamed.iter_bytes())


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
def test_speech_is_written_down(client: OpenAI, simulator: SimulatorProcess, model: str) -> None:
    raw = client.audio.transcriptions.with_raw_response.create(model=model, file=("a.wav", WAV), prompt="tolls")
    assert raw.parse().text
    assert raw.headers["x-tollkeeper-cost-usd"] == last_cost(simulator)
    with pytest.deprecated_call():  # as OpenAI calls its translations
        assert client.audio.translations.create(model="whisper-1", file=("a.mp3", b"ID3" + bytes(50_000))).text


def test_a_transcript_is_streamed(client: OpenAI) -> None:
    events = list(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.wav", WAV), stream=True))
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta")
    assert events[-1].type == "transcript.text.done"


def test_a_transcript_comes_as_text(client: OpenAI) -> None:
    said: Any = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", WAV), response_format="text")
    assert said.strip()
    verbose = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", WAV), response_format="verbose_json")
    assert verbose.duration == 2.5


def test_errors_are_openais(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.images.generate(model="nobody", prompt="x")
    with pytest.raises(openai.BadRequestError) as found:
        client.images.generate(model="gpt-image-1", prompt="x", n=99)
    assert found.value.param == "n"
    with pytest.raises(openai.BadRequestError):
        client.audio.speech.create(model="tts-1", voice="alloy", input="x" * 5_000)
    with pytest.raises(openai.UnprocessableEntityError):
        client.moderations.create(input="[[sim:status=422]]")
