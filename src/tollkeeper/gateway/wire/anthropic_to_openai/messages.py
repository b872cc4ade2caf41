"""The conversation of an Anthropic request as OpenAI has it: one message a role, tools' results each on its own. Pure.

OpenAI's rule: the messages of the role `tool` follow the message that called them at once
(developers.openai.com/api/docs/guides/function-calling, 2026-11).
"""

from __future__ import annotations

import re
from typing import Any

from tollkeeper.gateway.wire.anthropic_to_openai.blocks import Part, blocks_in, one_or_more, parts_of, text_part
from tollkeeper.gateway.wire.translation_reading import (
    as_flag,
    as_list,
    as_object,
    encoded,
    missing,
    refused,
    safe_id,
    text_in,
)

TOOL_ID = re.compile(r".{1,40}", re.DOTALL)
Message = dict[str, Any]


def messages_of(said: dict[str, Any], *, with_reasoning: bool) -> list[Message]:
    """Read the system prompt and the messages. `with_reasoning` keeps thinking, as `reasoning_content`.

    Raises:
        InvalidRequest: something cannot be said in OpenAI's dialect; `param` names the place.
    """
    if "messages" not in said:
        raise missing("messages")
    found: list[Message] = []
    if "system" in said:
        found += _system(said["system"], "system")
    for i, each in enumerate(as_list(said["messages"], "messages")):
        at = f"messages[{i}]"
        message = as_object(each, at)
        role, place = text_in(message, "role", at), f"{at}.content"
        if "content" not in message:
            raise missing(place)
        match role:
            case "user":
                found += _heard(message["content"], place)
            case "assistant":
                found.append(_answered(message["content"], place, with_reasoning=with_reasoning))
            case "system":
                found += _system(message["content"], place)
            case other:
                raise refused(f"is '{other}'; it must be user or assistant.", f"{at}.role")
    if all(message["role"] == "system" for message in found):
        raise refused("must hold a message of a user or an assistant.", "messages")
    return found


def _system(content: Any, at: str) -> list[Message]:
    parts = []
    for kind, block, place in blocks_in(content, at):
        if kind != "text":
            raise refused(f"is '{kind}', but only text is taken here.", f"{place}.type")
        parts.append(text_part(text_in(block, "text", place)))
    return [{"role": "system", "content": one_or_more(parts)}] if parts else []


def _heard(content: Any, at: str) -> list[Message]:
    """Return what a user's turn says: results of tools first, their images and everything else after."""
    results: list[Message] = []
    rest: list[Message] = []
    parts: list[Part] = []
    for kind, block, place in blocks_in(content, at):
        if kind == "tool_result":
            result, images = _result(block, place)
            results.append(result)
            parts += images
        elif kind == "mid_conv_system":
            rest += _turn(parts)
            rest += _system(block.get("content"), f"{place}.content")
            parts = []
        else:
            parts += parts_of(kind, block, place)
    return [*results, *rest, *_turn(parts)]


def _turn(parts: list[Part]) -> list[Message]:
    return [{"role": "user", "content": one_or_more(parts)}] if parts else []


def _result(block: dict[str, Any], at: str) -> tuple[Message, list[Part]]:
    call = safe_id(text_in(block, "tool_use_id", at), TOOL_ID)
    parts: list[Part] = []
    if block.get("content") is not None:
        for kind, inner, place in blocks_in(block["content"], f"{at}.content"):
            if kind == "tool_reference":
                continue
            parts += parts_of(kind, inner, place)
    texts = [part for part in parts if part["type"] == "text"]
    images = [part for part in parts if part["type"] != "text"]
    if block.get("is_error") is not None and as_flag(block["is_error"], f"{at}.is_error"):
        texts = [text_part("Error: " + (texts[0]["text"] if texts else "")), *texts[1:]]
    if images:
        images.insert(0, text_part(f"What the tool of call {call} showed:"))
    return {"role": "tool", "tool_call_id": call, "content": one_or_more(texts) if texts else ""}, images


def _answered(content: Any, at: str, *, with_reasoning: bool) -> Message:
    texts: list[Part] = []
    calls: list[dict[str, Any]] = []
    thinking: list[str] = []
    for kind, block, place in blocks_in(content, at):
        match kind:
            case "text":
                texts.append(text_part(text_in(block, "text", place)))
            case "tool_use":
                calls.append(_call(block, place))
            case "thinking":
                thinking.append(text_in(block, "thinking", place))
            case "redacted_thinking":
                pass
            case other:
                raise refused(f"is '{other}', which a provider of OpenAI's dialect does not take.", f"{place}.type")
    message: Message = {"role": "assistant", "content": one_or_more(texts) if texts else None if calls else ""}
    if calls:
        message["tool_calls"] = calls
    if with_reasoning and thinking:
        message["reasoning_content"] = "".join(thinking)
    return message


def _call(block: dict[str, Any], at: str) -> dict[str, Any]:
    given = as_object(block.get("input"), f"{at}.input")
    function = {"name": text_in(block, "name", at), "arguments": encoded(given, f"{at}.input")}
    return {"id": safe_id(text_in(block, "id", at), TOOL_ID), "type": "function", "function": function}
