"""Large bodies that are read as a whole, for counting their tokens: once, and beside the event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes.gateway import MODEL, FakeGateway, answer, chat

from tollkeeper.gateway.body_reader import AT_ONCE_BYTES_MAX, read_aside
from tollkeeper.gateway.wire.call import Call
from tollkeeper.gateway.wire.parsing import asked_of, parse

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
OTHER_PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
INLINE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": chat(messages=[{"role": "user", "content": [PICTURE, {"type": "text", "text": "é\n"}]}]),
    "/v1/messages": {
        "model": MODEL,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [OTHER_PICTURE, {"type": "text", "text": "é\n"}]}],
    },
    "/v1/responses": {"model": MODEL, "input": [{"role": "user", "content": [{"type": "input_text", "text": "é\n"}]}]},
    "/v1beta/models/m:generateContent": {"contents": [{"parts": [INLINE, {"text": "é\n"}]}]},
    "/v1/moderations": {"model": MODEL, "input": ["é\n"]},
    "/v1/images/generations": {"model": MODEL, "prompt": "é\n"},
}


@pytest.fixture
def threads() -> list[str]:
    """In which thread each of them was read."""
    return []


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, threads: list[str]) -> list[int]:
    """How many bytes each reading of a whole body had."""
    sizes: list[int] = []
    load: Callable[..., Any] = json.loads

    def note(body: bytes, **options: Any) -> Any:
        sizes.append(len(body))
        threads.append(threading.current_thread().name)
        return load(body, **options)

    monkeypatch.setattr(json, "loads", note)
    return sizes


def call_of(path: str, body: bytes) -> Call:
    asked = asked_of(path)
    assert asked is not None
    return parse(asked, body)


@pytest.mark.parametrize("path", BODIES)
def test_the_material_for_counting_is_read_once(path: str, loads: list[int]) -> None:
    call = call_of(path, json.dumps(BODIES[path]).encode())
    unseen = call.unseen()
    loads.clear()
    material = call.count_material(unseen)
    assert material is not None
    assert (material[0], loads) == (["é\n"], [len(call.body)])


@pytest.mark.parametrize("path", BODIES)
def test_what_is_no_text_counts_with_its_shortest_bytes(path: str) -> None:
    call = call_of(path, json.dumps(BODIES[path], indent=4).encode())
    material = call.count_material(call.unseen())
    shortest = json.dumps(BODIES[path], ensure_ascii=False, separators=(",", ":")).encode()
    assert material is not None
    assert material[1] == len(shortest) - len("é\n".encode()) - call.unseen().data_bytes


async def test_a_large_body_is_read_while_others_have_their_turn() -> None:
    has_turn = threading.Event()
    asyncio.get_running_loop().call_soon(has_turn.set)
    assert await read_aside(b" " * (AT_ONCE_BYTES_MAX + 1), lambda: has_turn.wait(5))


@pytest.mark.parametrize("is_held", [True, False])
async def test_counting_reads_large_bodies_aside(loads: list[int], threads: list[str], is_held: bool) -> None:
    gateway = FakeGateway()
    body = chat(messages=[{"role": "user", "content": "one two " * 5_000}], max_tokens=9)
    if is_held:
        gateway.budgets.left = 25_000
        gateway.will_answer(answer())
    else:
        gateway.will_answer({"choices": [{"message": {"content": "a cat"}}]})
    assert (await gateway.call(body)).status == 200
    assert gateway.counter.asked, "counted it is"
    assert len(loads) == 1
    assert [name.partition("_")[0] for name in threads] == ["body-reader"]


async def test_a_body_that_was_looked_through_is_not_again_for_its_counted_bound(loads: list[int]) -> None:
    gateway = FakeGateway()
    gateway.budgets.left = 150_000
    gateway.will_answer(answer())
    words = {"type": "text", "text": "one two " * 25_000}
    client = await gateway.call(chat(messages=[{"role": "user", "content": [PICTURE, words]}], max_tokens=9))
    assert client.status == 200
    assert gateway.counter.asked, "counted it is"
    assert len(loads) == 2
