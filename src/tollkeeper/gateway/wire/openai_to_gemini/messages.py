"""The messages of an OpenAI chat as Gemini's contents and system instruction."""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.gemini_target.checking import JsonObject, as_choice, objects
from tollkeeper.gateway.wire.gemini_target.contents import Contents, call_arguments, inline_part, text_parts, url_part
from tollkeeper.gateway.wire.translation_reading import as_list, as_object, as_text, refused

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mp3"}


def read_messages(messages: Any, model: str) -> tuple[list[JsonObject], list[JsonObject]]:
    """Return the contents, and the parts of the system instruction.

    Raises:
        InvalidRequest: a message is not one that Gemini could be told.
    """
    contents = Contents(model)
    instructions: list[JsonObject] = []
    for message, where in objects(messages, "messages"):
        match as_choice(message.get("role"), f"{where}.role", _ROLES):
            case "system" | "developer":
                instructions += text_parts(_text(message.get("content"), f"{where}.content"))
            case "user":
                contents.add("user", _user_parts(message.get("content"), f"{where}.content"))
            case "assistant":
                contents.add("model", _assistant_parts(message, where, contents))
            case "tool":
                shown_id = as_text(message.get("tool_call_id"), f"{where}.tool_call_id")
                text = _text(message.get("content"), f"{where}.content")
                contents.add("user", contents.result(shown_id, text, media=[], where=f"{where}.tool_call_id"))
            case _:
                name = as_text(message.get("name"), f"{where}.name")
                text = _text(message.get("content") or "", f"{where}.content")
                contents.add("user", contents.named_result(name, text, media=[]))
    if instructions and contents.is_empty:
        contents.add("user", instructions)  # a call of instructions alone is a question in the end
        instructions = []
    return contents.finished("messages"), instructions


def _text(content: Any, where: str) -> str:
    """Return the text of a message that may be a list of texts.

    Raises:
        InvalidRequest: it is neither, or holds something else than texts.
    """
    if isinstance(content, str):
        return content
    found = []
    for part, place in objects(content, where):
        as_choice(part.get("type"), f"{place}.type", ("text",))
        found.append(as_text(part.get("text"), f"{place}.text"))
    return "".join(found)


def _user_parts(content: Any, where: str) -> list[JsonObject]:
    if isinstance(content, str):
        return text_parts(content)
    return [made for part, place in objects(content, where) for made in _user_part(part, place)]


def _user_part(part: JsonObject, where: str) -> list[JsonObject]:
    match as_choice(part.get("type"), f"{where}.type", ("text", "image_url", "input_audio", "file")):
        case "text":
            return text_parts(as_text(part.get("text"), f"{where}.text"))
        case "image_url":
            image = as_object(part.get("image_url"), f"{where}.image_url")
            return [url_part(image.get("url"), f"{where}.image_url.url")]
        case "input_audio":
            place = f"{where}.input_audio"
            audio = as_object(part.get("input_audio"), place)
            kind = as_choice(audio.get("format"), f"{place}.format", tuple(_AUDIO_TYPES))
            return [inline_part(_AUDIO_TYPES[kind], audio.get("data"), place)]
        case _:
            file = as_object(part.get("file"), f"{where}.file")
            if file.get("file_id") is not None:
                raise refused("names a file at OpenAI, which Gemini models cannot read.", f"{where}.file.file_id")
            place = f"{where}.file.file_data"
            if not as_text(file.get("file_data"), place).startswith("data:"):
                raise refused("must be a data URL.", place)
            return [url_part(file["file_data"], place)]


def _assistant_parts(message: JsonObject, where: str, contents: Contents) -> list[JsonObject]:
    if message.get("audio") is not None:
        raise refused("names a spoken answer of OpenAI's, which Gemini models do not know.", f"{where}.audio")
    parts = _said(message, where)
    signature = _signature(message, where)
    if parts and signature:
        parts[-1]["thoughtSignature"] = signature
    calls = message.get("tool_calls")
    for call, place in objects([] if calls is None else calls, f"{where}.tool_calls"):
        as_choice(call.get("type", "function"), f"{place}.type", ("function",))
        call_id = as_text(call.get("id"), f"{place}.id")
        function = as_object(call.get("function"), f"{place}.function")
        parts.append(_call(function, f"{place}.function", call_id, _signature(call, place), contents))
    if message.get("function_call") is not None:
        place = f"{where}.function_call"
        function = as_object(message["function_call"], place)
        parts.append(_call(function, place, None, None, contents))
    return parts


def _said(message: JsonObject, where: str) -> list[JsonObject]:
    """Return the parts of what the assistant said, refusals included."""
    content, parts = message.get("content"), []
    if isinstance(content, str):
        parts = text_parts(content)
    elif content is not None:
        for number, part in enumerate(as_list(content, f"{where}.content")):
            place = f"{where}.content[{number}]"
            kind = as_choice(as_object(part, place).get("type"), f"{place}.type", ("text", "refusal"))
            parts += text_parts(as_text(part.get(kind), f"{place}.{kind}"))
    if message.get("refusal") is not None:
        parts += text_parts(as_text(message["refusal"], f"{where}.refusal"))
    return parts


def _call(
    function: JsonObject, where: str, call_id: str | None, signature: str | None, contents: Contents
) -> JsonObject:
    name = as_text(function.get("name"), f"{where}.name")
    arguments = call_arguments(as_text(function.get("arguments"), f"{where}.arguments"))
    return contents.call(name, arguments, shown_id=call_id, signature=signature)


def _signature(carrier: JsonObject, where: str) -> str | None:
    """Return `extra_content.google.thought_signature` of a message or a tool call."""
    place = f"{where}.extra_content"
    if carrier.get("extra_content") is None:
        return None
    google = as_object(carrier["extra_content"], place).get("google")
    if google is None:
        return None
    signature = as_object(google, f"{place}.google").get("thought_signature")
    return None if signature is None else as_text(signature, f"{place}.google.thought_signature")
