"""The content blocks of an answer as they stand in a whole message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tollkeeper_simulator.anthropic.signatures import sign

if TYPE_CHECKING:
    from tollkeeper_simulator.anthropic.reply import Reply, Said
    from tollkeeper_simulator.dialect import Json


def stop_details(said: Reply) -> Json:
    """Return what is said about a refusal, beside its stop reason."""
    if said.stop_reason != "refusal":
        return {}
    return {"stop_details": {"type": "refusal", "category": None, "explanation": None}}


def blocks_of(block: Said) -> list[Json]:
    """Return a block as it stands in a whole message; a search is two."""
    if block.kind == "thinking":
        return [{"type": "thinking", "thinking": block.text, "signature": sign(block.text)}]
    if block.kind == "text":
        return [{"type": "text", "text": block.text}]
    entry = _input(block.text)
    if block.kind == "tool_use":
        caller = {"type": "direct"}
        return [{"type": "tool_use", "id": block.block_id, "name": block.name, "input": entry, "caller": caller}]
    use = {
        "type": "server_tool_use",
        "id": block.block_id,
        "name": block.name,
        "input": entry,
        "caller": {"type": "direct"},
    }
    return [use, _search_result(block)]


def _search_result(block: Said) -> Json:
    """Return the block with what a search found."""
    found = {
        "type": "web_search_result",
        "title": "A page about tolls",
        "url": "https://example.com/tolls",
        "encrypted_content": block.found,
        "page_age": None,
    }
    return {
        "type": "web_search_tool_result",
        "tool_use_id": block.block_id,
        "content": [found],
        "caller": {"type": "direct"},
    }


def _input(encoded: str) -> Any:
    """Return the input of a call; one that the output limit has cut is empty."""
    try:
        return msgspec.json.decode(encoded)
    except msgspec.DecodeError:
        return {}
