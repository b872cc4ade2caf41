"""The OpenAI dialect: the body that goes upstream is a JSON-level rewrite of the client's, and doubtful bodies are refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.wire import openai as wire
from tollkeeper.gateway.wire import openai_answer as answers

names = st.sampled_from(
    ["model", "stream", "stream_options", "n", "max_tokens", "x", "usage", 'q"uote', "모델", "back\\slash"]
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(max_size=12)
    | st.sampled_from(['"model":"z"', "{"])
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)
extra_names = st.sampled_from(["x", "y", "temperature", "tools", "response_format", "modal", "Mod", 'q"'])


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A chat body with members in any order, some of them nested and named like those that we decide by."""
    members: dict[str, Any] = {
        "model": draw(st.text(min_size=1, max_size=20).filter(str.isprintable)),
        "messages": draw(st.lists(values, max_size=3)),
        **draw(st.dictionaries(extra_names, values, max_size=4)),
    }
    if draw(st.booleans()):
        members["stream"] = draw(st.booleans())
    if members.get("stream") and draw(st.booleans()):
        options = st.fixed_dictionaries({}, optional={"include_usage": st.booleans() | st.none(), "other": leaves})
        members["stream_options"] = draw(st.none() | options)
    return {name: members[name] for name in draw(st.permutations(list(members)))}


@st.composite
def encoded(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    body = draw(bodies())
    is_ascii = draw(st.booleans())
    text = json.dumps(body, ensure_ascii=is_ascii, indent=draw(st.sampled_from([None, 1])))
    return body, (draw(st.sampled_from(["", " ", "\r\n\t"])) + text).encode(
        "utf-8", "surrogatepass" if is_ascii else "replace"
    )


@settings(max_examples=200, deadline=None)
@given(encoded(), st.sampled_from(["gpt-other", 'a"b', "모델", None]))
def test_the_upstream_body_is_the_clients_with_model_and_usage_replaced(
    given_body: tuple[dict[str, Any], bytes], model: str | None
) -> None:
    body, raw = given_body
    call = wire.parse("chat.completions", raw)
    sent = call.upstream_body(call.model if model is None else model, "openai")
    expected = {**body, "model": body["model"] if model is None else model}
    if body.get("stream") and not (body.get("stream_options") or {}).get("include_usage"):
        expected["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        assert not call.wants_usage
    assert json.loads(sent) == expected
    if expected == body:
        assert sent == raw, "what need not change is not touched"


@settings(max_examples=100, deadline=None)
@given(
    bodies(),
    st.sampled_from(["model", "stream", "n", "max_tokens", "service_tier", "max_completion_tokens"]),
    st.booleans(),
)
def test_a_decisive_name_that_stands_twice_is_refused(body: dict[str, Any], name: str, is_escaped: bool) -> None:
    value = {"model": "a", "stream": True, "service_tier": "flex"}.get(name, 3)
    body = {**body, name: value}
    second = f"\\u00{ord(name[0]):02x}{name[1:]}" if is_escaped else name
    text = json.dumps(body)
    doubled = f'{text[:-1]},"{second}":{json.dumps(value)}}}'.encode()
    with pytest.raises(InvalidRequest) as refused:
        wire.parse("chat.completions", doubled)
    assert refused.value.param in {name, "stream_options"}


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    for operation in get_args(wire.OpenAIOperation):
        with suppress(InvalidRequest):
            assert wire.parse(operation, raw).body == raw


def test_escaped_names_decide_as_plain_ones_do() -> None:
    raw = rb'{"mod\u0065l":"a","messages":[],"str\u0065am":true}'
    call = wire.parse("chat.completions", raw)
    assert (call.model, call.is_stream) == ("a", True)
    sent = json.loads(call.upstream_body("b", "openai"))
    assert sent == {"model": "b", "messages": [], "stream": True, "stream_options": {"include_usage": True}}


def test_a_model_named_deeper_down_is_left_alone() -> None:
    raw = b'{"messages":[{"model":"inner","role":"user"}],"model":"outer"}'
    sent = wire.parse("chat.completions", raw).upstream_body("new", "openai")
    assert json.loads(sent) == {"messages": [{"model": "inner", "role": "user"}], "model": "new"}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 10}, {"input": 10, "output": 0}),
        (
            {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 4}},
            {"input": 6, "cache_read": 4, "output": 0},
        ),
        ({"prompt_tokens": 10, "prompt_cache_hit_tokens": 4}, {"input": 6, "cache_read": 4, "output": 0}),
        (
            {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 99}},
            {"input": 0, "cache_read": 10, "output": 0},
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 6, "completion_tokens_details": {"audio_tokens": 2}},
            {"input": 10, "output": 4, "output_audio": 2},
        ),
        (
            {
                "prompt_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": 1},
            },
            {"input": 3, "cache_read": 3, "cache_write_30m": 2, "input_audio": 1, "output": 0},
        ),
    ],
)
def test_stated_usage_becomes_disjoint_classes(usage: dict[str, Any], expected: dict[str, int]) -> None:
    answer = answers.parse_answer(json.dumps({"usage": usage}).encode())
    assert answer is not None
    assert answer.usage is not None
    assert answers.usage_of(answer.usage, None).quantities == expected


def test_reasoning_outside_of_the_completion_is_added_where_the_total_says_so() -> None:
    details = answers.CompletionDetails(reasoning_tokens=7)
    outside = answers.WireUsage(
        prompt_tokens=10, completion_tokens=5, total_tokens=22, completion_tokens_details=details
    )
    assert answers.usage_of(outside, None) == Usage({"input": 10, "output": 12}, 7)
    inside = answers.WireUsage(
        prompt_tokens=10, completion_tokens=5, total_tokens=15, completion_tokens_details=details
    )
    assert answers.usage_of(inside, None) == Usage({"input": 10, "output": 5}, 7)


@pytest.mark.parametrize("usage", [b"{}", b'{"prompt_tokens":-1}', b'{"prompt_tokens":1.5}', b"[]", b"7"])
def test_usage_that_makes_no_sense_is_none_at_all(usage: bytes) -> None:
    answer = answers.parse_answer(b'{"usage":' + usage + b"}")
    assert answer is None or answer.usage is None


def test_texts_of_the_input_are_gathered_without_images_and_ids() -> None:
    body = {
        "model": "m",
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "x" * 9}}],
            }
        ],
        "tools": [{"type": "function", "function": {"name": "look_up", "description": "finds"}}],
    }
    found, numbers = wire.parse("chat.completions", json.dumps(body).encode()).input_texts()
    assert (found, numbers) == (["look", "look_up", "finds"], 0)


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31m", "gpt\n4"])
def test_what_no_database_and_no_terminal_should_be_given_is_kept_out(text: str) -> None:
    with pytest.raises(InvalidRequest, match="printable"):
        wire.parse("chat.completions", json.dumps({"model": text, "messages": []}).encode())
    call = wire.parse("chat.completions", json.dumps({"model": "m", "messages": [], "user": text}).encode())
    assert call.end_user.isprintable()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"service_tier": "a\x00b"}, "service_tier"),
        ({"service_tier": "x" * 65}, "service_tier"),
        ({"max_tokens": 10_000_001}, "max_tokens"),
        ({"max_completion_tokens": 2**31}, "max_completion_tokens"),
        ({"n": 129}, "n"),
    ],
)
def test_what_no_record_could_hold_is_refused_at_the_door(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        wire.parse("chat.completions", json.dumps({"model": "m", "messages": [], **fields}).encode())
    assert refused.value.param == param


def test_a_number_that_no_parser_takes_is_the_clients_mistake() -> None:
    body = b'{"model":"m","messages":[],"x":{"model":1},"y":' + b"9" * 5000 + b"}"
    with pytest.raises(InvalidRequest, match="cannot be read"):
        wire.parse("chat.completions", body)


@pytest.mark.parametrize(
    "beside",
    ['"model":null', '"service_tier":5', '"choices":5', '"choices":{"a":1}', '"model":["m"]'],
)
def test_a_stated_usage_counts_whatever_stands_beside_it(beside: str) -> None:
    usage = '"usage":{"prompt_tokens":5,"completion_tokens":7.0,"total_tokens":12}'
    answer = answers.parse_answer(f"{{{beside},{usage}}}".encode())
    assert answer is not None
    assert answer.usage is not None
    assert answers.usage_of(answer.usage, answer.service_tier).quantities == {"input": 5, "output": 7}
    assert answers.delta_texts(f"{{{beside},{usage}}}".encode()) == []


def test_a_tier_that_a_provider_states_is_cut_to_what_a_record_holds() -> None:
    stated = answers.WireUsage(prompt_tokens=1)
    assert answers.usage_of(stated, "a\x00b" + "c" * 10_000).service_tier == "ab" + "c" * 61
