"""Streams through the data plane: passed on as they come, metered on the way, settled whether or not anybody listens."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.fakes.asgi import FakeClient
from tests.fakes.gateway import DONE, USAGE_CHUNK, FakeGateway, chat, chunk

from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.gateway import meter
from tollkeeper.gateway.relay import FED_BYTES_MAX


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


def last_event(client: FakeClient) -> dict[str, object]:
    events = [event for event in client.body.split(b"\n\n") if event.startswith(b"data: {")]
    return dict(msgspec.json.decode(events[-1].removeprefix(b"data: ")))


async def until_logged(gateway: FakeGateway, what: str, count: int = 1) -> None:
    async with asyncio.timeout(5):
        while gateway.log.count(what) < count:
            await asyncio.sleep(0.001)


async def test_usage_is_asked_for_and_taken_out_again_when_the_client_did_not_ask(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("four"), USAGE_CHUNK, DONE)
    client = await gateway.call(chat(stream=True))
    assert client.body == chunk("four") + DONE
    assert msgspec.json.decode(gateway.upstream.requests[0].body)["stream_options"] == {"include_usage": True}
    assert gateway.ledger.only.amount_nanos == 30


async def test_the_usage_chunk_that_was_asked_for_tells_the_cost(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("four", usage=None), USAGE_CHUNK, DONE)
    client = await gateway.call(chat(stream=True, stream_options={"include_usage": True}))
    usage = last_event(client)["usage"]
    assert usage == {"cost": 3e-08, "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


async def test_pieces_are_passed_on_before_the_next_has_come(gateway: FakeGateway) -> None:
    gate = asyncio.Event()
    gateway.will_stream(chunk("four"), gate, chunk("five"), USAGE_CHUNK, DONE)
    client = gateway.client(chat(stream=True))
    task = asyncio.ensure_future(gateway.handle(client))
    await until_logged(gateway, "send", 2)
    assert client.body == chunk("four")
    gate.set()
    await task


async def test_others_have_their_turn_while_a_large_piece_is_metered(gateway: FakeGateway) -> None:
    large = chunk("four") * 2_000 + b"\n\n" * 10_000
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    gateway.will_stream(large + USAGE_CHUNK + DONE)
    task = asyncio.ensure_future(other())
    client = await gateway.call(chat(stream=True))
    task.cancel()
    assert client.body == large + DONE
    assert gateway.ledger.only.amount_nanos == 30
    assert turns >= len(large) // FED_BYTES_MAX


async def test_text_that_was_not_kept_is_told_in_the_record(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meter, "TEXT_LENGTH_MAX", 10)
    gateway.will_stream(chunk("w" * 40_000), chunk("five"), DONE)
    await gateway.call(chat(stream=True))
    assert gateway.ledger.only.is_estimated
    assert gateway.ledger.only.reason.startswith("the provider stated no usage; only the first ")


async def test_a_stream_is_settled_before_its_end_is_sent(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("four"), USAGE_CHUNK, DONE)
    client = await gateway.call(chat(stream=True))
    assert gateway.log[-2:] == ["settle", "end"]
    assert client.has_ended


async def test_a_stream_without_usage_is_counted_from_what_went_by(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("four "), chunk("five six"), DONE)
    await gateway.call(chat(stream=True))
    record = gateway.ledger.only
    assert (record.is_estimated, record.quantities["output"]) == (True, 3)
    assert gateway.counter.asked[0][-1] == "four five six"


async def test_a_broken_stream_ends_with_an_error_event_and_is_settled(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("four five"), UpstreamFault("closed", "the provider hung up", sent=True))
    client = await gateway.call(chat(stream=True))
    error = last_event(client)["error"]
    assert isinstance(error, dict)
    assert error["code"] == "provider_unavailable"
    assert client.body.startswith(chunk("four five"))
    assert b"[DONE]" not in client.body
    assert client.has_ended
    record = gateway.ledger.only
    assert (record.outcome, record.is_estimated, record.quantities["output"]) == ("broken", True, 2)


async def test_an_error_event_of_the_provider_passes_and_marks_the_call_broken(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk("four"), b'data: {"error":{"message":"no more"}}\n\n')
    client = await gateway.call(chat(stream=True))
    assert client.body.endswith(b'data: {"error":{"message":"no more"}}\n\n')
    assert gateway.ledger.only.outcome == "broken"


async def test_a_whole_answer_to_a_stream_request_passes_as_it_is(gateway: FakeGateway) -> None:
    gateway.will_answer({"model": "gpt-fake", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}})
    client = await gateway.call(chat(stream=True))
    assert client.headers["content-type"] == "application/json"
    assert gateway.ledger.only.amount_nanos == 30


async def test_after_the_client_left_the_stream_is_read_on_for_its_usage(gateway: FakeGateway) -> None:
    gate = asyncio.Event()
    gateway.will_stream(chunk("four"), gate, chunk("five"), USAGE_CHUNK, DONE)
    client = gateway.client(chat(stream=True), leave_after=2)
    task = asyncio.ensure_future(gateway.handle(client))
    await until_logged(gateway, "send", 2)
    await asyncio.sleep(0.01)
    assert gateway.relay.drains == 1
    gate.set()
    await task
    record = gateway.ledger.only
    assert (record.outcome, record.amount_nanos, record.is_estimated) == ("client_gone", 30, False)
    assert client.body == chunk("four")
    assert gateway.relay.drains == 0
    assert gateway.upstream.exchanges[0].tightened == [60.0]


async def test_reading_on_is_bounded_in_time(gateway: FakeGateway) -> None:
    gateway = FakeGateway(drain_s=0.02)
    gateway.will_stream(chunk("four"), asyncio.Event(), USAGE_CHUNK)
    await gateway.call(chat(stream=True), leave_after=2)
    record = gateway.ledger.only
    assert (record.outcome, record.is_estimated) == ("client_gone", True)
    assert "total_timeout" in record.reason
    assert gateway.relay.drains == 0


async def test_reading_on_is_bounded_in_number(gateway: FakeGateway) -> None:
    gate = asyncio.Event()
    tasks = []
    for _ in range(3):  # two may be read on, see FakeGateway
        gateway.will_stream(chunk("four"), gate, USAGE_CHUNK, DONE)
        tasks.append(asyncio.ensure_future(gateway.call(chat(stream=True), leave_after=2)))
    await until_logged(gateway, "settle")
    assert gateway.relay.drains == 2
    assert [exchange.tightened for exchange in gateway.upstream.exchanges].count([0]) == 1
    gate.set()
    await asyncio.gather(*tasks)
    assert sorted(record.is_estimated for record in gateway.ledger.records.values()) == [False, False, True]
    assert gateway.relay.drains == 0


async def test_a_client_that_reads_nothing_counts_as_gone_and_the_usage_is_still_had() -> None:
    gateway = FakeGateway(client_stall_s=0.02)
    gateway.will_stream(chunk("four"), chunk("five"), USAGE_CHUNK, DONE)
    async with asyncio.timeout(5):
        client = await gateway.call(chat(stream=True), stall_after=2)
    record = gateway.ledger.only
    assert (record.outcome, record.amount_nanos) == ("client_gone", 30)
    assert client.body == chunk("four")


async def test_a_slow_client_that_reads_in_the_end_is_not_cut_off(gateway: FakeGateway) -> None:
    gateway.will_stream(*[chunk(f"w{number} ") for number in range(50)], USAGE_CHUNK, DONE)
    client = await gateway.call(chat(stream=True))
    assert client.body.count(b"data: ") == 51
    assert gateway.ledger.only.outcome == "complete"


async def test_an_event_without_end_breaks_the_call_and_not_the_server(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tollkeeper.gateway import meter

    monkeypatch.setattr(meter.StreamMeter, "event_bytes_max", 10_000)
    gateway.will_stream(chunk("four"), *[b"data: " + b"x" * 4_000] * 5)
    client = await gateway.call(chat(stream=True))
    error = last_event(client)["error"]
    assert isinstance(error, dict)
    assert error["code"] == "provider_unavailable"
    assert gateway.ledger.only.outcome == "broken"
    assert gateway.upstream.exchanges[0].closed == 1
