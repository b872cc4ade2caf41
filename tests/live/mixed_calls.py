"""A mix of calls as clients make them, seeded: streams, aborts, provider faults, cached prefixes, twenty models and more.

Every call carries its number as a label, and the answer's `x-request-id` names its record, so that each can be followed.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.live.raw_http import RawConnection, Reply

CHAT_MODELS = (
    "gpt-4o", "gpt-4o-mini", "gpt-4o-2024-11-20", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "o1", "o3-mini", "o3", "o4-mini",
    "gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5.1", "gpt-5.2", "gpt-5.4", "gpt-5.4-mini", "gpt-5.5", "gpt-5.6-luna",
    "gpt-5.6-sol", "gpt-6-luna", "gpt-6-sol", "gpt-6.1-terra", "gpt-4-turbo", "gpt-3.5-turbo",
)  # fmt: skip
EMBEDDING_MODELS = ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002")
COMPLETION_MODELS = ("gpt-3.5-turbo-instruct", "davinci-002", "babbage-002")
TIERED = dict.fromkeys(("o3", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5.1", "gpt-6-sol"), ("flex", "priority"))
FAULTS = (
    "status=429", "status=429:quota", "status=500", "status=503", "status=400", "status=404", "cut=150", "cut=700",
    "reset=0", "reset=300", "no_usage", "zero_usage", "malformed", "late_usage", "late_usage;crlf", "crlf", "pieces=7",
    "crlf;pieces=3", "error_event", "drip=40,1", "delay=30", "first_byte_delay=30", "big=64", "tokens=400", "tokens=1",
)  # fmt: skip
RARE_FAULTS = ("stall=200",)  # takes as long as the gateway's idle time-out
WORDS = [
    "the",
    "toll",
    "is",
    "paid",
    "before",
    "the",
    "gate",
    "opens",
    "while",
    "a",
    "keeper",
    "counts",
    "coins",
    "by",
    "hand",
    "요금",
    "정산",
    "は橋",
]
PREFIXES = tuple(
    f"Rules of bridge {number}. " + " ".join(f"rule {number}.{item} holds at dawn" for item in range(320))
    for number in range(4)
)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look_up_toll",
            "description": "Looks up a toll",
            "parameters": {
                "type": "object",
                "properties": {"bridge": {"type": "string"}, "axles": {"type": "integer"}},
                "required": ["bridge", "axles"],
            },
        },
    }
]


@dataclass(slots=True)
class PlannedCall:
    """One call to make. `must_be_refused` marks those that Tollkeeper itself turns down: they leave no trace."""

    number: int
    path: str
    body: bytes
    leave_after: int | None = None
    must_be_refused: bool = False


@dataclass(slots=True)
class MadeCall:
    """A call and what its client saw."""

    plan: PlannedCall
    reply: Reply

    @property
    def call_id(self) -> str:
        """The id of its usage record, when an answer began."""
        return self.reply.headers.get("x-request-id", "").removeprefix("req_")

    @property
    def cost_nanos(self) -> int | None:
        """What the answer said that the call cost."""
        stated = self.reply.headers.get("x-tollkeeper-cost-usd")
        if stated is not None:
            return int(Decimal(stated) * 10**9)
        for event in self.reply.events() if self.reply.is_complete else ():
            usage = event.get("usage") or {}
            if "cost" in usage:
                return int(Decimal(str(usage["cost"])) * 10**9)
        return None


@dataclass
class CallMaker:
    """Plans calls: the same seed gives the same calls."""

    seed: int
    has_faults: bool = True
    only_streams: bool = False
    _random: random.Random = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def plan(self) -> PlannedCall:
        rng = self._random
        self._number += 1
        kind = (
            "chat"
            if self.only_streams
            else rng.choices(["chat", "embeddings", "completions", "wrong"], [86, 6, 5, 3])[0]
        )
        if kind == "wrong":
            return self._wrong()
        fault = self._fault() if self.has_faults else ""
        text = self._text() + (f" [[sim:{fault}]]" if fault else "")
        if kind == "embeddings":
            return self._make("/v1/embeddings", {"model": rng.choice(EMBEDDING_MODELS), "input": text})
        if kind == "completions":
            body: dict[str, Any] = {
                "model": rng.choice(COMPLETION_MODELS),
                "prompt": text,
                "max_tokens": rng.randint(1, 60),
            }
            return self._make("/v1/completions", body | self._streaming())
        return self._make("/v1/chat/completions", self._chat(text))

    def _chat(self, text: str) -> dict[str, Any]:
        rng = self._random
        model = rng.choice(CHAT_MODELS)
        messages: list[dict[str, Any]] = [{"role": "user", "content": text}]
        if rng.random() < 0.2:
            messages.insert(0, {"role": "system", "content": rng.choice(PREFIXES)})
        body: dict[str, Any] = {"model": model, "messages": messages}
        if rng.random() < 0.1:
            image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
            messages[-1]["content"] = [{"type": "text", "text": text}, image]
        if rng.random() < 0.1:
            body["n"] = rng.randint(2, 3)
        if rng.random() < 0.15:
            body["max_completion_tokens"] = rng.randint(1, 400)
        if rng.random() < 0.1:
            body |= {"tools": TOOLS, "tool_choice": rng.choice(["auto", "required"])}
        elif rng.random() < 0.1:
            schema = {"type": "object", "properties": {"toll": {"type": "number"}}, "required": ["toll"]}
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "toll", "schema": schema}}
        if model in TIERED and rng.random() < 0.5:
            body["service_tier"] = rng.choice(TIERED[model])
        if rng.random() < 0.2:
            body |= {"user": f"user-{rng.randint(1, 9)}", "metadata": {"team": "bridge"}}
        return body | self._streaming()

    def _streaming(self) -> dict[str, Any]:
        rng = self._random
        if not self.only_streams and rng.random() < 0.45:
            return {}
        return {"stream": True} | rng.choice([{}, {"stream_options": {"include_usage": True}}, {"stream_options": {}}])

    def _make(self, path: str, body: dict[str, Any]) -> PlannedCall:
        rng = self._random
        leave_after = rng.choice([0, 1, 200, 900, 4000]) if self.has_faults and rng.random() < 0.08 else None
        encoded = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode()
        return PlannedCall(self._number, path, encoded, leave_after)

    def _wrong(self) -> PlannedCall:
        bodies = (
            b'{"model": "gpt-4o"',
            b"[]",
            b'{"model":"no-such-model","messages":[]}',
            b'{"model":"gpt-4o"}',
            b"\xff\xfe",
        )
        return PlannedCall(self._number, "/v1/chat/completions", self._random.choice(bodies), must_be_refused=True)

    def _fault(self) -> str:
        rng = self._random
        chance = rng.random()
        return rng.choice(RARE_FAULTS) if chance < 0.003 else rng.choice(FAULTS) if chance < 0.25 else ""

    def _text(self) -> str:
        return " ".join(self._random.choices(WORDS, k=self._random.randint(1, 60)))


async def make_calls(port: int, key: str, plans: list[PlannedCall], *, concurrency: int) -> list[MadeCall]:
    """Make calls over `concurrency` kept-alive connections, each in the plans' order as far as it takes them."""
    waiting = iter(plans)
    made: list[MadeCall] = []

    async def client() -> None:
        connection = RawConnection(port)
        for plan in waiting:
            labels = {"x-tollkeeper-labels": f"number={plan.number}"}
            reply = await connection.post(plan.path, plan.body, key=key, headers=labels, leave_after=plan.leave_after)
            made.append(MadeCall(plan, reply))
        connection.drop()

    await asyncio.gather(*(client() for _ in range(concurrency)))
    return made
