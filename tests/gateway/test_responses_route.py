"""Responses on the path of a call: metered, sealed ids, budgets, and responses that go on in the background."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests.fakes.gateway import ANTHROPIC, GOOD_KEY, MODEL, OPENAI, PEPPER, PROVIDER_KEY, UNLIMITED_KEY, FakeGateway
from tests.fakes.ports import make_key
from tests.fakes.upstream import Script

from tollkeeper.domain.deployment import Deployment, Provider, Route
from tollkeeper.domain.errors import RateExceeded, UpstreamFault
from tollkeeper.gateway import backgrounds
from tollkeeper.gateway.wire.responses import ResponsesCall
from tollkeeper.kit.secrets import keyed_digest

PATH = "/v1/responses"
RAW = "resp_0123456789abcdef"
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
OTHER = Provider("other", "openai", "https://other.test/v1", "sk-other-secret", "openai")


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


def ask(**changes: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": "one two three", **changes}


def response(**changes: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": "four five", "annotations": []}]
    output = [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}]
    shown = {"id": RAW, "object": "response", "status": "completed", "model": MODEL, "output": output, "usage": USAGE}
    return {**shown, **changes}


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


CREATED = event("response.created", response=response(status="in_progress", usage=None, output=[]))
DELTA = event("response.output_text.delta", delta="four five", item_id="msg_1")
COMPLETED = event("response.completed", response=response())


async def made(gateway: FakeGateway, **changes: Any) -> str:
    """Make a response and return its id as the client has it."""
    gateway.will_answer(response())
    client = await gateway.call(ask(**changes), path=PATH)
    return str(msgspec.json.decode(client.body)["id"])


async def test_a_response_is_metered_and_its_id_is_sealed(gateway: FakeGateway) -> None:
    gateway.will_answer(response())
    client = await gateway.call(ask(), path=PATH)
    answered = msgspec.json.decode(client.body)
    assert answered["id"].startswith(f"{RAW}_tk")
    assert {**answered, "id": RAW} == response()
    assert client.headers["x-tollkeeper-cost-usd"] == "0.000000030"
    assert gateway.upstream.requests[0].head.startswith(b"POST /v1/responses HTTP")
    assert gateway.upstream.requests[0].body == msgspec.json.encode(ask())
    assert (gateway.ledger.only.operation, gateway.ledger.only.quantities) == ("responses", {"input": 10, "output": 5})


async def test_a_stream_is_metered_by_its_last_event_and_differs_in_ids_alone(gateway: FakeGateway) -> None:
    whole = CREATED + DELTA + COMPLETED
    gateway.will_stream(*(whole[at : at + 7] for at in range(0, len(whole), 7)))
    client = await gateway.call(ask(stream=True), path=PATH)
    sealed = gateway.ids.of(_key(gateway)).seal(RAW, OPENAI)
    assert client.body == whole.replace(RAW.encode(), sealed.encode())
    record = gateway.ledger.only
    assert (record.amount_nanos, record.cost_state, record.outcome) == (30, "computed", "complete")


async def test_a_client_that_leaves_is_charged_what_the_provider_states(gateway: FakeGateway) -> None:
    gate = asyncio.Event()
    gateway.will_stream(CREATED, DELTA, gate, COMPLETED)
    client = gateway.client(ask(stream=True), path=PATH, leave_after=2)
    asyncio.get_running_loop().call_later(0.05, gate.set)
    await gateway.handle(client)
    record = gateway.ledger.only
    assert (record.amount_nanos, record.cost_state, record.outcome) == (30, "computed", "client_gone")


async def test_a_stream_that_failed_is_broken_whatever_it_stated(gateway: FakeGateway) -> None:
    gateway.will_stream(CREATED, event("response.failed", response=response(status="failed", usage=None)))
    await gateway.call(ask(stream=True), path=PATH)
    record = gateway.ledger.only
    assert (record.outcome, record.is_estimated) == ("broken", True)


async def test_a_limit_of_output_is_added_when_no_more_is_paid_for(gateway: FakeGateway) -> None:
    gateway.budgets.left = 5_000
    gateway.will_answer(response())
    await gateway.call(ask(), path=PATH)
    sent = msgspec.json.decode(gateway.upstream.requests[0].body)
    assert 256 <= sent["max_output_tokens"] <= 5_000
    assert {**sent, "max_output_tokens": None} == {**ask(), "max_output_tokens": None}


@pytest.mark.parametrize("changes", [{"tools": [{"type": "web_search"}]}, {"prompt": {"id": "pmpt_1"}}])
async def test_what_may_cause_unknown_fees_is_refused_under_a_budget(gateway: FakeGateway, changes: Any) -> None:
    client = await gateway.call(ask(**changes), path=PATH)
    assert client.status == 429
    assert msgspec.json.decode(client.body)["error"]["code"] == "price_unknown"
    assert b"max_tool_calls" in client.body


async def test_tools_that_were_used_are_counted(gateway: FakeGateway) -> None:
    output = [
        {"type": "web_search_call", "action": {"type": "search", "query": "x"}},
        {"type": "web_search_call", "action": {"type": "open_page", "url": "x"}},
        {"type": "file_search_call", "queries": ["x"]},
        {"type": "code_interpreter_call", "container_id": "cntr_1"},
        {"type": "code_interpreter_call", "container_id": "cntr_1"},
        {"type": "code_interpreter_call", "container_id": "cntr_2"},
    ]
    gateway.will_answer(response(output=output))
    await gateway.call(ask(tools=[{"type": "web_search"}]), path=PATH, key=UNLIMITED_KEY)
    used = {"web_search": 1, "file_search": 1, "code_session": 2}
    assert gateway.ledger.only.quantities == {"input": 10, "output": 5, **used}


async def test_an_earlier_response_is_named_to_the_provider_by_its_own_id(gateway: FakeGateway) -> None:
    sealed = await made(gateway)
    gateway.will_answer(response(id="resp_2", previous_response_id=RAW))
    client = await gateway.call(ask(previous_response_id=sealed, metadata={"a": sealed}), path=PATH)
    sent = msgspec.json.decode(gateway.upstream.requests[1].body)
    assert sent == ask(previous_response_id=RAW, metadata={"a": sealed})
    answered = msgspec.json.decode(client.body)
    assert answered["previous_response_id"] == sealed
    assert answered["id"].startswith("resp_2_tk")


@pytest.mark.parametrize("named", [RAW, f"{RAW}_tk{'A' * 22}", "", "resp_x_tk"])
async def test_an_earlier_response_of_somebody_else_is_not_found(gateway: FakeGateway, named: str) -> None:
    client = await gateway.call(ask(previous_response_id=named), path=PATH)
    assert client.status == 400
    assert msgspec.json.decode(client.body)["error"]["param"] == "previous_response_id"
    assert not gateway.upstream.requests


async def test_a_sealed_id_is_good_for_its_project_alone(gateway: FakeGateway) -> None:
    sealed = await made(gateway)
    for changed in ({"organization_id": "org_b"}, {"project_id": "proj_b"}):
        key = msgspec.structs.replace(_key(gateway), **changed)
        assert gateway.ids.of(key).find(sealed, [OPENAI]) is None
    assert gateway.ids.of(_key(gateway)).find(sealed, [OTHER]) is None
    assert gateway.ids.of(_key(gateway)).find(sealed, [OTHER, OPENAI]) == (RAW, OPENAI)


async def test_a_call_that_goes_on_stays_with_the_provider_that_has_the_earlier_response() -> None:
    route = Route("both", (Deployment(OTHER, MODEL), Deployment(OPENAI, MODEL)))
    gateway = FakeGateway(routes=[route])
    sealed = await made(gateway)
    gateway.will_answer(response())
    await gateway.call(ask(model="both", previous_response_id=sealed), path=PATH)
    assert b"host: provider.test" in gateway.upstream.requests[-1].head


async def test_a_conversation_in_an_account_that_is_shared_is_refused(gateway: FakeGateway) -> None:
    client = await gateway.call(ask(conversation="conv_1"), path=PATH)
    assert (client.status, msgspec.json.decode(client.body)["error"]["param"]) == (400, "conversation")


async def test_a_provider_of_another_dialect_is_refused_by_name() -> None:
    gateway = FakeGateway(ANTHROPIC, routes=[Route(MODEL, (Deployment(ANTHROPIC, MODEL),))])
    client = await gateway.call(ask(), path=PATH)
    assert (client.status, msgspec.json.decode(client.body)["error"]["param"]) == (400, "model")


@pytest.mark.parametrize(
    ("method", "below", "goes_to"),
    [
        ("GET", "", ""),
        ("DELETE", "", ""),
        ("POST", "/cancel", "/cancel"),
        ("GET", "/input_items", "/input_items?limit=2"),
    ],
)
async def test_what_lies_at_the_provider_is_reached_by_whom_it_belongs_to(
    gateway: FakeGateway, method: str, below: str, goes_to: str
) -> None:
    sealed = await made(gateway)
    gateway.will_answer(response(previous_response_id="resp_before"))
    query = b"limit=2" if below == "/input_items" else b""
    client = await gateway.call(b"", path=f"{PATH}/{sealed}{below}", method=method, query=query)
    assert client.status == 200
    answered = msgspec.json.decode(client.body)
    assert answered["id"] == sealed
    assert answered["previous_response_id"].startswith("resp_before_tk")
    head = gateway.upstream.requests[-1].head
    assert head.startswith(f"{method} /v1/responses/{RAW}{goes_to} HTTP".encode())
    assert PROVIDER_KEY.encode() in head
    assert len(gateway.ledger.records) == 1  # the call's own


async def test_a_response_of_somebody_else_is_not_found_and_nobody_is_asked(gateway: FakeGateway) -> None:
    for path in (f"{PATH}/{RAW}", f"{PATH}/{RAW}_tk{'A' * 22}", f"{PATH}/{RAW}/else", f"{PATH}/", f"{PATH}/a/b/c"):
        client = await gateway.call(b"", path=path, method="GET")
        assert client.status == 404, path
    assert not gateway.upstream.requests
    sealed = await made(gateway)
    client = await gateway.call(b"", path=f"{PATH}/{sealed}", method="PUT")
    assert client.status == 405


@pytest.mark.parametrize("below", ["input_tokens", "compact"])
async def test_a_route_below_responses_that_is_not_served_is_not_found(gateway: FakeGateway, below: str) -> None:
    client = await gateway.call(b"{}", path=f"{PATH}/{below}", method="POST")
    assert client.status == 404
    sealed = await made(gateway)
    assert (await gateway.call(b"{}", path=f"{PATH}/{sealed}", method="POST")).status == 405


async def test_a_stream_of_a_stored_response_passes_with_sealed_ids(gateway: FakeGateway) -> None:
    sealed = await made(gateway)
    gateway.will_stream(CREATED[:50], CREATED[50:] + DELTA, COMPLETED)
    client = await gateway.call(b"", path=f"{PATH}/{sealed}", method="GET", query=b"stream=true&starting_after=3")
    assert client.body == (CREATED + DELTA + COMPLETED).replace(RAW.encode(), sealed.encode())
    assert b"?stream=true&starting_after=3 HTTP" in gateway.upstream.requests[-1].head


# ---- in the background ----------------------------------------------------------------------------------------------

QUEUED = response(status="queued", usage=None, output=[], background=True)


async def until_settled(gateway: FakeGateway) -> None:
    async with asyncio.timeout(5):
        while not gateway.ledger.records:
            await asyncio.sleep(0.001)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backgrounds, "PAUSE_FIRST_S", 0.005)


@pytest.mark.usefixtures("quick")
async def test_a_response_in_the_background_is_settled_once_with_what_it_came_to(gateway: FakeGateway) -> None:
    gateway.will_answer(QUEUED)
    gateway.will_answer({**QUEUED, "status": "in_progress"})
    gateway.upstream.scripts.append(Script(before=[UpstreamFault("connect", "refused", sent=False)]))
    gateway.will_answer({"error": {"message": "busy"}}, status=500)
    gateway.will_answer(response())
    client = await gateway.call(ask(background=True), path=PATH)
    assert msgspec.json.decode(client.body)["status"] == "queued"
    assert "x-tollkeeper-cost-usd" not in client.headers
    assert not gateway.ledger.records
    assert (gateway.budgets.open, gateway.limiter.held) == (1, 1)
    await until_settled(gateway)
    assert (gateway.budgets.open, gateway.limiter.held) == (0, 0)
    record = gateway.ledger.only
    assert (record.amount_nanos, record.cost_state, record.outcome) == (30, "computed", "complete")
    assert gateway.limiter.released == [15]
    assert gateway.upstream.requests[-1].head.startswith(f"GET /v1/responses/{RAW} HTTP".encode())


@pytest.mark.usefixtures("quick")
async def test_what_is_deleted_before_anyone_saw_its_usage_is_booked_as_reserved(gateway: FakeGateway) -> None:
    gateway.will_answer(QUEUED)
    gateway.will_answer({"error": {"message": "not found"}}, status=404)
    await gateway.call(ask(background=True), path=PATH)
    (held,) = gateway.ledger.reservations.values()
    await until_settled(gateway)
    record = gateway.ledger.only
    assert (record.amount_nanos, record.cost_state) == (held.ceiling_nanos, "estimated")
    assert RAW in record.reason
    assert "gone from its provider" in record.reason


async def test_a_gateway_that_stops_books_what_goes_on_as_reserved(gateway: FakeGateway) -> None:
    gateway.will_answer(QUEUED)
    gateway.will_answer(QUEUED)
    await gateway.call(ask(background=True), path=PATH)
    await gateway.backgrounds.aclose()
    (held,) = gateway.ledger.reservations.values()
    assert (gateway.ledger.only.amount_nanos, gateway.ledger.only.is_estimated) == (held.ceiling_nanos, True)


async def test_a_gateway_that_stops_asks_a_last_time(gateway: FakeGateway) -> None:
    gateway.will_answer(QUEUED)
    gateway.will_answer(response())
    await gateway.call(ask(background=True), path=PATH)
    await gateway.backgrounds.aclose()
    assert (gateway.ledger.only.amount_nanos, gateway.ledger.only.cost_state) == (30, "computed")


async def test_a_deletion_waits_until_the_usage_was_seen(gateway: FakeGateway) -> None:
    gateway.will_answer(QUEUED)
    client = await gateway.call(ask(background=True), path=PATH)
    sealed = msgspec.json.decode(client.body)["id"]
    gateway.will_answer(response())
    gateway.will_answer({"id": RAW, "object": "response", "deleted": True})
    await gateway.call(b"", path=f"{PATH}/{sealed}", method="DELETE")
    assert gateway.ledger.only.amount_nanos == 30
    assert [request.head[:4] for request in gateway.upstream.requests] == [b"POST", b"GET ", b"DELE"]


async def test_a_broken_stream_of_a_response_in_the_background_is_followed(gateway: FakeGateway) -> None:
    gateway.will_stream(CREATED, DELTA, UpstreamFault("closed", "gone", sent=True))
    gateway.will_answer(response())
    await gateway.call(ask(background=True, stream=True), path=PATH)
    assert not gateway.ledger.records
    await gateway.backgrounds.hurry("openai", "", RAW, wait_s=5.0)
    assert (gateway.ledger.only.amount_nanos, gateway.ledger.only.cost_state) == (30, "computed")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("status", ["cancelled", "failed", "incomplete"])
async def test_what_ended_without_a_usage_is_booked_as_reserved(gateway: FakeGateway, status: str) -> None:
    gateway.will_answer(QUEUED)
    gateway.will_answer({**QUEUED, "status": status, "model": "gpt-served"})
    await gateway.call(ask(background=True), path=PATH)
    (held,) = gateway.ledger.reservations.values()
    await until_settled(gateway)
    record = gateway.ledger.only
    assert (record.amount_nanos, record.cost_state, record.outcome) == (held.ceiling_nanos, "estimated", "broken")
    assert record.amount_nanos > 30
    assert gateway.limiter.released == [None]  # nothing of a rate is given back for tokens that nobody knows
    assert RAW in record.reason
    assert "without a usage" in record.reason


async def test_the_body_of_a_call_is_not_kept_while_its_response_goes_on(gateway: FakeGateway) -> None:
    body = msgspec.json.encode(ask(background=True, input="x" * 50_000, tools=[{"type": "function", "name": "f"}]))
    gateway.will_answer(QUEUED)
    await gateway.call(body, path=PATH)
    await asyncio.sleep(0)
    (followed,) = gateway.backgrounds._followed.values()
    kept = followed.passage
    assert isinstance(kept.call, ResponsesCall)
    assert (kept.body, kept.call.body, len(msgspec.json.encode(kept.call.fields.input))) == (b"", b"", 0)
    gateway.will_answer(response())
    await gateway.backgrounds.aclose()
    assert (gateway.ledger.only.amount_nanos, gateway.ledger.only.cost_state) == (30, "computed")


async def test_an_organization_has_its_own_number_of_places(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backgrounds, "FOLLOWED_EACH_MAX", 1)
    gateway.keys[keyed_digest(PEPPER, UNLIMITED_KEY.encode())] = make_key(organization_id="org_b")
    for key, status, raw_id in ((GOOD_KEY, 200, "resp_1"), (GOOD_KEY, 429, ""), (UNLIMITED_KEY, 200, "resp_2")):
        if raw_id:
            gateway.will_answer({**QUEUED, "id": raw_id})
        client = await gateway.call(ask(background=True), path=PATH, key=key)
        assert client.status == status, client.body
        assert raw_id or b"cancel" in client.body
    for raw_id in ("resp_1", "resp_2"):
        gateway.will_answer(response(id=raw_id))
    await gateway.backgrounds.aclose()
    gateway.backgrounds.check_room("org_a")
    assert not gateway.backgrounds._numbers


async def test_no_more_are_followed_than_may_be(gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backgrounds, "FOLLOWED_MAX", 0)
    client = await gateway.call(ask(background=True), path=PATH)
    assert client.status == 503
    assert not gateway.ledger.reservations


def _key(gateway: FakeGateway) -> Any:
    return gateway.keys[keyed_digest(PEPPER, GOOD_KEY.encode())]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_guess_at_an_id_counts_as_a_request(gateway: FakeGateway, method: str) -> None:
    client = await gateway.call(path=f"{PATH}/resp_guessed", method=method)
    assert (client.status, gateway.limiter.asked, gateway.limiter.released) == (404, [0], [0])
    gateway.limiter.refusal = RateExceeded("Too many requests.", retry_after_seconds=1)
    assert (await gateway.call(path=f"{PATH}/resp_guessed", method=method)).status == 429
