"""Anthropic's prompt cache: marks, minimum lengths, lifetimes, what is read and what is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from anthropic_calls import HEADERS, MESSAGES, WEATHER, priced, said, saying

from tollkeeper_simulator import Simulator
from tollkeeper_simulator.block_cache import Block, BlockCache, Cached

SHORT: dict[str, Any] = {"type": "ephemeral"}
LONG: dict[str, Any] = {"type": "ephemeral", "ttl": "1h"}


@pytest.fixture
async def http(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=simulator.origin, headers=HEADERS, timeout=10, verify=False) as plain:
        yield plain


def block(text: str, mark: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "text", "text": text} | ({"cache_control": mark} if mark else {})


async def cached(http: httpx.AsyncClient, **body: Any) -> tuple[int, int, int, int]:
    """Return (uncached, read, written for 5 minutes, written for an hour) of one call."""
    answer = await http.post(MESSAGES, json=saying(**body))
    assert answer.status_code == 200
    usage = answer.json()["usage"]
    if "model" not in body:
        bill = (await http.get("/_bill")).json()["requests"]
        assert bill[-1]["amount_nano"] == priced(usage, (4_000, 200, 5_000, 8_000, 20_000))
    split = usage["cache_creation"]
    short, long = split["ephemeral_5m_input_tokens"], split["ephemeral_1h_input_tokens"]
    assert short + long == usage["cache_creation_input_tokens"]
    return usage["input_tokens"], usage["cache_read_input_tokens"], short, long


async def test_what_is_marked_is_written_once_and_read_then(http: httpx.AsyncClient, simulator: Simulator) -> None:
    system = [block("word " * 1_000, SHORT)]
    rest, read, short, long = await cached(http, system=system)
    assert (read, short, long) == (0, 1_001, 0)
    assert await cached(http, system=system) == (rest, 1_001, 0, 0)
    first, second = ({line.dimension: line for line in each.lines} for each in simulator.bill.records)
    assert (first["cache_write_5m"].quantity, first["cache_write_5m"].unit_price_pico) == (1_001, 5_000_000)
    assert (second["cache_read"].quantity, second["cache_read"].unit_price_pico) == (1_001, 200_000)
    assert "cache_write_5m" not in second


async def test_nothing_is_cached_that_is_not_marked(http: httpx.AsyncClient) -> None:
    for _ in range(2):
        _, read, short, long = await cached(http, system="word " * 2_000)
        assert (read, short, long) == (0, 0, 0)


async def test_an_hour_is_written_before_five_minutes(http: httpx.AsyncClient, simulator: Simulator) -> None:
    tools = [WEATHER | {"description": "word " * 700, "cache_control": LONG}]
    system = [block("rule " * 700, SHORT)]
    rest, read, short, long = await cached(http, tools=tools, system=system)
    assert read == 0
    assert short == 701
    assert long > 700
    assert await cached(http, tools=tools, system=[block("other " * 700, SHORT)]) == (rest, long, 701, 0)
    assert await cached(http, tools=tools, system=system) == (rest, long + short, 0, 0)
    lines = {line.dimension: line.unit_price_pico for line in simulator.bill.records[0].lines}
    assert (lines["cache_write_1h"], lines["cache_write_5m"]) == (8_000_000, 5_000_000)


async def test_a_conversation_reads_what_its_earlier_turns_wrote(http: httpx.AsyncClient) -> None:
    turns: list[dict[str, Any]] = [{"role": "user", "content": [block("word " * 600, SHORT)]}]
    _, _, first, _ = await cached(http, messages=turns)
    turns[0]["content"][0].pop("cache_control")
    turns += [
        {"role": "assistant", "content": "I see."},
        {"role": "user", "content": [block("and more " * 300, SHORT)]},
    ]
    _, read, second, _ = await cached(http, messages=turns)
    assert read == first
    assert 600 < second < 700


async def test_the_requests_own_mark_is_on_its_last_block(http: httpx.AsyncClient) -> None:
    rest, _, short, _ = await cached(http, system="word " * 600, cache_control=SHORT)
    assert short > 600
    assert rest == 1  # what has the answer begin
    assert (await cached(http, system="word " * 600, cache_control=SHORT))[1] == short


@pytest.mark.parametrize(
    ("model", "least"),
    [("claude-opus-5-5", 512), ("claude-sonnet-4-6", 1_024), ("claude-opus-4-7", 2_048), ("claude-haiku-4-5", 4_096)],
)
async def test_a_prefix_below_the_models_minimum_is_silently_not_cached(
    http: httpx.AsyncClient, model: str, least: int
) -> None:
    for _ in range(2):
        assert (await cached(http, model=model, system=[block("word" + " word" * (least - 2), SHORT)]))[1:] == (0, 0, 0)
    assert (await cached(http, model=model, system=[block("word" + " word" * (least - 1), SHORT)]))[1:] == (0, least, 0)


async def test_the_cache_is_apart_for_each_model_and_key(http: httpx.AsyncClient) -> None:
    body = saying(system=[block("word " * 1_000, SHORT)])
    await said(http, body)
    for change, headers in (({"model": "claude-opus-5"}, {}), ({}, {"x_api_key": "sk-ant-other1"})):
        usage = (await said(http, body | change, **headers))["usage"]
        assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (0, 1_001)
    await http.delete("/_cache")
    assert (await said(http, body))["usage"]["cache_read_input_tokens"] == 0


async def test_a_refused_prompt_is_not_cached(http: httpx.AsyncClient) -> None:
    body = saying(system=[block("word " * 1_000, SHORT)])
    await http.post(MESSAGES, json=body, headers={"x-sim-fault": "status=529"})
    assert (await said(http, body))["usage"]["cache_read_input_tokens"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"system": [block(str(place), SHORT) for place in range(5)]},
            "A maximum of 4 blocks with cache_control may be",
        ),
        ({"system": [block("a", SHORT), block("b", LONG)]}, "system.1.cache_control.ttl: a ttl='1h'"),
        ({"system": [block("a", {"type": "forever"})]}, "system.0.cache_control: Input tag 'forever'"),
        ({"system": [block("a", SHORT | {"ttl": "2h"})]}, "system.0.cache_control.ephemeral.ttl"),
    ],
)
async def test_wrong_marks_are_refused(http: httpx.AsyncClient, change: dict[str, Any], message: str) -> None:
    answer = await http.post(MESSAGES, json=saying(**change))
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(message)


# The cache by itself


def blocks(*sizes: int, marks: str = "") -> list[Block]:
    """Return blocks of so many tokens; `marks` has one letter for each: `5`, `1` or a dot."""
    ttls: dict[str, Any] = {"5": "5m", "1": "1h", ".": None}
    return [Block([f"{place}"] * size, ttls[mark]) for place, (size, mark) in enumerate(zip(sizes, marks, strict=True))]


def test_entries_end_with_their_lifetime_and_begin_anew_when_read() -> None:
    cache = BlockCache()
    short, long = blocks(600, marks="5"), blocks(700, marks="1")
    assert cache.look_up("a", short, least=512, now_s=0) == Cached(written_5m=600)
    assert cache.look_up("a", long, least=512, now_s=0) == Cached(written_1h=700)
    assert cache.look_up("a", short, least=512, now_s=299) == Cached(read=600)
    assert cache.look_up("a", short, least=512, now_s=299 + 299) == Cached(read=600)
    assert cache.look_up("a", short, least=512, now_s=299 + 299 + 300) == Cached(written_5m=600)
    assert cache.look_up("a", long, least=512, now_s=3_599) == Cached(read=700)
    assert cache.look_up("a", long, least=512, now_s=3_599 + 3_600) == Cached(written_1h=700)


def test_only_twenty_blocks_before_a_mark_are_looked_at() -> None:
    start = blocks(600, marks="5")
    for more, read in ((20, 600), (21, 0)):
        cache = BlockCache()
        cache.look_up("a", start, least=512, now_s=0)
        start[0].ttl = None
        again = [*start, *(Block([f"m{place}"]) for place in range(more))]
        again[-1].ttl = "5m"
        assert cache.look_up("a", again, least=512, now_s=1).read == read
        start[0].ttl = "5m"


def test_the_oldest_prefixes_leave_first() -> None:
    cache = BlockCache(entries_max=2)
    prompts = [[Block([name] * 600, "5m")] for name in "abc"]
    for prompt in prompts:
        cache.look_up("s", prompt, least=512, now_s=0)
    assert cache.look_up("s", prompts[2], least=512, now_s=0).read == 600
    assert cache.look_up("s", prompts[0], least=512, now_s=0).read == 0
