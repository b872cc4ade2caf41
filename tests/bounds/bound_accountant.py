"""What a request costs at the provider: tokens by the models' own vocabularies, pictures by the published rule, prices by its list.

Nothing of it is shared with what reserves: what is not known beforehand (cache, tier, length of the answer) is drawn.
"""

from __future__ import annotations

import json
import math
import random
from typing import Any

from tests.bounds.bound_requests import MadeRequest

from tollkeeper.tokens.counter import count_tokens
from tollkeeper_simulator.answer import Caller
from tollkeeper_simulator.bill import Bill, Usage, lines_for
from tollkeeper_simulator.dialect import RefusedError, State, Work
from tollkeeper_simulator.faults import FaultPlan
from tollkeeper_simulator.openai.chat import Chat
from tollkeeper_simulator.openai.completions import Completions
from tollkeeper_simulator.openai.embeddings import Embeddings
from tollkeeper_simulator.openai.images import image_tokens
from tollkeeper_simulator.prices import PRICES, Tier, tier_served
from tollkeeper_simulator.prompt_cache import PromptCache
from tollkeeper_simulator.settings import Settings

# How OpenAI frames messages and tools, in tokens: cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken, 2025.
PER_MESSAGE, PER_NAME, ANSWER_PRIMER = 3, 1, 3
PER_TOOL, PER_TOOLS, PER_PROPERTY, PER_PROPERTIES, PER_ENUM = 7, 12, 3, 3, 3
PICTURE_FRAME = 35  # measured beside a picture: community.openai.com/t/1344040
AUDIO_TOKENS_PER_SECOND = 10
FIELDS_WITH_ANSWERS = ("max_tokens", "max_completion_tokens")
COMPLETION_TOKENS_UNSTATED = 16


class Accountant:
    """Bills requests. `simulated` bills them the simulator's way, as a second opinion."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._state = State(Settings(), Bill(), PromptCache(1_024))
        self._endpoints = {"chat.completions": Chat(), "completions": Completions(), "embeddings": Embeddings()}

    def bill(self, made: MadeRequest) -> int | None:
        """Return what the request costs, in nano-USD; None when it is longer than the model's window, and so refused."""
        rng, model = self._random, made.model
        audio = math.ceil(made.audio_seconds * AUDIO_TOKENS_PER_SECOND)
        entered = self.input_tokens(made) + audio
        if made.operation == "chat.completions" and entered > model.context_tokens:
            return None
        left = entered - audio
        cached = rng.choice([0, left // 2, left]) if model.caches else 0
        written = left - cached if model.bills_cache_writes and rng.random() < 0.5 else 0
        usage = Usage(
            input_tokens=entered,
            cached_tokens=cached,
            cache_write_tokens=written,
            input_audio_tokens=audio,
            output_tokens=self._output_tokens(made),
        )
        return sum(line.amount_nano for line in lines_for(model.name, self._tier(made, entered), usage))

    def simulated(self, made: MadeRequest) -> int | None:
        """Return what the simulator bills for the request; None when it refuses it."""
        work = Work(json.loads(made.body), FaultPlan(), Caller("req_1", "/v1", "key_1"), self._state)
        try:
            job = self._endpoints[made.operation].answer(work).job
        except RefusedError:
            return None
        assert job is not None
        return sum(line.amount_nano for line in lines_for(job.model, job.tier, job.usage))

    def input_tokens(self, made: MadeRequest) -> int:
        fields = made.fields
        if made.operation != "chat.completions":
            return self._plain_tokens(made.model.name, fields.get("prompt", fields.get("input")))
        texts: list[str] = []
        framing = ANSWER_PRIMER
        for message in fields["messages"]:
            framing += PER_MESSAGE + _message_texts(message, texts)
        framing += _tool_texts(fields.get("tools") or [], texts)
        if "response_format" in fields:
            texts.append(json.dumps(fields["response_format"], ensure_ascii=False))
        pictures = sum(image_tokens(made.model.name, url, detail) + PICTURE_FRAME for url, detail in made.pictures)
        return sum(count_tokens(made.model.name, texts)) + framing + pictures + made.file_tokens

    def _plain_tokens(self, model: str, given: Any) -> int:
        if isinstance(given, str):
            return count_tokens(model, [given])[0]
        return sum(1 if isinstance(each, int) else self._plain_tokens(model, each) for each in given)

    def _output_tokens(self, made: MadeRequest) -> int:
        """Return all tokens of all answers: now and then all that the limit allows, and rejected predictions besides."""
        if made.operation == "embeddings":
            return 0
        rng = self._random
        most = next(
            (made.fields[name] for name in FIELDS_WITH_ANSWERS if name in made.fields), made.model.output_tokens_max
        )
        if made.operation == "completions" and "max_tokens" not in made.fields:
            most = COMPLETION_TOKENS_UNSTATED
        each = most if rng.random() < 0.25 else min(most, int(rng.lognormvariate(5.5, 1.2)) + 1)
        predicted = made.fields.get("prediction", {}).get("content", "")
        rejected = count_tokens(made.model.name, [predicted])[0] if predicted else 0
        return (each + rejected) * made.answers

    def _tier(self, made: MadeRequest, entered: int) -> Tier:
        """Return which tier serves: what was asked for, or the usual one; unasked, what the project is set to."""
        asked = made.fields.get("service_tier", "auto")
        tiers: tuple[Tier, ...] = ("default", "priority") if asked == "auto" else ("default",)
        if asked in {"flex", "priority"}:
            tiers = ("default", asked)
        sold = [tier for tier in tiers if tier in PRICES[made.model.name]]
        return tier_served(made.model.name, self._random.choice(sold), entered)


def _message_texts(message: dict[str, Any], texts: list[str]) -> int:
    """Gather what a message says; return the tokens of its frame besides."""
    texts.append(message["role"])
    framing = 0
    if "name" in message:
        texts.append(message["name"])
        framing += PER_NAME
    content = message["content"]
    texts += [part.get("text", "") for part in content] if isinstance(content, list) else [content or ""]
    for call in message.get("tool_calls", ()):
        texts += [call["id"], call["function"]["name"], call["function"]["arguments"]]
        framing += PER_TOOL
    return framing


def _tool_texts(tools: list[dict[str, Any]], texts: list[str]) -> int:
    """Gather what tools say; return the tokens of their frames besides."""
    framing = PER_TOOLS if tools else 0
    for tool in tools:
        function = tool["function"]
        texts.append(f"{function['name']}:{function['description']}")
        properties = function["parameters"]["properties"]
        framing += PER_TOOL + (PER_PROPERTIES if properties else 0)
        for name, schema in properties.items():
            texts.append(f"{name}:{schema['type']}:{schema.get('description', '')}")
            texts += schema.get("enum", ())
            framing += PER_PROPERTY + PER_ENUM * len(schema.get("enum", ()))
    return framing
