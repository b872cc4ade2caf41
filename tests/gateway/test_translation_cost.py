"""A translated call costs at most twice what a passed one does, a translated stream of a hundred chunks at most three times.

Counted in bytecodes that the gateway's own code runs, over fakes, so that no other work on the machine matters. What it
comes to in CPU time `python -m bench --only dialects` measures.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

import pytest
from bench.dialects import Dialect, answer_of, events_of, headers_of, path_of, request_of
from tests.fakes.gateway import ANTHROPIC, GEMINI, OPENAI, UNLIMITED_KEY, FakeGateway

from tollkeeper.domain.deployment import Deployment, Provider, Route

PROVIDERS: dict[Dialect, Provider] = {"openai": OPENAI, "anthropic": ANTHROPIC, "gemini": GEMINI}
MODELS: dict[Dialect, str] = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}
TRANSLATED: list[tuple[Dialect, Dialect]] = [
    ("openai", "anthropic"),
    ("openai", "gemini"),
    ("anthropic", "openai"),
    ("anthropic", "gemini"),
]


class Bytecodes:
    """Counts the bytecodes that Tollkeeper's code runs within the block."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, _argument: Any) -> Callable[..., Any] | None:
        if event == "call" and "/tollkeeper/" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.count += event == "opcode"
        return self._trace


async def cost_of(client: Dialect, provider: Dialect, *, stream: bool) -> int:
    gateway = FakeGateway(routes=[Route("m", (Deployment(PROVIDERS[provider], MODELS[provider]),))])
    path, _, query = path_of(client, "m", stream=stream).partition("?")
    body, headers = request_of(client, "m", stream=stream), headers_of(client, UNLIMITED_KEY)

    async def call() -> None:
        if stream:
            gateway.will_stream(*events_of(provider))
        else:
            gateway.will_answer(answer_of(provider))
        made = await gateway.call(body, key=None, headers=headers, path=path, query=query.encode())
        assert made.status == 200

    await call()  # what is made ready once
    counts = []
    for _ in range(2):  # one of them may make the ids of 256 calls
        with Bytecodes() as counted:
            await call()
        counts.append(counted.count)
    return min(counts)


@pytest.mark.parametrize(("client", "provider"), TRANSLATED)
@pytest.mark.parametrize(("stream", "times"), [(False, 2), (True, 3)])
async def test_what_is_translated_costs_little_more_than_what_is_passed(
    client: Dialect, provider: Dialect, stream: bool, times: int
) -> None:
    passed = await cost_of(client, client, stream=stream)
    translated = await cost_of(client, provider, stream=stream)
    assert passed > 1_000
    assert translated <= times * passed
