"""The OpenAI dialect: names that would let another model serve, and names that only some parsers take for a decisive one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire import openai as wire
from tollkeeper.gateway.wire.openai_names import DECISIVE_NAMES, ROUTING_NAMES

INPUTS: dict[wire.OpenAIOperation, str] = {
    "chat.completions": "messages",
    "completions": "prompt",
    "embeddings": "input",
}
OPERATIONS = list(INPUTS)


def body_for(operation: wire.OpenAIOperation, **more: Any) -> bytes:
    return json.dumps({"model": "m", INPUTS[operation]: [], **more}).encode()


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", ROUTING_NAMES)
@pytest.mark.parametrize("value", [["dear"], "fallback", {}, [], "", False])
def test_a_call_that_would_route_itself_is_refused(operation: wire.OpenAIOperation, name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match="configured in Tollkeeper") as refused:
        wire.parse(operation, body_for(operation, **{name: value}))
    assert refused.value.param == name


@pytest.mark.parametrize("name", ROUTING_NAMES)
def test_a_routing_name_that_asks_for_nothing_passes(name: str) -> None:
    body = body_for("chat.completions", **{name: None})
    assert wire.parse("chat.completions", body).body == body


@pytest.mark.parametrize("name", ROUTING_NAMES)
def test_a_routing_name_cannot_hide(name: str) -> None:
    escaped = body_for("chat.completions", **{name: "x"}).replace(
        name.encode(), rb"\u00%02x%b" % (ord(name[0]), name[1:].encode())
    )
    twice = b'{"model":"m","messages":[],"%b":["dear"],"%b":null}' % (name.encode(), name.encode())
    nested = body_for("chat.completions", extra_body={name: ["dear"]})
    for body in (escaped, twice, nested):
        with pytest.raises(InvalidRequest):
            wire.parse("chat.completions", body)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("Model", "model"),
        ("MODEL", "model"),
        ("Max_Tokens", "max_tokens"),
        ("maxTokens", "max_tokens"),
        ("Messages", "messages"),
        ("cachedContent", "cached_content"),
        ("max_to\N{KELVIN SIGN}ens", "max_tokens"),
        ("\N{LATIN SMALL LETTER LONG S}tream", "stream"),
        ("Routes", None),
        ("Temperature", None),
        ("topP", None),
        ("모델", None),
    ],
)
def test_a_decisive_name_in_another_spelling_is_refused(
    operation: wire.OpenAIOperation, spelled: str, meant: str | None
) -> None:
    for is_ascii in (True, False):
        fields = {"model": "m", INPUTS[operation]: [], spelled: 100_000}
        body = json.dumps(fields, ensure_ascii=is_ascii).encode()
        if meant is None:
            assert wire.parse(operation, body).body == body
            continue
        with pytest.raises(InvalidRequest) as refused:
            wire.parse(operation, body)
        assert refused.value.param == spelled
        assert meant in refused.value.public_message


@pytest.mark.parametrize("name", sorted(DECISIVE_NAMES - {"messages", "input"}))
def test_no_decisive_name_may_stand_twice_be_it_beside_a_null(name: str) -> None:
    fields = {"model": "m", "messages": [], "stream": True, name: None} | ({"model": "m"} if name == "model" else {})
    text = json.dumps(fields)
    for second in ("null", "7", "[]", '{"a":1}', "true", '"x"'):
        for body in (f'{text[:-1]},"{name}":{second}}}', f'{{"{name}":{second},{text[1:]}'):
            with pytest.raises(InvalidRequest):
                wire.parse("chat.completions", body.encode())


def test_names_deeper_down_are_nobodys_business() -> None:
    schema = {"properties": {"Model": {}, "models": {}, "route": {}, "maxTokens": {}}}
    body = body_for("chat.completions", tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}])
    assert wire.parse("chat.completions", body).body == body
