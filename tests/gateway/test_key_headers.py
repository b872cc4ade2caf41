"""In which header a provider gets its key."""

from __future__ import annotations

import pytest
from tests.fakes.gateway import PROVIDER_KEY, FakeGateway, answer

from tollkeeper.domain.deployment import Provider, ProviderKind

AZURE = "https://acme.openai.azure.com/openai/v1"


@pytest.mark.parametrize(
    ("kind", "base_url", "named", "header"),
    [
        ("openai", "https://api.openai.com/v1", "", "authorization: Bearer {}"),
        ("openai", AZURE, "", "api-key: {}"),
        ("openai_compatible", AZURE, "", "api-key: {}"),
        ("openai_compatible", "https://acme.openai.azure.com.evil.test/v1", "", "authorization: Bearer {}"),
        ("openai_compatible", "https://llm.acme.test/v1", "x-acme-key", "x-acme-key: {}"),
        ("anthropic", "https://api.anthropic.com/v1", "", "x-api-key: {}"),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta", "", "x-goog-api-key: {}"),
    ],
)
async def test_the_key_goes_in_the_header_of_its_kind_address_or_setting(
    kind: ProviderKind, base_url: str, named: str, header: str
) -> None:
    gateway = FakeGateway(Provider("openai", kind, base_url, PROVIDER_KEY, "openai", key_header=named))
    gateway.will_answer(answer())
    await gateway.call()
    head = gateway.upstream.requests[0].head.decode()
    assert head.count(PROVIDER_KEY) == 1
    assert f"\r\n{header.format(PROVIDER_KEY)}\r\n" in head
