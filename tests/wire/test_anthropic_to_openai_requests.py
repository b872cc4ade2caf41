"""Anthropic requests for OpenAI's dialect: valid by OpenAI's own types, with the meaning kept; hostile ones refused by name."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import msgspec
import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from conversations_anthropic import requests
from conversations_clients import canned, check_openai_params
from conversations_openai import PIXEL
from conversations_readers import images_after_results, read_anthropic, read_openai, without_notes
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.anthropic_to_openai import TRANSLATION, for_kind

MODELS = ("gpt-4o", "gpt-4.1-mini", "o3", "gpt-5", "gpt-5.1", "gpt-5.4", "gpt-6-luna", "new")
ASKED = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}


def translated(model: str = "gpt-4o", kind: ProviderKind = "openai", **fields: Any) -> dict[str, Any]:
    return for_kind(kind).request({**ASKED, **fields}, model=model, output_tokens=None)


def said(*content: dict[str, Any], role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": list(content)}]


@settings(max_examples=1000, derandomize=True)
@given(requests(), st.sampled_from(MODELS))
def test_a_request_is_valid_and_means_the_same(body: dict[str, Any], model: str) -> None:
    before = json.dumps(body)
    found = TRANSLATION.request(body, model=model, output_tokens=None)
    assert json.dumps(body) == before
    check_openai_params(found)
    sent = json.loads(msgspec.json.encode(found))
    system, events = read_anthropic(body)
    assert read_openai(sent)[0] == system
    assert without_notes(read_openai(sent)[1]) == images_after_results(events)
    assert (sent["model"], sent["max_completion_tokens"]) == (model, body["max_tokens"])
    assert [tool["function"]["name"] for tool in sent.get("tools", [])] == [
        tool["name"] for tool in body.get("tools", [])
    ]
    assert sent.get("stop", []) == body.get("stop_sequences", [])
    assert ("stream_options" in sent) == bool(body.get("stream"))
    _check_results_follow_calls(sent["messages"])


def _check_results_follow_calls(messages: list[dict[str, Any]]) -> None:
    for i, message in enumerate(messages):
        called = [call["id"] for call in message.get("tool_calls", ())]
        assert [each.get("tool_call_id") for each in messages[i + 1 : i + 1 + len(called)]] == called
        assert all(len(each) <= 40 for each in called)


def test_every_field_of_anthropic_has_a_rule() -> None:
    headers = {"user_profile_id", "workspace_id"}  # which the client takes like fields
    assert set(get_type_hints(MessageCreateParamsStreaming)) - headers <= set(TRANSLATION.rules)
    assert all(rule.note for rule in TRANSLATION.rules.values() if rule.how != "same")


def test_tools_with_errors_and_images() -> None:
    """After platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls (2026-11)."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    messages = [
        *said({"type": "text", "text": "Look."}),
        *said(
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "text", "text": "I do."},
            {"type": "tool_use", "id": "toolu_1", "name": "see", "input": {"at": 1}},
            {"type": "tool_use", "id": "toolu_2", "name": "hear", "input": {}},
            role="assistant",
        ),
        *said(
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "Here."}, image]},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "deaf", "is_error": True},
            {"type": "text", "text": "And?"},
        ),
    ]
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    expected = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Look."},
        {
            "role": "assistant",
            "content": "I do.",
            "tool_calls": [
                {"id": "toolu_1", "type": "function", "function": {"name": "see", "arguments": '{"at":1}'}},
                {"id": "toolu_2", "type": "function", "function": {"name": "hear", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "Here."},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "Error: deaf"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What the tool of call toolu_1 showed:"}, url, {"type": "text", "text": "And?"},
            ],
        },
    ]  # fmt: skip
    assert translated(messages=messages, system="Be kind.")["messages"] == expected
    expected[2]["reasoning_content"] = "Hm."  # which DeepSeek wants back
    assert translated("deepseek-flash", "deepseek", messages=messages, system="Be kind.")["messages"] == expected


def test_an_answer_that_came_from_here_goes_back_on_the_next_turn() -> None:
    """What the official client made of an answer, sent back as it is."""
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    message = {"role": "assistant", "content": "So.", "reasoning_content": "Hm.", "tool_calls": [call]}
    answer = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    had = canned.anthropic_answer(TRANSLATION.answer(json.dumps(answer).encode(), model="m", request_id="req_0"))
    content = [block.model_dump(mode="json") for block in had.content]
    messages = [
        *said(*content, role="assistant"),
        *said({"type": "tool_result", "tool_use_id": "call_1", "content": "1"}),
    ]
    found = translated("deepseek-flash", "deepseek", messages=messages)["messages"]
    assert found == [message, {"role": "tool", "tool_call_id": "call_1", "content": "1"}]
    del message["reasoning_content"]
    assert translated(messages=messages)["messages"][0] == message


def test_an_id_that_openai_would_not_take_is_replaced_alike_in_call_and_result() -> None:
    long = "toolu_" + "x" * 40
    call = {"type": "tool_use", "id": long, "name": "f", "input": {}}
    found = translated(messages=[*said(call, role="assistant"), *said({"type": "tool_result", "tool_use_id": long})])[
        "messages"
    ]
    assert found[0]["tool_calls"][0]["id"] == found[1]["tool_call_id"]
    assert len(found[1]["tool_call_id"]) <= 40


def test_documents_and_search_results() -> None:
    content = [
        {
            "type": "document",
            "title": "T",
            "context": "C",
            "source": {"type": "text", "media_type": "text/plain", "data": "D"},
        },
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        },
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "E"}]}},
        {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "F"}]},
    ]
    assert translated(messages=said(*content))["messages"][0]["content"] == [
        {"type": "text", "text": "T\n\nC\n\nD"},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "text", "text": "E"},
        {"type": "text", "text": "T\n\nS\n\nF"},
    ]


def test_system_in_the_middle_stays_there() -> None:
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "assistant", "content": "Yes."},
        *said({"type": "text", "text": "A"}, {"type": "mid_conv_system", "content": [{"type": "text", "text": "B"}]}, {"type": "text", "text": "C"}),
    ]  # fmt: skip
    found = [(each["role"], each["content"]) for each in translated(messages=messages)["messages"]]
    assert found == [
        ("user", "Hi"), ("system", "Be brief."), ("assistant", "Yes."), ("user", "A"), ("system", "B"), ("user", "C"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_which_tool_must_be_used(choice: dict[str, Any], expected: Any) -> None:
    tools = [{"name": "f", "input_schema": {"type": "object"}, "strict": True, "cache_control": {"type": "ephemeral"}}]
    found = translated(tools=tools, tool_choice=choice)
    function = {"name": "f", "parameters": {"type": "object"}, "strict": True}
    assert (found["tools"], found["tool_choice"]) == ([{"type": "function", "function": function}], expected)
    assert "parallel_tool_calls" not in found
    single = translated(tools=tools, tool_choice={**choice, "disable_parallel_tool_use": True})
    assert single["parallel_tool_calls"] is False
    assert "tool_choice" not in translated(tool_choice={"type": "auto"})


@pytest.mark.parametrize(
    ("model", "thinking", "effort", "expected"),
    [
        ("gpt-4o", {"type": "enabled", "budget_tokens": 2048}, None, None),
        ("o3", {"type": "enabled", "budget_tokens": 2048}, None, "low"),
        ("gpt-5", {"type": "enabled", "budget_tokens": 8192}, None, "medium"),
        ("gpt-5.1", {"type": "enabled", "budget_tokens": 32000}, None, "high"),
        ("gpt-5.1", {"type": "disabled"}, None, "none"),
        ("gpt-5", {"type": "disabled"}, None, "minimal"),
        ("o3", {"type": "disabled"}, None, "low"),
        ("gpt-6-luna", {"type": "adaptive"}, "max", "max"),
        ("gpt-5.4", {"type": "adaptive"}, "max", "xhigh"),
        ("gpt-5.1", None, "max", "high"),
        ("gpt-5.1", {"type": "adaptive"}, None, None),
        ("gpt-5-chat-latest", {"type": "enabled", "budget_tokens": 2048}, "low", None),
    ],
)
def test_thinking_becomes_the_effort_that_the_model_knows(
    model: str, thinking: Any, effort: Any, expected: Any
) -> None:
    found = translated(model, thinking=thinking, output_config={"effort": effort}, temperature=0.5)
    assert found.get("reasoning_effort") == expected
    assert ("temperature" in found) == model.startswith(("gpt-4", "gpt-5-chat"))


def test_the_form_of_an_answer() -> None:
    closed = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    optional = {**closed, "required": []}
    opened = {**closed, "additionalProperties": True}
    for schema, is_strict in ((closed, True), (optional, False), (opened, False), ({"anyOf": [opened]}, False)):
        form = {"type": "json_schema", "schema": schema}
        expected = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": is_strict}}
        assert translated(output_config={"format": form})["response_format"] == expected
        assert translated(output_format=form)["response_format"] == expected
    found = translated(
        "deepseek-flash", "deepseek", output_config={"format": {"type": "json_schema", "schema": closed}}
    )
    assert found["response_format"] == {"type": "json_object"}
    assert '"required":["a"]' in found["messages"][0]["content"]


def test_what_each_provider_is_told() -> None:
    assert translated(kind="xai")["max_completion_tokens"] == 100
    assert translated(kind="openai_compatible")["max_tokens"] == 100
    found = translated(
        "deepseek-flash",
        "deepseek",
        thinking={"type": "adaptive"},
        system=[{"type": "text", "text": "A"}, {"type": "text", "text": "B"}],
    )
    assert (found["max_tokens"], found["thinking"]) == (100, {"type": "enabled"})
    assert found["messages"][0]["content"] == "A\n\nB"
    assert (
        TRANSLATION.request({"messages": ASKED["messages"]}, model="m", output_tokens=7)["max_completion_tokens"] == 7
    )


def test_users_and_tiers() -> None:
    found = translated(metadata={"user_id": "u"}, service_tier="standard_only", stream=True, top_k=3)
    assert (found["user"], found["service_tier"], found["stream_options"]) == ("u", "default", {"include_usage": True})
    assert "top_k" not in found


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"unknown": None}, "unknown"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"speed": "fast"}, "speed"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"container": "c"}, "container"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"temperature": 1.5}, "temperature"),
        ({"stop_sequences": ["a"] * 5}, "stop_sequences"),
        ({"stop_sequences": [None]}, "stop_sequences[0]"),
        ({"system": 5}, "system"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": said({"type": "image", "source": {"type": "file", "file_id": "f"}})}, "messages[0].content[0].source.type"),
        ({"messages": said({"type": "document", "source": {"type": "url", "url": "u"}})}, "messages[0].content[0].source.type"),
        ({"messages": said({"type": "document", "citations": {"enabled": True}})}, "messages[0].content[0].citations"),
        ({"messages": said({"type": "tool_result"})}, "messages[0].content[0].tool_use_id"),
        ({"messages": said({"type": "tool_use", "id": "a", "name": "f", "input": "x"}, role="assistant")}, "messages[0].content[0].input"),
        ({"messages": said({"type": "tool_use", "id": "a", "name": "f", "input": {"a": "\ud800"}}, role="assistant")}, "messages[0].content[0].input"),
        ({"messages": said({"type": "server_tool_use", "id": "a"}, role="assistant")}, "messages[0].content[0].type"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": [], "name": "x"}]}, "tools[0].type"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": "yes"}, "thinking"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "text"}}}, "output_config.format.type"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"stream": 1}, "stream"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        translated(**fields)
    assert refused.value.param == param


hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["text", "user", "object"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "text", "role", "content", "source", "name", "input", "id", "schema", "format", "properties", "required"]),
        inner,
        max_size=4,
    ),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=300, derandomize=True)
@given(requests(), st.data(), st.sampled_from(["openai", "deepseek"]))
def test_hostile_values_are_refused_by_name_or_taken(
    body: dict[str, Any], data: st.DataObject, kind: ProviderKind
) -> None:
    if data.draw(st.booleans()):
        body[data.draw(st.sampled_from(sorted(name for name in TRANSLATION.rules if "[" not in name)))] = data.draw(
            hostile
        )
    else:
        message = data.draw(st.sampled_from(body["messages"]))
        message[data.draw(st.sampled_from(["role", "content"]))] = data.draw(hostile)
    try:
        found = for_kind(kind).request(body, model="gpt-5.1", output_tokens=None)
    except InvalidRequest as error:
        found = {"messages": error.param}
    assert found["messages"]
