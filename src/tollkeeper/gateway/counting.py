"""Counts the tokens of a call whose provider did not state its usage, and marks them as an estimate."""

from __future__ import annotations

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.passage import Passage
from tollkeeper.gateway.wire import openai as wire
from tollkeeper.ports.tokens import TokenCounter

TOKENS_PER_MESSAGE = 3  # what chat formats add to each message, and once for the answer (OpenAI cookbook, 2024)


async def count_usage(passage: Passage, counter: TokenCounter) -> None:
    """Count input and output by tokenizer and let the passage use the estimate."""
    call = passage.call
    try:
        texts, numbers = wire.input_texts(call)
    except InvalidRequest:  # the provider read it, we cannot: its text is in there somewhere
        texts, numbers = [call.body.decode("utf-8", "replace")], 0
    output = "" if call.operation == "embeddings" else "".join(passage.output_texts)  # vectors are no output tokens
    counts = await counter.count(passage.model_served or passage.deployment.model, [*texts, output])
    framing = TOKENS_PER_MESSAGE * (len(texts) + 1) if call.operation == "chat.completions" else 0
    quantities = {"input": sum(counts[:-1]) + numbers + framing, "output": counts[-1]}
    passage.use(Usage(quantities, service_tier=None, is_estimated=True))
