"""Fees besides tokens: counted from what each dialect states, priced line by line, bounded where the call bounds them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.fakes.asgi import FakeClient
from tests.fakes.gateway import ANTHROPIC, GEMINI, GOOD_KEY, OPENAI, UNLIMITED_KEY, FakeGateway

from tollkeeper.domain.deployment import Deployment, Provider, Route
from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.prices.book import CompiledBook

BOOK = CompiledBook.load()
SEARCH = {"type": "web_search_20260318", "name": "web_search"}
CLAUDE_USAGE = {"input_tokens": 1_000, "output_tokens": 500, "service_tier": "standard", "inference_geo": "global"}
M = 1_000_000  # nano-USD of a thousandth of a dollar


class Book:
    """The real prices, for everybody."""

    def of(self, organization_id: str) -> CompiledBook:
        return BOOK


def gateway_of(provider: Provider, model: str) -> FakeGateway:
    return FakeGateway(provider, routes=[Route(model, (Deployment(provider, model),))], prices=Book())


async def claude(model: str, usage: dict[str, Any], *, key: str = UNLIMITED_KEY, **asked: Any) -> FakeGateway:
    gateway = gateway_of(ANTHROPIC, model)
    gateway.will_answer({"model": model, "content": [{"type": "text", "text": "x"}], "usage": usage})
    await send(gateway, model, key=key, **asked)
    return gateway


async def send(gateway: FakeGateway, model: str, *, key: str = UNLIMITED_KEY, **asked: Any) -> FakeClient:
    body = {"model": model, "max_tokens": 1_000, "messages": [{"role": "user", "content": "x"}], **asked}
    return await gateway.call(body, path="/v1/messages", key=key)


async def gemini(model: str, *chunks: dict[str, Any], key: str = UNLIMITED_KEY, **asked: Any) -> FakeGateway:
    gateway = gateway_of(GEMINI, model)
    method = "generateContent"
    if len(chunks) > 1:
        method = "streamGenerateContent"
        gateway.will_stream(*(b"data: %b\r\n\r\n" % msgspec.json.encode(each) for each in chunks))
    else:
        gateway.will_answer(chunks[0])
    body = {"contents": [{"role": "user", "parts": [{"text": "x"}]}], "tools": [{"googleSearch": {}}], **asked}
    path, query = f"/v1beta/models/{model}:{method}", b"alt=sse"
    await gateway.call(body, path=path, query=query, key=None, headers={"x-goog-api-key": key})
    return gateway


def grounded(model: str, *queries: str, is_last: bool = True) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": "x"}]}}
    if queries:
        candidate["groundingMetadata"] = {"webSearchQueries": list(queries)}
    if is_last:
        candidate["finishReason"] = "STOP"
    used = {"promptTokenCount": 1_000, "candidatesTokenCount": 100}
    return {"candidates": [candidate], "modelVersion": model, "usageMetadata": used}


async def test_searches_of_the_web_are_lines_of_their_own() -> None:
    usage = {**CLAUDE_USAGE, "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 9}}
    record = (await claude("claude-opus-5-5", usage, tools=[SEARCH])).ledger.only
    assert record.quantities == {"input": 1_000, "output": 500, "web_search": 3}
    # 1,000 x $4/M + 500 x $20/M + 3 x $10/1,000 (platform.claude.com/docs/en/about-claude/pricing)
    assert [line.amount_nanos for line in record.lines] == [4 * M, 10 * M, 30 * M]
    assert record.amount_nanos == 44 * M
    assert record.service_tier == "standard"


async def test_searches_of_a_stream_are_those_that_its_last_figures_state() -> None:
    gateway = gateway_of(ANTHROPIC, "claude-opus-5-5")
    start = {
        "type": "message_start",
        "message": {"model": "claude-opus-5-5", "usage": {**CLAUDE_USAGE, "output_tokens": 1}},
    }
    delta = {
        "type": "message_delta", "delta": {},
        "usage": {"output_tokens": 500, "server_tool_use": {"web_search_requests": 2}},
    }  # fmt: skip
    events = (start, delta, {"type": "message_stop"})
    gateway.will_stream(*(b"data: %b\n\n" % msgspec.json.encode(each) for each in events))
    await send(gateway, "claude-opus-5-5", stream=True, tools=[SEARCH])
    assert gateway.ledger.only.amount_nanos == 34 * M


@pytest.mark.parametrize(("uses", "status"), [(2, 200), (None, 429), (0, 429)])
async def test_under_a_budget_searches_need_a_bound(uses: int | None, status: int) -> None:
    gateway = gateway_of(ANTHROPIC, "claude-haiku-4-5")
    usage = {**CLAUDE_USAGE, "server_tool_use": {"web_search_requests": 2}}
    gateway.will_answer({"model": "claude-haiku-4-5", "usage": usage})
    gateway.budgets.left = 10**12
    client = await send(gateway, "claude-haiku-4-5", key=GOOD_KEY, tools=[{**SEARCH, "max_uses": uses}])
    assert client.status == status
    if status == 200:
        record = gateway.ledger.only
        (held,) = gateway.budgets.held
        # three runs over a window of 200,000 at the dearest class, a write for an hour ($2/M), three answers at $5/M, two searches
        assert held.nanos >= 3 * 200_000 * 2_000 + 3 * 1_000 * 5_000 + 20 * M
        assert held.nanos < 3 * 200_000 * 2_000 + 3 * 1_000 * 5_000 + 20 * M + 100
        assert record.amount_nanos == 1 * M + 2_500_000 + 20 * M
    else:
        assert b"max_uses" in client.body


async def test_inference_in_the_united_states_costs_a_tenth_more_on_every_class_of_tokens_and_no_search() -> None:
    usage = {
        **CLAUDE_USAGE, "inference_geo": "us", "cache_read_input_tokens": 10_000,
        "server_tool_use": {"web_search_requests": 1},
    }  # fmt: skip
    record = (await claude("claude-opus-5-5", usage, inference_geo="us", tools=[SEARCH])).ledger.only
    by_class = {line.dimension: (line.price_pico, line.amount_nanos) for line in record.lines}
    assert by_class == {
        "input": (4_400_000, 4_400_000),
        "output": (22_000_000, 11_000_000),
        "cache_read": (220_000, 2_200_000),
        "web_search": (10**10, 10 * M),
    }
    assert record.lines[0].source == "genai-prices 0.2.3 claude-opus-5-5 at 110 %"


async def test_a_stream_that_breaks_off_in_the_united_states_is_estimated_at_their_price() -> None:
    gateway = gateway_of(ANTHROPIC, "claude-opus-5-5")
    used = {**CLAUDE_USAGE, "output_tokens": 1, "inference_geo": "us"}
    start = {"type": "message_start", "message": {"model": "claude-opus-5-5", "usage": used}}
    gateway.will_stream(b"data: %b\n\n" % msgspec.json.encode(start), UpstreamFault("reset", "gone", sent=True))
    await send(gateway, "claude-opus-5-5", stream=True)
    record = gateway.ledger.only
    assert record.cost_state == "estimated"
    assert [line.price_pico for line in record.lines if line.dimension == "input"] == [4_400_000]


async def test_a_place_without_a_price_is_unpriced() -> None:
    record = (await claude("claude-opus-5-5", {**CLAUDE_USAGE, "inference_geo": "mars"})).ledger.only
    assert (record.cost_state, record.amount_nanos) == ("unpriced", None)
    assert "standard in mars" in record.reason


async def test_a_call_that_says_nothing_of_a_place_holds_what_the_dearer_one_costs() -> None:
    held = []
    for asked in ({}, {"inference_geo": "us"}, {"inference_geo": "global"}):
        gateway = await claude("claude-opus-5-5", CLAUDE_USAGE, key=GOOD_KEY, **asked)
        held.append(gateway.budgets.held[0].nanos)
    assert held[0] > held[2]
    assert held[1] > held[2]
    older = await claude("claude-haiku-4-5-20251001", {**CLAUDE_USAGE, "inference_geo": "not_available"}, key=GOOD_KEY)
    same = await claude("claude-haiku-4-5-20251001", CLAUDE_USAGE, key=GOOD_KEY, inference_geo="global")
    assert (
        older.budgets.held[0].nanos - same.budgets.held[0].nanos < 0
    )  # only the body is longer: no place, no surcharge


async def test_an_advisor_is_priced_by_its_own_model_and_a_compaction_by_the_calls() -> None:
    usage = {
        **CLAUDE_USAGE,
        "iterations": [
            {"type": "message", "input_tokens": 1_000, "output_tokens": 500},
            {"type": "compaction", "input_tokens": 2_000, "output_tokens": 100},
            {
                "type": "advisor_message", "model": "claude-opus-5-5",
                "input_tokens": 800, "output_tokens": 300, "cache_read_input_tokens": 1_000,
            },
        ],
    }  # fmt: skip
    tools = [{"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5-5"}]
    record = (await claude("claude-haiku-4-5", usage, tools=tools)).ledger.only
    assert {line.dimension: line.amount_nanos for line in record.lines} == {
        "input": 3_000 * 1_000, "output": 600 * 5_000,
        "input@claude-opus-5-5": 800 * 4_000, "output@claude-opus-5-5": 300 * 20_000,
        "cache_read@claude-opus-5-5": 1_000 * 200,
    }  # fmt: skip


@pytest.mark.parametrize(
    "iteration",
    [
        {"type": "advisor_message", "model": "claude-nobody-knows", "input_tokens": 1, "output_tokens": 1},
        {"type": "advisor_message", "model": "x" * 99, "input_tokens": 1, "output_tokens": 1},
        {"type": "advisor_message", "input_tokens": 1, "output_tokens": 1},
        {"type": "fallback_message", "model": "claude-opus-5-5", "input_tokens": 1, "output_tokens": 1},
        {"type": "of_later"},
    ],
)
async def test_what_other_models_did_for_no_known_price_leaves_the_call_unpriced(iteration: dict[str, Any]) -> None:
    record = (await claude("claude-haiku-4-5", {**CLAUDE_USAGE, "iterations": [iteration]})).ledger.only
    assert (record.cost_state, record.amount_nanos) == ("unpriced", None)


async def test_code_is_free_beside_the_newer_web_tools_and_has_no_price_alone() -> None:
    code = {"type": "code_execution_20260521", "name": "code_execution"}
    assert (await claude("claude-opus-5-5", CLAUDE_USAGE, tools=[code, SEARCH])).ledger.only.amount_nanos == 14 * M
    alone = (await claude("claude-opus-5-5", CLAUDE_USAGE, tools=[code])).ledger.only
    assert alone.cost_state == "unpriced"
    older = {"type": "web_search_20250305", "name": "web_search"}
    beside_older = await claude("claude-opus-5-5", CLAUDE_USAGE, tools=[code, older])
    assert beside_older.ledger.only.cost_state == "unpriced"


async def test_gemini_3_pays_for_each_query_and_2_5_for_the_prompt() -> None:
    record = (await gemini("gemini-3.5-flash", grounded("gemini-3.5-flash", "a", "b", ""))).ledger.only
    assert record.quantities["grounding"] == 2
    assert record.amount_nanos == 1_000 * 1_500 + 100 * 9_000 + 2 * 14 * M
    record = (await gemini("gemini-2.5-flash", grounded("gemini-2.5-flash", "a", "b"))).ledger.only
    assert record.quantities["grounding"] == 1
    assert record.amount_nanos == 1_000 * 300 + 100 * 2_500 + 35 * M


async def test_what_gemini_did_not_search_has_no_fee() -> None:
    record = (await gemini("gemini-2.5-flash", grounded("gemini-2.5-flash"))).ledger.only
    assert "grounding" not in record.quantities
    assert record.amount_nanos == 1_000 * 300 + 100 * 2_500


async def test_queries_of_a_stream_are_counted_once_in_whichever_chunk_they_stand() -> None:
    model = "gemini-3.5-flash"
    chunks = (
        grounded(model, is_last=False),
        {name: part for name, part in grounded(model, "a", is_last=False).items() if name != "usageMetadata"},
        grounded(model, "b"),
    )
    record = (await gemini(model, *chunks)).ledger.only
    assert (record.quantities["grounding"], record.outcome) == (2, "complete")
    assert record.amount_nanos == 1_000 * 1_500 + 100 * 9_000 + 2 * 14 * M


async def test_under_a_budget_gemini_may_search_where_a_prompt_has_its_price() -> None:
    allowed = await gemini(
        "gemini-2.5-flash", grounded("gemini-2.5-flash", "a"), key=GOOD_KEY, generationConfig={"maxOutputTokens": 9}
    )
    (held,) = allowed.budgets.held
    assert held.nanos >= 1_048_576 * 300 + 35 * M > (allowed.ledger.only.amount_nanos or 0) > 35 * M
    refused = await gemini("gemini-3.5-flash", grounded("gemini-3.5-flash", "a"), key=GOOD_KEY)
    assert not refused.ledger.records


@pytest.mark.parametrize(
    ("model", "nanos"),
    [
        ("gpt-4o-search-preview", 1_000 * 2_500 + 500 * 10_000 + 25 * M),
        ("gpt-4o-mini-search-preview-2025-03-11", 1_000 * 150 + 500 * 600 + 25 * M),
        ("gpt-5-search-api", 1_000 * 1_250 + 500 * 10_000 + 10 * M),
    ],
)
@pytest.mark.parametrize("key", [UNLIMITED_KEY, GOOD_KEY])
async def test_a_model_that_searches_for_every_call_costs_that_search(model: str, nanos: int, key: str) -> None:
    gateway = gateway_of(OPENAI, model)
    gateway.will_answer({"model": model, "choices": [], "usage": {"prompt_tokens": 1_000, "completion_tokens": 500}})
    body = {"model": model, "messages": [{"role": "user", "content": "x"}], "web_search_options": {}}
    assert (await gateway.call(body, key=key)).status == 200
    record = gateway.ledger.only
    assert record.quantities == {"input": 1_000, "output": 500, "web_search": 1}
    assert record.amount_nanos == nanos
    assert all(held.nanos >= nanos for held in gateway.budgets.held)


async def test_a_search_that_another_model_is_asked_for_has_no_price() -> None:
    gateway = gateway_of(OPENAI, "gpt-4o")
    gateway.will_answer({"model": "gpt-4o", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 5}})
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], "web_search_options": {}}
    await gateway.call(body, key=UNLIMITED_KEY)
    assert gateway.ledger.only.cost_state == "unpriced"
