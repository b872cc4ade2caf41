"""The bill: what many calls cost adds up, pages do not lose records, the file survives, and the costs API agrees."""

from __future__ import annotations

import asyncio
import json
import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from simulator_calls import KEY, WITH_USAGE, Wire, asking

from tollkeeper_simulator import Settings, Simulator

# The test's own prices, in USD per million tokens: input, cache read, cache write, output.
PRICES = {
    "gpt-4o": ("2.5", "1.25", "0", "10"),
    "gpt-4o-mini": ("0.15", "0.075", "0", "0.6"),
    "gpt-4.1-nano": ("0.1", "0.025", "0", "0.4"),
    "gpt-5-nano": ("0.05", "0.005", "0", "0.4"),
    "gpt-6-luna": ("0.1", "0.01", "0.125", "0.5"),
    "text-embedding-3-small": ("0.02", "0", "0", "0"),
}


def priced(model: str, usage: dict[str, Any]) -> int:
    """Return what this test thinks an answer with this usage costs, in nano-USD."""
    details = usage.get("prompt_tokens_details") or {}
    cached, written = details.get("cached_tokens", 0), details.get("cache_write_tokens", 0)
    quantities = (usage["prompt_tokens"] - cached - written, cached, written, usage.get("completion_tokens", 0))
    prices = map(Fraction, PRICES[model])
    return sum(round(quantity * price * 1_000) for quantity, price in zip(quantities, prices, strict=True))


def usage_in(body: bytes) -> dict[str, Any]:
    """Return the usage of a plain answer, or of the last chunk of a stream."""
    last = body.split(b"\n\n")[-3].removeprefix(b"data: ") if body.startswith(b"data: ") else body
    usage: dict[str, Any] = json.loads(last)["usage"]
    return usage


def mixed(chance: random.Random) -> tuple[str, dict[str, Any]]:
    model = chance.choice(list(PRICES))
    text = chance.choice(["short", "middle " * 200, "long " * 1_100, f"own {chance.random()} " * 200])
    if model.startswith("text-embedding"):
        return "/v1/embeddings", {"model": model, "input": [text] * chance.randint(1, 3), "dimensions": 8}
    body = asking(text, n=chance.choice([1, 1, 1, 2]), max_completion_tokens=chance.randint(1, 80)) | {"model": model}
    return "/v1/chat/completions", body | (WITH_USAGE if chance.random() < 0.4 else {})


async def test_two_thousand_mixed_calls_add_up(http: httpx.AsyncClient, simulator: Simulator) -> None:
    chance = random.Random(20_261_121)
    calls = [mixed(chance) for _ in range(2_000)]
    expected: dict[str, int] = {}

    async def worker() -> None:
        wire = await Wire.to(simulator)
        while calls:
            path, body = calls.pop()
            headers, answer = await wire.post(path, body)
            assert headers[":status"] == "200"
            expected[headers["x-request-id"]] = priced(body["model"], usage_in(answer))
        wire.close()

    await asyncio.gather(*(worker() for _ in range(32)))
    assert {record.request_id: record.amount_nano for record in simulator.bill.records} == expected
    bill = (await http.get("/_bill/summary")).json()
    assert bill["total_nano"] == sum(expected.values())
    assert bill["count"] == 2_000
    assert sum(each["amount_nano"] for each in bill["by_model"].values()) == bill["total_nano"]
    kinds = {line.dimension for record in simulator.bill.records for line in record.lines}
    assert kinds == {"input", "cache_read", "cache_write_30m", "output"}


async def test_a_record_says_all_about_its_call(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/chat/completions", json=asking(max_tokens=2))
    bill = (await http.get("/_bill")).json()
    (record,) = bill["requests"]
    usage = answer.json()["usage"]
    amounts = {line["dimension"]: line["amount_nano"] for line in record["lines"]}
    assert amounts == {"input": usage["prompt_tokens"] * 150, "output": 2 * 600}
    assert record["amount_nano"] == bill["total_nano"] == sum(amounts.values())
    assert record["request_id"] == answer.headers["x-request-id"]
    assert record["api_key_id"] == KEY[-6:]
    assert (record["path"], record["status"], record["complete"], record["usage_sent"]) == (
        "/v1/chat/completions", 200, True, True,
    )  # fmt: skip


async def test_paging_by_request_loses_nothing(http: httpx.AsyncClient) -> None:
    for _ in range(7):
        await http.post("/v1/chat/completions", json=asking())
    seen: list[str] = []
    more, query = True, ""
    while more:
        page = (await http.get(f"/_bill?limit=3{query}")).json()
        seen += [record["request_id"] for record in page["requests"]]
        more, query = page["has_more"], f"&since_request={seen[-1]}"
    everything = (await http.get("/_bill")).json()["requests"]
    assert seen == [record["request_id"] for record in everything]
    assert len(seen) == 7
    assert (await http.get("/_bill?since_request=req_none")).status_code == 404


async def test_a_reset_starts_at_nothing(http: httpx.AsyncClient, simulator: Simulator) -> None:
    await http.post("/v1/chat/completions", json=asking())
    await http.delete("/_bill")
    assert (await http.get("/_bill")).json()["requests"] == []
    assert simulator.bill.total_nano == 0


async def test_the_file_has_what_the_bill_has(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    async with Simulator(Settings(bill_file=path)) as simulator, httpx.AsyncClient(verify=False) as http:
        for more in ({}, WITH_USAGE, {"messages": 5}):
            headers = {"authorization": f"Bearer {KEY}"}
            await http.post(f"{simulator.base_url}/chat/completions", json=asking() | more, headers=headers)
            # It is there as soon as the caller has the answer, not only when the simulator ends.
            filed = [json.loads(line) for line in path.read_text().splitlines()]
            assert filed[-1]["request_id"] == simulator.bill.records[-1].request_id
        assert sum(record["amount_nano"] for record in filed) == simulator.bill.total_nano


# The usage and costs API


async def some_traffic(client: openai.AsyncOpenAI) -> None:
    other = client.with_options(api_key="sk-sim-second")
    for each in (client, other, other):
        await each.chat.completions.create(**asking("word " * 1_500))
        await each.chat.completions.create(**asking() | {"model": "gpt-5"}, service_tier="flex")
        await each.embeddings.create(model="text-embedding-3-small", input="hello you")
    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(**asking("[[sim:status=503]]"))


@pytest.fixture
async def admin(simulator: Simulator) -> openai.AsyncOpenAI:
    transport = openai.DefaultAsyncHttpxClient(verify=False)
    return openai.AsyncOpenAI(
        base_url=simulator.base_url, api_key=None, admin_api_key="sk-admin-1", http_client=transport
    )


async def costs(http: httpx.AsyncClient, query: str) -> tuple[list[dict[str, Any]], Decimal]:
    """Return all results, and their exact sum in USD."""
    answer = await http.get(f"/v1/organization/costs?{query}")
    assert answer.status_code == 200
    page = json.loads(answer.text, parse_float=Decimal)
    results = [result for bucket in page["data"] for result in bucket["results"]]
    return results, sum((Decimal(result["amount"]["value"]) for result in results), Decimal(0))


def start_of(simulator: Simulator) -> int:
    return simulator.bill.records[0].time


@pytest.mark.parametrize("groups", ["", "line_item", "api_key_id", "project_id", "line_item,api_key_id"])
async def test_costs_are_the_bill_to_the_last_nano(
    http: httpx.AsyncClient, client: openai.AsyncOpenAI, simulator: Simulator, groups: str
) -> None:
    await some_traffic(client)
    grouping = "".join(f"&group_by[]={name}" for name in groups.split(",") if name)
    results, total = await costs(http, f"start_time={start_of(simulator)}{grouping}")
    assert total == Decimal(simulator.bill.total_nano).scaleb(-9)
    if "line_item" in groups:
        assert sum(result["quantity"] for result in results) == sum(
            line.quantity for record in simulator.bill.records for line in record.lines
        )
        assert "gpt-4o-mini-2024-07-18, input_tokens" in {result["line_item"] for result in results}
    else:
        assert all(result["quantity"] is None for result in results)


async def test_costs_can_be_filtered(http: httpx.AsyncClient, client: openai.AsyncOpenAI, simulator: Simulator) -> None:
    await some_traffic(client)
    start = start_of(simulator)
    _, everything = await costs(http, f"start_time={start}")
    _, first = await costs(http, f"start_time={start}&api_key_ids[]={KEY[-6:]}")
    _, second = await costs(http, f"start_time={start}&api_key_ids=second")
    assert first + second == everything
    assert second > first > 0
    item = "text-embedding-3-small, input_tokens"
    results, total = await costs(http, f"start_time={start}&line_items[]={item}&group_by=line_item")
    assert [result["line_item"] for result in results] == [item]
    assert total == Decimal(6 * 20).scaleb(-9)


async def test_the_official_client_reads_costs(
    admin: openai.AsyncOpenAI, client: openai.AsyncOpenAI, simulator: Simulator
) -> None:
    await some_traffic(client)
    page: Any = await admin.admin.organization.usage.costs(start_time=start_of(simulator), group_by=["line_item"])
    amounts = [result.amount.value for bucket in page.data for result in bucket.results if result.amount]
    assert round(sum(amounts) * 10**9) == simulator.bill.total_nano
    await admin.close()


async def test_the_official_client_reads_usage(
    admin: openai.AsyncOpenAI, client: openai.AsyncOpenAI, simulator: Simulator
) -> None:
    await some_traffic(client)
    usage = admin.admin.organization.usage
    start = start_of(simulator)
    page: Any = await usage.completions(start_time=start, bucket_width="1m", group_by=["model", "service_tier"])
    found = {(result.model, result.service_tier): result for bucket in page.data for result in bucket.results}
    chats = [record for record in simulator.bill.records if record.lines and record.path.endswith("chat/completions")]
    assert set(found) == {("gpt-4o-mini-2024-07-18", "default"), ("gpt-5-2025-08-07", "flex")}
    assert sum(each.input_tokens for each in found.values()) == sum(each.usage.input_tokens for each in chats)
    assert sum(each.output_tokens for each in found.values()) == sum(each.usage.output_tokens for each in chats)
    mini = found["gpt-4o-mini-2024-07-18", "default"]
    assert mini.num_model_requests == 3
    assert mini.input_cached_tokens == sum(each.usage.cached_tokens for each in chats) > 0
    embedded: Any = await usage.embeddings(start_time=start, bucket_width="1h")
    assert [result.input_tokens for bucket in embedded.data for result in bucket.results] == [6]
    await admin.close()


async def test_buckets_are_paged_and_empty_ones_listed(http: httpx.AsyncClient) -> None:
    await http.post("/v1/chat/completions", json=asking())
    moment = (await http.get("/_bill")).json()["requests"][0]["time"]
    query = f"start_time={moment - 300}&end_time={moment + 60}&bucket_width=1m&limit=4"
    buckets: list[dict[str, Any]] = []
    page = (await http.get(f"/v1/organization/usage/completions?{query}")).json()
    buckets += page["data"]
    assert page["has_more"] is True
    page = (await http.get(f"/v1/organization/usage/completions?{query}&page={page['next_page']}")).json()
    buckets += page["data"]
    assert (page["has_more"], page["next_page"]) == (False, None)
    starts = [bucket["start_time"] for bucket in buckets]
    assert starts == list(range(starts[0], starts[0] + 60 * len(starts), 60))
    assert [len(bucket["results"]) for bucket in buckets].count(1) == 1
    assert starts[0] <= moment - 300


@pytest.mark.parametrize(
    "query",
    ["", "start_time=x", "start_time=1&bucket_width=1h", "start_time=1&limit=181", "start_time=1&group_by=colour",
     "start_time=1&page=soon"],
)  # fmt: skip
async def test_wrong_costs_queries_are_refused(http: httpx.AsyncClient, query: str) -> None:
    assert (await http.get(f"/v1/organization/costs?{query}")).status_code == 400


async def test_amounts_can_be_text_as_the_live_api_sends_them() -> None:
    async with Simulator(Settings(costs_as_text=True)) as simulator, httpx.AsyncClient(verify=False) as http:
        headers = {"authorization": f"Bearer {KEY}"}
        await http.post(f"{simulator.base_url}/chat/completions", json=asking(max_tokens=1), headers=headers)
        start = simulator.bill.records[0].time
        page = (await http.get(f"{simulator.base_url}/organization/costs?start_time={start}", headers=headers)).json()
    value = page["data"][0]["results"][0]["amount"]["value"]
    assert isinstance(value, str)
    assert Decimal(value) == Decimal(simulator.bill.total_nano).scaleb(-9)
