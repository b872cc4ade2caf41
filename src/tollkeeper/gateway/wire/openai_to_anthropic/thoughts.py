"""Thinking blocks as an OpenAI client carries them from one turn to the next: `reasoning_details`. Pure.

An answer's message has the text in `reasoning_content`, for reading, and the blocks in `reasoning_details`, OpenRouter's
shape (openrouter.ai/docs/guides/best-practices/reasoning-tokens, 2026-11): a client that sends the message back as it
came gives Claude its thinking back, signatures included. Whoever leaves it out loses the thinking, nothing else.
"""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.openai_to_anthropic.parts import Block
from tollkeeper.gateway.wire.translation_reading import as_list, as_object

FORMAT = "anthropic-claude-v1"


def detail(block: Block, index: int) -> dict[str, Any]:
    """Return one thinking block as a detail; `index` counts the details of the message."""
    if block["type"] == "redacted_thinking":
        return {"type": "reasoning.encrypted", "data": block["data"], "format": FORMAT, "index": index}
    return {
        "type": "reasoning.text",
        "text": block["thinking"],
        "signature": block["signature"],
        "format": FORMAT,
        "index": index,
    }


def blocks_of(details: Any, at: str) -> list[Block]:
    """Return the thinking blocks of a message that came back; what Claude did not sign is left out.

    Raises:
        InvalidRequest: the details are of a wrong type.
    """
    if details is None:
        return []
    blocks: list[Block] = []
    for i, each in enumerate(as_list(details, at)):
        found = as_object(each, f"{at}[{i}]")
        if found.get("format", FORMAT) != FORMAT:
            continue
        match found:
            case {"type": "reasoning.text", "text": str(text), "signature": str(signature)} if signature:
                blocks.append({"type": "thinking", "thinking": text, "signature": signature})
            case {"type": "reasoning.encrypted", "data": str(data)} if data:
                blocks.append({"type": "redacted_thinking", "data": data})
    return blocks
