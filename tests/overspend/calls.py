"""Seeded calls for the scenarios: of random size, with a stated limit and a real output below it, streamed or not, some left."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.live.mixed_calls import WORDS
from tests.live.processes import SimulatorProcess, get_json
from tests.live.raw_http import RawConnection

MODELS = (
    "gpt-4o-mini", "gpt-4.1-mini", "gpt-4o", "gpt-4.1", "gpt-5.1", "gpt-5-mini", "gpt-5.4-mini", "gpt-3.5-turbo",
)  # fmt: skip
"""One for each key: so the provider's bill tells the keys apart."""
OUTPUT_TOKENS = (16, 400)
PATH = "/v1/chat/completions"
_SAMPLE = 400


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make; with `leave_after` its client hangs up after so many bytes of the answer."""

    body: bytes
    leave_after: int | None


class CallMaker:
    """Plans calls: the same seed gives the same calls."""

    def __init__(self, seed: int, *, leaving: float = 0.05, unstated: float = 0.0) -> None:
        self._random = random.Random(seed)
        self._leaving, self._unstated = leaving, unstated

    def plan(self, key: int) -> Call:
        """Plan a call of a key, by the model that is its own."""
        rng = self._random
        text = " ".join(rng.choices(WORDS, k=rng.randint(1, 60)))
        body: dict[str, Any] = {"model": MODELS[key]}
        if rng.random() >= self._unstated:
            stated = rng.randint(*OUTPUT_TOKENS)
            body["max_completion_tokens"] = stated
            text += f" [[sim:tokens={rng.randint(1, stated)}]]"
        body["messages"] = [{"role": "user", "content": text}]
        if rng.random() < 0.4:
            body["stream"] = True
        leave_after = rng.choice([0, 1, 200]) if rng.random() < self._leaving else None
        return Call(json.dumps(body).encode(), leave_after)


def mean_cost_nanos(simulator: SimulatorProcess, seed: int) -> int:
    """Return what a call costs on average, as the provider itself bills them; its bill is empty afterwards."""
    maker = CallMaker(seed, leaving=0)
    calls = iter([maker.plan(number % len(MODELS)) for number in range(_SAMPLE)])
    asyncio.run(_ask_provider(simulator.port, calls))
    summary = get_json(f"{simulator.origin}/_bill/summary")
    assert summary["count"] == _SAMPLE, summary
    asyncio.run(_forget_bill(simulator.port))
    return int(summary["total_nano"]) // _SAMPLE


async def _ask_provider(port: int, calls: Iterable[Call]) -> None:
    async def client() -> None:
        connection = RawConnection(port)
        for call in calls:
            reply = await connection.post(PATH, call.body, key="sk-sim-gateway-000001")
            assert reply.status == 200, reply.body
        connection.drop()

    await asyncio.gather(*(client() for _ in range(64)))


async def _forget_bill(port: int) -> None:
    connection = RawConnection(port)
    reply = await connection.send(b"DELETE /_bill HTTP/1.1\r\nhost: simulator\r\ncontent-length: 0\r\n\r\n")
    assert reply.status == 200, reply.body
    connection.drop()
