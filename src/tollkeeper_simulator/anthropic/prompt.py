"""Reads a prompt: checks tools, system and messages, and turns them into blocks of tokens that are billed and cached."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from tollkeeper_simulator import tokens
from tollkeeper_simulator.anthropic import fields
from tollkeeper_simulator.anthropic.content import Part, read_part
from tollkeeper_simulator.anthropic.errors import refuse
from tollkeeper_simulator.block_cache import Block, Ttl

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json

_MARKS_MAX = 4
_REPLY_PRIMER = ["<|assistant|>"]
_MARK_FIELDS = frozenset({"type", "ttl"})


@dataclass(slots=True)
class Prompt:
    """A prompt as blocks in the order in which they are cached: tools, system, messages."""

    blocks: list[Block] = field(default_factory=list)
    image_tokens: int = 0
    places: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many tokens it is."""
        return sum(len(block.tokens) for block in self.blocks)

    def tail(self, size: int) -> str:
        """Return about the last `size` tokens as text: what the answer depends on."""
        out: list[str] = []
        for block in reversed(self.blocks):
            out[:0] = block.tokens
            if len(out) >= size:
                break
        return "".join(out[-size:])


def read(body: Json) -> Prompt:
    """Return the prompt of a request. Raises RefusedError for whatever is not one."""
    prompt = Prompt()
    for place, tool in enumerate(fields.items(body.get("tools") or [], "tools")):
        where = f"tools.{place}"
        entry = fields.mapping(tool, where)
        bare = {name: value for name, value in entry.items() if name != "cache_control"}
        _add(prompt, tokens.pieces(msgspec.json.encode(bare).decode()), entry, where)
    _add_system(prompt, body.get("system"))
    messages = fields.items(fields.required(body, "messages"), "messages")
    _check_roles(messages)
    parts = [_read_message(prompt, each, f"messages.{place}") for place, each in enumerate(messages)]
    _check_tool_results(messages, parts)
    _mark_last(prompt, body.get("cache_control"))
    prompt.blocks.append(Block(list(_REPLY_PRIMER)))
    _check_marks(prompt)
    return prompt


def user_text(body: Json) -> str:
    """Return the text of the last user message of a body, or nothing; never raises."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return ""
    for each in reversed(messages):
        if isinstance(each, dict) and each.get("role") == "user":
            content = each.get("content")
            if isinstance(content, str):
                return content
            if isinstance(content, list):
                texts = (part.get("text") for part in content if isinstance(part, dict))
                return "\n".join(text for text in texts if isinstance(text, str))
            return ""
    return ""


def _add(prompt: Prompt, pieces: list[str], holder: Json, where: str) -> None:
    prompt.blocks.append(Block(pieces, _ttl(holder.get("cache_control"), where)))
    prompt.places.append(where)


def _add_system(prompt: Prompt, system: object) -> None:
    if system is None:
        return
    if isinstance(system, str):
        _add(prompt, tokens.pieces(system), {}, "system")
        return
    for place, each in enumerate(fields.items(system, "system")):
        where = f"system.{place}"
        block = fields.mapping(each, where)
        if block.get("type") != "text":
            raise fields.wrong_tag(where, block.get("type"), ("text",))
        text = fields.text(fields.required(block, "text", f"{where}."), f"{where}.text")
        if not text:
            message = "system: text content blocks must be non-empty"
            raise refuse(message)
        _add(prompt, tokens.pieces(text), block, where)


def _check_roles(messages: list[Any]) -> None:
    if not messages:
        message = "messages: at least one message is required"
        raise refuse(message)
    for place, each in enumerate(messages):
        role = fields.mapping(each, f"messages.{place}").get("role")
        if role not in {"user", "assistant"}:
            message = f'messages: Unexpected role "{role}". Allowed roles are "user" or "assistant".'
            raise refuse(message)
    if messages[0]["role"] != "user":
        message = 'messages: first message must use the "user" role'
        raise refuse(message)


def _read_message(prompt: Prompt, message: Json, where: str) -> list[Part]:
    fields.known_only(message, frozenset({"role", "content"}), f"{where}.")
    content = fields.required(message, "content", f"{where}.")
    given = (
        [{"type": "text", "text": content}] if isinstance(content, str) else fields.items(content, f"{where}.content")
    )
    parts = []
    for place, each in enumerate(given):
        here = f"{where}.content.{place}"
        part = read_part(fields.mapping(each, here), message["role"], here)
        prompt.image_tokens += part.image_tokens
        role = [f"<|{message['role']}|>"] if place == 0 else []
        _add(prompt, role + part.tokens, each, here)
        parts.append(part)
    return parts


def _check_tool_results(messages: list[Json], parts: list[list[Part]]) -> None:
    """Refuse calls that the next message does not answer, and answers to calls that the one before has not made."""
    called: set[str] = set()
    for place, (message, each) in enumerate(zip(messages, parts, strict=True)):
        answered = {part.answers for part in each if part.answers}
        if called - answered:
            missing = ", ".join(sorted(called - answered))
            text = (
                f"messages.{place - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: {missing}. "
                "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
            )
            raise refuse(text)
        if answered - called:
            text = (
                f"messages.{place}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{', '.join(sorted(answered - called))}. Each `tool_result` block must have a corresponding `tool_use` "
                "block in the previous message."
            )
            raise refuse(text)
        called = {part.calls for part in each if part.calls} if message["role"] == "assistant" else set()
    if called:
        text = f"messages.{len(messages) - 1}: `tool_use` ids were found without `tool_result` blocks immediately after"
        raise refuse(text)


def _ttl(mark: object, where: str) -> Ttl | None:
    if mark is None:
        return None
    given = fields.mapping(mark, f"{where}.cache_control")
    fields.known_only(given, _MARK_FIELDS, f"{where}.cache_control.")
    if given.get("type") != "ephemeral":
        raise fields.wrong_tag(f"{where}.cache_control", given.get("type"), ("ephemeral",))
    ttl = given.get("ttl")
    if ttl not in {None, "5m", "1h"}:
        message = f"{where}.cache_control.ephemeral.ttl: Input should be '5m' or '1h'"
        raise refuse(message)
    return "1h" if ttl == "1h" else "5m"


def _mark_last(prompt: Prompt, mark: object) -> None:
    """Put the request's own mark on its last block, unless that has one."""
    ttl = _ttl(mark, "request")
    if ttl is not None and prompt.blocks and prompt.blocks[-1].ttl is None:
        prompt.blocks[-1].ttl = ttl


def _check_marks(prompt: Prompt) -> None:
    marked = [(block.ttl, where) for block, where in zip(prompt.blocks, prompt.places, strict=False) if block.ttl]
    if len(marked) > _MARKS_MAX:
        message = f"A maximum of {_MARKS_MAX} blocks with cache_control may be provided. Found {len(marked)}."
        raise refuse(message)
    short = False
    for ttl, where in marked:
        if ttl == "1h" and short:
            message = (
                f"{where}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control "
                "block. Note that blocks are processed in the following order: `tools`, `system`, `messages`."
            )
            raise refuse(message)
        short = short or ttl == "5m"
