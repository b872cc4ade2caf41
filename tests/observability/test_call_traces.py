"""A traced call tells when it took its steps and what became of its tries; an untraced one tells nothing."""

from __future__ import annotations

import pytest
from tests.fakes.gateway import (
    ANTHROPIC,
    DONE,
    GOOD_KEY,
    MODEL,
    OPENAI,
    UNLIMITED_KEY,
    USAGE_CHUNK,
    FakeGateway,
    answer,
    chat,
    chunk,
)
from tests.fakes.upstream import Script
from tests.gateway import test_anthropic_route as claude

from tollkeeper.bootstrap.observer import Observer
from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.errors import QuotaExceeded, UpstreamFault
from tollkeeper.observability.call_counts import CountedCalls
from tollkeeper.observability.call_trace import CallTrace, Parent, Tracer, current, read_traceparent
from tollkeeper.observability.label_names import LabelNames

STEPS = ["authenticate", "authorise", "limit", "route", "reserve", "forward", "meter", "settle"]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-2] + "00"


def traced(ratio: float = 1.0, *, routes: tuple[Route, ...] = ()) -> tuple[FakeGateway, list[CallTrace]]:
    traces: list[CallTrace] = []
    observer = Observer(CountedCalls(LabelNames()), None, Tracer(traces.append, ratio))
    return FakeGateway(observer=observer, routes=routes), traces


@pytest.mark.parametrize("key", [GOOD_KEY, UNLIMITED_KEY])
async def test_a_call_takes_its_steps_in_order(key: str) -> None:
    gateway, (traces) = traced()
    gateway.will_answer(answer())
    assert (await gateway.call(key=key)).status == 200
    (trace,) = traces
    assert [step for step, _ in trace.events] == STEPS
    times = [at_ns for _, at_ns in trace.events]
    assert times == sorted(times)
    assert trace.started_ns <= times[0] <= times[-1] <= trace.ended_ns
    assert (trace.status, trace.error, trace.operation, trace.dialect) == (200, "", "chat.completions", "openai")
    (tried,) = trace.tries
    assert (tried.deployment.model, tried.status, tried.error) == (MODEL, 200, "")
    assert tried.record is gateway.ledger.only
    assert trace.request_id == f"req_{gateway.ledger.only.call_id.hex()}"
    assert current.get() is None


async def test_a_stream_is_traced_to_its_end() -> None:
    gateway, traces = traced()
    gateway.will_stream(chunk("four"), USAGE_CHUNK, DONE)
    await gateway.call(chat(stream=True))
    (trace,) = traces
    assert [step for step, _ in trace.events] == STEPS
    assert trace.tries[0].is_stream
    assert trace.tries[0].ended_ns <= trace.ended_ns


@pytest.mark.parametrize(
    ("change", "key", "steps", "error"),
    [
        ({}, "sk-tk-nonsense", [], "invalid_api_key"),
        ({"model": "nowhere"}, GOOD_KEY, ["authenticate"], "model_not_found"),
    ],
)
async def test_a_refused_call_tells_how_far_it_came(
    change: dict[str, object], key: str, steps: list[str], error: str
) -> None:
    gateway, traces = traced()
    client = await gateway.call(chat(**change), key=key)
    (trace,) = traces
    assert [step for step, _ in trace.events] == steps
    assert (trace.status, trace.error, trace.tries) == (client.status, error, [])


async def test_a_call_beyond_its_budget_was_limited_and_routed_and_not_reserved() -> None:
    gateway, traces = traced()
    gateway.budgets.is_cold, gateway.budgets.refusal = True, QuotaExceeded("used up", scope="project")
    assert (await gateway.call()).status == 429
    (trace,) = traces
    assert [step for step, _ in trace.events] == STEPS[:4]
    assert trace.error == "insufficient_quota"


async def test_each_try_is_told_with_what_it_met_and_its_own_record() -> None:
    deployments = (
        Deployment(OPENAI, "gpt-first"),
        Deployment(OPENAI, "gpt-second"),
        Deployment(ANTHROPIC, "claude-fake"),
    )
    gateway, traces = traced(routes=(Route(MODEL, deployments),))
    gateway.will_answer({"error": {"message": "no"}}, 429)
    gateway.upstream.scripts.append(Script(before=[UpstreamFault("closed", "no", sent=True)]))
    gateway.will_answer(claude.answer(usage=claude.USAGE, stop_reason="end_turn"))
    assert (await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)).status == 200
    (trace,) = traces
    assert [(each.deployment.model, each.status, each.error) for each in trace.tries] == [
        ("gpt-first", 429, ""),
        ("gpt-second", 0, "closed"),
        ("claude-fake", 200, ""),
    ]
    lost, served = gateway.ledger.records.values()
    assert [each.record for each in trace.tries] == [None, lost, served]
    assert trace.request_id == f"req_{served.call_id.hex()}"


async def test_a_bug_of_ours_ends_the_trace_as_an_internal_error() -> None:
    gateway, traces = traced()
    gateway.limiter.refusal = RuntimeError("a bug")
    assert (await gateway.call()).status == 500
    assert [(trace.status, trace.error) for trace in traces] == [(500, "internal_error")]


@pytest.mark.parametrize(
    ("ratio", "traceparent", "is_traced"),
    [(1.0, "", True), (0.0, "", False), (0.0, PARENT, True), (1.0, UNSAMPLED, False), (0.0, "nonsense", False)],
)
async def test_the_clients_word_holds_and_else_the_ratio(ratio: float, traceparent: str, is_traced: bool) -> None:
    gateway, traces = traced(ratio)
    gateway.will_answer(answer())
    await gateway.call(headers={"traceparent": traceparent} if traceparent else {})
    assert len(traces) == int(is_traced)
    assert gateway.ledger.only.status == 200
    if traceparent == PARENT:
        assert traces[0].parent == Parent(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_sampled=True)
        assert traces[0].trace_id == 0x0AF7651916CD43DD8448EB211C80319C


async def test_an_untraced_call_leaves_nothing_in_the_next_one() -> None:
    gateway, traces = traced(0.0)
    for headers in ({"traceparent": PARENT}, {}):
        gateway.will_answer(answer())
        await gateway.call(headers=headers)
    (trace,) = traces
    assert len(trace.tries) == 1


def test_a_ratio_is_about_that_part_of_all_calls() -> None:
    tracer = Tracer(lambda _: None, 0.25)
    kept = [
        tracer.begin(b"", operation="messages", dialect="anthropic", started_us=0, started_ns=0) for _ in range(4000)
    ]
    current.set(None)
    assert 800 < sum(each is not None for each in kept) < 1200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        PARENT.upper(),
        PARENT + "-more",
        "ff" + PARENT[2:],
        PARENT.replace("b7ad6b7169203331", "0" * 16),
        PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        "0" + PARENT,
        PARENT * 1000,
    ],
)
def test_what_is_no_traceparent_is_no_parent(value: str) -> None:
    assert read_traceparent(value.encode()) is None


@pytest.mark.parametrize("value", [PARENT, f" {PARENT} ", "01" + PARENT[2:] + "-later", "cc" + PARENT[2:]])
def test_a_traceparent_of_this_or_a_later_version_is_read(value: str) -> None:
    found = read_traceparent(value.encode())
    assert found is not None
    assert found.span_id == 0xB7AD6B7169203331
