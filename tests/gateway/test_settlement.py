"""One reservation, one settlement, whatever happens: answers with and without usage, errors, cancels at every point.

Method of the last tests: the call is cancelled after each possible number of steps of the event loop, once and twice, until
it runs through; the ledger's fake fails at once when a reservation ends twice, and is asked for open ones at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.fakes.asgi import FakeClient
from tests.fakes.gateway import DONE, PROVIDER_KEY, UNLIMITED_KEY, USAGE_CHUNK, FakeGateway, answer, chat, chunk

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway import pipeline


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


async def test_an_answer_passes_byte_for_byte_and_is_settled_before_its_client_has_it(gateway: FakeGateway) -> None:
    body = b'{ "model":"gpt-fake",  "usage":{"prompt_tokens":10,"completion_tokens":5},"future":[1,2] }'
    gateway.will_answer(body)
    client = await gateway.call()
    assert (client.status, client.body) == (200, body)
    assert Decimal(client.headers["x-tollkeeper-cost-usd"]) * 10**9 == 30
    assert (
        gateway.log.index("reserve")
        < gateway.log.index("open")
        < gateway.log.index("settle")
        < gateway.log.index("send")
    )
    record = gateway.ledger.only
    assert (record.amount_nanos, record.cost_state, record.outcome) == (30, "computed", "complete")
    assert record.quantities == {"input": 10, "output": 5}
    assert record.provider_request_id == "req_provider"
    assert client.headers["x-request-id"] == f"req_{record.call_id.hex()}"
    assert gateway.limiter.released == [15]


async def test_the_reservation_holds_at_least_what_the_call_costs(gateway: FakeGateway) -> None:
    gateway.will_answer(answer())
    await gateway.call(chat(max_tokens=5))
    (held,) = gateway.ledger.reservations.values()
    assert held.ceiling_nanos is not None
    assert held.ceiling_nanos >= 30


async def test_the_providers_key_goes_out_and_the_clients_does_not(gateway: FakeGateway) -> None:
    gateway.will_answer(answer())
    await gateway.call()
    head = gateway.upstream.requests[0].head
    assert PROVIDER_KEY.encode() in head
    assert b"sk-tk-" not in head


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503, 302])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_providers_error_passes_with_status_and_body_and_costs_nothing(
    gateway: FakeGateway, status: int, stream: bool
) -> None:
    body = b'{"error":{"message":"no","usage":{"prompt_tokens":99}}}'
    gateway.will_answer(body, status)
    client = await gateway.call(chat(stream=stream))
    assert (client.status, client.body) == (status, body)
    record = gateway.ledger.only
    assert (record.cost_state, record.amount_nanos, record.status) == ("unbilled", 0, status)
    assert record.outcome == "provider_error"
    assert "count" not in gateway.log


async def test_a_providers_error_that_shows_its_key_is_redacted(gateway: FakeGateway) -> None:
    gateway.will_answer(b'{"error":{"message":"bad key ' + PROVIDER_KEY.encode() + b'"}}', 401)
    assert PROVIDER_KEY.encode() not in (await gateway.call()).body


@pytest.mark.parametrize(
    "body", [answer(usage=None), b"<html>all well</html>", b'{"usage":{"prompt_tokens":"many"}}', b"{}"]
)
async def test_an_answer_without_usage_is_counted_and_marked_estimated(gateway: FakeGateway, body: Any) -> None:
    gateway.will_answer(body)
    client = await gateway.call()
    record = gateway.ledger.only
    assert client.status == 200
    assert (record.is_estimated, record.cost_state) == (True, "estimated")
    assert record.quantities["input"] == 3 + 3 * 2  # three words, and the framing of one message and of the answer
    assert record.amount_nanos
    assert "x-tollkeeper-cost-usd" in client.headers


async def test_an_unreadable_embeddings_answer_is_counted_by_its_input_alone(gateway: FakeGateway) -> None:
    gateway.will_answer(b'{"data":[{"embedding":[0.1,0.2 and')
    await gateway.call({"model": "gpt-fake", "input": ["one two", [1, 2, 3]]}, path="/v1/embeddings")
    record = gateway.ledger.only
    assert record.quantities == {"input": 5, "output": 0}
    assert (record.cost_state, record.amount_nanos) == ("estimated", 5)


async def test_an_explicit_zero_stays_zero_and_is_not_counted(gateway: FakeGateway) -> None:
    gateway.will_answer(answer(usage={"prompt_tokens": 0, "completion_tokens": 0}))
    await gateway.call()
    record = gateway.ledger.only
    assert (record.amount_nanos, record.cost_state, record.is_estimated) == (0, "computed", False)
    assert "count" not in gateway.log


async def test_a_model_without_a_price_is_unpriced_and_never_free(gateway: FakeGateway) -> None:
    gateway.will_answer(answer(model="gpt-unpriced"))
    client = await gateway.call(chat(model="gpt-unpriced"), key=UNLIMITED_KEY)
    record = gateway.ledger.only
    assert (record.cost_state, record.amount_nanos) == ("unpriced", None)
    assert "x-tollkeeper-cost-usd" not in client.headers
    assert next(iter(gateway.ledger.reservations.values())).ceiling_nanos is None


async def test_an_answer_larger_than_allowed_is_refused_and_counted(gateway: FakeGateway) -> None:
    gateway.will_answer(b"x" * 1_000_001)
    client = await gateway.call()
    assert client.status == 502
    assert gateway.ledger.only.is_estimated


async def test_a_counter_that_hangs_costs_the_client_nothing_but_time(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "COUNTING_S", 0.02)
    gateway.counter.hangs = True
    gateway.will_answer(answer(usage=None))
    client = await gateway.call()
    record = gateway.ledger.only
    assert (record.cost_state, record.amount_nanos) == ("unpriced", None)
    assert client.status == 200


async def test_a_bug_in_the_counter_still_settles(gateway: FakeGateway) -> None:
    gateway.counter.fails = True
    gateway.will_answer(answer(usage=None))
    await gateway.call()
    assert gateway.ledger.only.cost_state == "unpriced"


Prepare = Callable[[FakeGateway], FakeClient]


def _whole(gateway: FakeGateway) -> FakeClient:
    gateway.will_answer(answer())
    return gateway.client()


def _whole_counted(gateway: FakeGateway) -> FakeClient:
    gateway.will_answer(answer(usage=None))
    return gateway.client()


def _stream(gateway: FakeGateway) -> FakeClient:
    gateway.will_stream(chunk("four"), chunk("five"), USAGE_CHUNK, DONE)
    return gateway.client(chat(stream=True))


def _stream_counted(gateway: FakeGateway) -> FakeClient:
    gateway.will_stream(chunk("four"), chunk("five"), DONE)
    return gateway.client(chat(stream=True))


def _broken_stream(gateway: FakeGateway) -> FakeClient:
    gateway.will_stream(chunk("four"), UpstreamFault("closed", "gone", sent=True))
    return gateway.client(chat(stream=True))


def _left_stream(gateway: FakeGateway) -> FakeClient:
    gateway.will_stream(chunk("four"), chunk("five"), chunk("six"), USAGE_CHUNK, DONE)
    return gateway.client(chat(stream=True), leave_after=2)


def _safe_journal(gateway: FakeGateway) -> FakeClient:
    gateway.ledger.is_safe = True
    gateway.will_answer(answer())
    return gateway.client()


def _cold_budget(gateway: FakeGateway) -> FakeClient:
    gateway.budgets.is_cold = True
    return _safe_journal(gateway)


@pytest.mark.parametrize("cancels", [1, 2, 3])
@pytest.mark.parametrize(
    "prepare",
    [_whole, _whole_counted, _stream, _stream_counted, _broken_stream, _left_stream, _safe_journal, _cold_budget],
)
async def test_a_cancel_at_any_point_leaves_exactly_one_settlement(prepare: Prepare, cancels: int) -> None:
    cancelled_calls = 0
    for steps in range(200):
        gateway = FakeGateway()
        task = asyncio.ensure_future(gateway.handle(prepare(gateway)))
        for _ in range(steps):
            await asyncio.sleep(0)
        if task.done():
            break
        for _ in range(cancels):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([task])
        gateway.ledger.assert_balanced()
        assert gateway.limiter.held == 0
        assert gateway.budgets.open == 0
        assert gateway.app.in_flight == 0
        assert gateway.relay.drains == 0
        assert all(exchange.closed == 1 for exchange in gateway.upstream.exchanges)
        cancelled_calls += bool(gateway.ledger.records)
    else:
        pytest.fail("the call never ended by itself")
    assert cancelled_calls >= 3, "the cancels must have met the call under way"


async def test_a_call_cancelled_while_its_answer_is_awaited_counts_its_input(gateway: FakeGateway) -> None:
    never = asyncio.Event()
    gateway.will_answer(answer(), before=[never])
    task = asyncio.ensure_future(gateway.call())
    while "open" not in gateway.log:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    record = gateway.ledger.only
    assert (record.outcome, record.is_estimated) == ("broken", True)
    assert record.quantities["input"] == 9


async def test_labels_user_and_metadata_stand_in_the_record(gateway: FakeGateway) -> None:
    gateway.will_answer(answer())
    body = chat(user="u1", metadata={"team": "a", "number": 5, "feature": "from the body"})
    await gateway.call(body, headers={"x-tollkeeper-labels": "feature=search, purpose=eval"})
    record = gateway.ledger.only
    assert record.end_user == "u1"
    assert record.labels == {"team": "a", "feature": "search", "purpose": "eval"}


async def test_a_prefixed_model_reaches_the_provider_by_its_own_name(gateway: FakeGateway) -> None:
    gateway.will_answer(answer())
    await gateway.call(chat(model="openai/gpt-fake"))
    assert msgspec.json.decode(gateway.upstream.requests[0].body) == chat()
    assert gateway.ledger.only.model_asked == "openai/gpt-fake"
