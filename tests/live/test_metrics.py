"""`/metrics` and traces of real processes: what was called is what is shown, by one worker and by two, and to nobody else."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from tests.live.processes import GatewayProcess, SimulatorProcess
from tests.live.raw_http import RawConnection
from tests.observability.otlp_sink import attributes_of, running_sink

from tollkeeper.observability.metric_list import METRICS

BODY = json.dumps(
    {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "an unmistakable sentence"}]}
).encode()
TOKEN = "a-token-of-some-length"
AS_PROMETHEUS_ASKS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(gateway: GatewayProcess, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"{gateway.origin}/metrics", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(text: str) -> Samples:
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def total(found: Samples, name: str, **labels: str) -> float:
    return sum(value for (each, at), value in found.items() if each == name and labels.items() <= dict(at).items())


async def call(gateway: GatewayProcess, count: int, *, key: str = "") -> list[int]:
    """Make calls, each on a connection of its own, so that every worker gets some."""
    statuses = []
    for _ in range(count):
        connection = RawConnection(gateway.port)
        statuses.append((await connection.post("/v1/chat/completions", BODY, key=key or gateway.key)).status)
        connection.drop()
    return statuses


async def until_shown(gateway: GatewayProcess, name: str, count: int) -> Samples:
    async with asyncio.timeout(30):
        while True:
            status, text = await asyncio.to_thread(scrape, gateway)
            assert status == 200, text
            found = samples(text)
            if total(found, name) >= count:
                return found
            await asyncio.sleep(0.1)


async def test_what_was_called_is_shown(tmp_path: Path, simulator: SimulatorProcess, new_database_url: str) -> None:
    gateway = GatewayProcess(tmp_path, simulator, new_database_url)
    gateway.env["PYTHONPROFILEIMPORTTIME"] = "1"
    gateway.start()
    assert await call(gateway, 5) == [200] * 5
    assert await call(gateway, 2, key="sk-tk-nonsense") == [401] * 2
    assert " prometheus_client\n" not in gateway.log, "not before the first scrape"
    found = await until_shown(gateway, "tollkeeper_journal_flushed_total", 5)
    assert total(found, "tollkeeper_calls_total", provider="openai", model="gpt-4o-mini", status="2xx") == 5
    assert total(found, "tollkeeper_call_duration_seconds_count") == 5
    assert total(found, "tollkeeper_overhead_seconds_bucket", le="+Inf") == 5
    assert total(found, "tollkeeper_tokens_total", **{"class": "input"}) > 0
    assert total(found, "tollkeeper_cost_usd_total", state="computed") > 0
    assert total(found, "tollkeeper_refusals_total", reason="invalid_api_key", status="401") == 2
    assert total(found, "tollkeeper_database_up") == 1
    assert total(found, "tollkeeper_journal_admitting") == 1
    assert total(found, "tollkeeper_journal_backlog_records") == 0
    assert total(found, "process_open_fds") > 0
    assert {dict(at)["name"] for (name, at) in found if name == "tollkeeper_job_failures_total"} >= {
        "prune",
        "settle_credits",
    }
    assert not any("worker" in dict(at) for _, at in found)
    _, text = scrape(gateway)
    assert [metric.name for metric in METRICS if f"# TYPE {metric.name} " not in text] == []
    status, text = scrape(gateway, accept=AS_PROMETHEUS_ASKS)
    assert status == 200
    assert {"tollkeeper_calls", "process_cpu_seconds"} <= {family.name for family in parse_openmetrics(text)}
    assert " opentelemetry\n" not in gateway.log, "tracing is off"
    assert " fastapi\n" not in gateway.log, "a scrape needs no administration"
    assert gateway.stop() == 0


async def test_one_worker_answers_for_all(tmp_path: Path, simulator: SimulatorProcess) -> None:
    gateway = GatewayProcess(tmp_path, simulator, f"sqlite:///{tmp_path / 'tollkeeper.db'}")
    gateway.config.write_text(gateway.config.read_text().replace("[server]\n", "[server]\nworkers = 2\n"))
    gateway.start()
    assert await call(gateway, 20) == [200] * 20
    await until_shown(gateway, "tollkeeper_build_info", 2)
    found = await until_shown(gateway, "tollkeeper_calls_total", 20)
    assert total(found, "tollkeeper_calls_total") == 20
    assert {dict(at)["worker"] for _, at in found} == {"0", "1"}
    assert total(found, "tollkeeper_build_info") == 2
    assert gateway.stop() == 0


@pytest.mark.parametrize("role", ["control", "gateway"])
async def test_each_role_shows_what_it_has(tmp_path: Path, simulator: SimulatorProcess, role: str) -> None:
    gateway = GatewayProcess(tmp_path, simulator, f"sqlite:///{tmp_path / 'tollkeeper.db'}")
    gateway.config.write_text(gateway.config.read_text().replace("[server]\n", f'[server]\nrole = "{role}"\n'))
    gateway.start()
    status, text = scrape(gateway)
    assert status == 200
    named = {name for name, _ in samples(text)}
    assert ("tollkeeper_journal_admitting" in named) == (role == "gateway")
    assert ("tollkeeper_job_failures_total" in named) == (role == "control")
    assert {"tollkeeper_database_up", "process_resident_memory_bytes"} <= named
    assert gateway.stop() == 0


async def test_nobody_else_may_read(tmp_path: Path, simulator: SimulatorProcess) -> None:
    settings = '[metrics]\ntoken_env = "SCRAPER"\n'
    gateway = GatewayProcess(
        tmp_path, simulator, f"sqlite:///{tmp_path / 'tollkeeper.db'}", extra=settings, env={"SCRAPER": TOKEN}
    ).start()
    assert scrape(gateway)[0] == 200
    status, refused = scrape(gateway, **{"x-forwarded-for": "127.0.0.1"})
    assert (status, json.loads(refused)["error"]["code"]) == (404, "not_found")
    assert scrape(gateway, **{"x-forwarded-for": "198.51.100.7", "authorization": f"Bearer {TOKEN}"})[0] == 200
    assert scrape(gateway, **{"x-forwarded-for": "198.51.100.7", "authorization": "Bearer wrong"})[0] == 404
    assert gateway.stop() == 0
    assert TOKEN not in gateway.log


async def test_a_route_that_is_switched_off_is_not_there(tmp_path: Path, simulator: SimulatorProcess) -> None:
    gateway = GatewayProcess(
        tmp_path, simulator, f"sqlite:///{tmp_path / 'tollkeeper.db'}", extra="[metrics]\nenabled = false\n"
    ).start()
    assert scrape(gateway)[0] == 404
    assert gateway.stop() == 0


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_call_is_traced_to_a_real_collector(
    tmp_path: Path, simulator: SimulatorProcess, is_stream: bool
) -> None:
    with running_sink() as sink:
        settings = f'[tracing]\nenabled = true\nendpoint = "{sink.url}"\nheaders_env = "COLLECTOR"\n'
        gateway = GatewayProcess(
            tmp_path,
            simulator,
            f"sqlite:///{tmp_path / 'tollkeeper.db'}",
            extra=settings,
            env={"COLLECTOR": "authorization=Bearer collector-secret"},
        ).start()
        body = json.loads(BODY) | {"stream": is_stream}
        connection = RawConnection(gateway.port)
        reply = await connection.post("/v1/chat/completions", json.dumps(body).encode(), key=gateway.key)
        connection.drop()
        assert reply.status == 200
        whole, served = await asyncio.to_thread(sink.wait_for, 2)
        found = await until_shown(gateway, "tollkeeper_traces_total", 1)
        assert gateway.stop() == 0
    assert whole.name == served.name == "chat gpt-4o-mini"
    assert [event.name for event in whole.events][:1] == ["authenticate"]
    assert [event.name for event in whole.events][-1:] == ["settle"]
    assert served.parent_span_id == whole.span_id
    told = attributes_of(served)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "openai"
    assert told["gen_ai.usage.input_tokens"] > 0
    assert told["tollkeeper.cost_nanos"] > 0
    assert sink.headers[0]["authorization"] == "Bearer collector-secret"
    assert b"unmistakable" not in b"".join(sink.raw)
    assert total(found, "tollkeeper_traces_total", result="exported") == 1
    assert "collector-secret" not in gateway.log
