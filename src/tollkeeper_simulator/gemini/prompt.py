"""Reads a prompt: checks contents, system instruction and tools, and turns them into tokens that are billed and cached.

Pictures, sound, films and documents are placeholder tokens of their modality; sizes after ai.google.dev/gemini-api/docs/tokens
and media-resolution (2026-11-21). Nothing is fetched or looked at: sound is taken to be 16,000 bytes a second, a film 100,000,
and a page of a document 30,000 bytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import tokens
from tollkeeper_simulator.gemini import fields, turns
from tollkeeper_simulator.gemini.errors import refuse
from tollkeeper_simulator.openai.images import size_of
from tollkeeper_simulator.text import seed_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.gemini.catalogue import Model

_CONTENT = frozenset({"role", "parts"})
_MODALITIES = {"image": "IMAGE", "audio": "AUDIO", "video": "VIDEO", "application": "DOCUMENT", "text": "DOCUMENT"}
_TILE_TOKENS, _TILE_SIDE, _SMALL_SIDE = 258, 768, 384
_NEWER_IMAGE_TOKENS = 1_120
_AUDIO_TOKENS_PER_S, _AUDIO_BYTES_PER_S = 32, 16_000
_VIDEO_TOKENS_PER_S, _VIDEO_BYTES_PER_S = 263, 100_000
_PAGE_TOKENS, _PAGE_BYTES = 258, 30_000
_LINKED_BYTES = 60_000


@dataclass(slots=True)
class Prompt:
    """A prompt as tokens; those of a modality other than text are told by how they begin."""

    tokens: list[str] = field(default_factory=list)

    def by_modality(self, first: int | None = None) -> Counter[str]:
        """Return how many of the (first) tokens are of each modality."""
        return Counter(modality_of(token) for token in (self.tokens if first is None else self.tokens[:first]))


def modality_of(token: str) -> str:
    """Return TEXT, IMAGE, AUDIO, VIDEO or DOCUMENT."""
    return token[2:].partition(":")[0] if token.startswith("<|") and ":" in token else "TEXT"


def read(body: Json, model: Model) -> Prompt:
    """Return the prompt of a request. Raises RefusedError for whatever is not one."""
    prompt = Prompt()
    if body.get("tools"):
        prompt.tokens += tokens.pieces(msgspec.json.encode(body["tools"]).decode())
    system = fields.mapping(body.get("systemInstruction"), "system_instruction")
    if system:
        _add_parts(prompt, system, model, "system_instruction")
    contents = [
        _content(each, f"contents[{place}]")
        for place, each in enumerate(fields.items(body.get("contents"), "contents"))
    ]
    if not contents:
        message = "* GenerateContentRequest.contents: contents is not specified\n"
        raise refuse(message)
    turns.check(contents, model)
    for place, each in enumerate(contents):
        prompt.tokens.append(f"<|{each.get('role', 'user')}|>")
        _add_parts(prompt, each, model, f"contents[{place}]")
    return prompt


def user_text(contents: object) -> str:
    """Return the text of the last content that is the user's, or nothing; never raises."""
    given = [contents] if isinstance(contents, dict) else contents
    for each in reversed(given if isinstance(given, list) else []):
        if isinstance(each, str):
            return each
        if isinstance(each, dict) and each.get("role", "user") != "model":
            parts = each.get("parts")
            listed = [parts] if isinstance(parts, dict) else parts
            texts = (
                part.get("text") for part in (listed if isinstance(listed, list) else []) if isinstance(part, dict)
            )
            return "\n".join(text for text in texts if isinstance(text, str))
    return ""


def _content(content: object, where: str) -> Json:
    given = fields.mapping(content, where)
    fields.known_only(given, _CONTENT, where)
    if given.get("role", "user") not in {"user", "model", "function"}:
        message = "Please use a valid role: user, model."
        raise refuse(message)
    return given


def _add_parts(prompt: Prompt, content: Json, model: Model, where: str) -> None:
    parts = fields.items(content.get("parts"), f"{where}.parts")
    if not parts and where != "system_instruction":
        message = f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.\n"
        raise refuse(message)
    for place, each in enumerate(parts):
        here = f"{where}.parts[{place}]"
        prompt.tokens += _part(fields.mapping(each, here), model, here)


def _part(part: Json, model: Model, where: str) -> Iterable[str]:
    fields.known_only(part, turns.PART, where)
    kinds = [name for name in turns.DATA if name in part]
    if len(kinds) != 1:
        message = (
            f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field\n"
        )
        raise refuse(message)
    if kinds[0] == "text":
        # Thoughts of earlier turns are not part of the prompt.
        return [] if part.get("thought") is True else tokens.pieces(fields.text(part["text"], f"{where}.text"))
    if kinds[0] in {"inlineData", "fileData"}:
        return _medium(fields.mapping(part[kinds[0]], where), model, where)
    return tokens.pieces(msgspec.json.encode(part[kinds[0]]).decode())


def _medium(data: Json, model: Model, where: str) -> list[str]:
    kind = fields.text(data.get("mimeType", "application/octet-stream"), f"{where}.mime_type")
    inline = data.get("data")
    address = fields.text(inline if inline is not None else data.get("fileUri"), where)
    size = len(address) * 3 // 4 if inline is not None else _LINKED_BYTES
    modality = _MODALITIES.get(kind.partition("/")[0])
    if modality is None:
        message = f"Unsupported MIME type: {kind}"
        raise refuse(message)
    if modality == "IMAGE":
        count = _image_tokens(f"data:{kind};base64,{address}" if inline is not None else address, model)
    elif modality == "AUDIO":
        count = _AUDIO_TOKENS_PER_S * size // _AUDIO_BYTES_PER_S
    elif modality == "VIDEO":
        count = _VIDEO_TOKENS_PER_S * size // _VIDEO_BYTES_PER_S
    else:
        count = _PAGE_TOKENS * (1 + size // _PAGE_BYTES)
    # The same medium gives the same tokens, so that it can be cached like text.
    return [f"<|{modality}:{seed_of(address):x}|>"] * max(1, count)


def _image_tokens(address: str, model: Model) -> int:
    if model.is_newer:
        return _NEWER_IMAGE_TOKENS
    width, height = size_of(address)
    if max(width, height) <= _SMALL_SIDE:
        return _TILE_TOKENS
    return _TILE_TOKENS * -(-width // _TILE_SIDE) * -(-height // _TILE_SIDE)
