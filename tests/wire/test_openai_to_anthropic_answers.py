"""Anthropic's answers, streams and errors for OpenAI clients: the official client reads them, and both forms say the same."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from conversations_anthropic import answers, event, streams_of
from conversations_clients import canned
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.wire.openai_to_anthropic import TRANSLATION
from tollkeeper.gateway.wire.translation import TranslatedStream

REQUEST_ID = "req_019aa0000000700080000000000000ff"
CREATED = int("019aa0000000", 16) // 1000
DONE = b"data: [DONE]\n\n"
# platform.claude.com/docs/en/build-with-claude/{messages,extended-thinking,prompt-caching} (2026-11), shortened
ANSWER: dict[str, Any] = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-5",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eHg="},
        {"type": "text", "text": "I look"},
        {"type": "text", "text": " it up."},
        {"type": "tool_use", "id": "toolu_01", "name": "weather", "input": {"city": "Seoul"}},
        {"type": "tool_use", "id": "toolu_02", "name": "now", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 100,
        "cache_creation_input_tokens": 3000,
        "cache_read_input_tokens": 5000,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
        "output_tokens": 500,
        "output_tokens_details": {"thinking_tokens": 200},
        "service_tier": "standard",
    },
}


def answered(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        TRANSLATION.answer(json.dumps(answer).encode(), model="m", request_id=REQUEST_ID)
    )
    return found


def opened(*, wants_usage: bool = True, cost: str | None = None) -> TranslatedStream:
    return TRANSLATION.stream(model="m", wants_usage=wants_usage, request_id=REQUEST_ID, cost_usd=lambda: cost)


def streamed(events: list[bytes], **options: Any) -> bytes:
    stream = opened(**options)
    return b"".join([*map(stream.feed, events), stream.finish()])


def chunks(written: bytes) -> list[dict[str, Any]]:
    events = written.removesuffix(DONE).split(b"\n\n")[:-1]
    return [json.loads(each.removeprefix(b"data: ")) for each in events]


def test_an_answer_as_openai_has_it() -> None:
    calls = [
        {"id": "toolu_01", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Seoul"}'}},
        {"id": "toolu_02", "type": "function", "function": {"name": "now", "arguments": "{}"}},
    ]
    details = [
        {"type": "reasoning.text", "text": "Hm.", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "eHg=", "format": "anthropic-claude-v1", "index": 1},
    ]
    message = {
        "role": "assistant", "content": "I look it up.", "refusal": None, "annotations": [], "tool_calls": calls,
        "reasoning_content": "Hm.", "reasoning_details": details,
    }  # fmt: skip
    assert answered(ANSWER) == {
        "id": "msg_01",
        "object": "chat.completion",
        "created": CREATED,
        "model": "m",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls"}],
        "usage": {
            "prompt_tokens": 8100,
            "completion_tokens": 500,
            "total_tokens": 8600,
            "prompt_tokens_details": {"cached_tokens": 5000, "cache_write_tokens": 3000, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 200, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("model_context_window_exceeded", "length"),
     ("pause_turn", "length"), ("refusal", "content_filter"), ("something_new", "stop")],
)  # fmt: skip
def test_why_it_ended(reason: str, expected: str) -> None:
    answer = {**ANSWER, "content": [], "stop_reason": reason}
    choice = answered(answer)["choices"][0]
    assert choice["finish_reason"] == expected
    assert choice["message"]["content"] == ""
    ends = event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 1})
    assert chunks(streamed([ends]))[0]["choices"][0]["finish_reason"] == expected


def test_a_refusal_is_explained() -> None:
    details = {"type": "refusal", "category": "bio", "explanation": "No."}
    answer = {**ANSWER, "content": [], "stop_reason": "refusal", "stop_details": details}
    message = answered(answer)["choices"][0]["message"]
    assert (message["refusal"], message["content"]) == ("No.", None)


def test_pages_of_the_web_are_annotations() -> None:
    cited = {
        "type": "web_search_result_location",
        "url": "https://e.org",
        "title": "E",
        "cited_text": "x",
        "encrypted_index": "y",
    }
    blocks = [
        {"type": "text", "text": "So: "},
        {"type": "text", "text": "it is.", "citations": [cited, {"type": "char_location"}]},
    ]
    place = {"start_index": 4, "end_index": 10, "title": "E", "url": "https://e.org"}
    expected = [{"type": "url_citation", "url_citation": place}]
    assert answered({**ANSWER, "content": blocks})["choices"][0]["message"]["annotations"] == expected
    events = []
    for i, block in enumerate(blocks):
        events.append(event("content_block_start", index=i, content_block={"type": "text", "text": ""}))
        events.append(event("content_block_delta", index=i, delta={"type": "text_delta", "text": block["text"]}))
        events += [
            event("content_block_delta", index=i, delta={"type": "citations_delta", "citation": each})
            for each in block.get("citations", ())
        ]
        events.append(event("content_block_stop", index=i))
    events.append(event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 1}))
    assert chunks(streamed(events))[-2]["choices"][0]["delta"]["annotations"] == expected


def normal(completion: dict[str, Any]) -> dict[str, Any]:
    """What both forms of an answer must say alike: a stream leaves out what is empty."""
    choice = completion["choices"][0]
    message = {name: value for name, value in choice["message"].items() if value and name != "parsed"}
    for call in message.get("tool_calls", ()):
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    names = ("id", "model", "created", "service_tier")
    return {"message": message, "reason": choice["finish_reason"], **{name: completion[name] for name in names}}


@settings(max_examples=300, derandomize=True)
@given(answers(), st.data())
def test_an_answer_and_its_stream_say_the_same_to_the_official_client(
    answer: dict[str, Any], data: st.DataObject
) -> None:
    events = data.draw(streams_of(answer))
    whole = canned.openai_answer(TRANSLATION.answer(json.dumps(answer).encode(), model="m", request_id=REQUEST_ID))
    written = streamed(events)
    refused = {"length": openai.LengthFinishReasonError, "content_filter": openai.ContentFilterFinishReasonError}
    reason = whole.choices[0].finish_reason
    if reason in refused:  # the helper for streams raises then
        said = "".join(each["choices"][0]["delta"].get("content") or "" for each in chunks(written)[:-1])
        assert said == (whole.choices[0].message.content or "")
        with pytest.raises(refused[reason]):
            canned.openai_stream(written)
    else:
        piecewise = canned.openai_stream(written)
        assert normal(piecewise.model_dump()) == normal(whole.model_dump())
        assert piecewise.usage == whole.usage
    assert written.endswith(DONE)
    assert streamed([b"".join(events)]) == written
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=4).map(sorted))
    grouped = [b"".join(events[a:b]) for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    assert streamed(grouped) == written
    assert streamed([each.replace(b"\n", b"\r\n") for each in events]) == written


def test_the_last_chunk_has_the_usage_and_its_cost() -> None:
    events = [
        event("message_start", message={**ANSWER, "content": []}),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7}),
        event("message_stop"),
    ]
    last = chunks(streamed(events, cost="0.000000123"))[-1]
    assert (last["choices"], last["usage"]["cost"]) == ([], 0.000000123)
    assert (last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"]) == (8100, 7)
    assert all(each["usage"] is None for each in chunks(streamed(events))[:-1])
    assert "cost" not in chunks(streamed(events))[-1]["usage"]
    unasked = streamed(events, wants_usage=False, cost="1")
    assert b"usage" not in unasked
    assert unasked.endswith(DONE)


def test_a_tool_without_arguments_has_an_empty_object() -> None:
    events = [
        event(
            "content_block_start", index=0, content_block={"type": "tool_use", "id": "t", "name": "now", "input": {}}
        ),
        event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": ""}),
        event("content_block_stop", index=0),
    ]
    pieces = [
        each["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"]
        for each in chunks(opened().feed(b"".join(events)))
    ]
    assert "".join(pieces) == "{}"


def test_what_is_newer_than_this_is_passed_over() -> None:
    stream = opened()
    assert stream.feed(event("brand_new", x=1) + b": a comment\n\n" + event("ping")) == b""
    assert stream.feed(event("content_block_start", index=0, content_block={"type": "brand_new", "x": 1})) == b""
    assert stream.feed(event("content_block_delta", index=0, delta={"type": "brand_new_delta"})) == b""
    assert stream.feed(event("content_block_stop", index=0)) == b""


def test_a_stream_that_breaks_off_ends_with_an_error() -> None:
    start = event("message_start", message={**ANSWER, "content": []})
    text = event("content_block_start", index=0, content_block={"type": "text", "text": "So"})
    with pytest.raises(openai.APIError, match="before the answer was whole"):
        canned.openai_stream(streamed([start, text]))
    ended = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7})
    whole = streamed([start, text, ended])  # only the last event is missing
    assert canned.openai_stream(whole).choices[0].message.content == "So"


@pytest.mark.parametrize("broken", [b"data: {\n\n", b"data: []\n\n", b'data: {"type":5}\n\n'])
def test_an_event_that_cannot_be_read_ends_the_stream(broken: bytes) -> None:
    stream = opened()
    said = chunks(stream.feed(broken))
    assert said[0]["error"]["type"] == "server_error"
    assert stream.feed(event("message_stop")) + stream.finish() == b""


def test_an_error_in_a_stream() -> None:
    """platform.claude.com/docs/en/build-with-claude/streaming#error-events (2026-11)."""
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    said = chunks(opened().feed(error))[0]["error"]
    assert said == {
        "message": "Overloaded", "type": "service_unavailable_error", "param": None, "code": "server_is_overloaded",
        "request_id": REQUEST_ID,
    }  # fmt: skip
    with pytest.raises(openai.APIError, match="Overloaded"):
        canned.openai_stream(streamed([error]))


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "max_tokens: must be at least 1", (400, "invalid_request_error", None)),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", (400, "invalid_request_error", "context_length_exceeded")),
        (400, "invalid_request_error", "Your credit balance is too low to access the API.", (429, "insufficient_quota", "insufficient_quota")),
        (401, "authentication_error", "invalid x-api-key", (401, "invalid_request_error", "invalid_api_key")),
        (402, "billing_error", "Pay.", (429, "insufficient_quota", "insufficient_quota")),
        (403, "permission_error", "No.", (403, "invalid_request_error", "permission_denied")),
        (404, "not_found_error", "model: claude-x", (404, "invalid_request_error", "model_not_found")),
        (413, "request_too_large", "Big.", (413, "invalid_request_error", "request_too_large")),
        (429, "rate_limit_error", "Slow.", (429, "rate_limit_error", "rate_limit_exceeded")),
        (500, "api_error", "Oh.", (500, "server_error", None)),
        (529, "overloaded_error", "Overloaded", (503, "service_unavailable_error", "server_is_overloaded")),
        (529, "brand_new", "Overloaded", (503, "service_unavailable_error", "server_is_overloaded")),
    ],
)  # fmt: skip
def test_errors(status: int, kind: str, message: str, expected: tuple[int, str, str | None]) -> None:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_x"}).encode()
    found, written = TRANSLATION.error(status, body, REQUEST_ID)
    said = json.loads(written)["error"]
    assert (found, said["type"], said["code"]) == expected
    assert (said["message"], said["param"], said["request_id"]) == (message, None, REQUEST_ID)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":"x"}', b'{"error":{"type":5}}'])
def test_errors_that_cannot_be_read_keep_their_status(body: bytes) -> None:
    assert TRANSLATION.error(502, body, REQUEST_ID)[0] == 500
    status, written = TRANSLATION.error(418, body, REQUEST_ID)
    assert status == 400
    assert "418" in json.loads(written)["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"type":"error","error":{}}', b'{"content":5,"usage":{}}'])
def test_an_answer_that_is_none_is_the_providers_fault(body: bytes) -> None:
    with pytest.raises(UpstreamFault):
        TRANSLATION.answer(body, model="m", request_id=REQUEST_ID)
