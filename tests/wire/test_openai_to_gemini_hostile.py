"""Whatever a provider answers in Gemini's name, both kinds of clients get something of their own dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gemini_conversations_answers import REQUEST_ID, fed
from hypothesis import given, settings
from hypothesis import strategies as st

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.wire import anthropic_to_gemini, openai_to_gemini

BOTH = pytest.mark.parametrize("translation", [openai_to_gemini.TRANSLATION, anthropic_to_gemini.TRANSLATION])
_ODD: Any = st.sampled_from([None, True, -1, 0, 7, 2.5, "", "x", "STOP", [], {}, [{}], [[]], {"parts": None}])
_PARTS = st.fixed_dictionaries(
    {},
    optional={
        "text": st.sampled_from(["", "x", None, 7]),
        "thought": st.sampled_from([True, None]),
        "thoughtSignature": st.sampled_from(["c2ln", "", None, "?"]),
        "functionCall": _ODD | st.fixed_dictionaries({}, optional={"name": _ODD, "args": _ODD, "id": _ODD}),
        "inlineData": _ODD | st.just({"data": "AA", "mimeType": None}),
        "executableCode": _ODD,
    },
)
_CANDIDATES = st.fixed_dictionaries(
    {},
    optional={
        "content": _ODD | st.fixed_dictionaries({"parts": st.lists(_PARTS, max_size=3) | _ODD}),
        "finishReason": st.sampled_from(["STOP", "NEW_ONE", "FINISH_REASON_UNSPECIFIED", None, ""]),
        "index": st.sampled_from([0, 1, None, -1]),
        "logprobsResult": _ODD,
    },
)
_ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        "candidates": st.lists(_CANDIDATES, max_size=2) | _ODD,
        "usageMetadata": _ODD | st.just({"promptTokenCount": None, "cachedContentTokenCount": 9}),
        "promptFeedback": _ODD | st.just({"blockReason": "OTHER"}),
        "error": _ODD | st.just({"code": 400, "details": [{"violations": [{"quotaId": 5}]}]}),
        "responseId": st.sampled_from(["r", None, 7]),
    },
)


@BOTH
@settings(max_examples=500)
@given(st.lists(_ANSWERS, max_size=4))
def test_a_stream_of_anything_is_one_of_the_clients_dialect(translation, answers):
    stream = translation.stream(model="m", wants_usage=True, request_id=REQUEST_ID, cost_usd=lambda: None)
    body = fed(stream, [b"data: %b\r\n\r\n" % json.dumps(answer).encode() for answer in answers])
    found = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert body.endswith(b"\n\n")
    assert all(isinstance(json.loads(data), dict) for data in found if data != b"[DONE]")
    is_whole = found[-1] in {b"[DONE]", b'{"type":"message_stop"}'}
    assert is_whole != (b'"error"' in found[-1])


@BOTH
@settings(max_examples=300)
@given(_ANSWERS)
def test_an_answer_of_anything_is_one_or_a_fault(translation, answer):
    said = {"choices": [{}], "type": "message"}
    try:
        said = json.loads(translation.answer(json.dumps(answer).encode(), model="m", request_id=REQUEST_ID))
    except UpstreamFault as fault:
        assert fault.kind == "protocol"  # noqa: PT017  # either will do
    assert said.get("choices") or said.get("type") == "message"


@BOTH
@pytest.mark.parametrize("body", [b"{}", b'{"usageMetadata":{}}', b'{"error":{"code":500}}', b'{"candidates":[]}'])
def test_an_answer_without_an_answer_is_a_fault(translation, body):
    with pytest.raises(UpstreamFault):
        translation.answer(body, model="m", request_id=REQUEST_ID)


@BOTH
@settings(max_examples=200)
@given(_ANSWERS | st.lists(_ANSWERS, max_size=2) | _ODD, st.integers(400, 599))
def test_an_error_of_anything_is_one(translation, body, status):
    found, said = translation.error(status, json.dumps(body).encode(), REQUEST_ID)
    assert 400 <= found < 600
    assert json.loads(said)["error"]["message"]
