"""Gemini's answers, streams and errors as an Anthropic client reads them: by the official client, over no network."""

from __future__ import annotations

import json
import re
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message
from gemini_conversations_answers import REQUEST_ID, Said, answers, events, fed, grouped, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.wire.anthropic_to_gemini import TRANSLATION

ENDINGS = {"STOP": "end_turn", "MAX_TOKENS": "max_tokens", "SAFETY": "refusal", "MALFORMED_FUNCTION_CALL": "end_turn"}


def stream() -> Any:
    return TRANSLATION.stream(model="shown", wants_usage=True, request_id=REQUEST_ID, cost_usd=lambda: "0.1")


def client_of(body: bytes, *, status: int = 200, kind: str = "text/event-stream") -> anthropic.Anthropic:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=body, headers={"content-type": kind})

    transport = httpx2.MockTransport(answer)
    return anthropic.Anthropic(
        api_key="k", base_url="http://test.invalid", max_retries=0, http_client=httpx2.Client(transport=transport)
    )


def streamed(body: bytes) -> Message:
    """What the official client's streaming helper puts together."""
    with client_of(body) as client, client.messages.stream(model="m", max_tokens=9, messages=[]) as found:
        return found.get_final_message()


def translated(said: Said) -> Message:
    body = TRANSLATION.answer(whole(said), model="shown", request_id=REQUEST_ID)
    return Message.model_validate_json(body)


def check(message: Message, said: Said) -> None:
    blocks = message.content
    assert "".join(block.text for block in blocks if block.type == "text") == said.text
    assert "".join(block.thinking for block in blocks if block.type == "thinking") == said.thoughts
    assert all(block.signature for block in blocks if block.type == "thinking")
    calls = [(block.name, block.input, _signature(block.id)) for block in blocks if block.type == "tool_use"]
    assert calls == said.calls
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", block.id) for block in blocks if block.type == "tool_use")
    expected = "tool_use" if said.calls and said.finish_reason == "STOP" else ENDINGS[said.finish_reason]
    assert message.stop_reason == expected
    assert (message.stop_details is not None) == (expected == "refusal")
    usage, stated = message.usage, said.usage
    assert usage.cache_read_input_tokens == stated["cachedContentTokenCount"]
    assert (
        usage.input_tokens + usage.cache_read_input_tokens
        == stated["promptTokenCount"] + stated["toolUsePromptTokenCount"]
    )
    assert usage.output_tokens == stated["candidatesTokenCount"] + stated["thoughtsTokenCount"]
    assert usage.output_tokens_details is not None
    assert usage.output_tokens_details.thinking_tokens == stated["thoughtsTokenCount"]


def _signature(shown_id: str) -> str | None:
    found = shown_id.partition("__sig__")[2].replace("-", "+").replace("_", "/")
    return found + "=" * (-len(found) % 4) if found else None


@settings(max_examples=500)
@given(answers())
def test_a_whole_answer_says_the_same(said):
    message = translated(said)
    check(message, said)
    assert (message.id, message.model) == ("msg_resp1", "shown")


@settings(max_examples=500)
@given(answers(), st.lists(st.integers(1, 4), max_size=3), st.lists(st.integers(1, 4), max_size=3))
def test_a_stream_says_the_same_however_it_is_cut(said, cuts, sizes):
    made = events(said, cuts)
    body = fed(stream(), made)
    assert body == fed(stream(), [b"".join(made)]) == fed(stream(), grouped(made, sizes))
    assert body.endswith(b'data: {"type":"message_stop"}\n\n')


@settings(max_examples=150)
@given(answers(), st.lists(st.integers(1, 4), max_size=3))
def test_the_official_client_reads_a_stream_as_it_reads_the_whole(said, cuts):
    message = streamed(fed(stream(), events(said, cuts)))
    check(message, said)
    alone = translated(said)
    assert [block.model_dump() for block in message.content] == [block.model_dump() for block in alone.content]
    assert message.usage.output_tokens == alone.usage.output_tokens


def test_a_stream_is_begun_and_closed_as_anthropics_are():
    # platform.claude.com/docs/en/build-with-claude/streaming, 2026-11
    parts = [{"text": "Hm", "thought": True}, {"text": "Hi"}, {"functionCall": {"name": "f", "args": {}}}]
    body = fed(stream(), events(Said(parts, "STOP", {"promptTokenCount": 3}), []))
    names = re.findall(rb"^event: (\w+)$", body, re.MULTILINE)
    block = [b"content_block_start", b"content_block_delta", b"content_block_stop"]
    thinking = [block[0], block[1], block[1], block[2]]
    assert names == [b"message_start", *thinking, *block, *block, b"message_delta", b"message_stop"]
    kinds = [json.loads(line[6:])["type"] for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert [kind.encode() for kind in kinds] == names


def test_an_answer_goes_back_with_its_signatures():
    part = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "ab+/cd=="}
    other = {"functionCall": {"name": "g", "args": {}, "id": "own_id"}}
    message = translated(Said([part, other], "STOP", {}))
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "done"}
        for block in message.content
        if block.type == "tool_use"
    ]
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [block.model_dump(exclude_unset=True) for block in message.content]},
        {"role": "user", "content": results},
    ]
    fields = {"model": "m", "max_tokens": 9, "messages": history}
    contents = TRANSLATION.request(fields, model="gemini-3.8-flash", output_tokens=None)["contents"]
    made = f"toolu_{REQUEST_ID[-24:]}_0_0"
    assert contents[1]["parts"] == [
        {"functionCall": {"id": made, "name": "f", "args": {"a": 1}}, "thoughtSignature": "ab+/cd=="},
        {"functionCall": {"id": "own_id", "name": "g", "args": {}}},
    ]
    assert [part["functionResponse"]["id"] for part in contents[2]["parts"]] == [made, "own_id"]


def test_a_hostile_id_or_signature_does_not_reach_an_id():
    call = {"functionCall": {"name": "f", "id": "a b__sig__c"}, "thoughtSignature": "no base64!"}
    (block,) = translated(Said([call], "STOP", {})).content
    assert block.type == "tool_use"
    assert block.id == f"toolu_{REQUEST_ID[-24:]}_0_0"


def test_a_blocked_prompt_is_a_refusal():
    body = json.dumps({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}).encode()
    event = b"data: %b\r\n\r\n" % body
    for message in (
        Message.model_validate_json(TRANSLATION.answer(body, model="m", request_id=REQUEST_ID)),
        streamed(fed(stream(), [event])),
    ):
        assert (message.content, message.stop_reason, message.usage.input_tokens) == ([], "refusal", 4)
        assert message.stop_details is not None
        assert message.stop_details.explanation == "The provider blocked the prompt (SAFETY)."


def test_an_image_is_named():
    said = Said([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}], "STOP", {})
    (block,) = translated(said).content
    assert block.type == "text"
    assert block.text == "[image/png]"


def test_a_stream_that_ends_early_is_an_error():
    early = events(Said([{"text": "Half"}], "STOP", {}), [])[:-1]
    for made in (early, []):
        body = fed(stream(), made)
        assert b"message_stop" not in body
        with pytest.raises(anthropic.APIStatusError, match="ended before it was complete"):
            streamed(body)


def test_an_error_in_the_middle_ends_the_stream():
    made = events(Said([{"text": "Half"}], "STOP", {}), [])
    broken = b'data: {"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}\r\n\r\n'
    body = fed(stream(), [made[0], broken, *made])
    assert body == fed(stream(), [b"".join([made[0], broken, *made])])
    assert body.count(b'"Half"') == 1
    assert b'"type":"overloaded_error"' in body
    assert body.endswith(b"\n\n")
    with pytest.raises(anthropic.APIStatusError, match="overloaded"):
        streamed(body)


@pytest.mark.parametrize("garbage", [b"data: {\r\n\r\n", b"data: 7\r\n\r\n", b'data: {"candidates":7}\r\n\r\n'])
def test_what_cannot_be_read_is_an_error(garbage):
    assert b"could not be read" in fed(stream(), [garbage])
    with pytest.raises(UpstreamFault):
        TRANSLATION.answer(garbage[6:], model="m", request_id=REQUEST_ID)


# platform.claude.com/docs/en/api/errors, 2026-11
@pytest.mark.parametrize(
    ("status", "name", "expected"),
    [
        (400, "INVALID_ARGUMENT", (400, "invalid_request_error")),
        (401, "UNAUTHENTICATED", (401, "authentication_error")),
        (403, "PERMISSION_DENIED", (403, "permission_error")),
        (404, "NOT_FOUND", (404, "not_found_error")),
        (429, "RESOURCE_EXHAUSTED", (429, "rate_limit_error")),
        (500, "INTERNAL", (500, "api_error")),
        (503, "UNAVAILABLE", (529, "overloaded_error")),
        (504, "DEADLINE_EXCEEDED", (504, "timeout_error")),
        (413, "", (413, "request_too_large")),
        (418, "", (400, "invalid_request_error")),
        (599, "", (500, "api_error")),
    ],
)
def test_errors(status, name, expected):
    raw = json.dumps({"error": {"code": status, "message": "Why.", "status": name}}).encode()
    found, body = TRANSLATION.error(status, raw, REQUEST_ID)
    said = json.loads(body)
    assert (found, said["error"]["type"]) == expected
    assert (said["type"], said["error"]["message"], said["request_id"]) == ("error", "Why.", REQUEST_ID)


def test_the_official_client_raises_its_own_errors():
    status, body = TRANSLATION.error(503, b"<html>", REQUEST_ID)
    with (
        client_of(body, status=status, kind="application/json") as client,
        pytest.raises(anthropic.OverloadedError if hasattr(anthropic, "OverloadedError") else anthropic.APIStatusError),
    ):
        client.messages.create(model="m", max_tokens=9, messages=[])
