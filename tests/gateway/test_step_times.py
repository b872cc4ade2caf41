"""How long the steps of a call took: each is timed by itself, and together they are the whole call, however it ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import msgspec
import pytest
from tests.fakes.asgi import FakeClient
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
from tests.fakes.upstream import EVENTS, REQUEST_ID, Script

from tollkeeper.domain.call_steps import steps_of, times_of
from tollkeeper.domain.deployment import Deployment, Route
from tollkeeper.domain.errors import UpstreamFault
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.kit import clock

ROUNDED_US = 6
"""What is lost at most where six times are rounded down."""
FIRST, SECOND = Deployment(OPENAI, "gpt-first"), Deployment(OPENAI, "gpt-second")


class LogClock:
    """A clock that stands still but for what happened: each entry of a log takes its time, and what is added by hand."""

    def __init__(self, log: list[str], **takes_us: int) -> None:
        self._log, self._takes_us = log, takes_us
        self.added_us = 0

    def __call__(self) -> int:
        logged_us = sum(self._takes_us.get(entry.replace(" ", "_"), 0) for entry in self._log)
        return (7_000_000_000 + logged_us + self.added_us) * 1000


class RestlessClock:
    """A clock that goes on by some time, never the same, whenever it is looked at."""

    def __init__(self) -> None:
        self._now_ns, self._dice = 7_000_000_000_123, random.Random(7)

    def __call__(self) -> int:
        self._now_ns += self._dice.randrange(1, 5_000_000)
        return self._now_ns


def durations(record: UsageRecord) -> dict[str, int | None]:
    return {step.name: step.duration_us for step in steps_of(record)}


async def test_each_step_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = FakeGateway()
    time = LogClock(gateway.log, look_up=11, admit=33, hold=40, reserve=4, open=500, count=77, settle=1_000)
    enter = gateway.deployments.enter

    def enter_slowly(deployment: Deployment, tokens: int) -> Any:
        time.added_us += 55
        return enter(deployment, tokens)

    def answer_slowly() -> Iterator[bytes]:
        time.added_us += 100
        yield msgspec.json.encode(answer(usage=None))
        time.added_us += 66

    gateway.deployments.enter = enter_slowly  # type: ignore[method-assign]
    gateway.upstream.scripts.append(Script(steps=answer_slowly()))
    client = gateway.client(chat(max_tokens=9))

    async def receive() -> MutableMapping[str, Any]:
        time.added_us += 22
        return await client.receive()

    monkeypatch.setattr(clock, "monotonic_ns", time)
    await gateway.app(client.scope, receive, client.send)
    record = gateway.ledger.only
    assert durations(record) == {
        "authenticate": 11,
        "authorise": 22,
        "limit": 33,
        "reserve": 44,
        "route": 55,
        "forward": 666,
        "meter": 77,
        "settle": None,
    }
    assert (record.latency_us, record.overhead_us) == (908, 908 - 666)
    assert times_of(record).is_by_step


async def test_a_stream_is_forwarded_until_its_last_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = FakeGateway()
    time = LogClock(gateway.log, reserve=40, open=500)

    def stream_slowly() -> Iterator[bytes]:
        for event in (chunk("four"), USAGE_CHUNK, DONE):
            time.added_us += 1_000_000
            yield event

    gateway.upstream.scripts.append(Script(headers=(EVENTS, REQUEST_ID), steps=stream_slowly()))
    monkeypatch.setattr(clock, "monotonic_ns", time)
    await gateway.call(chat(stream=True))
    record = gateway.ledger.only
    assert durations(record) == {
        **dict.fromkeys(("authenticate", "authorise", "limit", "route", "meter"), 0),
        "reserve": 40,
        "forward": 3_000_500,
        "settle": None,
    }


async def test_waiting_for_a_deployment_with_room_is_routing_and_no_time_of_our_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = Deployment(OPENAI, "gpt-first", requests_per_minute=600)
    gateway = FakeGateway(routes=[Route(MODEL, (first,))], provider_wait_us=10_000)
    time, enter, waits_us = LogClock(gateway.log, reserve=40, open=500), gateway.deployments.enter, [2_000]

    def enter_later(deployment: Deployment, tokens: int) -> Any:
        if waits_us:
            return waits_us.pop()
        time.added_us += 2_000
        return enter(deployment, tokens)

    gateway.deployments.enter = enter_later  # type: ignore[method-assign]
    gateway.will_answer(answer())
    monkeypatch.setattr(clock, "monotonic_ns", time)
    assert (await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)).status == 200
    record = gateway.ledger.only
    took = durations(record)
    assert (took["reserve"], took["route"], took["forward"]) == (40, 2_000, 500)
    assert (times_of(record).waited_us, record.overhead_us) == (2_500, 40)


async def test_tries_that_nobody_bills_are_forwarding(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = FakeGateway(routes=[Route(MODEL, (FIRST, SECOND))])
    time = LogClock(gateway.log, reserve=40, open=500)
    gateway.will_answer({"error": {"message": "no"}}, 503)
    gateway.will_answer(answer())
    monkeypatch.setattr(clock, "monotonic_ns", time)
    await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    took = durations(gateway.ledger.only)
    assert (took["reserve"], took["route"], took["forward"], took["meter"]) == (40, 0, 1_000, 0)


async def test_the_record_of_a_try_after_a_lost_one_begins_where_that_one_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway = FakeGateway(routes=[Route(MODEL, (FIRST, SECOND))])
    time = LogClock(gateway.log, look_up=11, reserve=40, open=500, settle=9)
    gateway.upstream.scripts.append(Script(before=[UpstreamFault("closed", "gone", sent=True)]))
    gateway.will_answer(answer())
    monkeypatch.setattr(clock, "monotonic_ns", time)
    await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    lost, served = gateway.ledger.records.values()
    assert (lost.latency_us, durations(lost)["authenticate"], durations(lost)["forward"]) == (551, 11, 500)
    took = durations(served)
    assert (served.latency_us, took["authenticate"], took["reserve"], took["forward"]) == (540, 0, 40, 500)


def check_sums(record: UsageRecord, *, tries: int) -> None:
    """No step took less than nothing, all together are the call, and the waiting is in forwarding and routing."""
    took, times = durations(record), times_of(record)
    assert took.pop("settle") is None
    known = {name: us for name, us in took.items() if us is not None}
    assert len(known) == 7
    assert min(known.values()) >= 0
    assert sum(record.steps_us) <= record.latency_us
    assert sum(known.values()) == record.latency_us == times.own_us + times.waited_us
    assert times.waited_us <= known["forward"] + known["route"] + ROUNDED_US
    if tries == 1 and record.status:
        assert known["forward"] <= times.waited_us + known["route"] + ROUNDED_US


Prepare = Callable[[FakeGateway], FakeClient]


def _whole(gateway: FakeGateway) -> FakeClient:
    gateway.will_answer(answer())
    return gateway.client()


def _counted(gateway: FakeGateway) -> FakeClient:
    gateway.will_answer(answer(usage=None))
    return gateway.client()


def _refused_by_all(gateway: FakeGateway) -> FakeClient:
    for _ in range(2):
        gateway.will_answer({"error": {"message": "no"}}, 503)
    return gateway.client()


def _stream(gateway: FakeGateway) -> FakeClient:
    gateway.will_stream(chunk("four"), chunk("five"), USAGE_CHUNK, DONE)
    return gateway.client(chat(stream=True))


def _broken_stream(gateway: FakeGateway) -> FakeClient:
    gateway.will_stream(chunk("four"), UpstreamFault("closed", "gone", sent=True))
    return gateway.client(chat(stream=True))


def _left_stream(gateway: FakeGateway) -> FakeClient:
    gateway.will_stream(chunk("four"), chunk("five"), chunk("six"), USAGE_CHUNK, DONE)
    return gateway.client(chat(stream=True), leave_after=2)


def _second_after_refusal(gateway: FakeGateway) -> FakeClient:
    gateway.will_answer({"error": {"message": "no"}}, 503)
    gateway.will_answer(answer())
    return gateway.client()


def _second_after_no_connection(gateway: FakeGateway) -> FakeClient:
    gateway.upstream.scripts.append(Script(before=[UpstreamFault("connect", "no", sent=False)]))
    gateway.will_stream(chunk("four"), USAGE_CHUNK, DONE)
    return gateway.client(chat(stream=True))


def _second_after_lost_one(gateway: FakeGateway) -> FakeClient:
    gateway.upstream.scripts.append(Script(before=[UpstreamFault("closed", "no", sent=True)]))
    gateway.will_answer(answer())
    return gateway.client()


def _cold_budget(gateway: FakeGateway) -> FakeClient:
    gateway.budgets.is_cold = gateway.ledger.is_safe = True
    return _whole(gateway)


CALLS: list[Prepare] = [
    _whole, _counted, _refused_by_all, _stream, _broken_stream, _left_stream, _second_after_refusal,
    _second_after_no_connection, _second_after_lost_one, _cold_budget,
]  # fmt: skip


@pytest.mark.parametrize("prepare", CALLS)
async def test_the_steps_are_the_whole_call_wherever_it_is_cut_off(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "monotonic_ns", RestlessClock())
    seen = 0
    for turns in range(200):
        gateway = FakeGateway(routes=[Route(MODEL, (FIRST, SECOND))])
        task = asyncio.ensure_future(gateway.handle(prepare(gateway)))
        for _ in range(turns):
            await asyncio.sleep(0)
        is_over = task.done()
        task.cancel()
        await asyncio.wait([task])
        for record in gateway.ledger.records.values():
            check_sums(record, tries=len(gateway.upstream.requests))
            seen += 1
        if is_over:
            break
    else:
        pytest.fail("the call never ended by itself")
    assert seen >= 3, "the cancels must have met the call under way"


async def test_what_never_went_out_was_not_forwarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "monotonic_ns", RestlessClock())
    shut = msgspec.structs.replace(ANTHROPIC, is_sealed_shut=True)
    gateway = FakeGateway(routes=[Route(MODEL, (Deployment(shut, "claude-fake"),))])
    assert (await gateway.call(chat(max_tokens=9), key=GOOD_KEY)).status == 502
    record = gateway.ledger.only
    check_sums(record, tries=0)
    took = durations(record)
    assert (took["forward"] or 0) <= ROUNDED_US
    assert took["route"]
    assert times_of(record).waited_us == 0
