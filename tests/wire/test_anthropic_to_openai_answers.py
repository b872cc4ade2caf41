"""OpenAI-dialect answers, streams and errors for Anthropic clients: the official client reads them, both forms say the same."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import pytest
from conversations_clients import canned
from conversations_openai import answers, streams_of
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.wire.anthropic_to_openai import TRANSLATION
from tollkeeper.gateway.wire.translation import TranslatedStream

REQUEST_ID = "req_019aa0000000700080000000000000ff"
# platform.openai.com/docs/api-reference/chat/object (2026-11), shortened, with DeepSeek's reasoning
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "gpt-5.4",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "I look it up.",
                "reasoning_content": "Hm.",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Seoul"}'},
                    },
                    {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": ""}},
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920, "cache_write_tokens": 50},
        "completion_tokens_details": {"reasoning_tokens": 192},
    },
    "service_tier": "priority",
}


def answered(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        TRANSLATION.answer(json.dumps(answer).encode(), model="m", request_id=REQUEST_ID)
    )
    return found


def with_message(reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    return {**ANSWER, "choices": [{"index": 0, "message": message, "finish_reason": reason}]}


def opened() -> TranslatedStream:
    return TRANSLATION.stream(model="m", wants_usage=True, request_id=REQUEST_ID, cost_usd=lambda: "1")


def streamed(events: list[bytes]) -> bytes:
    stream = opened()
    return b"".join([*map(stream.feed, events), stream.finish()])


def chunk(delta: dict[str, Any] | None = None, reason: str | None = None, **members: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "x",
        "choices": choices,
        **members,
    }
    return b"data: " + json.dumps(whole).encode() + b"\n\n"


def events_of(written: bytes) -> list[dict[str, Any]]:
    found = []
    for each in written.split(b"\n\n")[:-1]:
        name, data = each.split(b"\ndata: ")
        found.append(json.loads(data))
        assert name.removeprefix(b"event: ").decode() == found[-1]["type"]
    return found


def piece(index: int | None, arguments: str, call_id: str | None = None, name: str | None = None) -> bytes:
    call = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}
    return chunk({"tool_calls": [{key: value for key, value in call.items() if value is not None}]})


def test_an_answer_as_anthropic_has_it() -> None:
    assert answered(ANSWER) == {
        "id": "chatcmpl-1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": ""},
            {"type": "text", "text": "I look it up.", "citations": None},
            {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Seoul"}},
            {"type": "tool_use", "id": "call_2", "name": "now", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 36,
            "cache_creation_input_tokens": 50,
            "cache_read_input_tokens": 1920,
            "cache_creation": None,
            "output_tokens": 300,
            "output_tokens_details": {"thinking_tokens": 192},
            "server_tool_use": None,
            "service_tier": "priority",
        },
    }


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # xAI's chat: reasoning is counted apart (docs.x.ai, 2026-11)
        ({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 420, "completion_tokens_details": {"reasoning_tokens": 300}}, (100, 0, 320)),
        # DeepSeek's (api-docs.deepseek.com, 2026-11)
        ({"prompt_tokens": 1000, "prompt_cache_hit_tokens": 640, "prompt_cache_miss_tokens": 360, "completion_tokens": 50, "total_tokens": 1050}, (360, 640, 50)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": {"cached_tokens": 99}}, (0, 10, 5)),
        (None, (0, 0, 0)),
    ],
)  # fmt: skip
def test_usage_of_every_provider(usage: Any, expected: tuple[int, int, int]) -> None:
    found = answered({**ANSWER, "usage": usage})["usage"]
    assert (found["input_tokens"], found["cache_read_input_tokens"], found["output_tokens"]) == expected


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("stop", {"content": "x"}, "end_turn"),
        ("length", {"content": "x"}, "max_tokens"),
        ("content_filter", {"content": "x"}, "refusal"),
        ("stop", {"refusal": "No."}, "refusal"),
        ("stop", {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}, "tool_use"),
        ("insufficient_system_resource", {"content": "x"}, "max_tokens"),
        (None, {"content": "x"}, "end_turn"),
    ],
)
def test_why_it_ended(reason: str | None, message: dict[str, Any], expected: str) -> None:
    assert answered(with_message(reason, **message))["stop_reason"] == expected


def test_a_refusal_is_a_text_and_an_explanation() -> None:
    found = answered(with_message(refusal="No."))
    assert found["content"] == [{"type": "text", "text": "No.", "citations": None}]
    assert found["stop_details"] == {"type": "refusal", "category": None, "explanation": "No."}


def test_arguments_may_be_an_object_already() -> None:
    calls = [{"index": 0, "id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]
    assert answered(with_message("tool_calls", tool_calls=calls))["content"][0]["input"] == {"a": 1}
    message = canned.anthropic_stream(streamed([chunk({"tool_calls": calls}, "tool_calls")]))
    assert message.content[0].model_dump(include={"input"}) == {"input": {"a": 1}}


def test_arguments_that_are_no_object_are_shown_as_they_are() -> None:
    calls = [{"id": "c", "function": {"name": "f", "arguments": '{"a":'}}]
    assert answered(with_message("tool_calls", tool_calls=calls))["content"][0]["input"] == {"INVALID_JSON": '{"a":'}


@settings(max_examples=300, derandomize=True)
@given(answers(), st.data())
def test_an_answer_and_its_stream_say_the_same_to_the_official_client(
    answer: dict[str, Any], data: st.DataObject
) -> None:
    events = data.draw(streams_of(answer))
    whole = canned.anthropic_answer(TRANSLATION.answer(json.dumps(answer).encode(), model="m", request_id=REQUEST_ID))
    written = streamed(events)
    piecewise = canned.anthropic_stream(written).model_dump(exclude={"parsed_output"}, warnings=False)
    for block in piecewise["content"]:
        block.pop("parsed_output", None)
    expected = whole.model_dump()
    assert piecewise.pop("usage") == {**expected.pop("usage"), "cache_creation": None}
    assert piecewise == expected
    assert streamed([b"".join(events)]) == written
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=4).map(sorted))
    grouped = [b"".join(events[a:b]) for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    assert streamed(grouped) == written
    assert streamed([each.replace(b"\n", b"\r\n") for each in events]) == written


def test_blocks_follow_each_other_as_anthropic_streams_them() -> None:
    written = streamed(
        [
            chunk({"role": "assistant", "content": ""}),
            chunk({"reasoning": "Hm."}),
            chunk({"content": "So"}),
            piece(0, "", "call_1", "f"),
            piece(0, "{}"),
            chunk({}, "tool_calls"),
            chunk(None, usage=ANSWER["usage"]),
            b"data: [DONE]\n\n",
        ]
    )
    found = events_of(written)
    assert [(each["type"], each.get("index")) for each in found] == [
        ("message_start", None),
        ("content_block_start", 0), ("content_block_delta", 0), ("content_block_stop", 0),
        ("content_block_start", 1), ("content_block_delta", 1), ("content_block_stop", 1),
        ("content_block_start", 2), ("content_block_delta", 2), ("content_block_stop", 2),
        ("message_delta", None), ("message_stop", None),
    ]  # fmt: skip
    assert found[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None, "stop_details": None}
    assert (found[-2]["usage"]["input_tokens"], found[-2]["usage"]["output_tokens"]) == (36, 300)


@pytest.mark.parametrize(
    "pieces",
    [
        [
            piece(0, "", "a", "f"),
            piece(1, "", "b", "g"),
            piece(0, '{"x"'),
            piece(1, '{"y":2}'),
            piece(0, ":1}"),
        ],  # woven
        [piece(0, '{"x":1}', "a", "f"), piece(1, '{"y":2}', "b", "g")],  # whole
        [piece(None, '{"x":1}', "a", "f"), piece(None, '{"y"', "b", "g"), piece(None, ":2}")],  # without an index
        [piece(0, '{"x":1}', "a", "f"), piece(1, '{"y"', "b", "g"), piece(1, ":2}", "b", "g")],  # names said again
    ],
)
def test_parallel_calls_however_they_are_streamed(pieces: list[bytes]) -> None:
    message = canned.anthropic_stream(streamed([*pieces, chunk({}, "tool_calls"), b"data: [DONE]\n\n"]))
    assert [block.model_dump(include={"id", "name", "input"}) for block in message.content] == [
        {"id": "a", "name": "f", "input": {"x": 1}},
        {"id": "b", "name": "g", "input": {"y": 2}},
    ]
    assert message.stop_reason == "tool_use"


def test_a_stream_without_done_is_whole_when_it_says_why_it_ended() -> None:
    assert canned.anthropic_stream(streamed([chunk({"content": "So"}, "stop")])).content[0].type == "text"
    with pytest.raises(anthropic.APIStatusError, match="before the answer was whole"):
        canned.anthropic_stream(streamed([chunk({"content": "So"})]))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "Slow.", "type": "requests", "code": "rate_limit_exceeded"}, "rate_limit_error"),
        ({"message": "Oh.", "type": "server_error", "code": None}, "api_error"),
        ({"message": "Pay.", "type": "insufficient_quota", "code": "credit_balance_exhausted"}, "billing_error"),
        ({"message": "Busy.", "code": 503}, "overloaded_error"),  # OpenRouter's codes are HTTP's
        ("Just a text.", "api_error"),  # xAI's
    ],
)
def test_an_error_in_a_stream(error: Any, kind: str) -> None:
    stream = opened()
    stream.feed(chunk({"content": "So"}))
    written = stream.feed(b"data: " + json.dumps({"error": error}).encode() + b"\n\n")
    said = events_of(written)[0]
    message = error if isinstance(error, str) else error["message"]
    assert said == {"type": "error", "error": {"type": kind, "message": message}, "request_id": REQUEST_ID}
    assert stream.feed(chunk({"content": "more"})) + stream.finish() == b""


@pytest.mark.parametrize("broken", [b"data: {\n\n", b"data: []\n\n", b'data: {"choices":5}\n\n'])
def test_a_chunk_that_cannot_be_read_ends_the_stream(broken: bytes) -> None:
    stream = opened()
    assert events_of(stream.feed(broken))[0]["error"]["type"] == "api_error"
    assert stream.feed(chunk({"content": "more"})) + stream.finish() == b""


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (
            400,
            {"message": "x", "type": "invalid_request_error", "param": None, "code": None},
            (400, "invalid_request_error"),
        ),
        (
            401,
            {"message": "x", "type": "invalid_request_error", "code": "invalid_api_key"},
            (401, "authentication_error"),
        ),
        (402, {"message": "Insufficient Balance", "type": "unknown_error"}, (402, "billing_error")),
        (403, {"message": "x"}, (403, "permission_error")),
        (404, {"message": "x", "code": "model_not_found"}, (404, "not_found_error")),
        (422, {"message": "x"}, (400, "invalid_request_error")),
        (429, {"message": "x", "type": "tokens", "code": "rate_limit_exceeded"}, (429, "rate_limit_error")),
        (429, {"message": "x", "type": "insufficient_quota", "code": "insufficient_quota"}, (402, "billing_error")),
        (429, {"message": "x", "type": "x", "code": "project_spend_limit_exceeded"}, (402, "billing_error")),
        (500, {"message": "x", "type": "server_error"}, (500, "api_error")),
        (502, {"message": "x", "code": 502}, (502, "api_error")),
        (503, {"message": "x", "code": "server_is_overloaded"}, (529, "overloaded_error")),
        (504, {"message": "x"}, (504, "timeout_error")),
    ],
)
def test_errors(status: int, error: dict[str, Any], expected: tuple[int, str]) -> None:
    found, written = TRANSLATION.error(status, json.dumps({"error": error}).encode(), REQUEST_ID)
    said = {"type": "error", "error": {"type": expected[1], "message": error["message"]}, "request_id": REQUEST_ID}
    assert (found, json.loads(written)) == (expected[0], said)
    canned.be(written, status=found)
    with pytest.raises(anthropic.APIStatusError) as raised:
        canned.anthropic.messages.create(model="m", max_tokens=1, messages=[])
    assert raised.value.status_code == found


def test_errors_of_other_shapes() -> None:
    for body in (
        b'{"code":"x","error":"No such model."}',
        b'[{"error":{"message":"No such model."}}]',
        b'{"message":"No such model."}',
    ):
        assert json.loads(TRANSLATION.error(404, body, REQUEST_ID)[1])["error"]["message"] == "No such model."
    for body in (b"", b"<html>", b"[]", b"5"):
        assert "502" in json.loads(TRANSLATION.error(502, body, REQUEST_ID)[1])["error"]["message"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"choices":[]}', b'{"error":{"message":"x"}}', b'{"choices":[{"index":0}]}']
)
def test_an_answer_that_is_none_is_the_providers_fault(body: bytes) -> None:
    with pytest.raises(UpstreamFault):
        TRANSLATION.answer(body, model="m", request_id=REQUEST_ID)
