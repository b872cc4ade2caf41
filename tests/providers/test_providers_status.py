"""The command `providers status`: what all servers tell of the deployments that they call."""

from __future__ import annotations

import asyncio
import json

from typer.testing import CliRunner

from tollkeeper.cli.main import app
from tollkeeper.domain.deployment_health import HealthReport
from tollkeeper.kit import clock
from tollkeeper.store.deployment_health import StoreHealthReports
from tollkeeper.store.engine import Store


def run(url: str, *options: str) -> str:
    result = CliRunner().invoke(app, ["providers", "status", "--database", url, *options])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def tell(url: str, *reports: HealthReport) -> None:
    async def work() -> None:
        store = Store.open(url)
        try:
            await StoreHealthReports(store).exchange("one", reports)
        finally:
            await store.aclose()

    asyncio.run(work())


def test_it_shows_each_deployment_with_what_failed_last_and_how_long_it_is_left_alone(sqlite_url: str) -> None:
    assert "No deployment was called" in run(sqlite_url)
    now_us = clock.now_us()
    busy = HealthReport(
        "",
        "openai",
        "gpt",
        served=1_234,
        failures=2,
        rests_until_us=now_us + 60_000_000,
        failed_at_us=now_us,
        last_status=429,
    )
    tell(sqlite_url, busy, HealthReport("cred_1", "anthropic", "claude", served=5, failures=0))
    text = run(sqlite_url)
    assert "left alone until" in text
    assert "1,234" in text
    assert "in use" in text
    found = json.loads(run(sqlite_url, "--json"))["data"]
    assert [(each["provider"], each["provider_id"], each["served"], each["is_left_alone"]) for each in found] == [
        ("anthropic", "cred_1", 5, False),
        ("openai", None, 1_234, True),
    ]
    assert found[1]["last_failure"] == "429"
