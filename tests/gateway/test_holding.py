"""What a call holds of its budgets: all that it can come to, or what fits; ended once, with what the call came to."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.fakes.gateway import DONE, UNLIMITED_KEY, USAGE_CHUNK, FakeGateway, answer, chat, chunk
from tests.fakes.upstream import Script

from tollkeeper.domain.errors import LimitsUnavailable, QuotaExceeded, UpstreamFault
from tollkeeper.domain.lease import Draw

LEASE = b"l" * 16


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


async def test_a_call_holds_its_ceiling_and_settles_what_it_cost(gateway: FakeGateway) -> None:
    gateway.will_answer(answer())
    await gateway.call(chat(max_tokens=5))
    (held,) = gateway.budgets.held
    (reservation,) = gateway.ledger.reservations.values()
    record = gateway.ledger.only
    assert held.nanos == reservation.ceiling_nanos == record.reserved_nanos
    assert reservation.draws == (Draw(LEASE, held.nanos),)
    assert held.came_to == (record.amount_nanos, 15)
    assert record.draws == (Draw(LEASE, record.amount_nanos or 0),)
    assert held.nanos > (record.amount_nanos or 0) > 0


async def test_money_is_held_before_the_reservation_is_written_and_that_before_anything_goes_out(
    gateway: FakeGateway,
) -> None:
    gateway.will_answer(answer())
    await gateway.call()
    assert gateway.log.index("hold") < gateway.log.index("reserve") < gateway.log.index("open")


async def test_a_limit_is_asked_for_by_every_name_that_the_model_has(gateway: FakeGateway) -> None:
    gateway.will_answer(answer())
    await gateway.call(chat(model="openai/gpt-fake"))
    assert gateway.budgets.asked[0][0] == ("openai/gpt-fake", "gpt-fake", "openai/gpt-fake")


async def test_a_key_without_limits_holds_nothing(gateway: FakeGateway) -> None:
    gateway.will_answer(answer())
    await gateway.call(key=UNLIMITED_KEY)
    assert gateway.budgets.asked == []
    assert gateway.ledger.only.draws == ()


async def test_a_model_without_a_price_is_refused_under_a_budget(gateway: FakeGateway) -> None:
    client = await gateway.call(chat(model="gpt-unpriced"))
    error = msgspec.json.decode(client.body)["error"]
    assert (client.status, error["type"], error["code"]) == (429, "quota_exceeded", "price_unknown")
    assert client.headers["x-should-retry"] == "false"
    assert gateway.upstream.requests == []
    assert gateway.refusals.noted[0].code == "price_unknown"


async def test_a_refused_call_is_noted_and_leaves_nothing_held(gateway: FakeGateway) -> None:
    gateway.budgets.left = 0
    client = await gateway.call(chat(max_tokens=5))
    assert client.status == 429
    assert "retry-after" not in client.headers
    assert (gateway.budgets.open, gateway.ledger.reservations) == (0, {})
    (noted,) = gateway.refusals.noted
    assert (noted.status, noted.code, noted.model) == (429, "insufficient_quota", "gpt-fake")
    assert client.headers["x-request-id"] == f"req_{noted.call_id.hex()}"


async def test_a_full_journal_gives_back_what_was_held(gateway: FakeGateway) -> None:
    gateway.ledger.is_full = True
    client = await gateway.call()
    assert client.status == 503
    assert [held.is_released for held in gateway.budgets.held] == [True]


async def test_a_store_out_of_reach_is_not_told_as_an_exhausted_budget(gateway: FakeGateway) -> None:
    gateway.budgets.is_cold, gateway.budgets.refusal = True, LimitsUnavailable("The database is away.")
    client = await gateway.call()
    error = msgspec.json.decode(client.body)["error"]
    assert (client.status, error["code"]) == (503, "limits_unavailable")


async def test_a_call_that_the_provider_does_not_bill_settles_nothing_but_itself(gateway: FakeGateway) -> None:
    gateway.will_answer({"error": {"message": "no"}}, status=400)
    await gateway.call()
    assert gateway.budgets.held[0].came_to == (0, 0)


async def test_an_answer_whose_cost_nobody_knows_settles_what_was_held(gateway: FakeGateway) -> None:
    gateway.will_answer(answer(service_tier="unheard-of"))
    await gateway.call(chat(max_tokens=5))
    (held,) = gateway.budgets.held
    assert gateway.ledger.only.amount_nanos is None
    assert held.came_to is not None
    assert held.came_to[0] == held.nanos > 0


def assert_all_held_is_settled(gateway: FakeGateway) -> None:
    (held,) = gateway.budgets.held
    record = gateway.ledger.only
    assert held.came_to == (held.nanos, gateway.budgets.asked[0][1].tokens)
    assert record.draws == (Draw(LEASE, held.nanos),)
    assert record.is_estimated
    assert 0 < (record.amount_nanos or 0) < held.nanos, "the record keeps its estimate"


async def test_a_stream_that_breaks_off_settles_all_that_was_held(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("four words are here"), UpstreamFault("closed", "gone", sent=True))
    await gateway.call(chat(stream=True))
    assert_all_held_is_settled(gateway)


async def test_a_stream_that_ends_with_an_error_settles_all_that_was_held(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("four"), b'data: {"error":{"message":"overloaded"}}\n\n')
    await gateway.call(chat(stream=True))
    assert_all_held_is_settled(gateway)


async def test_a_client_that_hangs_up_beyond_the_drains_settles_all_that_was_held() -> None:
    gateway = FakeGateway(drains_max=0)
    gateway.will_stream(chunk("four"), chunk("five"), chunk("six"), USAGE_CHUNK, DONE)
    await gateway.call(chat(stream=True), leave_after=2)
    assert gateway.ledger.only.outcome == "client_gone"
    assert_all_held_is_settled(gateway)


async def test_a_provider_that_never_answers_in_time_settles_all_that_was_held(gateway: FakeGateway) -> None:
    fault = UpstreamFault("first_byte_timeout", "no answer in time", sent=True)
    gateway.upstream.scripts.append(Script(before=[fault]))
    await gateway.call(chat(max_tokens=500))
    assert gateway.ledger.only.status == 0
    assert_all_held_is_settled(gateway)


async def test_a_call_that_provably_was_not_sent_settles_nothing(gateway: FakeGateway) -> None:
    gateway.upstream.scripts.append(Script(before=[UpstreamFault("connect", "refused", sent=False)]))
    await gateway.call()
    assert gateway.budgets.held[0].came_to == (0, 0)


async def test_a_usage_that_was_stated_is_settled_however_the_answer_ends(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("four"), USAGE_CHUNK, UpstreamFault("closed", "gone", sent=True))
    await gateway.call(chat(stream=True))
    assert gateway.budgets.held[0].came_to == (30, 15)


async def test_a_complete_answer_without_usage_settles_what_was_counted(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("four words are here"), DONE)
    await gateway.call(chat(stream=True))
    (held,) = gateway.budgets.held
    assert held.came_to is not None
    assert 0 < held.came_to[0] == gateway.ledger.only.amount_nanos < held.nanos


async def test_a_stream_without_its_end_and_without_usage_settles_all_that_was_held(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("four words are here"))
    await gateway.call(chat(stream=True))
    assert gateway.ledger.only.outcome == "broken"
    assert_all_held_is_settled(gateway)


async def test_a_usage_so_far_is_not_a_final_one_for_a_client_that_hangs_up() -> None:
    """Some servers state it in every chunk; whoever leaves early must not pay for the first words only."""
    gateway = FakeGateway(drains_max=0)
    so_far = chunk("four").replace(b'"choices"', b'"usage":{"prompt_tokens":10,"completion_tokens":1},"choices"', 1)
    assert so_far != chunk("four")
    gateway.will_stream(so_far, so_far, so_far, USAGE_CHUNK, DONE)
    await gateway.call(chat(stream=True), leave_after=2)
    assert gateway.ledger.only.outcome == "client_gone"
    assert_all_held_is_settled(gateway)


async def test_a_call_with_a_minimum_of_output_is_never_cut(gateway: FakeGateway) -> None:
    gateway.budgets.left = 4_000
    assert (await gateway.call(chat(min_tokens=5_000))).status == 429
    assert gateway.upstream.requests == []


@pytest.mark.parametrize("more", [{"extra_body": {"google": {"cached_content": "x"}}}, {"cached_content": "x"}])
async def test_content_that_is_cached_elsewhere_is_refused_under_a_budget(gateway: FakeGateway, more: Any) -> None:
    client = await gateway.call(chat(**more))
    error = msgspec.json.decode(client.body)["error"]
    assert (client.status, error["code"]) == (429, "price_unknown")
    assert "cached at the provider" in error["message"]
    gateway.will_answer(answer())
    assert (await gateway.call(chat(**more), key=UNLIMITED_KEY)).status == 200
    assert gateway.ledger.only.amount_nanos == 30


async def test_a_call_that_states_no_limit_is_sent_with_the_one_that_fits(gateway: FakeGateway) -> None:
    gateway.will_answer(answer())
    body = chat()
    input_nanos = len(msgspec.json.encode(body))
    gateway.budgets.left = input_nanos + 4 * 1_000 + 100
    await gateway.call(body)
    sent = msgspec.json.decode(gateway.upstream.requests[0].body)
    assert 1_000 <= sent.pop("max_completion_tokens") <= 1_025
    assert sent == body
    assert gateway.ledger.only.reserved_nanos == gateway.budgets.left


async def test_a_call_that_states_a_limit_is_never_cut(gateway: FakeGateway) -> None:
    gateway.budgets.left = 4_000
    client = await gateway.call(chat(max_tokens=5_000))
    assert client.status == 429
    assert gateway.upstream.requests == []


async def test_a_call_that_could_hardly_write_anything_is_refused(gateway: FakeGateway) -> None:
    gateway.budgets.left = 600
    assert (await gateway.call()).status == 429


async def test_a_long_input_is_counted_before_it_is_refused_for_its_bytes(gateway: FakeGateway) -> None:
    gateway.will_answer(answer())
    body = chat(max_tokens=5)
    body["messages"] = [{"role": "user", "content": "word " * 1_000}]
    gateway.budgets.left = 2_000  # 5,000 bytes would be 5,000 nano; 1,000 words count as 1,000 tokens
    client = await gateway.call(body)
    assert client.status == 200
    assert gateway.log.index("count") < gateway.log.index("hold")


async def test_a_stream_is_sent_with_the_limit_that_fits_too(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("hello"), USAGE_CHUNK, DONE)
    gateway.budgets.left = 5_000
    client = await gateway.call(chat(stream=True))
    assert client.status == 200
    assert "max_completion_tokens" in msgspec.json.decode(gateway.upstream.requests[0].body)


async def test_a_quota_of_requests_is_not_asked_again_with_counted_tokens(gateway: FakeGateway) -> None:
    gateway.budgets.is_cold = True
    gateway.budgets.refusal = QuotaExceeded("Daily quota of 10 requests exceeded.", unit="requests")
    body = chat()
    body["messages"] = [{"role": "user", "content": "word " * 1_000}]
    await gateway.call(body)
    assert "count" not in gateway.log
