"""The conversation of an OpenAI request as Anthropic has it: its system prompt and its turns. Pure.

Anthropic's rules: the results of a turn's tools stand at the beginning of the next turn, thinking at the beginning of
its own (platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls, …/extended-thinking, 2026-11).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tollkeeper.gateway.wire.openai_to_anthropic import thoughts
from tollkeeper.gateway.wire.openai_to_anthropic.parts import Block, answer_blocks, blocks_of, list_of, text_blocks
from tollkeeper.gateway.wire.translation_reading import (
    as_list,
    as_object,
    missing,
    refused,
    safe_id,
    text_in,
)

TOOL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Conversation(msgspec.Struct):
    """`system` is every system prompt, in order; `turns` alternate between user and assistant."""

    system: list[Block]
    turns: list[dict[str, Any]]

    def add(self, role: str, blocks: list[Block]) -> None:
        """Append to the last turn when it is of the same role, else begin one."""
        if not blocks:
            return
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        else:
            self.turns.append({"role": role, "content": blocks})

    @property
    def is_thinking_resumable(self) -> bool:
        """Tell whether a model that thinks by budget takes this: an answer in the middle of its tools begins with thinking."""
        for turn in reversed(self.turns):
            if turn["role"] == "assistant":
                return turn["content"][0]["type"] in {"thinking", "redacted_thinking"}
            if all(block["type"] != "tool_result" for block in turn["content"]):
                return True
        return True


def conversation(messages: Any) -> Conversation:
    """Read the messages.

    Raises:
        InvalidRequest: one cannot be said to Anthropic; `param` names the place.
    """
    found = Conversation([], [])
    for i, each in enumerate(as_list(messages, "messages")):
        at = f"messages[{i}]"
        message = as_object(each, at)
        match text_in(message, "role", at):
            case "system" | "developer":
                found.system += text_blocks(message.get("content"), f"{at}.content")
            case "user":
                found.add("user", blocks_of(message.get("content"), f"{at}.content"))
            case "assistant":
                found.add("assistant", _said(message, at))
            case "tool":
                found.add("user", [_result(message, at)])
            case other:
                raise refused(f"is '{other}'; it must be system, developer, user, assistant or tool.", f"{at}.role")
    if not found.turns:
        raise refused("must hold a message of a user or an assistant that says something.", "messages")
    _results_first(found.turns)
    return found


def _said(message: dict[str, Any], at: str) -> list[Block]:
    for name, instead in (("function_call", "use 'tool_calls'"), ("audio", "spoken answers cannot be passed on")):
        if message.get(name) is not None:
            raise refused(f"is not taken: {instead}.", f"{at}.{name}")
    blocks = thoughts.blocks_of(message.get("reasoning_details"), f"{at}.reasoning_details")
    if message.get("content") is not None:
        blocks += answer_blocks(message["content"], f"{at}.content")
    if message.get("refusal") is not None:
        blocks += text_blocks(message["refusal"], f"{at}.refusal")
    for i, call in enumerate(list_of(message.get("tool_calls"), f"{at}.tool_calls")):
        blocks.append(_tool_use(as_object(call, f"{at}.tool_calls[{i}]"), f"{at}.tool_calls[{i}]"))
    return blocks


def _tool_use(call: dict[str, Any], at: str) -> Block:
    if call.get("type", "function") != "function":
        raise refused("must be 'function'.", f"{at}.type")
    function = as_object(call.get("function"), f"{at}.function")
    name = text_in(function, "name", f"{at}.function")
    stated = text_in(function, "arguments", f"{at}.function")
    return {
        "type": "tool_use",
        "id": safe_id(text_in(call, "id", at), TOOL_ID),
        "name": name,
        "input": _input(stated, f"{at}.function.arguments"),
    }


def _input(stated: str, at: str) -> dict[str, Any]:
    if not stated.strip():
        return {}
    try:
        value = msgspec.json.decode(stated)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    raise refused("must be a JSON object as text.", at)


def _result(message: dict[str, Any], at: str) -> Block:
    if "tool_call_id" not in message:
        raise missing(f"{at}.tool_call_id")
    block: Block = {"type": "tool_result", "tool_use_id": safe_id(text_in(message, "tool_call_id", at), TOOL_ID)}
    content = message.get("content")
    if isinstance(content, str):
        block["content"] = content
    elif parts := blocks_of(content, f"{at}.content"):
        if (mark := parts[-1].pop("cache_control", None)) is not None:
            block["cache_control"] = mark  # what ends with the last part ends with the result
        block["content"] = parts
    return block


def _results_first(turns: list[dict[str, Any]]) -> None:
    """Let the results of tools stand before what the user said in the same turn."""
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
