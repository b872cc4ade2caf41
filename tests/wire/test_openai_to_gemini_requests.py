"""An OpenAI chat completion becomes a request of Gemini's that means the same, or a refusal that names the field."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from gemini_conversations_checks import check_gemini_request
from gemini_conversations_generated import (
    expected_signatures,
    gemini_meaning,
    meaning,
    openai_body,
    signatures,
    talks,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import completion_create_params

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.openai_to_gemini import TRANSLATION

NEW, OLD = "gemini-3.8-flash", "gemini-2.5-flash"
UNSIGNED = "skip_thought_signature_validator"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": ["string", "null"], "enum": ["c", "f", None]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
SEARCH = {"type": "function", "function": {"name": "search"}}


def request(model: str = NEW, output_tokens: int | None = None, **fields: Any) -> dict[str, Any]:
    body = TRANSLATION.request(
        {"model": "some", "messages": [{"role": "user", "content": "Hi"}]} | fields,
        model=model,
        output_tokens=output_tokens,
    )
    check_gemini_request(body)
    return body


def config(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = request(**fields).get("generationConfig", {})
    return found


def refusal(**fields: Any) -> str | None:
    with pytest.raises(InvalidRequest) as refused:
        request(**fields)
    return refused.value.param


@settings(max_examples=1000)
@given(talks(), st.sampled_from([NEW, OLD]))
def test_a_conversation_keeps_its_meaning_and_its_signatures(talk, model):
    body = TRANSLATION.request(openai_body(talk), model=model, output_tokens=None)
    check_gemini_request(body)
    assert gemini_meaning(body) == meaning(talk, has_errors=False, has_images=False)
    assert signatures(body) == expected_signatures(talk, UNSIGNED if model == NEW else None)


def test_roles_alternate_and_results_name_their_calls():
    # ai.google.dev/gemini-api/docs/function-calling, read 2026-11
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Seoul"}'}}
    body = request(
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": "How is it in Seoul?"},
            {"role": "user", "name": "kim", "content": "And be quick."},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Sunny"}]},
            {"role": "system", "content": "Answer in Korean."},
        ],
        tools=[WEATHER],
    )
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Answer in Korean."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "How is it in Seoul?"}, {"text": "And be quick."}]},
        {
            "role": "model",
            "parts": [
                {
                    "functionCall": {"id": "call_1", "name": "get_weather", "args": {"city": "Seoul"}},
                    "thoughtSignature": UNSIGNED,
                }
            ],
        },
        {
            "role": "user",
            "parts": [{"functionResponse": {"id": "call_1", "name": "get_weather", "response": {"output": "Sunny"}}}],
        },
    ]


def test_instructions_alone_become_the_question():
    body = request(messages=[{"role": "system", "content": "Say hello."}])
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Say hello."}]}]
    assert "systemInstruction" not in body


def test_old_functions_are_calls_too():
    body = request(
        messages=[
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "function_call": {"name": "search", "arguments": "{}"}},
            {"role": "function", "name": "search", "content": "Nothing."},
        ],
        functions=[{"name": "search", "parameters": {"type": "object", "properties": {}}}],
        function_call={"name": "search"},
    )
    assert body["contents"][1]["parts"][0]["functionCall"] == {"name": "search", "args": {}}
    assert body["contents"][2]["parts"][0]["functionResponse"] == {"name": "search", "response": {"output": "Nothing."}}
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["search"]}
    assert body["tools"] == [{"functionDeclarations": [{"name": "search"}]}]


@pytest.mark.parametrize("arguments", ["not json", "[1]", '{"half": "\\ud800'])
def test_arguments_that_are_no_object_are_kept_as_a_text(arguments):
    call = {"id": "c", "type": "function", "function": {"name": "search", "arguments": arguments}}
    body = request(messages=[{"role": "assistant", "tool_calls": [call]}])
    assert body["contents"][0]["parts"][0]["functionCall"]["args"] == {"arguments": arguments}


def test_the_signature_of_a_text_goes_back_on_it():
    carried = {"google": {"thought_signature": "c2ln"}}
    said = {"role": "assistant", "content": "Hello", "extra_content": carried, "reasoning_content": "Hm."}
    body = request(messages=[{"role": "user", "content": "Hi"}, said, {"role": "user", "content": "Go on"}])
    assert body["contents"][1] == {"role": "model", "parts": [{"text": "Hello", "thoughtSignature": "c2ln"}]}


def test_audio_and_files_are_inline():
    data = base64.b64encode(b"%PDF").decode()
    parts = [
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.JPG?x=1", "detail": "high"}},
    ]
    assert request(messages=[{"role": "user", "content": parts}])["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}},
        {"inlineData": {"mimeType": "application/pdf", "data": data}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a.JPG?x=1"}},
    ]


def test_tools_are_declared_in_the_subset_of_json_schema():
    body = request(tools=[WEATHER, SEARCH])
    weather, search = body["tools"][0]["functionDeclarations"]
    assert weather["parametersJsonSchema"]["properties"]["unit"] == {
        "anyOf": [{"type": "string", "enum": ["c", "f"]}, {"type": "null"}]
    }
    assert weather["parametersJsonSchema"]["additionalProperties"] is False
    assert search == {"name": "search"}
    assert "toolConfig" not in body


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "search"}}, {"mode": "ANY", "allowedFunctionNames": ["search"]}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [SEARCH]}},
            {"mode": "VALIDATED", "allowedFunctionNames": ["search"]},
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [SEARCH]}},
            {"mode": "ANY", "allowedFunctionNames": ["search"]},
        ),
    ],
)
def test_tool_choices(choice, expected):
    body = request(tools=[WEATHER, SEARCH], tool_choice=choice, parallel_tool_calls=False)
    assert body["toolConfig"] == {"functionCallingConfig": expected}


def test_a_choice_without_tools():
    assert "toolConfig" not in request(tool_choice="auto")
    assert refusal(tool_choice="required") == "tool_choice"
    assert refusal(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "search"}}) == (
        "tool_choice.function.name"
    )


def test_sampling_and_limits():
    found = config(
        max_completion_tokens=50,
        max_tokens=None,
        temperature=1.5,
        top_p=0.5,
        n=2,
        seed=-1,
        stop="END",
        frequency_penalty=2,
        presence_penalty=0,
        logprobs=True,
        top_logprobs=3,
    )
    assert found == {
        "maxOutputTokens": 50,
        "temperature": 1.5,
        "topP": 0.5,
        "candidateCount": 2,
        "seed": 2**31 - 1,
        "stopSequences": ["END"],
        "frequencyPenalty": 1.99,
        "responseLogprobs": True,
        "logprobs": 3,
    }


def test_the_limit_to_set_yields_to_the_stated_one():
    assert config(output_tokens=70) == {"maxOutputTokens": 70}
    assert config(output_tokens=70, max_tokens=20) == {"maxOutputTokens": 20}
    assert "generationConfig" not in request()


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        (NEW, "high", {"thinkingLevel": "HIGH"}),
        (NEW, "xhigh", {"thinkingLevel": "HIGH"}),
        (NEW, "minimal", {"thinkingLevel": "MINIMAL"}),
        (NEW, "none", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.1-pro-preview", "none", {"thinkingLevel": "LOW"}),
        ("gemini-4-argon", "medium", {"thinkingLevel": "MEDIUM"}),
        ("gemini-flash-latest", "low", {"thinkingLevel": "LOW"}),
        (OLD, "none", {"thinkingBudget": 0}),
        (OLD, "medium", {"thinkingBudget": 8192}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
    ],
)
def test_reasoning_effort(model, effort, expected):
    assert config(model=model, reasoning_effort=effort)["thinkingConfig"] == expected


def test_googles_own_ways_to_ask_for_thoughts():
    wanted = {"google": {"thinking_config": {"thinking_budget": 800, "include_thoughts": True}}}
    expected = {"thinkingBudget": 800, "includeThoughts": True}
    assert config(model=OLD, extra_body=wanted)["thinkingConfig"] == expected
    assert config(model=OLD, google=wanted["google"])["thinkingConfig"] == expected
    assert refusal(extra_body={"google": {"cached_content": "cachedContents/1"}}) == "extra_body.google.cached_content"


def test_structured_output():
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"const": "x"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": schema}}
    assert config(response_format=wanted) == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}},
            "$defs": {"A": {"enum": ["x"]}},
        },
    }
    assert config(response_format={"type": "json_object"}) == {"responseMimeType": "application/json"}
    assert config(response_format={"type": "text"}) == {}


@pytest.mark.parametrize(("tier", "expected"), [("default", "standard"), ("fast", "priority"), ("flex", "flex")])
def test_service_tiers(tier, expected):
    assert request(service_tier=tier)["serviceTier"] == expected
    assert "serviceTier" not in request(service_tier="auto")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": 3}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
            "messages[0].content[0].file.file_id",
        ),
        ({"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "messages[0].audio"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"type": "custom"}]}]}, "messages[0].tool_calls[0].type"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": True}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 9}, "n"),
        ({"stop": ["a"] * 6}, "stop"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": 1}}},
            "response_format.json_schema.schema",
        ),
        ({"service_tier": "scale"}, "service_tier"),
        ({"reasoning_effort": "giant"}, "reasoning_effort"),
        ({"frobnicate": 1}, "frobnicate"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(fields, param):
    assert refusal(**fields) == param


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a.png",
        "gs://bucket/a.png",
        "https://",
        "https://[",
        "data:image/png,raw",
        "https://generativelanguage.googleapis.com/v1beta/files/abc",
        "https://GenerativeLanguage.googleapis.com./v1beta/files/abc",
    ],
)
def test_urls_that_nobody_should_fetch_are_refused(url):
    part = {"type": "image_url", "image_url": {"url": url}}
    assert refusal(messages=[{"role": "user", "content": [part]}]) == "messages[0].content[0].image_url.url"


def test_every_field_of_the_official_client_has_a_rule():
    fields = set(completion_create_params.CompletionCreateParamsStreaming.__annotations__)
    fields |= set(completion_create_params.CompletionCreateParamsBase.__annotations__)
    assert fields - set(TRANSLATION.rules) == set()
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


@settings(max_examples=500)
@given(
    st.dictionaries(st.sampled_from([*(name for name in TRANSLATION.rules if "[" not in name), "x"]), _JSON),
    st.lists(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["user", "assistant", "tool", "system", "function"])},
            optional={
                "content": _JSON
                | st.lists(
                    st.fixed_dictionaries(
                        {"type": st.sampled_from(["text", "image_url", "file", "input_audio", "refusal"])},
                        optional=dict.fromkeys(["text", "image_url", "file", "input_audio", "refusal"], _JSON),
                    )
                ),
                "tool_calls": _JSON,
                "tool_call_id": _JSON,
                "name": _JSON,
                "extra_content": _JSON,
                "function_call": _JSON,
            },
        )
    ),
)
def test_whatever_comes_is_translated_or_refused(fields, messages):
    params = ["fine"]
    try:
        TRANSLATION.request({**fields, "messages": messages}, model=NEW, output_tokens=None)
    except InvalidRequest as error:
        params = [error.param or ""]
    assert all(params)
