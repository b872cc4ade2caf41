"""An Anthropic message becomes a request of Gemini's that means the same, or a refusal that names the field."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types import message_create_params
from anthropic.types.beta import message_create_params as beta_params
from gemini_conversations_checks import check_gemini_request
from gemini_conversations_generated import (
    ToolCall,
    anthropic_body,
    expected_signatures,
    gemini_meaning,
    meaning,
    signatures,
    talks,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.anthropic_to_gemini import TRANSLATION

NEW, OLD, PRO = "gemini-3.8-flash", "gemini-2.5-flash", "gemini-2.5-pro"
UNSIGNED = "skip_thought_signature_validator"
TOOL = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "minLength": 1}},
        "required": ["city"],
    },
    "cache_control": {"type": "ephemeral"},
}
SCHEMA = {"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}, {"type": "null"}]}}}
CONVERTED = {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}


def request(model: str = NEW, **fields: Any) -> dict[str, Any]:
    asked = {"model": "some", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]} | fields
    body = TRANSLATION.request(asked, model=model, output_tokens=None)
    check_gemini_request(body)
    return body


def config(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = request(**fields)["generationConfig"]
    return {name: value for name, value in found.items() if name != "maxOutputTokens"}


def contents(*blocks: dict[str, Any], role: str = "user", model: str = NEW) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = request(model, messages=[{"role": role, "content": list(blocks)}])["contents"]
    return found


def refusal(**fields: Any) -> str | None:
    with pytest.raises(InvalidRequest) as refused:
        request(**fields)
    return refused.value.param


def signed(call: ToolCall) -> str:
    """The id under which a client knows a call, written down here once more: base64url without its padding."""
    if call.signature is None:
        return call.id
    return f"{call.id}__sig__{call.signature.replace('+', '-').replace('/', '_').rstrip('=')}"


@settings(max_examples=1000)
@given(talks(), st.sampled_from([NEW, OLD]))
def test_a_conversation_keeps_its_meaning_and_its_signatures(talk, model):
    body = TRANSLATION.request(anthropic_body(talk, signed), model=model, output_tokens=None)
    check_gemini_request(body)
    assert gemini_meaning(body) == meaning(talk, has_errors=True, has_images=True)
    assert signatures(body) == expected_signatures(talk, UNSIGNED if model == NEW else None)


def test_a_tool_loop():
    # platform.claude.com/docs/en/agents-and-tools/tool-use/overview and ai.google.dev function calling, 2026-11
    body = request(
        system="Be brief.",
        tools=[TOOL],
        messages=[
            {"role": "user", "content": "How is it in Seoul?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "Z2VtaW5p"},
                    {"type": "text", "text": "Let me look."},
                    {
                        "type": "tool_use",
                        "id": "toolu_1__sig__YWIrLw",
                        "name": "get_weather",
                        "input": {"city": "Seoul"},
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1__sig__YWIrLw",
                        "content": "No such city",
                        "is_error": True,
                    },
                    {"type": "text", "text": "Try Busan."},
                ],
            },
        ],
    )
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "Let me look."},
                {
                    "functionCall": {"id": "toolu_1", "name": "get_weather", "args": {"city": "Seoul"}},
                    "thoughtSignature": "YWIrLw==",
                },
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "toolu_1", "name": "get_weather", "response": {"error": "No such city"}}},
                {"text": "Try Busan."},
            ],
        },
    ]
    assert body["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "get_weather",
                    "description": "Tells the weather.",
                    "parametersJsonSchema": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                }
            ]
        }
    ]


def test_images_of_results_stand_where_the_model_takes_them():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    messages = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [image]}]},
    ]
    inline = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    result = {"id": "t", "name": "look", "response": {"output": ""}}
    assert request(NEW, messages=messages)["contents"][1]["parts"] == [
        {"functionResponse": {**result, "parts": [inline]}}
    ]
    assert request(OLD, messages=messages)["contents"][1]["parts"] == [{"functionResponse": result}, inline]


def test_documents_and_search_results():
    text = {"type": "text", "media_type": "text/plain", "data": "Plain."}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}
    found = contents(
        {"type": "document", "source": pdf, "title": "Report", "citations": {"enabled": True}},
        {"type": "document", "source": text, "context": "Old."},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "Inner."}]}},
        {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "Found."}]},
    )
    assert found[0]["parts"] == [
        {"text": "Report"},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}},
        {"text": "Old."},
        {"text": "Plain."},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://example.com/a.pdf"}},
        {"text": "Inner."},
        {"text": "T (S)"},
        {"text": "Found."},
    ]


def test_system_prompts_of_every_form():
    blocks = [
        {"type": "text", "text": "One.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": ""},
        {"type": "text", "text": "Two."},
    ]
    body = request(
        system=blocks,
        messages=[{"role": "user", "content": "Hi"}, {"role": "system", "content": "Three."}],
    )
    assert body["systemInstruction"] == {"parts": [{"text": "One."}, {"text": "Two."}, {"text": "Three."}]}


def test_sampling_and_limits():
    found = request(max_tokens=20, temperature=0.5, top_p=1, top_k=40, stop_sequences=["A", "B"])["generationConfig"]
    assert found == {"maxOutputTokens": 20, "temperature": 0.5, "topP": 1, "topK": 40, "stopSequences": ["A", "B"]}


def test_the_limit_is_needed_unless_there_is_one_to_set():
    fields = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    with pytest.raises(InvalidRequest) as refused:
        TRANSLATION.request(fields, model=NEW, output_tokens=None)
    assert refused.value.param == "max_tokens"
    assert TRANSLATION.request(fields, model=NEW, output_tokens=9)["generationConfig"] == {"maxOutputTokens": 9}


@pytest.mark.parametrize(
    ("model", "fields", "expected"),
    [
        (
            OLD,
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            {"thinkingBudget": 2000, "includeThoughts": True},
        ),
        (
            PRO,
            {"thinking": {"type": "enabled", "budget_tokens": 60_000}},
            {"thinkingBudget": 32_768, "includeThoughts": True},
        ),
        (
            NEW,
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            {"thinkingLevel": "LOW", "includeThoughts": True},
        ),
        (
            NEW,
            {"thinking": {"type": "enabled", "budget_tokens": 9000}},
            {"thinkingLevel": "MEDIUM", "includeThoughts": True},
        ),
        (
            NEW,
            {"thinking": {"type": "enabled", "budget_tokens": 32000}},
            {"thinkingLevel": "HIGH", "includeThoughts": True},
        ),
        (NEW, {"thinking": {"type": "adaptive"}}, {"includeThoughts": True}),
        (
            OLD,
            {"thinking": {"type": "adaptive", "display": "omitted"}},
            {"thinkingBudget": -1, "includeThoughts": False},
        ),
        (
            NEW,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
            {"thinkingLevel": "HIGH", "includeThoughts": True},
        ),
        (NEW, {"output_config": {"effort": "low"}}, {"thinkingLevel": "LOW"}),
        (OLD, {"thinking": {"type": "disabled"}}, {"thinkingBudget": 0}),
        (PRO, {"thinking": {"type": "disabled"}}, {"thinkingBudget": 128}),
        (NEW, {"thinking": {"type": "disabled"}}, {"thinkingLevel": "MINIMAL"}),
    ],
)
def test_thinking(model, fields, expected):
    assert config(model=model, **fields) == {"thinkingConfig": expected}


def test_without_thinking_the_model_does_as_it_does():
    assert config() == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
    ],
)
def test_structured_output(fields):
    assert config(**fields) == {"responseMimeType": "application/json", "responseJsonSchema": CONVERTED}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto", "disable_parallel_tool_use": True}, {"mode": "AUTO"}),
        ({"type": "any"}, {"mode": "ANY"}),
        ({"type": "none"}, {"mode": "NONE"}),
        ({"type": "tool", "name": "get_weather"}, {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}),
    ],
)
def test_tool_choices(choice, expected):
    assert request(tools=[TOOL], tool_choice=choice)["toolConfig"] == {"functionCallingConfig": expected}


def test_service_tier():
    assert request(service_tier="standard_only")["serviceTier"] == "standard"
    assert "serviceTier" not in request(service_tier="auto", metadata={"user_id": "u"}, speed="standard")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "server_tool_use"}]}]}, "messages[0].content[0].type"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}
                ]
            },
            "messages[0].content[0].source.file_id",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "text", "data": "f"}}]}]},
            "messages[0].content[0].source.type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
            "messages[0].content[0].tool_use_id",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n", "input": []}]}
                ]
            },
            "messages[0].content[0].input",
        ),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": None}, "max_tokens"),
        ({"temperature": 1.5}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"stop_sequences": ["a"] * 6}, "stop_sequences"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"name": "x"}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{"name": "x"}]}, "mcp_servers"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"frobnicate": 1}, "frobnicate"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(fields, param):
    assert refusal(**fields) == param


def test_every_field_of_the_official_client_has_a_rule():
    fields = {
        name
        for kind in (
            message_create_params.MessageCreateParamsBase,
            message_create_params.MessageCreateParamsStreaming,
            beta_params.MessageCreateParamsBase,
            beta_params.MessageCreateParamsStreaming,
        )
        for name in kind.__annotations__
    }
    headers = {"betas", "user_profile_id", "workspace_id"}
    assert fields - headers - set(TRANSLATION.rules) == set()
    assert [name for name, rule in TRANSLATION.rules.items() if rule.how != "same" and not rule.note] == []


_JSON = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        -1,
        2.5,
        float("nan"),
        10**30,
        "",
        "x",
        "�",
        "data:,",
        [],
        {},
        [[]],
        [{}],
        {"type": "x"},
        ["x"],
        [None],
        {"role": 1},
        {"type": "function", "function": {"name": "x", "arguments": 1}},
        {"$ref": "x"},
    ]
)
_BLOCK_NAMES = ["text", "source", "id", "name", "input", "tool_use_id", "content", "title", "is_error"]
_SOURCE_NAMES = ["media_type", "data", "url", "content"]


@settings(max_examples=500)
@given(
    st.dictionaries(st.sampled_from([*(name for name in TRANSLATION.rules if "[" not in name), "x"]), _JSON),
    st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["user", "assistant", "system"])},
            optional={
                "content": _JSON
                | st.lists(
                    st.fixed_dictionaries(
                        {
                            "type": st.sampled_from(
                                ["text", "image", "document", "tool_use", "tool_result", "search_result"]
                            )
                        },
                        optional=dict.fromkeys(_BLOCK_NAMES, _JSON)
                        | {
                            "source": st.fixed_dictionaries(
                                {"type": st.sampled_from(["base64", "url", "text", "content", "file"])},
                                optional=dict.fromkeys(_SOURCE_NAMES, _JSON),
                            )
                        },
                    )
                ),
            },
        )
    ),
)
def test_whatever_comes_is_translated_or_refused(fields, messages):
    params = ["fine"]
    try:
        TRANSLATION.request({"max_tokens": 5, **fields, "messages": messages}, model=NEW, output_tokens=None)
    except InvalidRequest as error:
        params = [error.param or ""]
    assert all(params)
