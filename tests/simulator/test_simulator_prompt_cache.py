"""Repeated prefixes become cheaper, by the published rule: from 1,024 tokens, in steps of 128."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai.types import CompletionUsage
from simulator_calls import asking

from tollkeeper_simulator import Simulator
from tollkeeper_simulator.prompt_cache import PromptCache

LONG = "word " * 2_000
OTHER_KEY = "sk-sim-other1"


async def used(client: openai.AsyncOpenAI, text: str, **more: Any) -> tuple[int, int, int]:
    """Return (prompt, cached, cache write) tokens of one call."""
    usage: CompletionUsage | None = (await client.chat.completions.create(**asking(text) | more)).usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    details = usage.prompt_tokens_details
    return usage.prompt_tokens, details.cached_tokens or 0, details.cache_write_tokens or 0


async def test_a_repeated_prompt_is_read_from_the_cache(client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    size, first, _ = await used(client, LONG)
    _, second, written = await used(client, LONG)
    assert (first, second, written) == (0, size // 128 * 128, 0)
    lines = {line.dimension: line for line in simulator.bill.records[1].lines}
    assert lines["cache_read"].quantity == second
    assert lines["cache_read"].unit_price_pico == 75_000
    assert lines["input"].quantity == size - second


async def test_a_shared_prefix_is_enough(client: openai.AsyncOpenAI) -> None:
    await used(client, LONG + "first question")
    size, cached, _ = await used(client, LONG + "and another question that is longer " * 40)
    assert 1_920 <= cached <= 2_048 < size
    assert cached % 128 == 0


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-6-luna"])
async def test_short_prompts_are_never_cached(client: openai.AsyncOpenAI, model: str) -> None:
    for _ in range(2):
        size, cached, written = await used(client, "word " * 1_000, model=model)
        assert size < 1_024
        assert (cached, written) == (0, 0)


@pytest.mark.parametrize("model", ["gpt-5.6-luna", "gpt-6-luna", "gpt-6.1-sol"])
async def test_newer_models_report_and_bill_cache_writes(
    client: openai.AsyncOpenAI, simulator: Simulator, model: str
) -> None:
    size, cached, written = await used(client, LONG, model=model)
    assert (cached, written) == (0, size // 128 * 128)
    _, cached, again = await used(client, LONG, model=model)
    assert (cached, again) == (written, 0)
    first, second = ({line.dimension: line.quantity for line in each.lines} for each in simulator.bill.records)
    assert first["cache_write_30m"] == second["cache_read"] == written
    assert "cache_read" not in first
    assert "cache_write_30m" not in second


async def test_models_without_a_cache_price_do_not_cache(client: openai.AsyncOpenAI) -> None:
    for _ in range(2):
        assert (await used(client, LONG, model="gpt-4-turbo"))[1] == 0


async def test_the_cache_is_apart_for_each_model_and_key(client: openai.AsyncOpenAI) -> None:
    await used(client, LONG)
    assert (await used(client, LONG, model="gpt-4o"))[1] == 0
    assert (await used(client.with_options(api_key=OTHER_KEY), LONG))[1] == 0
    assert (await used(client, LONG))[1] > 0


async def test_a_long_context_request_is_billed_at_the_long_price(
    client: openai.AsyncOpenAI, simulator: Simulator
) -> None:
    await used(client, "word " * 272_100, model="gpt-5.4", service_tier="priority")
    record = simulator.bill.records[0]
    assert record.service_tier == "default"
    assert {line.dimension: line.unit_price_pico for line in record.lines} == {
        "input": 5_000_000, "output": 22_500_000,
    }  # fmt: skip


def test_the_oldest_entries_leave_first() -> None:
    cache = PromptCache(entries_max=2)
    prompts = [[f"{name}{n}" for n in range(1_024)] for name in "abc"]
    for prompt in prompts:
        cache.look_up("scope", prompt)
    assert cache.look_up("scope", prompts[2]) == (1_024, 0)
    assert cache.look_up("scope", prompts[0]) == (0, 1_024)
