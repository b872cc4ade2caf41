"""OpenAI requests for Anthropic: valid by Anthropic's own types, with the meaning kept; hostile ones are refused by name."""

from __future__ import annotations

import itertools
import json
from typing import Any, get_type_hints

import msgspec
import pytest
from conversations_anthropic import event
from conversations_clients import canned, check_anthropic_params
from conversations_openai import PIXEL, requests
from conversations_readers import read_anthropic, read_openai
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.openai_to_anthropic import TRANSLATION

MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-4-8", "claude-sonnet-4-6",
          "claude-opus-4-5-20251101", "claude-haiku-4-5", "claude-3-7-sonnet-20250219", "claude-3-haiku-20240307", "new")  # fmt: skip
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def translated(model: str = "claude-opus-4-5", output_tokens: int | None = None, **fields: Any) -> dict[str, Any]:
    return TRANSLATION.request({**ASKED, **fields}, model=model, output_tokens=output_tokens)


def refused_field(**fields: Any) -> str | None:
    with pytest.raises(InvalidRequest) as refused:
        translated(**fields)
    return refused.value.param


@settings(max_examples=1000, derandomize=True)
@given(requests(), st.sampled_from(MODELS))
def test_a_request_is_valid_and_means_the_same(body: dict[str, Any], model: str) -> None:
    before = json.dumps(body)
    found = TRANSLATION.request(body, model=model, output_tokens=None)
    assert json.dumps(body) == before
    check_anthropic_params(found)
    sent = json.loads(msgspec.json.encode(found))
    assert read_anthropic(sent) == read_openai(body)
    assert sent["model"] == model
    stated = [body[name] for name in ("max_tokens", "max_completion_tokens") if body.get(name)]
    assert not stated or sent["max_tokens"] == min(stated)
    assert [tool["name"] for tool in sent.get("tools", [])] == [
        tool["function"]["name"] for tool in body.get("tools", [])
    ]
    turns = sent["messages"]
    assert all(one["role"] != other["role"] for one, other in itertools.pairwise(turns))
    for turn in turns:
        is_result = [block["type"] == "tool_result" for block in turn["content"]]
        assert is_result == sorted(is_result, reverse=True)
    stop = body.get("stop")
    assert sent.get("stop_sequences", []) == ([stop] if isinstance(stop, str) else stop or [])


def test_every_field_of_openai_has_a_rule() -> None:
    assert set(get_type_hints(CompletionCreateParamsStreaming)) <= set(TRANSLATION.rules)
    assert all(rule.note for rule in TRANSLATION.rules.values() if rule.how != "same")


def test_system_prompts_are_gathered() -> None:
    messages = [
        {"role": "system", "content": "One."},
        {"role": "developer", "content": [{"type": "text", "text": "Two.", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Three."},
    ]
    assert translated(messages=messages)["system"] == [
        {"type": "text", "text": "One."},
        {"type": "text", "text": "Two.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Three."},
    ]


def test_parallel_tools_and_their_results() -> None:
    """After developers.openai.com/api/docs/guides/function-calling and platform.claude.com/…/tool-use (2026-11)."""
    calls = [
        {"id": f"call_{i}", "type": "function", "function": {"name": "weather", "arguments": f'{{"city":"{city}"}}'}}
        for i, city in enumerate(["Seoul", "Paris"])
    ]
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_0", "content": "21"},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "9"}]},
        {"role": "user", "content": "So?"},
    ]
    assert translated(messages=messages)["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "call_0", "name": "weather", "input": {"city": "Seoul"}},
                {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Paris"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_0", "content": "21"},
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "9"}]},
                {"type": "text", "text": "So?"},
            ],
        },
    ]


def test_a_result_stands_before_what_was_said_meanwhile() -> None:
    call = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "user", "content": "Hurry."},
        {"role": "tool", "tool_call_id": "call_0", "content": "1"},
    ]
    found = translated(messages=messages)["messages"][1]["content"]
    assert [block["type"] for block in found] == ["tool_result", "text"]


def test_images_and_documents() -> None:
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {
            "type": "image_url",
            "image_url": {"url": "https://example.org/a.png"},
            "prompt_cache_breakpoint": {"mode": "explicit"},
        },
        {"type": "file", "file": {"file_data": "data:text/plain;base64,SGk=", "filename": "a.txt"}},
    ]
    assert translated(messages=[{"role": "user", "content": content}])["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {
            "type": "image",
            "source": {"type": "url", "url": "https://example.org/a.png"},
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}, "title": "a.txt"},
    ]


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", True, {"type": "any"}),
        ({"type": "function", "function": {"name": "f"}}, False, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, None, None),
    ],
)  # fmt: skip
def test_which_tool_must_be_used(choice: Any, parallel: bool | None, expected: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"properties": {}}}}]
    found = translated(tools=tools, tool_choice=choice, parallel_tool_calls=parallel)
    assert found.get("tool_choice") == expected
    assert found["tools"] == [{"name": "f", "strict": True, "input_schema": {"type": "object", "properties": {}}}]


def test_allowed_tools_leave_the_others_out() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in "fgh"]
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": name}} for name in "hf"]}
    found = translated(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert [tool["name"] for tool in found["tools"]] == ["f", "h"]
    assert found["tool_choice"] == {"type": "any"}


@pytest.mark.parametrize(
    ("model", "effort", "limit", "thinking", "config"),
    [
        ("claude-opus-4-5", "high", 32_000, {"type": "enabled", "budget_tokens": 16384}, {"effort": "high"}),
        ("claude-haiku-4-5", "max", 4096, {"type": "enabled", "budget_tokens": 4095}, None),
        ("claude-haiku-4-5", "low", 1024, None, None),
        ("claude-sonnet-4-6", "xhigh", 4096, {"type": "adaptive", "display": "summarized"}, {"effort": "high"}),
        ("claude-opus-4-8", "xhigh", 4096, {"type": "adaptive", "display": "summarized"}, {"effort": "xhigh"}),
        ("claude-opus-4-8", "none", 4096, None, None),
        ("claude-opus-5", "none", 4096, {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "none", 4096, {"type": "between_tools"}, None),
        ("claude-opus-5-5", "none", 4096, None, {"effort": "low"}),
        ("claude-fable-5-2", "minimal", 4096, None, {"effort": "low"}),
        ("claude-3-haiku-20240307", "high", 4096, None, None),
    ],
)
def test_effort_becomes_what_the_model_knows(model: str, effort: str, limit: int, thinking: Any, config: Any) -> None:
    found = translated(model, reasoning_effort=effort, max_completion_tokens=limit)
    assert found.get("thinking") == thinking
    assert found.get("output_config") == config


def test_thinking_comes_back_with_its_signature() -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm.", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "eHg=", "format": "anthropic-claude-v1", "index": 1},
        {"type": "reasoning.text", "text": "Another's.", "signature": "s", "format": "google-gemini-v1", "index": 2},
        {"type": "reasoning.text", "text": "Unsigned.", "index": 3},
    ]
    call = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": ""}}
    said = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Hm.",
        "reasoning_details": details,
        "tool_calls": [call],
    }
    messages = [*ASKED["messages"], said, {"role": "tool", "tool_call_id": "call_0", "content": "1"}]
    found = translated(messages=messages, reasoning_effort="high", max_tokens=9000)
    assert found["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eHg="},
        {"type": "tool_use", "id": "call_0", "name": "f", "input": {}},
    ]
    assert found["thinking"]["type"] == "enabled"
    del said["reasoning_details"]  # a client that lost it: a model with a budget would refuse to think on
    assert "thinking" not in translated(messages=messages, reasoning_effort="high", max_tokens=9000)


@pytest.mark.parametrize("is_stream", [False, True])
def test_an_answer_that_came_from_here_goes_back_on_the_next_turn(is_stream: bool) -> None:
    """What the official client made of an answer, sent back as it is."""
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eHg="},
        {"type": "text", "text": "So."},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
    ]
    answer = {"id": "msg_1", "content": content, "stop_reason": "tool_use", "usage": {"output_tokens": 1}}
    if is_stream:
        events = [event("message_start", message={"id": "msg_1"})]
        for i, block in enumerate(content):
            events += [event("content_block_start", index=i, content_block=block), event("content_block_stop", index=i)]
        events += [event("message_delta", delta={"stop_reason": "tool_use"}, usage={}), event("message_stop")]
        stream = TRANSLATION.stream(model="m", wants_usage=True, request_id="req_0", cost_usd=lambda: None)
        had = canned.openai_stream(stream.feed(b"".join(events)))
    else:
        had = canned.openai_answer(TRANSLATION.answer(json.dumps(answer).encode(), model="m", request_id="req_0"))
    message = had.choices[0].message.model_dump(mode="json", exclude_unset=True)
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "1"}
    found = translated(messages=[*ASKED["messages"], message, result])["messages"]
    assert found[1] == {"role": "assistant", "content": content}


def test_schemas_are_closed_and_bounds_are_said_in_words() -> None:
    schema = {
        "type": "object",
        "properties": {"age": {"type": "integer", "minimum": 0, "description": "Years."}, "at": {"type": "string", "format": "date"}},
        "required": ["age"],
        "$defs": {"x": {"oneOf": [{"type": "object"}, {"type": "null"}]}},
    }  # fmt: skip
    found = translated(
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": True}}
    )
    assert found["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "description": 'Years.\n\n{"minimum":0}'},
            "at": {"type": "string", "format": "date"},
        },
        "required": ["age"],
        "$defs": {"x": {"anyOf": [{"type": "object", "additionalProperties": False}, {"type": "null"}]}},
        "additionalProperties": False,
    }


def test_sampling_is_clamped_or_left_out() -> None:
    assert translated("claude-3-haiku-20240307", temperature=1.7, top_p=0.5, top_k=3) == {
        "model": "claude-3-haiku-20240307", "max_tokens": 4096, "temperature": 1, "top_p": 0.5, "top_k": 3,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }  # fmt: skip
    both = translated("claude-opus-4-5", temperature=0, top_p=0.5)
    assert both["temperature"] == 0
    assert "top_p" not in both
    assert "temperature" not in translated("claude-opus-5-5", temperature=0)
    assert "temperature" not in translated("claude-opus-4-5", temperature=0, reasoning_effort="low")


def test_limits() -> None:
    assert translated()["max_tokens"] == 8192
    assert translated(output_tokens=77)["max_tokens"] == 77
    assert translated(output_tokens=77, max_tokens=5)["max_tokens"] == 5


def test_users_tiers_and_json() -> None:
    found = translated(user="u", safety_identifier="s", service_tier="default", response_format={"type": "json_object"})
    assert found["metadata"] == {"user_id": "s"}
    assert found["service_tier"] == "standard_only"
    assert "JSON" in found["system"][0]["text"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"unknown": None}, "unknown"),
        ({"messages[].name": 1}, "messages[].name"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"functions": [{}]}, "functions"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"stop": [" \n"]}, "stop[0]"),
        ({"stop": [1]}, "stop[0]"),
        ({"stop": 1}, "stop"),
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": float("nan")}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": "5"}, "max_completion_tokens"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"messages": {}}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"role": 5}]}, "messages[0].role"),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": []}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc"}}]}]}, "messages[0].content[0].image_url.url"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}, "messages[0].content[0].image_url"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, "messages[0].content[0].file"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,%"}}]}]}, "messages[0].content[0].file.file_data"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}]}, "messages[0].tool_calls[0].function.arguments"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "[]"}}]}]}, "messages[0].tool_calls[0].function.arguments"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {}}]}]}, "messages[0].tool_calls[0].type"),
        ({"messages": [{"role": "assistant", "audio": {"id": "x"}}]}, "messages[0].audio"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]}, "tools[0].function.parameters"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": 5}}, "tool_choice.function"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"format": [], "items": 5}}}}, "response_format.json_schema.schema.items"),
        ({"response_format": "json"}, "response_format"),
        ({"thinking": 5}, "thinking"),
        ({"thinking": {"type": []}}, "thinking.type"),
        ({"stream": "yes"}, "stream"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    assert refused_field(**fields) == param


def test_messages_are_needed() -> None:
    with pytest.raises(InvalidRequest) as refused:
        TRANSLATION.request({"model": "m"}, model="m", output_tokens=None)
    assert refused.value.param == "messages"


hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["text", "user", "function"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "text", "role", "content", "function", "name", "arguments", "id", "url", "image_url", "schema"]),
        inner,
        max_size=4,
    ),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=300, derandomize=True)
@given(requests(), st.data())
def test_hostile_values_are_refused_by_name_or_taken(body: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(name for name in TRANSLATION.rules if "[" not in name)))
    if data.draw(st.booleans()):
        body[name] = data.draw(hostile)
    else:
        message = data.draw(st.sampled_from(body["messages"]))
        message[
            data.draw(
                st.sampled_from(["role", "content", "tool_calls", "tool_call_id", "reasoning_details", "refusal"])
            )
        ] = data.draw(hostile)
    try:
        found = TRANSLATION.request(body, model="claude-opus-4-5", output_tokens=None)
    except InvalidRequest as error:
        found = {"messages": error.param}
    assert found["messages"]
