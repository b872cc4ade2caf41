"""Moderations, images and audio on the path of a call: what goes out, what is metered, what is bounded beforehand."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests.fakes.asgi import FakeClient
from tests.fakes.gateway import MODEL, OPENAI, UNLIMITED_KEY, FakeGateway
from tests.fakes.upstream import EVENTS, REQUEST_ID, Script

from tollkeeper.domain.deployment import Deployment, Provider, Route
from tollkeeper.prices.book import CompiledBook

IMAGES, EDITS = "/v1/images/generations", "/v1/images/edits"
SPEECH, TRANSCRIPTS = "/v1/audio/speech", "/v1/audio/transcriptions"
BOUNDARY = "----boundary"
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
WAV = (
    b"RIFF____WAVEfmt \x10\0\0\0\x01\0\x01\0"
    + (8_000).to_bytes(4, "little")
    + (16_000).to_bytes(4, "little")
    + b"\x02\0\x10\0"
    + bytes(40_000)
)
COMPATIBLE = Provider("own", "openai_compatible", "https://provider.test/v1", "sk-x", "openai")


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway(routes=[Route(name, (Deployment(OPENAI, name),)) for name in ("tts-1", "whisper-1", "dall-e-3")])


def form(*parts: tuple[str, bytes] | tuple[str, bytes, str], boundary: str = BOUNDARY) -> bytes:
    body = b""
    for name, value, *file_name in parts:
        named = f'; filename="{file_name[0]}"' if file_name else ""
        body += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + value + b"\r\n"
        )
    return body + f"--{boundary}--\r\n".encode()


async def send_form(gateway: FakeGateway, path: str, parts: Sequence[Any], **options: Any) -> FakeClient:
    return await gateway.call(form(*parts), path=path, headers={"content-type": FORM_TYPE}, **options)


def error_of(client: FakeClient) -> dict[str, Any]:
    return dict(msgspec.json.decode(client.body)["error"])


async def test_moderations_are_free_at_openai_and_not_by_ignorance() -> None:
    gateway = FakeGateway(routes=[Route("omni-moderation-latest", (Deployment(OPENAI, MODEL),))])
    gateway.will_answer({"id": "modr-1", "model": "omni-moderation-2024-09-26", "results": []})
    client = await gateway.call({"input": "x"}, path="/v1/moderations")
    record = gateway.ledger.only
    assert (record.amount_nanos, record.cost_state, record.lines) == (0, "computed", ())
    assert client.headers["x-tollkeeper-cost-usd"] == "0.000000000"
    assert msgspec.json.decode(gateway.upstream.requests[0].body) == {"input": "x", "model": MODEL}
    other = FakeGateway(COMPATIBLE, routes=[Route("own", (Deployment(COMPATIBLE, MODEL),))])
    other.will_answer({"id": "modr-1", "results": []})
    await other.call({"input": "one two", "model": "own"}, path="/v1/moderations")
    assert other.ledger.only.is_estimated
    assert other.ledger.only.amount_nanos


async def test_pictures_are_metered_by_their_tokens(gateway: FakeGateway) -> None:
    usage = {
        "input_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        "output_tokens": 300,
        "total_tokens": 350,
    }
    answer = msgspec.json.encode({"created": 1, "data": [{"b64_json": "AAAA"}], "usage": usage})
    gateway.will_answer(answer)
    client = await gateway.call({"model": MODEL, "prompt": "a gate"}, path=IMAGES, key=UNLIMITED_KEY)
    assert client.body == answer
    assert gateway.ledger.only.quantities == {"input": 10, "input_image": 40, "output_image": 300}


async def test_a_stream_of_a_picture_is_metered_by_its_end(gateway: FakeGateway) -> None:
    usage = {"input_tokens": 10, "output_tokens": 300, "total_tokens": 310}
    partial = b'event: x\ndata: {"type":"image_generation.partial_image","b64_json":"%b"}\n\n' % (b"A" * 5_000)
    done = b'data: {"type":"image_generation.completed","b64_json":"AA","usage":%b}\n\n' % msgspec.json.encode(usage)
    whole = partial + done
    gateway.will_stream(*(whole[at : at + 700] for at in range(0, len(whole), 700)))
    client = await gateway.call({"model": MODEL, "prompt": "x", "stream": True}, path=IMAGES, key=UNLIMITED_KEY)
    assert client.body == whole
    record = gateway.ledger.only
    assert (record.quantities, record.outcome) == ({"input": 10, "output_image": 300}, "complete")
    assert not record.is_estimated


async def test_pictures_by_the_piece_are_counted_by_quality_and_size(gateway: FakeGateway) -> None:
    gateway.will_answer({"created": 1, "data": [{"url": "x"}]})
    asked = {"model": "dall-e-3", "prompt": "x", "quality": "hd", "size": "1024x1792"}
    await gateway.call(asked, path=IMAGES, key=UNLIMITED_KEY)
    assert gateway.ledger.only.quantities == {"image:hd:1024x1792": 1}


async def test_a_form_passes_byte_for_byte_and_only_its_model_is_spliced() -> None:
    gateway = FakeGateway(routes=[Route("pictures", (Deployment(OPENAI, MODEL),))])
    parts = [("prompt", b"x"), ("model", b"pictures"), ("image", b"\x89PNG\r\n\0--", "a.png"), ("n", b"2")]
    gateway.will_answer({"data": [], "usage": {"input_tokens": 1, "output_tokens": 2}})
    await send_form(gateway, EDITS, parts, key=UNLIMITED_KEY)
    (request,) = gateway.upstream.requests
    assert request.body == form(*parts).replace(b"\r\npictures\r\n", b"\r\n%b\r\n" % MODEL.encode())
    assert request.head.count(b"content-type") == 1
    assert b"content-type: " + FORM_TYPE.encode() + b"\r\n" in request.head
    assert gateway.ledger.only.quantities == {"input": 1, "output_image": 2}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form",
        form(("model", b"a"), ("model", b"b"), ("file", b"x", "a")),
        form(("Model", MODEL.encode()), ("file", b"x", "a")),
        form(("model", MODEL.encode(), "a.txt"), ("file", b"x", "a")),
        form(("file", b"x", "a")),
        form(("model", MODEL.encode()), ("file", b"x", "a"))[:-6],
        form(("model", MODEL.encode()), ("file", b"x\n--" + BOUNDARY.encode() + b"\nz", "a")),
        form(("model", MODEL.encode())).replace(b'name="model"', b'name="model"; name="file"'),
        form(("model", MODEL.encode())).replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1),
        form(("models", b"x"), ("model", MODEL.encode())),
        form(("model", b"\xff\xfe")),
        b"preamble\r\n" + form(("model", MODEL.encode())),
    ],
)
async def test_a_form_that_could_be_read_in_two_ways_is_refused(gateway: FakeGateway, body: bytes) -> None:
    client = await gateway.call(body, path=TRANSCRIPTS, headers={"content-type": FORM_TYPE}, key=UNLIMITED_KEY)
    assert client.status == 400
    assert not gateway.upstream.requests


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data", "application/json"])
async def test_what_is_no_form_is_refused_where_one_is_needed(gateway: FakeGateway, content_type: str) -> None:
    client = await gateway.call(b"{}", path=TRANSCRIPTS, headers={"content-type": content_type})
    assert client.status in {400, 415}
    chat = await gateway.call(form(("model", b"x")), headers={"content-type": FORM_TYPE})
    assert chat.status == 415


async def test_a_transcript_is_metered_by_tokens_or_by_seconds_rounded_up(gateway: FakeGateway) -> None:
    parts = [("model", MODEL.encode()), ("file", b"sound", "a.mp3")]
    details = {"audio_tokens": 90, "text_tokens": 10}
    usage = {
        "type": "tokens",
        "input_tokens": 100,
        "input_token_details": details,
        "output_tokens": 7,
        "total_tokens": 107,
    }
    gateway.will_answer({"text": "x", "usage": usage})
    await send_form(gateway, TRANSCRIPTS, parts, key=UNLIMITED_KEY)
    assert gateway.ledger.only.quantities == {"input": 10, "input_audio": 90, "output": 7}
    other = FakeGateway(routes=[Route("whisper-1", (Deployment(OPENAI, "whisper-1"),))])
    other.will_answer({"text": "x", "usage": {"type": "duration", "seconds": 12.1}})
    await send_form(other, TRANSCRIPTS, [("model", b"whisper-1"), *parts[1:]], key=UNLIMITED_KEY)
    assert other.ledger.only.quantities == {"seconds": 13}


async def test_a_transcript_as_text_is_estimated_by_its_recording_or_unpriced(gateway: FakeGateway) -> None:
    gateway.upstream.scripts.append(Script(headers=((b"content-type", b"text/plain"),), steps=[b"what was said\n"]))
    parts = [("model", b"whisper-1"), ("response_format", b"text"), ("file", WAV, "a.wav")]
    client = await send_form(gateway, TRANSCRIPTS, parts, key=UNLIMITED_KEY)
    assert client.body == b"what was said\n"
    assert (gateway.ledger.only.quantities, gateway.ledger.only.is_estimated) == ({"seconds": 3}, True)


async def test_a_stream_of_a_transcript_is_metered_by_its_end(gateway: FakeGateway) -> None:
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 3, "total_tokens": 17}
    done = {"type": "transcript.text.done", "text": "a b", "usage": usage}
    gateway.will_stream(
        b'data: {"type":"transcript.text.delta","delta":"a b"}\n\n', b"data: " + msgspec.json.encode(done) + b"\n\n"
    )
    parts = [("model", MODEL.encode()), ("stream", b"true"), ("file", b"sound", "a.mp3")]
    await send_form(gateway, TRANSCRIPTS, parts, key=UNLIMITED_KEY)
    assert (gateway.ledger.only.quantities, gateway.ledger.only.is_stream) == ({"input": 14, "output": 3}, True)


async def test_speech_by_the_character_is_metered_by_what_was_asked_for(gateway: FakeGateway) -> None:
    gateway.upstream.scripts.append(
        Script(headers=((b"content-type", b"audio/mpeg"),), steps=[b"\xff\xfb" + bytes(99)])
    )
    asked = {"model": "tts-1", "input": "Grüße 안녕", "voice": "alloy"}
    client = await gateway.call(asked, path=SPEECH, key=UNLIMITED_KEY)
    assert client.body == b"\xff\xfb" + bytes(99)
    assert client.headers["content-type"] == "audio/mpeg"
    assert gateway.upstream.requests[0].body == msgspec.json.encode(asked)
    assert gateway.ledger.only.quantities == {"characters": 8}


def spoken(sound: bytes) -> bytes:
    pieces = [sound[at : at + 10] for at in range(0, len(sound), 10)]
    deltas = [{"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in pieces]
    usage = {"input_tokens": 4, "output_tokens": 30, "total_tokens": 34}
    done = {"type": "speech.audio.done", "usage": usage}
    return b"".join(b"data: " + msgspec.json.encode(each) + b"\n\n" for each in [*deltas, done])


async def test_speech_by_tokens_is_asked_for_as_events_and_put_together(gateway: FakeGateway) -> None:
    sound = bytes(range(256))
    gateway.upstream.scripts.append(Script(headers=(EVENTS,), steps=[spoken(sound)]))
    asked = {"model": MODEL, "input": "hello", "voice": "alloy", "response_format": "wav"}
    client = await gateway.call(asked, path=SPEECH, key=UNLIMITED_KEY)
    assert (client.body, client.headers["content-type"]) == (sound, "audio/wav")
    assert msgspec.json.decode(gateway.upstream.requests[0].body) == {**asked, "stream_format": "sse"}
    record = gateway.ledger.only
    assert (record.quantities, record.is_estimated) == ({"input": 4, "output_audio": 30}, False)


async def test_speech_as_events_passes_as_events(gateway: FakeGateway) -> None:
    whole = spoken(b"sound" * 9)
    gateway.will_stream(whole[:50], whole[50:])
    asked = {"model": MODEL, "input": "hello", "voice": "alloy", "stream_format": "sse"}
    client = await gateway.call(asked, path=SPEECH, key=UNLIMITED_KEY)
    assert client.body == whole
    assert gateway.ledger.only.quantities == {"input": 4, "output_audio": 30}


async def test_speech_whose_tokens_nobody_states_is_unpriced() -> None:
    gateway = FakeGateway(COMPATIBLE, routes=[Route("own", (Deployment(COMPATIBLE, MODEL),))])
    gateway.upstream.scripts.append(Script(headers=((b"content-type", b"audio/mpeg"),), steps=[b"sound"]))
    asked = {"model": "own", "input": "hello", "voice": "x"}
    await gateway.call(asked, path=SPEECH, key=UNLIMITED_KEY)
    assert gateway.ledger.only.cost_state == "unpriced"
    assert b"stream_format" not in gateway.upstream.requests[0].body


async def test_a_recording_whose_length_nobody_knows_is_refused_under_a_budget(gateway: FakeGateway) -> None:
    parts = [("model", b"whisper-1"), ("file", b"\0\0\0\x20ftypM4A " + bytes(500), "a.m4a")]
    client = await send_form(gateway, TRANSCRIPTS, parts)
    assert (client.status, error_of(client)["code"]) == (429, "price_unknown")
    assert "MP3" in error_of(client)["message"]


@pytest.mark.parametrize("path", [IMAGES, SPEECH])
async def test_a_model_must_be_named(gateway: FakeGateway, path: str) -> None:
    client = await gateway.call({"prompt": "x", "input": "x"}, path=path)
    assert (client.status, error_of(client)["param"]) == (400, "model")


async def test_a_large_file_takes_no_tokens_of_a_rate(gateway: FakeGateway) -> None:
    gateway.will_answer({"text": "x", "usage": {"type": "tokens", "input_tokens": 1, "output_tokens": 1}})
    parts = [("model", MODEL.encode()), ("file", bytes(90_000), "a.mp3")]
    await send_form(gateway, TRANSCRIPTS, parts)
    assert gateway.limiter.asked[-1] < 20_000


BOOK = CompiledBook.load()


class Book:
    """The catalogue's prices, for every organization."""

    def of(self, organization_id: str) -> CompiledBook:
        return BOOK


MODELS = (
    "tts-1",
    "whisper-1",
    "dall-e-3",
    "gpt-image-1",
    "gpt-4o-mini-tts",
    "gpt-4o-transcribe",
    "omni-moderation-latest",
)
MP3 = b"\xff\xfb" + bytes(20_000)
TOKENS = {"type": "tokens", "input_tokens": 900, "input_token_details": {"audio_tokens": 890}, "output_tokens": 400}


@pytest.mark.parametrize(
    ("path", "asked", "answered", "costs"),
    [
        (SPEECH, {"model": "tts-1", "input": "twelve chars"}, b"\xff\xfb", 12 * 15_000),
        (SPEECH, {"model": "gpt-4o-mini-tts", "input": "x" * 40}, spoken(b"sound"), 4 * 600 + 30 * 12_000),
        (IMAGES, {"model": "dall-e-3", "prompt": "x", "quality": "hd"}, {"data": [{"url": "x"}]}, 80_000_000),
        (
            IMAGES,
            {"model": "gpt-image-1", "prompt": "x" * 60, "n": 2},
            {"data": [], "usage": {"input_tokens": 50, "output_tokens": 8_320}},
            50 * 5_000 + 8_320 * 40_000,
        ),
        (
            TRANSCRIPTS,
            [("model", b"whisper-1"), ("file", WAV, "a.wav")],
            {"text": "x", "usage": {"type": "duration", "seconds": 2.6}},
            3 * 100_000,
        ),
        (
            TRANSCRIPTS,
            [("model", b"whisper-1"), ("file", MP3, "a.mp3")],
            {"text": "x", "usage": {"type": "duration", "seconds": 20.0}},
            20 * 100_000,
        ),
        (
            TRANSCRIPTS,
            [("model", b"gpt-4o-transcribe"), ("file", b"anything", "a.m4a")],
            {"text": "x", "usage": TOKENS},
            10 * 2_500 + 890 * 6_000 + 400 * 10_000,
        ),
        ("/v1/moderations", {"input": "x"}, {"model": "omni-moderation-latest", "results": []}, 0),
    ],
)
async def test_under_a_budget_at_least_the_cost_is_reserved(path: str, asked: Any, answered: Any, costs: int) -> None:
    routes = [Route(name, (Deployment(OPENAI, name),)) for name in MODELS]
    gateway = FakeGateway(routes=routes, prices=Book())
    is_stream_of_sound = isinstance(answered, bytes) and answered.startswith(b"data")
    body = answered if isinstance(answered, bytes) else msgspec.json.encode(answered)
    headers = (EVENTS,) if is_stream_of_sound else (REQUEST_ID,)
    gateway.upstream.scripts.append(Script(headers=headers, steps=[body]))
    client = await (send_form(gateway, path, asked) if isinstance(asked, list) else gateway.call(asked, path=path))
    assert client.status == 200, client.body
    record = gateway.ledger.only
    assert (record.amount_nanos, record.cost_state) == (costs, "computed")
    (held,) = gateway.budgets.held
    assert held.nanos >= costs
    assert held.nanos <= 20 * costs + 2_000_000_000  # no more than what a picture or a piece of speech can come to
