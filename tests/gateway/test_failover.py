"""A model behind several deployments: the next one serves when the first does not, and only what was served is charged."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.fakes.gateway import (
    ANTHROPIC,
    DONE,
    GEMINI,
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
from tollkeeper.domain.errors import FaultKind, QuotaExceeded, UpstreamFault
from tollkeeper.domain.usage import CostState, Outcome, Try

SECOND = Deployment(ANTHROPIC, "claude-fake")
FIRST = Deployment(OPENAI, "gpt-first")
OVERLOADED = b'data: {"error": {"message": "overloaded"}}\n\n'


def gateway_of(*deployments: Deployment) -> FakeGateway:
    return FakeGateway(routes=[Route(MODEL, deployments)])


def refuse(gateway: FakeGateway, status: int) -> None:
    gateway.will_answer({"error": {"message": "no", "type": "server_error"}}, status)


def fail(gateway: FakeGateway, kind: FaultKind, *, sent: bool) -> None:
    gateway.upstream.scripts.append(Script(before=[UpstreamFault(kind, "no", sent=sent)]))


@pytest.mark.parametrize("status", [401, 402, 403, 404, 408, 409, 429, 500, 502, 503, 504, 529])
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


@pytest.mark.parametrize("kind", ["first_byte_timeout", "closed", "protocol"])
async def test_a_try_that_may_be_billed_is_a_record_of_its_own_and_the_call_is_served(kind: FaultKind) -> None:
    gateway = gateway_of(FIRST, SECOND)
    fail(gateway, kind, sent=True)
    gateway.will_answer(claude.answer(usage=claude.USAGE, stop_reason="end_turn"))
    client = await gateway.call(chat(max_tokens=9), key=GOOD_KEY)
    assert (client.status, client.headers["x-tollkeeper-tries"]) == (200, "2")
    lost, served = gateway.ledger.records.values()
    assert lost.call_id != served.call_id
    assert (lost.provider, lost.cost_state, lost.outcome) == ("openai", CostState.ESTIMATED, Outcome.BROKEN)
    assert (served.provider, served.amount_nanos) == ("anthropic", claude.COST_NANOS)
    assert served.tries == (Try("openai", "gpt-first", 0, kind, f"req_{lost.call_id.hex()}"),)
    assert client.headers["x-request-id"] == f"req_{served.call_id.hex()}"
    gateway.ledger.assert_balanced()
    assert gateway.budgets.open == 0
    of_lost, of_served = (sum(record.quantities.values()) for record in (lost, served))
    assert gateway.budgets.held[1].came_to == (served.amount_nanos, of_served)
    assert gateway.limiter.released == [of_lost + of_served]


async def test_an_answer_that_breaks_before_the_client_has_any_of_it_is_served_by_another() -> None:
    gateway = gateway_of(SECOND, FIRST)
    broken = UpstreamFault("closed", "gone", sent=True)
    gateway.upstream.scripts.append(Script(steps=[b'{"id": "msg', broken]))
    gateway.will_answer(answer())
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert client.status == 200
    lost, served = gateway.ledger.records.values()
    assert (lost.status, lost.cost_state) == (200, CostState.ESTIMATED)
    assert served.tries == (Try("anthropic", "claude-fake", 200, "closed", f"req_{lost.call_id.hex()}"),)


async def test_without_room_for_a_second_try_the_first_ones_fault_is_answered() -> None:
    gateway = gateway_of(FIRST, SECOND)
    fail(gateway, "closed", sent=True)
    gateway.budgets.refusal = QuotaExceeded("Monthly budget exceeded.", scope="project")
    gateway.budgets.left = 100_000
    hold = gateway.budgets.hold
    gateway.budgets.hold = lambda *asked: None if gateway.budgets.held else hold(*asked)  # type: ignore[method-assign]
    client = await gateway.call(chat(max_tokens=9), key=GOOD_KEY)
    assert (client.status, len(gateway.upstream.requests)) == (502, 1)
    assert json.loads(client.body)["error"]["tries"] == ["openai/gpt-first: closed"]
    assert gateway.ledger.only.outcome is Outcome.BROKEN
    assert gateway.budgets.open == 0


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


@pytest.mark.parametrize("status", [401, 402])
async def test_a_refused_key_of_ours_is_not_shown_as_the_callers(status: int) -> None:
    gateway = gateway_of(FIRST)
    refuse(gateway, status)
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, json.loads(client.body)["error"]["code"]) == (502, "provider_key_refused")
    assert json.loads(client.body)["error"]["tries"] == [f"openai/gpt-first: {status}"]
    assert gateway.ledger.only.cost_state is CostState.UNBILLED


@pytest.mark.parametrize(
    ("deployment", "message"),
    [
        (
            SECOND,
            {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}},
        ),
        (Deployment(GEMINI, "gemini-fake"), {"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}}),
    ],
)
async def test_a_400_about_our_account_is_passed_over(deployment: Deployment, message: object) -> None:
    gateway = gateway_of(deployment, FIRST)
    gateway.will_answer(message, 400)
    gateway.will_answer(answer())
    assert (await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)).status == 200
    assert gateway.ledger.only.tries[0].status == 400


LONG = Deployment(OPENAI, "gpt-long", is_for_long_context=True)


async def test_a_call_that_is_too_long_goes_to_the_deployment_for_long_ones() -> None:
    gateway = gateway_of(FIRST, LONG, SECOND)
    gateway.will_answer({"error": {"message": "no", "code": "context_length_exceeded"}}, 400)
    gateway.will_answer(answer())
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert client.status == 200
    assert json.loads(gateway.upstream.requests[1].body)["model"] == "gpt-long"
    assert gateway.ledger.only.tries == (Try("openai", "gpt-first", 400, "context_length"),)


async def test_a_call_that_is_too_long_everywhere_is_told_so() -> None:
    gateway = gateway_of(FIRST, LONG, SECOND)
    for _ in range(3):
        gateway.will_answer({"error": {"message": "no", "code": "context_length_exceeded"}}, 400)
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, len(gateway.upstream.requests)) == (400, 2)


async def test_no_other_call_goes_there() -> None:
    gateway = gateway_of(LONG, FIRST)
    refuse(gateway, 500)
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, len(gateway.upstream.requests)) == (500, 1)


async def test_a_providers_wait_is_waited_for() -> None:
    gateway = FakeGateway(routes=[Route(MODEL, (FIRST,))], provider_wait_us=600_000)
    headers = ((b"content-type", b"application/json"), (b"retry-after-ms", b"20"))
    gateway.will_answer({"error": {"message": "slow down"}}, 429, headers=headers)
    gateway.will_answer(answer())
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, client.headers["x-tollkeeper-tries"]) == (200, "2")
    assert 0 < gateway.ledger.only.overhead_us < 300_000, "what was waited is counted once"


async def test_a_provider_without_a_key_that_opens_is_passed_over_in_no_time() -> None:
    shut = msgspec.structs.replace(OPENAI, is_sealed_shut=True)
    gateway = gateway_of(Deployment(shut, "gpt-first"), Deployment(OPENAI, "gpt-second"))
    gateway.will_answer(answer())
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, client.headers["x-tollkeeper-tries"]) == (200, "2")
    assert gateway.ledger.only.overhead_us > 0, "nothing went out that could have been waited for"


async def test_a_wait_that_is_too_long_is_told_to_the_client() -> None:
    gateway = FakeGateway(routes=[Route(MODEL, (Deployment(GEMINI, "gemini-fake"),))], provider_wait_us=600_000)
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.2s"}]
    gateway.will_answer(
        {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "no", "details": details}}, 429
    )
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, client.headers["retry-after"]) == (429, "35")


async def test_a_deployment_at_its_limit_is_passed_by_without_being_asked() -> None:
    gateway = gateway_of(Deployment(OPENAI, "gpt-first", requests_per_minute=1), SECOND)
    gateway.will_answer(answer())
    gateway.will_answer(claude.answer(usage=claude.USAGE, stop_reason="end_turn"))
    for _ in range(2):
        assert (await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)).status == 200
    first, second = gateway.ledger.records.values()
    assert (first.provider, second.provider, second.tries) == ("openai", "anthropic", ())


async def test_when_all_are_at_their_limit_the_call_is_told_when_to_come_back() -> None:
    gateway = gateway_of(Deployment(OPENAI, "gpt-first", requests_per_minute=1))
    gateway.will_answer(answer())
    await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, json.loads(client.body)["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 50 < int(client.headers["retry-after"]) <= 60
    assert list(gateway.ledger.records.values())[-1].cost_state is CostState.UNBILLED
    assert gateway.budgets.open == 0


async def test_a_deployment_that_fails_again_and_again_is_left_alone() -> None:
    gateway = gateway_of(FIRST, SECOND)
    for _ in range(4):
        refuse(gateway, 500)
        gateway.will_answer(claude.answer(usage=claude.USAGE, stop_reason="end_turn"))
    for _ in range(3):
        await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    del gateway.upstream.scripts[0:1]
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, client.headers.get("x-tollkeeper-tries")) == (200, None)


async def test_a_provider_that_goes_on_asking_for_a_wait_is_asked_less_and_less_often() -> None:
    gateway = FakeGateway(routes=[Route(MODEL, (FIRST,))], provider_wait_us=1_600_000)
    headers = ((b"content-type", b"application/json"), (b"retry-after-ms", b"1"))
    for _ in range(9):
        gateway.will_answer({"error": {"message": "slow down"}}, 429, headers=headers)
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, client.headers["x-tollkeeper-tries"]) == (429, "3")  # after 0.5 s and one more


async def test_the_first_deployment_that_can_be_asked_for_this_serves_it() -> None:
    gateway = gateway_of(SECOND, FIRST)
    gateway.will_answer(answer())
    client = await gateway.call(chat(n=2, max_tokens=9), key=UNLIMITED_KEY)  # which Anthropic has not
    assert (client.status, gateway.ledger.only.provider, gateway.ledger.only.tries) == (200, "openai", ())
    refused = await gateway_of(SECOND).call(chat(n=2, max_tokens=9), key=UNLIMITED_KEY)
    assert (refused.status, json.loads(refused.body)["error"]["param"]) == (400, "n")


async def test_a_fault_of_all_says_what_was_tried() -> None:
    gateway = gateway_of(FIRST, SECOND)
    fail(gateway, "connect", sent=False)
    fail(gateway, "tls", sent=False)
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, client.headers["x-tollkeeper-tries"]) == (502, "2")
    error = json.loads(client.body)["error"]
    assert (error["provider"], error["tries"]) == (
        "anthropic",
        ["openai/gpt-first: connect", "anthropic/claude-fake: tls"],
    )


@pytest.mark.parametrize("events", [(OVERLOADED,), (chunk("four") + OVERLOADED,), ()])
async def test_a_stream_that_begins_with_an_error_or_not_at_all_is_served_by_another(events: tuple[bytes, ...]) -> None:
    gateway = gateway_of(FIRST, Deployment(OPENAI, "gpt-second"))
    gateway.will_stream(*events)
    gateway.will_stream(chunk("four "), USAGE_CHUNK, DONE)
    client = await gateway.call(chat(stream=True, max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, client.headers["x-tollkeeper-tries"]) == (200, "2")
    assert b"overloaded" not in client.body
    _, served = gateway.ledger.records.values()
    assert [each.reason for each in served.tries] == ["error_event" if events else "closed"]


async def test_what_never_left_is_not_charged_when_the_call_is_given_up() -> None:
    gateway = gateway_of(FIRST, Deployment(OPENAI, "gpt-second", requests_per_minute=1))
    place = gateway.deployments.enter(Deployment(OPENAI, "gpt-second", requests_per_minute=1), 0)
    assert not isinstance(place, int)
    fail(gateway, "connect", sent=False)
    client = await gateway.call(chat(max_tokens=9), key=GOOD_KEY)
    assert client.status == 502  # and not that the other one is busy
    assert gateway.ledger.only.cost_state is CostState.UNBILLED
    assert gateway.budgets.held[0].came_to == (0, 0)


async def test_what_a_refusal_repeats_of_the_call_does_not_pass_for_the_account() -> None:
    gateway = gateway_of(Deployment(GEMINI, "gemini-fake"), FIRST)
    echoed = {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "Unknown name API_KEY_INVALID"}}
    gateway.will_answer(echoed, 400)
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, len(gateway.upstream.requests)) == (400, 1)


async def test_a_deployment_that_asked_for_a_moment_is_asked_again_before_a_client_is_sent_away() -> None:
    route = Route(MODEL, (FIRST, Deployment(OPENAI, "gpt-second")))
    gateway = FakeGateway(routes=[route], provider_wait_us=2_000_000)
    headers = ((b"content-type", b"application/json"), (b"retry-after-ms", b"20"))
    gateway.will_answer({"error": {"message": "slow down"}}, 429, headers=headers)
    fail(gateway, "closed", sent=True)
    gateway.will_answer(answer())
    client = await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)
    assert (client.status, client.headers["x-tollkeeper-tries"]) == (200, "3")


async def test_pictures_that_nobody_counted_weigh_with_all_that_was_reserved() -> None:
    gateway = FakeGateway()
    gateway.will_answer({"choices": [{"message": {"content": "a cat"}}]})
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    await gateway.call(chat(max_tokens=9, messages=[{"role": "user", "content": [picture]}]))
    held = gateway.budgets.held[0]
    assert held.came_to is not None
    assert held.came_to[0] == held.nanos


async def test_an_answer_that_nobody_can_read_is_no_service() -> None:
    gateway = gateway_of(FIRST, SECOND)
    unreadable = ((b"content-type", b"application/json"), (b"content-encoding", b"gzip"))
    for _ in range(3):
        gateway.will_answer(b"no gzip", headers=unreadable)
        gateway.will_answer(claude.answer(usage=claude.USAGE, stop_reason="end_turn"))
        assert (await gateway.call(chat(max_tokens=9), key=UNLIMITED_KEY)).status == 200
    assert gateway.deployments.rest_us(FIRST) > 0
