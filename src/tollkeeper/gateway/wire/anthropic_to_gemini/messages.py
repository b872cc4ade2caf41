"""The messages of an Anthropic conversation as Gemini's contents and system instruction."""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.gemini_target.checking import JsonObject, as_choice, objects
from tollkeeper.gateway.wire.gemini_target.contents import Contents, inline_part, text_parts, url_part
from tollkeeper.gateway.wire.translation_reading import as_flag, as_object, as_text, refused

_ROLES = ("user", "assistant", "system")
_BLOCKS = ("text", "image", "document", "search_result", "tool_result", "tool_use", "thinking", "redacted_thinking")
_SOURCES = ("base64", "url", "text", "content")


def read_messages(messages: Any, model: str) -> tuple[list[JsonObject], list[JsonObject]]:
    """Return the contents, and the parts of the system instruction that stand among the messages.

    Raises:
        InvalidRequest: a message is not one that Gemini could be told.
    """
    contents = Contents(model)
    instructions: list[JsonObject] = []
    for message, where in objects(messages, "messages"):
        role = as_choice(message.get("role"), f"{where}.role", _ROLES)
        place = f"{where}.content"
        if role == "system":
            instructions += system_parts(message.get("content"), place)
        elif role == "assistant":
            contents.add("model", _parts(message.get("content"), place, contents))
        else:
            contents.add("user", _parts(message.get("content"), place, contents))
    return contents.finished("messages"), instructions


def system_parts(system: Any, where: str) -> list[JsonObject]:
    """Return the parts of a system prompt: a text, or blocks of text.

    Raises:
        InvalidRequest: it is neither.
    """
    if isinstance(system, str):
        return text_parts(system)
    parts: list[JsonObject] = []
    for block, place in objects(system, where):
        as_choice(block.get("type"), f"{place}.type", ("text",))
        parts += text_parts(as_text(block.get("text"), f"{place}.text"))
    return parts


def _parts(content: Any, where: str, contents: Contents) -> list[JsonObject]:
    if isinstance(content, str):
        return text_parts(content)
    return [part for block, place in objects(content, where) for part in _block_parts(block, place, contents)]


def _block_parts(block: JsonObject, where: str, contents: Contents) -> list[JsonObject]:
    match as_choice(block.get("type"), f"{where}.type", _BLOCKS):
        case "tool_use":
            return [_call(block, where, contents)]
        case "tool_result":
            return _result(block, where, contents)
        case "thinking" | "redacted_thinking":
            return []
        case _:
            return _material(block, where)


def _material(block: JsonObject, where: str) -> list[JsonObject]:
    """Return the parts of what users and tools bring: texts, images, documents, search results, names of tools."""
    match as_choice(
        block.get("type"), f"{where}.type", ("text", "image", "document", "search_result", "tool_reference")
    ):
        case "text":
            return text_parts(as_text(block.get("text"), f"{where}.text"))
        case "image":
            image = as_object(block.get("source"), f"{where}.source")
            return _source_parts(image, f"{where}.source", kinds=("base64", "url"))
        case "document":
            return _document(block, where)
        case "tool_reference":
            return text_parts(as_text(block.get("tool_name"), f"{where}.tool_name"))
        case _:
            title = as_text(block.get("title"), f"{where}.title")
            source = as_text(block.get("source"), f"{where}.source")
            return [*text_parts(f"{title} ({source})"), *system_parts(block.get("content"), f"{where}.content")]


def _document(block: JsonObject, where: str) -> list[JsonObject]:
    parts: list[JsonObject] = []
    for name in ("title", "context"):
        if block.get(name) is not None:
            parts += text_parts(as_text(block[name], f"{where}.{name}"))
    return parts + _source_parts(as_object(block.get("source"), f"{where}.source"), f"{where}.source")


def _source_parts(source: JsonObject, where: str, kinds: tuple[str, ...] = _SOURCES) -> list[JsonObject]:
    """Return the parts of what a source holds or names.

    Raises:
        InvalidRequest: it is an uploaded file, or not what it says it is.
    """
    if source.get("type") == "file":
        raise refused("names a file at Anthropic, which Gemini models cannot read.", f"{where}.file_id")
    match as_choice(source.get("type"), f"{where}.type", kinds):
        case "base64":
            return [inline_part(source.get("media_type"), source.get("data"), where)]
        case "url":
            return [url_part(source.get("url"), f"{where}.url")]
        case "text":
            return text_parts(as_text(source.get("data"), f"{where}.data"))
        case _:
            content = source.get("content")
            if isinstance(content, str):
                return text_parts(content)
            return [part for block, place in objects(content, f"{where}.content") for part in _material(block, place)]


def _call(block: JsonObject, where: str, contents: Contents) -> JsonObject:
    name = as_text(block.get("name"), f"{where}.name")
    arguments = as_object(block.get("input"), f"{where}.input")
    return contents.call(name, arguments, shown_id=as_text(block.get("id"), f"{where}.id"), signature=None)


def _result(block: JsonObject, where: str, contents: Contents) -> list[JsonObject]:
    shown_id = as_text(block.get("tool_use_id"), f"{where}.tool_use_id")
    content = block.get("content")
    is_error = block.get("is_error") is not None and as_flag(block["is_error"], f"{where}.is_error")
    place = f"{where}.content"
    parts = (
        [] if content is None else text_parts(content) if isinstance(content, str) else _result_parts(content, place)
    )
    said = "".join(part["text"] for part in parts if "text" in part)
    media = [part for part in parts if "text" not in part]
    return contents.result(shown_id, said, media=media, where=f"{where}.tool_use_id", is_error=is_error)


def _result_parts(content: Any, where: str) -> list[JsonObject]:
    return [part for block, place in objects(content, where) for part in _material(block, place)]
