"""A stream that has ended is forgotten at once: a thousand of them must not wait for the collector to look for circles."""

from __future__ import annotations

import gc

import pytest
from bench.dialects import Dialect, events_of, headers_of, path_of, request_of
from tests.fakes.gateway import ANTHROPIC, GEMINI, OPENAI, UNLIMITED_KEY, FakeGateway

from tollkeeper.domain.deployment import Deployment, Provider, Route
from tollkeeper.gateway.client_watch import ClientWatch
from tollkeeper.gateway.passage import Passage
from tollkeeper.gateway.stream_back import StreamBack

PROVIDERS: dict[Dialect, Provider] = {"openai": OPENAI, "anthropic": ANTHROPIC, "gemini": GEMINI}
PAIRS: list[tuple[Dialect, Dialect]] = [
    ("openai", "openai"),
    ("anthropic", "anthropic"),
    ("gemini", "gemini"),
    ("openai", "anthropic"),
    ("openai", "gemini"),
    ("anthropic", "openai"),
]


@pytest.mark.parametrize(("client", "provider"), PAIRS)
async def test_nothing_of_a_stream_waits_for_the_collector(client: Dialect, provider: Dialect) -> None:
    gateway = FakeGateway(routes=[Route("m", (Deployment(PROVIDERS[provider], "gpt-4o-mini"),))])
    gateway.will_stream(*events_of(provider))
    path, _, query = path_of(client, "m", stream=True).partition("?")
    body, headers = request_of(client, "m", stream=True), headers_of(client, UNLIMITED_KEY)
    gc.collect()
    gc.disable()
    try:
        others = _of_a_stream()  # which another test still has in hand
        made = await gateway.call(body, key=None, headers=headers, path=path, query=query.encode())
        left = [each for each in _of_a_stream() if not any(each is other for other in others)]
    finally:
        gc.enable()
    assert made.status == 200
    assert left == []


def _of_a_stream() -> list[object]:
    return [each for each in gc.get_objects() if isinstance(each, StreamBack | ClientWatch | Passage)]
