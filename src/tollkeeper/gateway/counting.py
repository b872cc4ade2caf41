"""Counts the tokens of a call whose provider did not state its usage, and marks them as an estimate."""

from __future__ import annotations

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.body_reader import read_aside
from tollkeeper.gateway.passage import Passage
from tollkeeper.ports.tokens import TokenCounter

TOKENS_PER_MESSAGE = 3  # what chat formats add to each message, and once for the answer (OpenAI cookbook, 2024)


async def count_usage(passage: Passage, counter: TokenCounter) -> None:
    """Count input and output by tokenizer and let the passage use the estimate."""
    call = passage.call
    try:
        texts, numbers = await read_aside(call.body, call.input_texts)
    except InvalidRequest:  # the provider read it, we cannot: its text is in there somewhere
        texts, numbers = [call.body.decode("utf-8", "replace")], 0
    output = "".join(passage.output_texts) if call.has_output else ""  # vectors are no output tokens
    counts = await counter.count(passage.model_served or passage.deployment.model, [*texts, output])
    framing = TOKENS_PER_MESSAGE * (len(texts) + 1) if call.is_chat else 0
    known = passage.input_usage
    if known is None:
        quantities = {"input": sum(counts[:-1]) + numbers + framing, "output": counts[-1]}
    else:  # the provider stated its input before it broke off
        quantities = {**known.quantities, "output": max(counts[-1], known.quantities.get("output", 0))}
    tier, percent = (known.service_tier, known.percent) if known else (None, 100)
    passage.use(Usage(quantities, service_tier=tier, is_estimated=True, percent=percent))
