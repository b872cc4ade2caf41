"""Media calls that would cost more than was seen of them: refused, or bounded by what they may come to."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest
from tests.fakes.gateway import MODEL, OPENAI, UNLIMITED_KEY, FakeGateway
from tests.fakes.upstream import EVENTS, Script
from tests.gateway.test_media_routes import BOUNDARY, EDITS, FORM_TYPE, IMAGES, SPEECH, TRANSCRIPTS, WAV, form, spoken

from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire import openai as chat
from tollkeeper.gateway.wire.call import Call
from tollkeeper.gateway.wire.media import parse
from tollkeeper.gateway.wire.media_body import PARTIAL_IMAGES_MAX, MediaOperation
from tollkeeper.gateway.wire.sound_length import seconds_max, seconds_of
from tollkeeper.gateway.wire.unseen import ANYTHING, PLAIN

LISTEN = form(("model", b"whisper-1"), ("file", WAV, "a.wav"))


def parsed(operation: MediaOperation, body: bytes) -> Call:
    return parse(operation, body, FORM_TYPE.encode() if body.startswith(b"--" + BOUNDARY.encode()) else b"")


@pytest.mark.parametrize("value", [["hello"], {"a": "hello"}, 5, None])
def test_what_is_spoken_must_be_one_text(value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parsed("audio.speech", msgspec.json.encode({"model": "tts-1", "input": value}))
    assert refused.value.param == "input"


def test_what_is_spoken_must_stand_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        parsed("audio.speech", b'{"model":"tts-1","input":"a long text","input":"b"}')
    assert refused.value.param == "input"


@pytest.mark.parametrize("name", [b'filename ="a.wav"', b'filename*0="a.wav"', b"filename*0*=utf-8''a", b"FILENAME*=a"])
def test_a_file_is_one_however_its_name_is_written(name: bytes) -> None:
    call = parsed("audio.transcriptions", LISTEN.replace(b'filename="a.wav"', name))
    assert call.fees_max("whisper-1") == parsed("audio.transcriptions", LISTEN).fees_max("whisper-1")


@pytest.mark.parametrize(
    "body",
    [
        LISTEN.replace(b"; filename", b";\r\n filename"),
        LISTEN.replace(b"; filename", b";\r\n\tfilename"),
        LISTEN.replace(b'"a.wav"', b'"a.wav"\nContent-Transfer-Encoding: base64'),
        LISTEN.replace(b'name="file"', b'name="file"; name*0="prompt"'),
        LISTEN.replace(b'; filename="a.wav"', b""),
        form(("model", b"whisper-1")),
    ],
)
def test_a_recording_that_could_be_missed_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parsed("audio.transcriptions", body)


def test_a_picture_in_a_form_is_a_file() -> None:
    with pytest.raises(InvalidRequest):
        parsed("images.edits", form(("model", b"m"), ("image[]", b"x")))
    assert parsed("images.edits", form(("model", b"m"), ("image[]", b"x", "a.png"), ("mask", b""))).unseen().images == 1


def wav(*, rate: int = 8_000, byte_rate: int = 8_000, block: int = 1, bits: int = 8) -> bytes:
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 0, b"WAVE", b"fmt ", 16, 1, 1, rate, byte_rate, block, bits)
    return head + bytes(80_000 - len(head))


def test_a_recording_is_believed_when_its_figures_agree() -> None:
    assert (seconds_of(wav()), seconds_max(wav())) == (10, 21)
    for forged in (
        wav(byte_rate=2**31),
        wav(byte_rate=1),
        wav(rate=2**31, byte_rate=2**31),
        wav(rate=0, byte_rate=0),
        wav(byte_rate=80_000, block=10),
        wav()[:35],
    ):
        assert (seconds_of(forged), seconds_max(forged)) == (None, None)


def test_behind_a_tag_must_be_mp3() -> None:
    tag = b"ID3\4\0\0\0\0\1\2"
    assert seconds_max(tag + bytes(130) + b"\xff\xfb" + bytes(1_000)) == 3
    assert seconds_max(tag.replace(b"\4\0\0", b"\4\0\x10") + bytes(140) + b"\xff\xfb" + bytes(1_000)) == 3
    for other in (tag + bytes(130) + b"fLaC" + bytes(99), tag + bytes(3_000), tag, b"ID3"):
        assert seconds_max(other) is None


def test_partial_pictures_are_few() -> None:
    body = {"model": "m", "prompt": "x", "partial_images": PARTIAL_IMAGES_MAX}
    assert parsed("images.generations", msgspec.json.encode(body))
    with pytest.raises(InvalidRequest) as refused:
        parsed("images.generations", msgspec.json.encode({**body, "partial_images": PARTIAL_IMAGES_MAX + 1}))
    assert refused.value.param == "partial_images"


@pytest.mark.parametrize(
    ("pictures", "count"),
    [
        (b'"images":[{"image_url":"x"},{"file_id":"f"}]', 2),
        (b'"images":[{"im\\u0061ge_url":"x"},{"file\\u005fid":"f"}],"mask":{"file_id":"f"}', 3),
        (b'"im\\u0061ge":["data:image/png;base64,AA","https://a.test/b"],"mask":"x"', 3),
        (b'"image":{"url":"x"}', 1),
        (b'"quality":"low"', 0),
    ],
)
def test_pictures_in_json_are_counted_however_their_names_are_written(pictures: bytes, count: int) -> None:
    assert parsed("images.edits", b'{"model":"m","prompt":"x",%b}' % pictures).unseen().images == count


def test_pictures_whose_name_stands_twice_may_be_anything() -> None:
    body = b'{"model":"m","prompt":"x","images":[{"image_url":"x"}],"images":[]}'
    assert parsed("images.edits", body).unseen() == ANYTHING


@pytest.mark.parametrize(
    "given",
    [
        [{"image": "https://a.test/1.png"}],
        {"image": "https://a.test/1.png"},
        [{"text": "x", "image": "https://a.test/1.png"}],
        [{"content": [{"type": "video", "video": "x"}]}],
        [{"content": "x", "image": "x"}],
        [[{"image": "x"}]],
        [{"type": ["text"], "text": "x"}],
    ],
)
def test_what_embeddings_are_made_of_besides_text_may_be_anything(given: Any) -> None:
    body = msgspec.json.encode({"model": "m", "input": given})
    assert chat.parse("embeddings", body).unseen() == ANYTHING


def test_text_to_embed_is_text_and_a_picture_is_counted() -> None:
    def unseen(given: Any) -> Any:
        return chat.parse("embeddings", msgspec.json.encode({"model": "m", "input": given})).unseen()

    texts: list[Any] = ["x {y}", ["a", "{}"], [1, 2], [[1], [2]], [{"text": "x"}], [{"type": "text", "text": "x"}]]
    assert all(unseen(each) is PLAIN for each in texts)
    assert unseen([{"type": "image_url", "image_url": {"url": "x"}}]).images == 1
    twice = b'{"model":"m","input":[{"image":"x"}],"input":"x"}'
    assert chat.parse("embeddings", twice).unseen() == ANYTHING


ERROR = b'data: {"error":{"message":"The server had an error","type":"server_error"}}\n\n'


@pytest.mark.parametrize("end", [ERROR, b"", b'data: {"type":"speech.audio.delta","au'])
async def test_speech_that_does_not_come_to_its_end_is_a_fault(end: bytes) -> None:
    gateway = FakeGateway(routes=[Route(MODEL, (Deployment(OPENAI, MODEL),))])
    half = spoken(b"sound" * 9).rpartition(b"data:")[0] + end
    gateway.upstream.scripts.append(Script(headers=(EVENTS,), steps=[half]))
    client = await gateway.call({"model": MODEL, "input": "hello", "voice": "a"}, path=SPEECH, key=UNLIMITED_KEY)
    assert client.status == 502
    assert gateway.ledger.only.outcome == "broken"


async def test_sound_that_begins_like_an_event_is_sound() -> None:
    gateway = FakeGateway(routes=[Route(MODEL, (Deployment(OPENAI, MODEL),))])
    gateway.upstream.scripts.append(Script(headers=((b"content-type", b"audio/pcm"),), steps=[b"data:\1\2\3"]))
    client = await gateway.call({"model": MODEL, "input": "hello", "voice": "a"}, path=SPEECH, key=UNLIMITED_KEY)
    assert (client.status, client.body) == (200, b"data:\1\2\3")


@pytest.mark.parametrize(
    ("operation", "body", "expected"),
    [
        ("images.generations", b'{"model":"m","prompt":"x"}', True),
        ("audio.speech", b'{"model":"m","input":"x"}', True),
        ("audio.transcriptions", LISTEN, True),
        ("moderations", b'{"model":"m","input":"x"}', False),
    ],
)
def test_what_no_count_of_texts_comes_near_says_so(operation: MediaOperation, body: bytes, expected: bool) -> None:
    assert parsed(operation, body).is_uncountable is expected
    assert not chat.parse("chat.completions", b'{"model":"m","messages":[]}').is_uncountable


@pytest.mark.parametrize("path", [IMAGES, EDITS, SPEECH, TRANSCRIPTS])
async def test_a_refusal_sends_nothing(path: str) -> None:
    gateway = FakeGateway(routes=[Route(MODEL, (Deployment(OPENAI, MODEL),))])
    asked = {"model": MODEL, "prompt": "x", "input": [], "partial_images": 4}
    client = await gateway.call(asked, path=path, key=UNLIMITED_KEY)
    assert client.status == 400
    assert not gateway.upstream.requests
