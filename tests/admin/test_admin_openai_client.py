"""The official openai client reads usage and costs from a live server as it reads OpenAI's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from admin_factories import DAY_S, START_S, Acme, serving
from fastapi import FastAPI
from openai import AuthenticationError, BadRequestError, OpenAI, PermissionDeniedError

END_S = START_S + 10 * DAY_S
RANGE = {"start_time": START_S, "end_time": END_S}


def all_results(method: Any, *, limit: int = 3, **query: Any) -> list[Any]:
    """Follow the pages to their end, as a program of the provider's would."""
    results: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = method(**RANGE, limit=limit, **query, **cursor)
        results += [result for bucket in page.data for result in bucket.results]
        if not page.has_more:
            return results
        cursor = {"page": page.next_page}


async def test_the_official_client_reads_costs_and_usage(app: FastAPI, acme: Acme) -> None:
    async with serving(app) as base_url:
        await asyncio.to_thread(_read, base_url, acme)


def _read(base_url: str, acme: Acme) -> None:
    with OpenAI(admin_api_key=acme.admin.key, api_key="unused", base_url=base_url, max_retries=0) as client:
        usage = client.admin.organization.usage
        costs = all_results(usage.costs, group_by=["project_id", "line_item"])
        for project in acme.projects:
            expected = sum(record.amount_nanos or 0 for record in acme.records if record.project_id == project)
            shown = [c for c in costs if c.project_id == project and c.amount is not None]
            # the client makes floats of the amounts, each off by less than a nano-dollar here
            assert sum(round(each.amount.value * 10**9) for each in shown) == expected > 0
        assert {each.object for each in costs} == {"organization.costs.result"}
        assert sum(getattr(each, "unpriced_requests", 0) for each in costs) == sum(
            record.amount_nanos is None for record in acme.records
        )

        completions = all_results(usage.completions, group_by=["model"], models=["gpt-4o"], batch=False)
        wanted = [
            record for record in acme.records if record.model_served == "gpt-4o" and record.service_tier != "batch"
        ]
        assert sum(each.num_model_requests for each in completions) == len(wanted) > 0
        assert sum(each.output_tokens for each in completions) == sum(
            record.quantities.get("output", 0) + record.quantities.get("output_audio", 0) for record in wanted
        )

        embeddings = all_results(usage.embeddings, project_ids=[acme.projects[0]], bucket_width="1h", limit=100)
        assert sum(each.input_tokens for each in embeddings) == sum(
            record.quantities.get("input", 0)
            for record in acme.records
            if record.operation == "embeddings" and record.project_id == acme.projects[0]
        )

        with pytest.raises(BadRequestError) as refused:
            usage.costs(start_time=START_S, limit=181)
        assert refused.value.param == "limit"
    with (
        OpenAI(admin_api_key=acme.keys[0].key, api_key="unused", base_url=base_url, max_retries=0) as client,
        pytest.raises(PermissionDeniedError, match="billing:read"),
    ):
        client.admin.organization.usage.costs(start_time=START_S)
    with (
        OpenAI(admin_api_key="sk-admin-other", api_key="unused", base_url=base_url, max_retries=0) as client,
        pytest.raises(AuthenticationError),
    ):
        client.admin.organization.usage.costs(start_time=START_S)
