"""Bodies that cannot go out as they came: written again as JSON, or refused where that cannot be."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.fakes.gateway import ANTHROPIC, MODEL, OPENAI, UNLIMITED_KEY, FakeGateway, chat

from tollkeeper.domain.deployment import Deployment, Provider, Route

MESSAGES = {"model": "asked", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize(
    ("path", "provider", "body"),
    [
        ("/v1/responses", OPENAI, {"model": "asked", "input": "x"}),
        ("/v1/chat/completions", OPENAI, chat(model="asked")),
        ("/v1/messages", ANTHROPIC, MESSAGES),
    ],
)
@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"NaN"])
async def test_a_number_that_json_cannot_carry_does_not_go_out(
    path: str, provider: Provider, body: dict[str, Any], number: bytes
) -> None:
    gateway = FakeGateway(provider, routes=[Route("asked", (Deployment(provider, MODEL),))])
    sent = msgspec.json.encode(body)[:-1] + b',"odd":{"model":"x","temperature":' + number + b"}}"
    client = await gateway.call(sent, path=path, key=UNLIMITED_KEY)
    assert client.status == 400
    assert not gateway.upstream.requests
    assert not [record for record in gateway.ledger.records.values() if record.amount_nanos]
