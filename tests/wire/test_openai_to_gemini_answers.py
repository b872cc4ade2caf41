"""Gemini's answers, streams and errors as an OpenAI client reads them: by the official client, over no network."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest
from gemini_conversations_answers import CREATED_S, REQUEST_ID, Said, answers, events, fed, grouped, whole
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway.wire.openai_to_gemini import TRANSLATION

ENDINGS = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter", "MALFORMED_FUNCTION_CALL": "stop"}


def stream(*, wants_usage: bool = True, cost: str | None = None) -> Any:
    return TRANSLATION.stream(model="shown", wants_usage=wants_usage, request_id=REQUEST_ID, cost_usd=lambda: cost)


def client_of(body: bytes, *, status: int = 200, kind: str = "text/event-stream") -> openai.OpenAI:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=body, headers={"content-type": kind})

    transport = httpx2.MockTransport(answer)
    return openai.OpenAI(
        api_key="k", base_url="http://test.invalid", max_retries=0, http_client=httpx2.Client(transport=transport)
    )


def chunks(body: bytes) -> list[ChatCompletionChunk]:
    with client_of(body) as client:
        return list(client.chat.completions.create(model="m", messages=[], stream=True))


def streamed(body: bytes) -> ChatCompletion:
    """What the official client's streaming helper puts together."""
    options = {"include_usage": True}
    with (
        client_of(body) as client,
        client.chat.completions.stream(model="m", messages=[], stream_options=options) as it,
    ):
        return it.get_final_completion()


def translated(said: Said) -> ChatCompletion:
    body = TRANSLATION.answer(whole(said), model="shown", request_id=REQUEST_ID)
    return ChatCompletion.model_validate_json(body)


def check(completion: ChatCompletion, said: Said) -> None:
    message = completion.choices[0].message
    assert (message.content or "") == said.text
    assert (getattr(message, "reasoning_content", None) or "") == said.thoughts
    calls = [
        (call.function.name, json.loads(call.function.arguments), _signature(call)) for call in message.tool_calls or ()
    ]
    assert calls == said.calls
    expected = "tool_calls" if said.calls and said.finish_reason == "STOP" else ENDINGS[said.finish_reason]
    assert completion.choices[0].finish_reason == expected
    usage, given_usage = completion.usage, said.usage
    assert usage is not None
    assert usage.prompt_tokens == given_usage["promptTokenCount"] + given_usage["toolUsePromptTokenCount"]
    assert usage.completion_tokens == given_usage["candidatesTokenCount"] + given_usage["thoughtsTokenCount"]
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == given_usage["cachedContentTokenCount"]
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == given_usage["thoughtsTokenCount"]


def _signature(call: Any) -> str | None:
    found: str | None = (getattr(call, "extra_content", None) or {}).get("google", {}).get("thought_signature")
    return found


@settings(max_examples=500)
@given(answers())
def test_a_whole_answer_says_the_same(said):
    completion = translated(said)
    check(completion, said)
    assert (completion.id, completion.model, completion.created) == ("chatcmpl-resp1", "shown", CREATED_S)


@settings(max_examples=500)
@given(answers(), st.lists(st.integers(1, 4), max_size=3), st.lists(st.integers(1, 4), max_size=3))
def test_a_stream_says_the_same_however_it_is_cut(said, cuts, sizes):
    made = events(said, cuts)
    body = fed(stream(), made)
    assert body == fed(stream(), [b"".join(made)]) == fed(stream(), grouped(made, sizes))
    assert body.endswith(b"data: [DONE]\n\n")


@settings(max_examples=150)
@given(answers(), st.lists(st.integers(1, 4), max_size=3))
def test_the_official_client_reads_a_stream_as_it_reads_the_whole(said, cuts):
    if said.finish_reason in {"MAX_TOKENS", "SAFETY"}:
        said.finish_reason = "STOP"  # its helper raises for these
    completion = streamed(fed(stream(), events(said, cuts)))
    check(completion, said)
    alone = translated(said)
    assert [call.id for call in completion.choices[0].message.tool_calls or ()] == [
        call.id for call in alone.choices[0].message.tool_calls or ()
    ]


def test_the_shape_of_a_stream():
    said = Said([{"text": "Hi"}], "STOP", {"promptTokenCount": 3, "candidatesTokenCount": 1})
    found = chunks(fed(stream(cost="0.00012"), events(said, [2])))
    assert [chunk.choices[0].delta.content for chunk in found[:-2]] == ["H", "i"]
    assert [chunk.choices[0].delta.role for chunk in found[:-2]] == ["assistant", None]
    assert [chunk.choices[0].finish_reason for chunk in found[:-1]] == [None, None, "stop"]
    assert found[-1].choices == []
    assert found[-1].usage is not None
    assert found[-1].usage.model_extra == {"cost": 0.00012}
    assert {(chunk.id, chunk.model, chunk.created) for chunk in found} == {("chatcmpl-resp1", "shown", CREATED_S)}


def test_usage_is_for_those_who_asked():
    said = Said([{"text": "Hi"}], "STOP", {"promptTokenCount": 3})
    body = fed(stream(wants_usage=False), events(said, []))
    assert b"usage" not in body
    assert body.endswith(b"data: [DONE]\n\n")
    assert b'"cost"' not in fed(stream(cost=None), events(said, []))


def test_calls_without_ids_get_the_same_ones_every_time():
    call = {"functionCall": {"name": "f", "args": {"a": 1}}}
    said = Said([call, call], "STOP", {})
    ids = [each.id for each in translated(said).choices[0].message.tool_calls or ()]
    assert ids == ["call_8123456789abcdef"[:5] + f"{REQUEST_ID[-24:]}_0_{n}" for n in (0, 1)]
    assert all(len(each) <= 40 for each in ids)


def test_arguments_have_no_white_space():
    said = Said([{"functionCall": {"name": "f", "args": {"city": "Seoul", "days": [1, 2]}}}], "STOP", {})
    call = (translated(said).choices[0].message.tool_calls or ())[0]
    assert call.function.arguments == '{"city":"Seoul","days":[1,2]}'
    bare = Said([{"functionCall": {"name": "f"}}], "STOP", {})
    assert (translated(bare).choices[0].message.tool_calls or ())[0].function.arguments == "{}"


def test_the_signature_of_a_text_is_shown_at_its_end():
    last = {"text": "", "thoughtSignature": "c2ln"}  # as streams end: ai.google.dev, thought signatures, 2026-11
    said = Said([{"text": "Hi"}, last], "STOP", {})
    assert translated(said).choices[0].message.model_extra == {
        "extra_content": {"google": {"thought_signature": "c2ln"}}
    }
    assert streamed(fed(stream(), events(said, []))).choices[0].message.model_extra == {
        "extra_content": {"google": {"thought_signature": "c2ln"}}
    }


def test_an_answer_goes_back_with_its_signatures():
    signed = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "ab+/cd=="}
    other = {"functionCall": {"name": "g", "args": {}, "id": "own"}}
    for completion in (
        translated(Said([signed, other], "STOP", {})),
        streamed(fed(stream(), events(Said([signed, other], "STOP", {}), []))),
    ):
        message = completion.choices[0].message
        results = [{"role": "tool", "tool_call_id": call.id, "content": "done"} for call in message.tool_calls or ()]
        said = message.model_dump(exclude_none=True)
        fields = {"model": "m", "messages": [{"role": "user", "content": "Hi"}, said, *results]}
        contents = TRANSLATION.request(fields, model="gemini-3.8-flash", output_tokens=None)["contents"]
        made = f"call_{REQUEST_ID[-24:]}_0_0"
        assert contents[1]["parts"] == [
            {"functionCall": {"id": made, "name": "f", "args": {"a": 1}}, "thoughtSignature": "ab+/cd=="},
            {"functionCall": {"id": "own", "name": "g", "args": {}}},
        ]
        assert [part["functionResponse"]["id"] for part in contents[2]["parts"]] == [made, "own"]


def test_several_candidates_are_several_choices():
    candidates = [
        {"content": {"parts": [{"text": text}]}, "index": number, "finishReason": "STOP"}
        for number, text in enumerate(["one", "two"])
    ]
    body = json.dumps({"candidates": candidates, "usageMetadata": {}}).encode()
    completion = ChatCompletion.model_validate_json(TRANSLATION.answer(body, model="m", request_id=REQUEST_ID))
    assert [(choice.index, choice.message.content) for choice in completion.choices] == [(0, "one"), (1, "two")]
    found = chunks(fed(stream(), [b"data: %b\r\n\r\n" % body]))
    assert [(chunk.choices[0].index, chunk.choices[0].delta.content) for chunk in found[:-1]] == [
        (0, "one"), (0, None), (1, "two"), (1, None),
    ]  # fmt: skip


def test_log_probabilities():
    result = {
        "chosenCandidates": [{"token": "é", "logProbability": -0.5}],
        "topCandidates": [
            {"candidates": [{"token": "é", "logProbability": -0.5}, {"token": "e", "logProbability": -2}]}
        ],
    }
    candidate = {"content": {"parts": [{"text": "é"}]}, "finishReason": "STOP", "logprobsResult": result}
    body = json.dumps({"candidates": [candidate]}).encode()
    completion = ChatCompletion.model_validate_json(TRANSLATION.answer(body, model="m", request_id=REQUEST_ID))
    found = completion.choices[0].logprobs
    assert found is not None
    assert found.content is not None
    assert (found.content[0].token, found.content[0].logprob, found.content[0].bytes) == ("é", -0.5, [195, 169])
    assert [(each.token, each.logprob) for each in found.content[0].top_logprobs] == [("é", -0.5), ("e", -2)]


def test_a_blocked_prompt_is_a_refusal():
    body = json.dumps({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}).encode()
    completion = ChatCompletion.model_validate_json(TRANSLATION.answer(body, model="m", request_id=REQUEST_ID))
    assert completion.choices[0].finish_reason == "content_filter"
    assert completion.choices[0].message.refusal == "The provider blocked the prompt (SAFETY)."
    found = chunks(fed(stream(), [b"data: %b\r\n\r\n" % body]))
    assert found[0].choices[0].delta.refusal == "The provider blocked the prompt (SAFETY)."
    assert found[1].choices[0].finish_reason == "content_filter"
    assert found[-1].usage is not None
    assert found[-1].usage.prompt_tokens == 4


def test_images_come_as_data_urls():
    said = Said([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}], "STOP", {})
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert translated(said).choices[0].message.model_extra == {"images": [image]}


def test_the_tier_that_served_is_told():
    said = Said([{"text": "x"}], "STOP", {"serviceTier": "priority"})  # type: ignore[dict-item]
    assert translated(said).service_tier == "priority"


def test_a_stream_that_ends_early_is_an_error():
    said = Said([{"text": "Half"}], "STOP", {})
    early = events(said, [])[:-1]
    with pytest.raises(openai.APIError, match="ended before it was complete"):
        chunks(fed(stream(), early))
    with pytest.raises(openai.APIError, match="ended before it was complete"):
        chunks(fed(stream(), []))


def test_an_error_in_the_middle_ends_the_stream():
    said = Said([{"text": "Half"}], "STOP", {})
    broken = b'data: {"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}\r\n\r\n'
    made = events(said, [])
    body = fed(stream(), [made[0], broken, *made])
    assert body == fed(stream(), [b"".join([made[0], broken, *made])])
    assert body.count(b'"Half"') == 1
    with pytest.raises(openai.APIError, match="overloaded") as raised:
        chunks(body)
    assert (raised.value.code, raised.value.type) == ("server_is_overloaded", "service_unavailable_error")
    assert b"[DONE]" not in body


@pytest.mark.parametrize("garbage", [b"data: {\r\n\r\n", b"data: 7\r\n\r\n", b'data: {"candidates":7}\r\n\r\n'])
def test_what_cannot_be_read_is_an_error(garbage):
    assert b"could not be read" in fed(stream(), [garbage])
    with pytest.raises(UpstreamFault):
        TRANSLATION.answer(garbage[6:], model="m", request_id=REQUEST_ID)


def test_comments_and_blank_events_are_passed_over():
    said = Said([{"text": "Hi"}], "STOP", {})
    made = events(said, [])
    assert fed(stream(), [b": ping\n\n", *made]) == fed(stream(), made)


# ai.google.dev/gemini-api/docs/troubleshooting and recorded answers, 2026-11
@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"message": "Bad.", "status": "INVALID_ARGUMENT"}, (400, "invalid_request_error", None)),
        (
            400,
            {
                "message": "The input token count (2) exceeds the maximum number of tokens allowed (1).",
                "status": "INVALID_ARGUMENT",
            },
            (400, "invalid_request_error", "context_length_exceeded"),
        ),
        (
            400,
            {
                "message": "API key not valid.",
                "status": "INVALID_ARGUMENT",
                "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
            },
            (401, "invalid_request_error", "invalid_api_key"),
        ),
        (403, {"message": "No.", "status": "PERMISSION_DENIED"}, (403, "invalid_request_error", "permission_denied")),
        (404, {"message": "No model.", "status": "NOT_FOUND"}, (404, "invalid_request_error", "model_not_found")),
        (429, {"message": "Slow.", "status": "RESOURCE_EXHAUSTED"}, (429, "rate_limit_error", "rate_limit_exceeded")),
        (
            429,
            {
                "message": "You exceeded your current quota.",
                "status": "RESOURCE_EXHAUSTED",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                        "violations": [{"quotaId": "GenerateRequestsPerDayPerProject", "quotaDimensions": {"a": "b"}}],
                    },
                    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"},
                ],
            },
            (429, "insufficient_quota", "insufficient_quota"),
        ),
        (500, {"message": "Oops.", "status": "INTERNAL"}, (500, "server_error", None)),
        (
            503,
            {"message": "Busy.", "status": "UNAVAILABLE"},
            (503, "service_unavailable_error", "server_is_overloaded"),
        ),
        (504, {"message": "Late.", "status": "DEADLINE_EXCEEDED"}, (504, "server_error", "timeout")),
    ],
)
@pytest.mark.parametrize("is_listed", [False, True])
def test_errors(status, body, expected, is_listed):
    raw = {"error": {"code": status, **body}}
    found, said = TRANSLATION.error(status, json.dumps([raw] if is_listed else raw).encode(), REQUEST_ID)
    error = json.loads(said)["error"]
    assert (found, error["type"], error["code"]) == expected
    assert error["message"] == body["message"]
    assert error["request_id"] == REQUEST_ID


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":"x"}', b'{"error":{"message":5}}'])
def test_errors_without_a_body_go_by_their_status(body):
    status, said = TRANSLATION.error(503, body, REQUEST_ID)
    error = json.loads(said)["error"]
    assert (status, error["code"]) == (503, "server_is_overloaded")
    assert error["message"] == "The provider answered with status 503."


def test_the_official_client_raises_its_own_errors():
    raw = json.dumps({"error": {"code": 429, "message": "Slow.", "status": "RESOURCE_EXHAUSTED"}}).encode()
    status, body = TRANSLATION.error(429, raw, REQUEST_ID)
    with (
        client_of(body, status=status, kind="application/json") as client,
        pytest.raises(openai.RateLimitError) as raised,
    ):
        client.chat.completions.create(model="m", messages=[])
    assert raised.value.code == "rate_limit_exceeded"
