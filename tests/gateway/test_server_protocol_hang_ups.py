"""A client that hangs up while its call is between two tries: nobody else is asked, and nothing more is billed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from served import Served, post, serve_fakes
from tests.fakes.gateway import MODEL, OPENAI, FakeGateway, answer
from tests.fakes.upstream import JSON, Script, Step

from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.usage import CostState, Outcome
from tollkeeper.gateway.server_protocol import ServerProtocol

FIRST, SECOND = Deployment(OPENAI, "gpt-first"), Deployment(OPENAI, "gpt-second")
LOST = UpstreamFault("closed", "gone", sent=True)


def gateway_of(*deployments: Deployment, provider_wait_us: int = 0) -> FakeGateway:
    return FakeGateway(routes=[Route(MODEL, deployments)], provider_wait_us=provider_wait_us)


@asynccontextmanager
async def left_alone(gateway: FakeGateway, until: str) -> AsyncIterator[Served]:
    """Serve one call whose client hangs up once the log has `until`; then end, when the call has."""
    async with asyncio.timeout(10), serve_fakes(gateway) as served:
        async with served.connect() as (_, writer):
            writer.write(post())
            while until not in gateway.log:
                await asyncio.sleep(0.001)
        while ServerProtocol.open_connections:
            await asyncio.sleep(0.001)
        yield served
        while gateway.app.in_flight:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("status", [0, 429, 500])
async def test_after_a_try_that_failed_nobody_else_is_asked(status: int) -> None:
    gateway, gate = gateway_of(FIRST, SECOND), asyncio.Event()
    failing: list[Step] = [gate] if status else [gate, UpstreamFault("connect", "no", sent=False)]
    gateway.upstream.scripts.append(Script(status, before=failing))
    async with left_alone(gateway, "open"):
        gate.set()
    assert len(gateway.upstream.requests) == 1
    record = gateway.ledger.only
    assert (record.outcome, record.cost_state, record.status) == (Outcome.CLIENT_GONE, CostState.UNBILLED, status)
    assert (record.model_served, record.tries) == ("gpt-first", ())
    assert (gateway.budgets.held[0].came_to, gateway.limiter.held) == ((0, 0), 0)


async def test_a_refusal_that_nobody_could_mend_stays_the_providers() -> None:
    gateway, gate = gateway_of(FIRST), asyncio.Event()
    gateway.upstream.scripts.append(Script(500, before=[gate]))
    async with left_alone(gateway, "open"):
        gate.set()
    assert gateway.ledger.only.outcome is Outcome.PROVIDER_ERROR


async def test_after_the_wait_that_a_deployment_asked_for_it_is_not_asked_again() -> None:
    gateway = gateway_of(FIRST, provider_wait_us=600_000)
    gateway.upstream.scripts.append(Script(429, headers=(JSON, (b"retry-after-ms", b"20"))))
    async with left_alone(gateway, "close"):
        assert gateway.app.in_flight, "the client left while the call waits"
    assert len(gateway.upstream.requests) == 1
    record = gateway.ledger.only
    assert (record.outcome, record.cost_state, record.status) == (Outcome.CLIENT_GONE, CostState.UNBILLED, 429)
    assert gateway.budgets.open == 0


async def test_after_a_lost_try_that_one_keeps_its_record_and_no_other_has_any() -> None:
    gateway, gate = gateway_of(FIRST, SECOND), asyncio.Event()
    gateway.upstream.scripts.append(Script(before=[gate, LOST]))
    async with left_alone(gateway, "open"):
        gate.set()
    assert len(gateway.upstream.requests) == 1
    record = gateway.ledger.only
    assert (record.outcome, record.cost_state) == (Outcome.BROKEN, CostState.ESTIMATED)
    assert gateway.limiter.released == [sum(record.quantities.values())]
    assert gateway.budgets.open == 0


async def test_while_a_lost_try_is_counted_the_client_may_leave_as_well() -> None:
    gateway, gate = gateway_of(FIRST, SECOND), asyncio.Event()
    gateway.upstream.scripts.append(Script(before=[LOST]))
    gateway.will_answer(answer())
    count = gateway.counter.count

    async def count_late(model: str, texts: list[str]) -> list[int]:
        counts = await count(model, texts)
        await gate.wait()
        return counts

    gateway.counter.count = count_late  # type: ignore[method-assign]
    async with left_alone(gateway, "count"):
        gate.set()
    assert len(gateway.upstream.requests) == 1
    record = gateway.ledger.only
    assert (record.outcome, record.cost_state) == (Outcome.BROKEN, CostState.ESTIMATED)
    assert gateway.limiter.released == [sum(record.quantities.values())]
    assert gateway.budgets.open == 0
