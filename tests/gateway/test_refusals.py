"""Each step of a call's path can refuse: the client is told why, and nothing that comes after that step happens."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.fakes.gateway import DISABLED_KEY, EXPIRED_KEY, POWERLESS_KEY, UNKNOWN_KEY, FakeGateway, answer, chat
from tests.fakes.upstream import Script

from tollkeeper.domain.errors import Overloaded, UpstreamFault


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


def assert_nothing_was_done(gateway: FakeGateway) -> None:
    assert gateway.upstream.requests == []
    assert gateway.ledger.reservations == {}
    assert gateway.ledger.records == {}
    assert gateway.limiter.held == 0
    assert gateway.app.in_flight == 0


@pytest.mark.parametrize(
    ("key", "status", "code", "words"),
    [
        (None, 401, "invalid_api_key", "No API key"),
        ("sk-proj-x", 401, "invalid_api_key", "Invalid API key format. Keys of Tollkeeper begin with sk-tk-"),
        ("", 401, "invalid_api_key", "format"),
        ("sk-tk-nonsense", 401, "invalid_api_key", "format"),
        (UNKNOWN_KEY[:-1] + ("0" if UNKNOWN_KEY[-1] != "0" else "1"), 401, "invalid_api_key", "format"),
        (UNKNOWN_KEY, 401, "invalid_api_key", "Invalid API key."),
        (DISABLED_KEY, 401, "invalid_api_key", "disabled"),
        (EXPIRED_KEY, 401, "invalid_api_key", "expired"),
        (POWERLESS_KEY, 403, "permission_denied", "chat:create"),
    ],
)
async def test_a_key_that_may_not_call_is_refused(
    gateway: FakeGateway, key: str | None, status: int, code: str, words: str
) -> None:
    client = await gateway.call(key=key)
    assert (client.status, client.error["code"]) == (status, code)
    assert words in client.error["message"]
    assert_nothing_was_done(gateway)


async def test_a_mistyped_key_costs_no_look_up(gateway: FakeGateway) -> None:
    await gateway.call(key="sk-tk-nonsense")
    assert "look up" not in gateway.log


async def test_a_warm_key_costs_no_look_up(gateway: FakeGateway) -> None:
    for _ in range(2):
        gateway.will_answer(answer())
        await gateway.call()
    assert gateway.log.count("look up") == 1


async def test_a_directory_out_of_reach_is_unavailable_and_asks_to_try_again(gateway: FakeGateway) -> None:
    gateway.directory.is_away = True
    client = await gateway.call()
    assert (client.status, client.error["code"]) == (503, "directory_unavailable")
    assert client.headers["retry-after"] == "1"
    assert_nothing_was_done(gateway)


@pytest.mark.parametrize("header", ["x-api-key", "api-key", "x-goog-api-key"])
async def test_a_key_may_come_in_any_of_the_usual_headers(gateway: FakeGateway, header: str) -> None:
    from tests.fakes.gateway import GOOD_KEY

    gateway.will_answer(answer())
    assert (await gateway.call(key=None, headers={header: f" {GOOD_KEY} "})).status == 200


async def test_another_authorization_scheme_is_refused(gateway: FakeGateway) -> None:
    client = await gateway.call(key=None, headers={"authorization": "Basic abc"})
    assert client.status == 401
    assert_nothing_was_done(gateway)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"", None),
        (b"[1]", None),
        (b'\xff{"model":1}', None),
        (chat(model=5), "model"),
        (chat(model=""), "model"),
        (chat(messages="text"), "messages"),
        (chat(stream="yes"), "stream"),
        (chat(n=0), "n"),
        (chat(stream_options={"include_usage": True}), "stream_options"),
        ({"model": "gpt-fake"}, "messages"),
        ({"messages": []}, "model"),
        (b'{"model":"a","model":"b","messages":[]}', "model"),
        (b'{"model":"a","messages":[],"stream":true,"str\\u0065am":false}', "stream"),
        (b'{"model":"a","messages":[],"max_tokens":1,"max_tokens":9}', "max_tokens"),
    ],
)
async def test_a_body_that_cannot_be_understood_is_refused(gateway: FakeGateway, body: Any, param: str | None) -> None:
    client = await gateway.call(body)
    assert (client.status, client.error["param"]) == (400, param), client.error
    assert_nothing_was_done(gateway)


async def test_a_body_too_large_is_refused_by_its_length_before_it_is_read(gateway: FakeGateway) -> None:
    client = gateway.client(b"x", headers={"content-length": "100001"})
    await gateway.handle(client)
    assert (client.status, client.headers["connection"]) == (413, "close")
    assert_nothing_was_done(gateway)


async def test_a_body_too_large_is_refused_as_it_comes_when_it_states_no_length(gateway: FakeGateway) -> None:
    client = await gateway.call([b"x" * 60_000, b"x" * 60_000, b"x" * 60_000])
    assert (client.status, client.error["code"]) == (413, "request_too_large")
    assert_nothing_was_done(gateway)


async def test_a_body_in_pieces_is_put_together(gateway: FakeGateway) -> None:
    gateway.will_answer(answer())
    whole = msgspec.json.encode(chat())
    client = await gateway.call([whole[:5], whole[5:9], whole[9:]])
    assert client.status == 200
    assert gateway.upstream.requests[0].body == whole


async def test_a_client_gone_before_its_request_is_whole_leaves_nothing(gateway: FakeGateway) -> None:
    client = await gateway.call(b'{"model"', is_cut_short=True)
    assert client.messages == []
    assert_nothing_was_done(gateway)


async def test_an_unknown_model_is_not_found(gateway: FakeGateway) -> None:
    client = await gateway.call(chat(model="no-such"))
    assert (client.status, client.error["code"]) == (404, "model_not_found")
    assert "provider/model" in client.error["message"]
    assert_nothing_was_done(gateway)


async def test_a_rate_that_is_used_up_refuses_before_anything_is_reserved(gateway: FakeGateway) -> None:
    gateway.limiter.refusal = Overloaded("Too much.")
    client = await gateway.call()
    assert client.status == 503
    assert_nothing_was_done(gateway)


async def test_labels_that_cannot_be_read_are_refused_and_the_rate_is_given_back(gateway: FakeGateway) -> None:
    client = await gateway.call(headers={"x-tollkeeper-labels": "no equals sign"})
    assert (client.status, client.error["param"]) == (400, "x-tollkeeper-labels")
    assert gateway.limiter.released == [0]
    assert_nothing_was_done(gateway)


async def test_a_journal_that_takes_nothing_refuses_before_anything_goes_out(gateway: FakeGateway) -> None:
    gateway.ledger.is_full = True
    client = await gateway.call()
    assert (client.status, client.error["code"]) == (503, "limits_unavailable")
    assert gateway.limiter.released == [0]
    assert_nothing_was_done(gateway)


@pytest.mark.parametrize(
    ("method", "content_type", "status"), [("GET", "application/json", 405), ("POST", "text/plain", 415)]
)
async def test_method_and_content_type_are_checked_first(
    gateway: FakeGateway, method: str, content_type: str, status: int
) -> None:
    client = await gateway.call(method=method, headers={"content-type": content_type})
    assert client.status == status
    assert gateway.log == ["send", "end"]


@pytest.mark.parametrize(
    ("kind", "sent", "status", "code"),
    [
        ("connect", False, 502, "provider_unavailable"),
        ("connect_timeout", False, 504, "provider_timeout"),
        ("tls", False, 502, "provider_unavailable"),
        ("first_byte_timeout", True, 504, "provider_timeout"),
        ("closed", True, 502, "provider_unavailable"),
    ],
)
async def test_a_provider_out_of_reach_is_told_and_settled(
    gateway: FakeGateway, kind: Any, sent: bool, status: int, code: str
) -> None:
    gateway.upstream.scripts.append(Script(before=[UpstreamFault(kind, "no answer", sent=sent)]))
    client = await gateway.call()
    assert (client.status, client.error["code"]) == (status, code)
    record = gateway.ledger.only
    assert record.status == 0
    if sent:  # it may have worked on it, so what went out is counted
        assert (record.cost_state, record.is_estimated) == ("estimated", True)
        assert record.amount_nanos is not None
        assert record.amount_nanos > 0
    else:
        assert (record.cost_state, record.amount_nanos) == ("unbilled", 0)


async def test_a_bug_is_answered_without_its_trace_and_is_not_tried_again(gateway: FakeGateway) -> None:
    gateway.upstream.scripts.append(Script(before=[RuntimeError("a secret detail")]))
    client = await gateway.call()
    assert (client.status, client.error["code"]) == (500, "internal_error")
    assert client.headers["x-should-retry"] == "false"
    assert b"secret" not in client.body
    gateway.ledger.assert_balanced()


async def test_models_are_listed_only_for_keys_that_may(gateway: FakeGateway) -> None:
    listed = await gateway.call(b"", method="GET", path="/v1/models")
    assert [model["id"] for model in msgspec.json.decode(listed.body)["data"]] == ["gpt-fake", "gpt-unpriced"]
    assert (await gateway.call(b"", method="GET", path="/v1/models/gpt-fake")).status == 200
    assert (await gateway.call(b"", method="GET", path="/v1/models/no%2Fsuch")).status == 404
    assert (await gateway.call(b"", method="GET", path="/v1/models", key=POWERLESS_KEY)).status == 403
    assert (await gateway.call(b"", method="POST", path="/v1/models")).status == 405


async def test_a_fault_names_the_provider_and_not_its_address(gateway: FakeGateway) -> None:
    fault = UpstreamFault("connect", "no connection to http://10.1.2.3:8000: refused", sent=False)
    gateway.upstream.scripts.append(Script(before=[fault]))
    client = await gateway.call()
    assert "The provider 'openai' could not be reached" in client.error["message"]
    assert "10.1.2.3" not in client.body.decode()
    assert client.error["provider"] == "openai"
    assert client.error["tries"]
    assert "10.1.2.3" in gateway.ledger.only.reason


@pytest.mark.parametrize("path", ["/v1beta/models/gemini-2.5-flash:generateContentx", "/v1/models/x:nope"])
async def test_a_method_that_gemini_has_not_is_not_found(gateway: FakeGateway, path: str) -> None:
    client = await gateway.call(path=path)
    assert client.status == 404
    assert "streamGenerateContent" in client.body.decode()


async def test_a_call_that_a_route_cannot_make_says_which_can(gateway: FakeGateway) -> None:
    body = {"contents": [{"parts": [{"text": "x"}]}]}
    client = await gateway.call(body, path="/v1beta/models/gpt-fake:generateContent")
    assert client.status == 400
    assert "/v1/chat/completions" in client.body.decode()
