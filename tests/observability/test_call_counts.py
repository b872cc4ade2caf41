"""Calls are counted as their usage records say, by labels that nobody from outside can multiply."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from bench.counting import make_record
from tests.fakes.gateway import (
    ANTHROPIC,
    DONE,
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

from tollkeeper.domain.deployment import Deployment, Provider, Route
from tollkeeper.domain.errors import LimitsUnavailable, UpstreamFault
from tollkeeper.domain.usage import CostState, Outcome, Try, UsageRecord
from tollkeeper.observability.call_counts import KNOWN_MAX, CountedCalls
from tollkeeper.observability.call_figures import add_calls
from tollkeeper.observability.figures import FigureSheet, Row
from tollkeeper.observability.label_names import LabelNames
from tollkeeper.observability.metric_list import BY_NAME, bounds_of

DEPLOYMENT = Deployment(OPENAI, MODEL)


def rows(counted: CountedCalls, name: str) -> dict[tuple[str, ...], int]:
    return {row.labels: row.value for row in _rows(counted, name)}


def _rows(counted: CountedCalls, name: str) -> list[Row]:
    sheet = FigureSheet()
    add_calls(sheet, counted)
    return sheet.figures[name]


def record_of(**changes: object) -> UsageRecord:
    made = make_record()
    for name, value in changes.items():
        setattr(made, name, value)
    return made


async def test_a_call_is_counted_as_its_record_says() -> None:
    gateway = FakeGateway()
    gateway.will_answer(answer())
    assert (await gateway.call()).status == 200
    counted, record = gateway.observer.counted, gateway.ledger.only
    assert rows(counted, "tollkeeper_calls_total") == {
        ("openai", "chat.completions", "openai", MODEL, "2xx", "complete"): 1
    }
    assert rows(counted, "tollkeeper_tokens_total") == {
        ("openai", MODEL, name): quantity for name, quantity in record.quantities.items()
    }
    assert rows(counted, "tollkeeper_cost_usd_total") == {("openai", MODEL, "computed"): record.amount_nanos}
    assert rows(counted, "tollkeeper_overhead_seconds") == {("chat.completions",): record.overhead_us}
    assert rows(counted, "tollkeeper_unpriced_calls_total") == {}
    assert rows(counted, "tollkeeper_refusals_total") == {}


async def test_streams_and_drains_are_open_while_they_are() -> None:
    gateway = FakeGateway()
    seen: list[tuple[int, int]] = []

    def steps() -> Iterator[bytes]:
        for event in (chunk("four"), USAGE_CHUNK, DONE):
            seen.append((gateway.relay.streams, gateway.relay.drains))
            yield event

    gateway.will_stream(*())
    gateway.upstream.scripts[0].steps = steps()
    assert (await gateway.call(chat(stream=True))).status == 200
    assert seen == [(1, 0)] * 3
    assert (gateway.relay.streams, gateway.relay.drains) == (0, 0)


@pytest.mark.parametrize(
    ("change", "key", "expected"),
    [
        ({}, "sk-tk-nonsense", ("chat.completions", "invalid_api_key", "401")),
        ({"model": "nowhere"}, UNLIMITED_KEY, ("chat.completions", "model_not_found", "404")),
        ({"messages": 7}, UNLIMITED_KEY, ("chat.completions", "invalid_request", "400")),
    ],
)
async def test_a_refusal_is_counted_by_its_code(change: dict[str, object], key: str, expected: tuple[str, ...]) -> None:
    gateway = FakeGateway()
    await gateway.call(chat(**change), key=key)
    assert rows(gateway.observer.counted, "tollkeeper_refusals_total") == {expected: 1}
    assert rows(gateway.observer.counted, "tollkeeper_calls_total") == {}


async def test_a_refusal_of_the_books_and_one_of_no_call_are_counted_too() -> None:
    gateway = FakeGateway()
    gateway.ledger.is_full = True
    await gateway.call()
    await gateway.call(path="/v1/models", key=None, method="GET")
    assert rows(gateway.observer.counted, "tollkeeper_refusals_total") == {
        ("chat.completions", LimitsUnavailable.code, "503"): 1,
        ("other", "invalid_api_key", "401"): 1,
    }


async def test_a_provider_that_breaks_is_a_call_without_a_status_and_a_refusal() -> None:
    gateway = FakeGateway()
    gateway.upstream.scripts.append(Script(before=[UpstreamFault("connect", "no", sent=False)]))
    await gateway.call()
    counted = gateway.observer.counted
    assert rows(counted, "tollkeeper_calls_total") == {
        ("openai", "chat.completions", "openai", MODEL, "none", "broken"): 1
    }
    assert rows(counted, "tollkeeper_refusals_total") == {("chat.completions", "provider_unavailable", "502"): 1}


async def test_each_lost_try_is_counted_once_however_many_records_tell_of_it() -> None:
    gateway = FakeGateway(
        routes=[Route(MODEL, (DEPLOYMENT, Deployment(OPENAI, "gpt-second"), Deployment(ANTHROPIC, "claude-fake")))]
    )
    gateway.will_answer({"error": {"message": "no"}}, 429)
    gateway.upstream.scripts.append(Script(before=[UpstreamFault("closed", "no", sent=True)]))
    gateway.will_answer(claude.answer(usage=claude.USAGE, stop_reason="end_turn"))
    assert (await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)).status == 200
    lost, served = gateway.ledger.records.values()
    assert (len(lost.tries), len(served.tries)) == (1, 2)
    assert rows(gateway.observer.counted, "tollkeeper_lost_tries_total") == {
        ("openai", "429"): 1,
        ("openai", "closed"): 1,
    }


def test_what_strangers_name_is_other() -> None:
    counted = CountedCalls(LabelNames(["openai"], ["own-model"]))
    guessed = Deployment(OPENAI, "made-up-by-a-client", is_unlisted=True)
    own = Deployment(OPENAI, "own-model", is_unlisted=True)
    brought = Deployment(Provider("acme secret name", "openai", "https://a.test/v1", credential_id="cred_a"), MODEL)
    unknown = Deployment(Provider("unknown", "openai", "https://a.test/v1"), MODEL)
    for deployment in (guessed, own, brought, unknown):
        counted.settled(record_of(), deployment, "openai")
    found = rows(counted, "tollkeeper_cost_usd_total")
    assert {labels[:2] for labels in found} == {
        ("openai", "other"),
        ("openai", "own-model"),
        ("brought", MODEL),
        ("other", MODEL),
    }


def test_models_beyond_the_bound_are_other_and_those_of_the_settings_keep_their_place() -> None:
    counted = CountedCalls(LabelNames(["openai"], ["own"], models_max=3))
    for name in ("one", "two", "three", "four", "own"):
        counted.settled(record_of(), Deployment(OPENAI, name), "openai")
    assert {labels[1] for labels in rows(counted, "tollkeeper_cost_usd_total")} == {"one", "two", "own", "other"}


def test_combinations_beyond_the_bound_are_counted_as_another_model() -> None:
    counted = CountedCalls(LabelNames(["openai"]), series_max=2)
    for name in ("one", "two", "three", "four"):
        counted.settled(record_of(), Deployment(OPENAI, name), "openai")
    assert len(counted.series) == 3
    assert sum(rows(counted, "tollkeeper_calls_total").values()) == 4


def test_statuses_and_names_of_a_hostile_provider_fill_no_memory() -> None:
    counted = CountedCalls(LabelNames(["openai"]))
    for number in range(KNOWN_MAX + 10):
        deployment = Deployment(OPENAI, f"made-up-{number}", is_unlisted=True)
        counted.settled(
            record_of(status=number % 1000, tries=(Try("x", "y", number, "free text"),)), deployment, "openai"
        )
    assert len(counted._known) <= KNOWN_MAX
    assert {labels[4] for labels in rows(counted, "tollkeeper_calls_total")} == {
        "2xx",
        "3xx",
        "4xx",
        "5xx",
        "1xx",
        "none",
    }
    assert all(labels[0] == "other" for labels in rows(counted, "tollkeeper_lost_tries_total"))
    assert len(counted.lost_tries) <= 13


def test_dimensions_are_folded_to_their_class() -> None:
    counted = CountedCalls(LabelNames(["openai"]))
    quantities = {"input": 1, "input@another-model": 2, "image:high:1024x1024": 3, "made up": 4, "web_search": 5}
    for _ in range(2):
        counted.settled(record_of(quantities=quantities), DEPLOYMENT, "openai")
    assert rows(counted, "tollkeeper_tokens_total") == {("openai", MODEL, "input"): 6}
    assert rows(counted, "tollkeeper_units_total") == {
        ("openai", MODEL, "image"): 6,
        ("openai", MODEL, "other"): 8,
        ("openai", MODEL, "web_search"): 10,
    }


def test_an_unknown_cost_is_counted_and_is_no_amount() -> None:
    counted = CountedCalls(LabelNames(["openai"]))
    counted.settled(record_of(amount_nanos=None, cost_state=CostState.UNPRICED), DEPLOYMENT, "openai")
    counted.settled(record_of(amount_nanos=0, cost_state=CostState.UNBILLED), DEPLOYMENT, "openai")
    assert rows(counted, "tollkeeper_unpriced_calls_total") == {("openai", MODEL): 1}
    assert rows(counted, "tollkeeper_cost_usd_total") == {("openai", MODEL, "unbilled"): 0}


@pytest.mark.parametrize("time_us", [0, 1, 8191, 8192, 16_383, 16_384, 1_000_000, 2**31 - 1, 2**31, 2**40])
def test_a_time_is_in_every_bucket_that_it_fits(time_us: int) -> None:
    counted = CountedCalls(LabelNames(["openai"]))
    counted.settled(record_of(latency_us=time_us), DEPLOYMENT, "openai")
    (row,) = _rows(counted, "tollkeeper_call_duration_seconds")
    bounds = bounds_of(BY_NAME["tollkeeper_call_duration_seconds"])
    assert row.buckets == (*(int(time_us < bound) for bound in bounds), 1)
    assert row.value == time_us


def test_outcomes_and_operations_are_told_apart_and_times_added_up() -> None:
    counted = CountedCalls(LabelNames(["openai"]))
    for outcome in (Outcome.COMPLETE, Outcome.COMPLETE, Outcome.CLIENT_GONE):
        counted.settled(record_of(outcome=outcome, latency_us=10_000), DEPLOYMENT, "openai")
    assert sorted(rows(counted, "tollkeeper_calls_total").values()) == [1, 2]
    (row,) = _rows(counted, "tollkeeper_call_duration_seconds")
    assert (row.value, row.buckets[-1], row.buckets[:2]) == (30_000, 3, (0, 3))


async def test_no_label_tells_of_a_key_a_project_an_organization_or_a_text() -> None:
    gateway = FakeGateway()
    gateway.will_answer(answer())
    await gateway.call(chat(user="somebody"), headers={"x-tollkeeper-labels": "feature=secret-project"})
    sheet = FigureSheet()
    add_calls(sheet, gateway.observer.counted)
    labels = json.dumps([row.labels for found in sheet.figures.values() for row in found])
    for text in ("org_a", "proj_a", "key_a", "somebody", "secret-project", "one two three"):
        assert text not in labels
