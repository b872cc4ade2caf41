"""Reads a chat prompt: checks the messages and turns them into the tokens that are billed and cached."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from tollkeeper_simulator import tokens
from tollkeeper_simulator.openai.errors import refuse
from tollkeeper_simulator.openai.fields import wrong_type
from tollkeeper_simulator.openai.images import image_tokens
from tollkeeper_simulator.text import seed_of

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_AUDIO_BYTES_PER_TOKEN = 1_600
_REPLY_PRIMER = ("<|start|>", "assistant", "<|message|>")


@dataclass(slots=True)
class Prompt:
    """A prompt for a model as tokens; images and audio are so many placeholder tokens, also counted apart."""

    model: str
    tokens: list[str] = field(default_factory=list)
    image_tokens: int = 0
    audio_tokens: int = 0
    last_user_text: str = ""


def read(body: Json, model: str) -> Prompt:
    """Return the prompt of a chat request to a model: tools and schema first, then the messages in order.

    Raises RefusedError for whatever is not a list of messages.
    """
    messages = body.get("messages")
    if messages is None:
        message = "Missing required parameter: 'messages'."
        raise refuse(message, "messages", "missing_required_parameter")
    if not isinstance(messages, list):
        raise wrong_type("messages", "an array of objects", messages)
    if not messages:
        message = (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
        raise refuse(message, "messages", "empty_array")
    prompt = Prompt(model)
    for name in ("tools", "functions", "response_format"):
        if body.get(name):
            prompt.tokens += tokens.pieces(msgspec.json.encode(body[name]).decode())
    for place, each in enumerate(messages):
        _add_message(prompt, each, f"messages[{place}]")
    prompt.tokens += _REPLY_PRIMER
    return prompt


def user_text(body: Json) -> str:
    """Return the text of the last user message of a chat body, or nothing; never raises."""
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


def _add_message(prompt: Prompt, message: object, where: str) -> None:
    if not isinstance(message, dict):
        raise wrong_type(where, "an object", message)
    role = message.get("role")
    if role not in _ROLES:
        supported = ", ".join(f"'{each}'" for each in _ROLES)
        text = f"Invalid value: '{role}'. Supported values are: {supported}."
        raise refuse(text, f"{where}.role", "invalid_value")
    prompt.tokens += ("<|start|>", role, "<|message|>")
    if isinstance(message.get("name"), str):
        prompt.tokens += tokens.pieces(message["name"])
    calls = message.get("tool_calls")
    if calls:
        prompt.tokens += tokens.pieces(msgspec.json.encode(calls).decode())
    content = message.get("content")
    if isinstance(content, str):
        prompt.tokens += tokens.pieces(content)
    elif isinstance(content, list):
        for place, part in enumerate(content):
            _add_part(prompt, part, f"{where}.content[{place}]")
    elif content is not None or (role != "assistant"):
        raise wrong_type(f"{where}.content", "a string or an array of objects", content)


def _add_part(prompt: Prompt, part: object, where: str) -> None:
    kind = str(part.get("type")) if isinstance(part, dict) else None
    if not isinstance(part, dict) or kind not in {"text", "refusal", "image_url", "input_audio", "file"}:
        message = (
            f"Invalid value: '{kind}'. Supported values are: 'text', 'image_url', 'input_audio', 'refusal', and 'file'."
        )
        raise refuse(message, f"{where}.type", "invalid_value")
    if kind in {"text", "refusal"}:
        text = part.get(kind)
        if not isinstance(text, str):
            raise wrong_type(f"{where}.{kind}", "a string", text)
        prompt.tokens += tokens.pieces(text)
    elif kind == "image_url":
        _add_image(prompt, part.get("image_url"), where)
    elif kind == "input_audio":
        _add_audio(prompt, part.get("input_audio"), where)
    else:
        prompt.tokens += tokens.pieces(msgspec.json.encode(part).decode())


def _add_image(prompt: Prompt, image: Any, where: str) -> None:
    if not isinstance(image, dict) or not isinstance(image.get("url"), str):
        raise wrong_type(f"{where}.image_url", "an object", image)
    size = image_tokens(prompt.model, image["url"], image.get("detail"))
    prompt.image_tokens += size
    # The same picture gives the same tokens, so that it can be cached like text.
    prompt.tokens += [f"<|image:{seed_of(image['url']):x}|>"] * size


def _add_audio(prompt: Prompt, audio: Any, where: str) -> None:
    if not isinstance(audio, dict) or not isinstance(audio.get("data"), str):
        raise wrong_type(f"{where}.input_audio", "an object", audio)
    size = max(1, len(audio["data"]) * 3 // 4 // _AUDIO_BYTES_PER_TOKEN)
    prompt.audio_tokens += size
    prompt.tokens += [f"<|audio:{seed_of(audio['data']):x}|>"] * size
