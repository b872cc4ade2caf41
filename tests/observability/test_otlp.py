"""Traces become OpenTelemetry's spans in the words of its GenAI conventions, and reach a real collector over HTTP."""

from __future__ import annotations

import msgspec
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from tests.fakes.gateway import (
    ANTHROPIC,
    DONE,
    MODEL,
    OPENAI,
    PROVIDER_KEY,
    UNLIMITED_KEY,
    USAGE_CHUNK,
    FakeGateway,
    answer,
    chat,
    chunk,
)
from tests.gateway import test_anthropic_route as claude
from tests.observability.otlp_sink import attributes_of, running_sink
from tests.observability.test_call_traces import PARENT, STEPS, traced

from tollkeeper.domain.deployment import Deployment, ProviderKind, Route
from tollkeeper.gateway.wire.call import PERMISSIONS
from tollkeeper.observability.call_trace import CallTrace
from tollkeeper.observability.otlp import OPERATIONS, PROVIDERS, Otlp

SPOKEN = "one two three"
OF_THE_CONVENTIONS = {
    "operation.name", "provider.name", "request.model", "request.stream", "response.model", "response.time_to_first_chunk",
    "usage.input_tokens", "usage.output_tokens", "usage.cache_read.input_tokens", "usage.cache_write.input_tokens",
    "usage.audio.input_tokens", "usage.audio.cache_read.input_tokens", "usage.audio.output_tokens",
    "usage.image.input_tokens", "usage.image.cache_read.input_tokens", "usage.image.output_tokens",
    "usage.reasoning.output_tokens",
}  # fmt: skip
"""Those of the attributes `gen_ai.*` in docs/gen-ai/client-inference.md that a gateway knows without reading what is said:
github.com/open-telemetry/semantic-conventions-genai, read 2026-11-23."""
OPERATIONS_OF_THE_CONVENTIONS = {"chat", "embeddings", "generate_content", "text_completion"}
PROVIDERS_OF_THE_CONVENTIONS = {"anthropic", "deepseek", "gcp.gemini", "openai", "x_ai"}


async def traces_of(gateway: FakeGateway, traces: list[CallTrace], **options: object) -> list[CallTrace]:
    await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY, **options)
    return traces


def otlp(url: str = "http://127.0.0.1:9/v1/traces") -> Otlp:
    return Otlp(url, {"authorization": "Bearer collector"}, service_name="ai", instance="replica-0")


async def test_a_call_is_a_span_with_a_span_for_each_try() -> None:
    gateway, traces = traced(
        routes=(Route(MODEL, (Deployment(OPENAI, "gpt-first"), Deployment(ANTHROPIC, "claude-fake"))),)
    )
    gateway.will_answer({"error": {"message": "no"}}, 503)
    gateway.will_answer(claude.answer(usage=claude.USAGE, stop_reason="end_turn"))
    await traces_of(gateway, traces, headers={"traceparent": PARENT})
    whole, lost, served = otlp().spans_of(traces[0])
    record = gateway.ledger.only
    assert whole.kind is SpanKind.SERVER
    assert whole.name == f"chat {MODEL}"
    assert whole.parent is not None
    assert (f"{whole.parent.trace_id:032x}", f"{whole.parent.span_id:016x}") == (PARENT[3:35], PARENT[36:52])
    assert whole.parent.is_remote
    assert [event.name for event in whole.events if event.name != "forward"] == [s for s in STEPS if s != "forward"]
    assert whole.attributes is not None
    assert whole.attributes["tollkeeper.request_id"] == f"req_{record.call_id.hex()}"
    assert whole.attributes["http.response.status_code"] == 200
    assert whole.attributes["tollkeeper.tries"] == 2
    for tried in (lost, served):
        assert tried.kind is SpanKind.CLIENT
        assert tried.parent is not None
        assert tried.parent.span_id == whole.context.span_id
        assert tried.context.trace_id == whole.context.trace_id
        assert whole.start_time <= tried.start_time <= tried.end_time <= whole.end_time
    assert lost.attributes is not None
    assert (lost.name, lost.attributes["error.type"], lost.status.status_code) == (
        "chat gpt-first",
        "503",
        StatusCode.ERROR,
    )
    assert served.attributes is not None
    assert served.attributes["gen_ai.provider.name"] == "anthropic"
    assert served.attributes["gen_ai.request.model"] == "claude-fake"
    assert served.attributes["gen_ai.response.model"] == record.model_served
    assert served.attributes["tollkeeper.cost_nanos"] == record.amount_nanos
    inputs = sum(n for name, n in record.quantities.items() if name != "output")
    assert served.attributes["gen_ai.usage.input_tokens"] == inputs
    assert served.attributes["gen_ai.usage.output_tokens"] == record.quantities["output"]
    assert served.status.status_code is StatusCode.UNSET


async def test_a_stream_tells_when_its_first_byte_came() -> None:
    gateway, traces = traced()
    gateway.will_stream(chunk("four"), USAGE_CHUNK, DONE)
    await gateway.call(chat(stream=True))
    _, served = otlp().spans_of(traces[0])
    assert served.attributes is not None
    assert served.attributes["gen_ai.request.stream"] is True
    assert 0 < served.attributes["gen_ai.response.time_to_first_chunk"] < gateway.ledger.only.latency_us / 1_000_000


async def test_a_streams_first_chunk_is_timed_from_its_own_try() -> None:
    gateway, traces = traced(
        routes=(Route(MODEL, (Deployment(OPENAI, "gpt-first"), Deployment(OPENAI, "gpt-second"))),)
    )
    gateway.will_answer({"error": {"message": "no"}}, 503)
    gateway.will_stream(chunk("four"), USAGE_CHUNK, DONE)
    await gateway.call(chat(stream=True), key=UNLIMITED_KEY)
    (trace,) = traces
    _, lost, served = otlp().spans_of(trace)
    assert lost.attributes is not None
    assert served.attributes is not None
    assert "gen_ai.response.time_to_first_chunk" not in lost.attributes
    first_chunk_ns = round(served.attributes["gen_ai.response.time_to_first_chunk"] * 1_000_000_000)
    assert 0 < first_chunk_ns < served.end_time - served.start_time
    assert trace.tries[1].started_ns + first_chunk_ns == trace.started_ns + gateway.ledger.only.first_byte_us * 1_000


async def test_tokens_of_each_kind_are_told_and_add_up() -> None:
    gateway, traces = traced()
    gateway.will_answer(answer())
    await gateway.call()
    (tried,) = traces[0].tries
    assert tried.record is not None
    quantities = {
        "input": 1, "cache_read": 2, "cache_write_5m": 4, "cache_write_1h": 8, "input_audio": 16, "cache_read_audio": 32,
        "input_image": 64, "cache_read_image": 128, "output": 3, "output_audio": 5, "output_image": 7, "web_search": 9,
    }  # fmt: skip
    tried.record = msgspec.structs.replace(tried.record, quantities=quantities, reasoning_tokens=2)
    _, served = otlp().spans_of(traces[0])
    assert served.attributes is not None
    prefix = "gen_ai.usage."
    assert {name.removeprefix(prefix): n for name, n in served.attributes.items() if name.startswith(prefix)} == {
        "input_tokens": 255,
        "cache_read.input_tokens": 162,
        "cache_write.input_tokens": 12,
        "audio.input_tokens": 48,
        "audio.cache_read.input_tokens": 32,
        "image.input_tokens": 192,
        "image.cache_read.input_tokens": 128,
        "output_tokens": 15,
        "audio.output_tokens": 5,
        "image.output_tokens": 7,
        "reasoning.output_tokens": 2,
    }
    told = {name.removeprefix("gen_ai.") for name in served.attributes if name.startswith("gen_ai.")}
    only_of_streams = {"request.stream", "response.time_to_first_chunk"}
    assert told == OF_THE_CONVENTIONS - only_of_streams


async def test_an_unknown_cost_is_no_attribute() -> None:
    gateway, traces = traced()
    gateway.will_answer(answer(model="gpt-unpriced"))
    await gateway.call(chat(model="gpt-unpriced"), key=UNLIMITED_KEY)
    _, served = otlp().spans_of(traces[0])
    assert served.attributes is not None
    assert served.attributes["tollkeeper.cost_state"] == "unpriced"
    assert "tollkeeper.cost_nanos" not in served.attributes


async def test_a_refusal_is_a_span_alone() -> None:
    gateway, traces = traced()
    await gateway.call(chat(model="nowhere"))
    (whole,) = otlp().spans_of(traces[0])
    assert whole.name == "chat"
    assert whole.attributes is not None
    assert whole.attributes["error.type"] == "model_not_found"
    assert (
        whole.status.status_code is StatusCode.UNSET
    )  # the client's mistake, as the conventions of HTTP servers have it


async def test_spans_reach_a_collector_and_hold_nothing_that_was_said() -> None:
    gateway, traces = traced()
    gateway.will_answer(answer())
    await gateway.call(chat(user="somebody"), headers={"x-tollkeeper-labels": "feature=secret"})
    with running_sink() as sink:
        collector = otlp(sink.url)
        assert collector.export(traces) == ""
        collector.close()
        whole, served = sink.wait_for(2)
    assert sink.headers[0]["authorization"] == "Bearer collector"
    assert sink.resources[0]["service.name"] == "ai"
    assert sink.resources[0]["service.instance.id"] == "replica-0"
    assert whole.name == f"chat {MODEL}"
    assert [event.name for event in whole.events] == STEPS
    assert served.parent_span_id == whole.span_id
    assert attributes_of(served)["gen_ai.usage.output_tokens"] == 5
    for text in (SPOKEN, "four five", "somebody", "feature", "secret", PROVIDER_KEY, "sk-tk-"):
        assert text.encode() not in sink.raw[0]


@pytest.mark.parametrize("status", [400, 401])
async def test_a_collector_that_refuses_is_told_as_such(status: int) -> None:
    gateway, traces = traced()
    gateway.will_answer(answer())
    await gateway.call()
    with running_sink() as sink:
        sink.status = status
        collector = otlp(sink.url)
        assert str(status) in collector.export(traces)
        collector.close()


def test_every_operation_and_kind_of_provider_has_its_word() -> None:
    assert set(OPERATIONS) <= set(PERMISSIONS)
    assert set(PROVIDERS) == set(ProviderKind.__args__)  # type: ignore[attr-defined]


def test_words_are_those_of_the_conventions() -> None:
    assert set(OPERATIONS.values()) == OPERATIONS_OF_THE_CONVENTIONS
    assert set(PROVIDERS.values()) == PROVIDERS_OF_THE_CONVENTIONS | {"openai_compatible"}
