"""GET /v1/organization/usage/*: tokens and requests equal the known calls."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from admin_factories import DAY_S, HOUR_S, ONLY_SQLITE, START_S, Acme

from tollkeeper.admin.organization_schemas import CompletionsPage, EmbeddingsPage
from tollkeeper.control.usage import COMPLETION_OPERATIONS, EMBEDDING_OPERATIONS, OTHER_OPERATIONS
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.gateway.wire.parsing import ROUTES

COMPLETIONS, EMBEDDINGS = "/v1/organization/usage/completions", "/v1/organization/usage/embeddings"
END_S = START_S + 10 * DAY_S


async def ask(client: httpx.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """Return all results of ten days."""
    answer = await client.get(path, params={"start_time": START_S, "end_time": END_S, "limit": 31, **query})
    assert answer.status_code == 200, answer.text
    (CompletionsPage if path == COMPLETIONS else EmbeddingsPage).model_validate_json(answer.content)
    return [result for bucket in answer.json()["data"] for result in bucket["results"]]


def total(results: list[dict[str, Any]], name: str) -> int:
    return sum(result[name] for result in results)


def tokens(records: list[UsageRecord], *dimensions: str) -> int:
    return sum(record.quantities.get(dimension, 0) for record in records for dimension in dimensions)


def completions_of(acme: Acme) -> list[UsageRecord]:
    return [record for record in acme.records if record.operation != "embeddings"]


def test_every_operation_of_the_gateway_is_reported_somewhere() -> None:
    assert {*ROUTES.values()} == {*COMPLETION_OPERATIONS, *EMBEDDING_OPERATIONS, *OTHER_OPERATIONS}


async def test_completions_count_requests_and_every_kind_of_token(client: httpx.AsyncClient, acme: Acme) -> None:
    results, calls = await ask(client, COMPLETIONS), completions_of(acme)
    inputs = ("input", "cache_read", "cache_write_30m", "input_audio")
    assert total(results, "num_model_requests") == len(calls)
    assert total(results, "input_tokens") == tokens(calls, *inputs) > 0
    assert total(results, "input_cached_tokens") == tokens(calls, "cache_read") > 0
    assert total(results, "input_cache_write_tokens") == tokens(calls, "cache_write_30m") > 0
    assert total(results, "input_cache_write_30m_tokens") == tokens(calls, "cache_write_30m")
    assert total(results, "input_uncached_tokens") == tokens(calls, "input", "input_audio")
    assert total(results, "input_text_tokens") == tokens(calls, "input")
    assert total(results, "input_audio_tokens") == tokens(calls, "input_audio") > 0
    assert total(results, "output_tokens") == tokens(calls, "output", "output_audio") > 0
    assert total(results, "output_text_tokens") == tokens(calls, "output")
    assert total(results, "output_audio_tokens") == tokens(calls, "output_audio")
    for result in results:
        parts = ("input_uncached_tokens", "input_cached_tokens", "input_cache_write_tokens")
        assert result["input_tokens"] == sum(result[part] for part in parts)


async def test_embeddings_are_counted_apart(client: httpx.AsyncClient, acme: Acme) -> None:
    calls = [record for record in acme.records if record.operation == "embeddings"]
    results = await ask(client, EMBEDDINGS, group_by="model")
    assert total(results, "num_model_requests") == len(calls) > 0
    assert total(results, "input_tokens") == tokens(calls, "input")
    assert {result["model"] for result in results} == {"text-embedding-3-small"}


@pytest.mark.parametrize("form", ["group_by", "group_by[]"])
async def test_groups_are_the_calls_of_each_combination(client: httpx.AsyncClient, acme: Acme, form: str) -> None:
    results = await ask(client, COMPLETIONS, **{form: ["model", "api_key_id", "project_id", "service_tier"]})
    found: dict[tuple[str, ...], int] = {}
    for result in results:
        group = (result["model"], result["api_key_id"], result["project_id"], result["service_tier"])
        found[group] = found.get(group, 0) + result["num_model_requests"]
    expected: dict[tuple[str, ...], int] = {}
    for record in completions_of(acme):
        group = (record.model_served, record.api_key_id, record.project_id, record.service_tier)
        expected[group] = expected.get(group, 0) + 1
    assert found == expected


@ONLY_SQLITE
async def test_what_is_not_grouped_by_is_null(client: httpx.AsyncClient) -> None:
    results = await ask(client, COMPLETIONS)
    names = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source")
    assert {tuple(result[name] for name in names) for result in results} == {(None,) * len(names)}


async def test_batch_jobs_can_be_told_apart(client: httpx.AsyncClient, acme: Acme) -> None:
    batched = sum(record.service_tier == "batch" for record in completions_of(acme))
    rest = len(completions_of(acme)) - batched
    assert total(await ask(client, COMPLETIONS, batch="true"), "num_model_requests") == batched > 0
    assert total(await ask(client, COMPLETIONS, batch="false"), "num_model_requests") == rest > 0
    grouped = await ask(client, COMPLETIONS, group_by="batch")
    assert total([result for result in grouped if result["batch"] is True], "num_model_requests") == batched
    assert total([result for result in grouped if result["batch"] is False], "num_model_requests") == rest


async def test_filters_let_only_their_calls_in(client: httpx.AsyncClient, acme: Acme) -> None:
    for name, wanted, field in (
        ("models", ["gpt-4o", "mystery-1"], "model_served"),
        ("project_ids", [acme.projects[0]], "project_id"),
        ("api_key_ids[]", [acme.keys[1].record.id], "api_key_id"),
    ):
        results = await ask(client, COMPLETIONS, **{name: wanted})
        expected = sum(getattr(record, field) in wanted for record in completions_of(acme))
        assert total(results, "num_model_requests") == expected > 0
    assert await ask(client, COMPLETIONS, user_ids="user_1") == []  # nothing is a user's


async def test_hours_are_the_finest_buckets(client: httpx.AsyncClient, acme: Acme) -> None:
    query = {"start_time": START_S, "end_time": START_S + DAY_S, "bucket_width": "1h"}
    page = (await client.get(COMPLETIONS, params=query)).json()
    assert [bucket["start_time"] for bucket in page["data"]] == list(range(START_S, START_S + DAY_S, HOUR_S))
    for bucket in page["data"]:
        expected = sum(
            record.started_at_us // 1_000_000 // HOUR_S == bucket["start_time"] // HOUR_S
            for record in completions_of(acme)
        )
        assert total(bucket["results"], "num_model_requests") == expected


@ONLY_SQLITE
async def test_a_group_asked_for_twice_is_one_group(client: httpx.AsyncClient) -> None:
    assert await ask(client, COMPLETIONS, group_by=["model", "model"]) == await ask(
        client, COMPLETIONS, group_by="model"
    )
