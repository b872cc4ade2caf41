"""A model behind several deployments: the next one serves when the first does not, and only what was served is charged."""

from __future__ import annotations

import json

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

from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.errors import FaultKind, UpstreamFault
from tollkeeper.domain.usage import CostState, Outcome, Try

SECOND = Deployment(ANTHROPIC, "claude-fake")
FIRST = Deployment(OPENAI, "gpt-first")


def gateway_of(*deployments: Deployment) -> FakeGateway:
    return FakeGateway(routes=[Route(MODEL, deployments)])


def refuse(gateway: FakeGateway, status: int) -> None:
    gateway.will_answer({"error": {"message": "no", "type": "server_error"}}, status)


def fail(gateway: FakeGateway, kind: FaultKind, *, sent: bool) -> None:
    gateway.upstream.scripts.append(Script(before=[UpstreamFault(kind, "no", sent=sent)]))


@pytest.mark.parametrize("status", [401, 402, 403, 408, 429, 500, 502, 503, 504, 529])
async def test_the_next_deployment_serves_when_the_first_cannot(status: int) -> None:
    gateway = gateway_of(FIRST, SECOND)
    refuse(gateway, status)
    gateway.will_answer(claude.answer(usage=claude.USAGE, stop_reason="end_turn"))
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, client.headers["x-tollkeeper-tries"]) == (200, "2")
    assert json.loads(gateway.upstream.requests[1].body)["model"] == "claude-fake"
    record = gateway.ledger.only
    assert (record.provider, record.amount_nanos, record.outcome) == ("anthropic", claude.COST_NANOS, Outcome.COMPLETE)
    assert record.tries == (Try("openai", "gpt-first", status),)


@pytest.mark.parametrize("kind", ["connect", "connect_timeout", "tls"])
async def test_a_provider_that_was_never_reached_is_passed_over(kind: FaultKind) -> None:
    gateway = gateway_of(FIRST, SECOND)
    fail(gateway, kind, sent=False)
    gateway.will_answer(claude.answer(usage=claude.USAGE, stop_reason="end_turn"))
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert client.status == 200
    assert gateway.ledger.only.tries == (Try("openai", "gpt-first", 0, kind),)


async def test_what_may_have_been_billed_is_not_tried_again() -> None:
    gateway = gateway_of(FIRST, SECOND)
    fail(gateway, "first_byte_timeout", sent=True)
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, len(gateway.upstream.requests)) == (504, 1)
    assert gateway.ledger.only.cost_state is CostState.ESTIMATED


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_the_calls_own_fault_stays_with_the_first(status: int) -> None:
    gateway = gateway_of(FIRST, SECOND)
    refuse(gateway, status)
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, len(gateway.upstream.requests)) == (status, 1)


async def test_a_stream_is_taken_over_before_its_first_byte_and_never_after() -> None:
    gateway = gateway_of(SECOND, FIRST)
    refuse(gateway, 529)
    gateway.will_stream(chunk("four "), USAGE_CHUNK, DONE)
    client = await gateway.call(chat(stream=True, max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, client.headers["x-tollkeeper-tries"]) == (200, "2")
    assert b"four" in client.body
    broken = gateway_of(FIRST, SECOND)
    broken.will_stream(chunk("four "), UpstreamFault("closed", "gone", sent=True))
    client = await broken.call(chat(stream=True, max_tokens=9), key=UNLIMITED_KEY)
    assert len(broken.upstream.requests) == 1
    assert b'"error"' in client.body


async def test_the_last_refusal_is_the_clients_when_none_can_serve() -> None:
    gateway = gateway_of(FIRST, Deployment(OPENAI, "gpt-second"))
    refuse(gateway, 500)
    refuse(gateway, 503)
    client = await gateway.call(chat(max_tokens=9), key=GOOD_KEY)
    assert client.status == 503
    record = gateway.ledger.only
    assert (record.cost_state, len(record.tries)) == (CostState.UNBILLED, 1)
    assert gateway.budgets.open == 0


async def test_a_deployment_that_cannot_be_asked_for_this_is_passed_over() -> None:
    gateway = gateway_of(FIRST, SECOND, Deployment(OPENAI, "gpt-third"))
    refuse(gateway, 500)
    gateway.will_answer(answer())
    client = await gateway.call(chat(n=2, max_tokens=9), key=UNLIMITED_KEY)  # which Anthropic has not
    assert client.status == 200
    assert json.loads(gateway.upstream.requests[1].body)["model"] == "gpt-third"


async def test_what_the_provider_itself_said_decides_not_its_translation() -> None:
    gateway = gateway_of(SECOND, FIRST)
    busy = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    gateway.will_answer(busy, 529)
    gateway.will_answer(answer())
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert client.status == 200
    assert gateway.ledger.only.tries == (Try("anthropic", "claude-fake", 529),)
