"""Reads one content block of a message: what it weighs in tokens, which tool it calls or answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from tollkeeper_simulator import tokens
from tollkeeper_simulator.anthropic import fields
from tollkeeper_simulator.anthropic.errors import refuse
from tollkeeper_simulator.anthropic.signatures import is_genuine
from tollkeeper_simulator.dialect import Json
from tollkeeper_simulator.openai.images import size_of
from tollkeeper_simulator.text import seed_of

_KINDS = {
    "user": ("text", "image", "document", "search_result", "tool_result", "container_upload"),
    "assistant": (
        "text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "web_search_tool_result",
        "web_fetch_tool_result", "code_execution_tool_result",
    ),
}  # fmt: skip
_PIXELS_PER_TOKEN = 750
_SIDE_MAX = 1_568
_PAGE_TOKENS = 1_500
_PAGE_CHARS = 40_000


@dataclass(frozen=True, slots=True)
class Part:
    """One block: its tokens, those of them that are a picture, and the id of the tool call that it makes or answers."""

    tokens: list[str]
    image_tokens: int = 0
    calls: str = ""
    answers: str = ""


def read_part(block: Json, role: str, where: str) -> Part:
    """Return one checked block. Raises RefusedError."""
    kind = block.get("type")
    if kind not in _KINDS[role]:
        raise fields.wrong_tag(where, kind, _KINDS[role])
    read = _READERS.get(str(kind))
    if read is not None:
        return read(block, where)
    bare = {name: value for name, value in block.items() if name != "cache_control"}
    return Part(tokens.pieces(msgspec.json.encode(bare).decode()))


def _text(block: Json, where: str) -> Part:
    text = fields.text(fields.required(block, "text", f"{where}.text."), f"{where}.text.text")
    if not text:
        message = "messages: text content blocks must be non-empty"
        raise refuse(message)
    return Part(tokens.pieces(text))


def _source(block: Json, where: str, kinds: tuple[str, ...]) -> Json:
    source = fields.mapping(fields.required(block, "source", f"{where}."), f"{where}.source")
    if source.get("type") not in kinds:
        raise fields.wrong_tag(f"{where}.source", source.get("type"), kinds)
    return source


def _image(block: Json, where: str) -> Part:
    source = _source(block, f"{where}.image", ("base64", "url", "file"))
    if source["type"] == "base64":
        data = fields.text(
            fields.required(source, "data", f"{where}.image.source.base64."), f"{where}.image.source.base64.data"
        )
        allowed = ("image/jpeg", "image/png", "image/gif", "image/webp")
        kind = fields.choice(source, "media_type", allowed, f"{where}.image.source.base64.")
        address = f"data:{kind};base64,{data}"
    else:
        address = str(source.get("url") or source.get("file_id"))
    width, height = size_of(address)
    longest = max(width, height)
    if longest > _SIDE_MAX:
        width, height = width * _SIDE_MAX // longest, height * _SIDE_MAX // longest
    size = max(1, -(-width * height // _PIXELS_PER_TOKEN))
    # The same picture gives the same tokens, so that it can be cached like text.
    return Part([f"<|image:{seed_of(address):x}|>"] * size, size)


def _document(block: Json, where: str) -> Part:
    source = _source(block, f"{where}.document", ("base64", "text", "url", "content", "file"))
    title = tokens.pieces(str(block.get("title") or ""))
    if source["type"] == "text":
        text = fields.required(source, "data", f"{where}.document.source.text.")
        return Part(title + tokens.pieces(fields.text(text, f"{where}.document.source.text.data")))
    if source["type"] == "content":
        return Part(title + tokens.pieces(msgspec.json.encode(source.get("content")).decode()))
    # Of a PDF nothing is read: it is taken to have a page for every so many characters of its encoded form.
    data = str(source.get("data") or source.get("url") or source.get("file_id"))
    pages = 1 + len(data) // _PAGE_CHARS
    return Part(title + [f"<|document:{seed_of(data):x}|>"] * (_PAGE_TOKENS * pages))


def _tool_result(block: Json, where: str) -> Part:
    name = fields.text(
        fields.required(block, "tool_use_id", f"{where}.tool_result."), f"{where}.tool_result.tool_use_id"
    )
    fields.flag(block, "is_error", f"{where}.tool_result.")
    content = block.get("content")
    if content is None or isinstance(content, str):
        return Part(tokens.pieces(content or ""), answers=name)
    said: list[str] = []
    pictures = 0
    for place, each in enumerate(fields.items(content, f"{where}.tool_result.content")):
        here = f"{where}.tool_result.content.{place}"
        part = read_part(fields.mapping(each, here), "user", here)
        said += part.tokens
        pictures += part.image_tokens
    return Part(said, pictures, answers=name)


def _tool_use(block: Json, where: str) -> Part:
    name = fields.text(fields.required(block, "id", f"{where}.tool_use."), f"{where}.tool_use.id")
    tool = fields.text(fields.required(block, "name", f"{where}.tool_use."), f"{where}.tool_use.name")
    entry = fields.mapping(block.get("input"), f"{where}.tool_use.input")
    return Part(tokens.pieces(tool + msgspec.json.encode(entry).decode()), calls=name)


def _thinking(block: Json, where: str) -> Part:
    thought = fields.text(block.get("thinking"), f"{where}.thinking.thinking")
    signature = fields.text(fields.required(block, "signature", f"{where}.thinking."), f"{where}.thinking.signature")
    if not is_genuine(thought, signature):
        message = f"{where}: Invalid `signature` in `thinking` block"
        raise refuse(message)
    # Thoughts of earlier turns are taken out of the prompt, so they are not billed again.
    return Part([])


_READERS: dict[str, Callable[[Json, str], Part]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "tool_result": _tool_result,
    "tool_use": _tool_use,
    "thinking": _thinking,
}
