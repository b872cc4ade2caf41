"""What a provider's answer may look like, and what of it never reaches a client: our key with that provider."""

from __future__ import annotations

import gzip

import pytest
from tests.fakes.gateway import DONE, PROVIDER_KEY, USAGE_CHUNK, FakeGateway, answer, chat, chunk
from tests.fakes.upstream import JSON, Script

SECRET = PROVIDER_KEY.encode()


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.mark.parametrize("content_type", [b"Text/Event-Stream", b"TEXT/EVENT-STREAM; charset=UTF-8"])
async def test_a_stream_is_known_by_its_content_type_in_any_case(gateway: FakeGateway, content_type: bytes) -> None:
    script = Script(headers=((b"content-type", content_type),), steps=[chunk("four"), USAGE_CHUNK, DONE])
    gateway.upstream.scripts.append(script)
    client = await gateway.call(chat(stream=True))
    assert client.body == chunk("four") + DONE
    assert gateway.ledger.only.amount_nanos == 30


async def test_our_key_is_taken_out_of_a_streams_events(gateway: FakeGateway) -> None:
    gateway.will_stream(chunk(f"your key is {PROVIDER_KEY}"), USAGE_CHUNK, DONE)
    client = await gateway.call(chat(stream=True))
    assert SECRET not in client.body
    assert b"your key is [redacted]" in client.body


@pytest.mark.parametrize("status", [200, 403])
async def test_our_key_is_taken_out_of_headers(gateway: FakeGateway, status: int) -> None:
    headers = (JSON, (b"openai-model", b"for " + SECRET))
    body = b'{"error":{"message":"no"}}' if status != 200 else b"{}"
    gateway.upstream.scripts.append(Script(status, headers, [body]))
    client = await gateway.call()
    assert client.headers["openai-model"] == "for [redacted]"


async def test_our_key_is_taken_out_of_a_refusal(gateway: FakeGateway) -> None:
    gateway.will_answer(b'{"error":{"message":"bad key ' + SECRET + b'"}}', 403)
    assert (await gateway.call()).body == b'{"error":{"message":"bad key [redacted]"}}'


@pytest.mark.parametrize(("status", "is_logged"), [(401, True), (403, True), (400, False), (429, False), (500, False)])
async def test_a_provider_that_refuses_our_key_is_a_warning_for_the_operator(
    gateway: FakeGateway, caplog: pytest.LogCaptureFixture, status: int, is_logged: bool
) -> None:
    gateway.will_answer(b'{"error":{"message":"no"}}', status)
    await gateway.call()
    logged = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert logged == ([f"provider 'openai' refused our key with {status}"] if is_logged else [])
    assert PROVIDER_KEY not in caplog.text


async def test_a_good_answer_passes_unchanged(gateway: FakeGateway, caplog: pytest.LogCaptureFixture) -> None:
    gateway.will_answer(answer())
    assert (await gateway.call()).status == 200
    assert caplog.records == []


async def test_our_key_is_taken_out_of_an_answer_and_of_the_request_id_that_is_kept(gateway: FakeGateway) -> None:
    headers = (JSON, (b"x-request-id", b"req for " + SECRET))
    gateway.upstream.scripts.append(Script(200, headers, [b'{"id": "' + SECRET + b'"}']))
    client = await gateway.call()
    assert client.body == b'{"id": "[redacted]"}'
    assert gateway.ledger.only.provider_request_id == "req for [redacted]"


@pytest.mark.parametrize("status", [200, 403])
async def test_our_key_is_taken_out_of_what_was_compressed(gateway: FakeGateway, status: int) -> None:
    body = gzip.compress(b'{"error":{"message":"bad key ' + SECRET + b'"}}')
    gateway.upstream.scripts.append(Script(status, (JSON, (b"content-encoding", b"gzip")), [body]))
    client = await gateway.call()
    assert client.body == b'{"error":{"message":"bad key [redacted]"}}'
    assert "content-encoding" not in client.headers


async def test_a_bomb_of_a_provider_is_a_fault_of_its(gateway: FakeGateway) -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    gateway.upstream.scripts.append(Script(200, (JSON, (b"content-encoding", b"gzip")), [bomb]))
    assert (await gateway.call()).status == 502
