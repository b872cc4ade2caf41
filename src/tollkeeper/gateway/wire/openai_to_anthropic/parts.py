"""Content parts of OpenAI messages as Anthropic's content blocks: texts, images, documents, marks of caches. Pure.

Shapes: `openai` 3.51, types/chat/chat_completion_content_part_*.py; platform.claude.com/docs/en/build-with-claude/
{vision,pdf-support,prompt-caching} (2026-11).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.translation_reading import as_list, as_object, as_text, refused, text_in, wrong_type

Block = dict[str, Any]
_DATA_URL = re.compile(r"data:([a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+)?((?:;[a-zA-Z0-9=._-]+)*);base64,")
_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})


def text_blocks(content: Any, at: str) -> list[Block]:
    """Return the text blocks of a content that may hold texts only; what is empty or white space is left out: Anthropic refuses it.

    Raises:
        InvalidRequest: it is of a wrong type, or holds something else.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    blocks = []
    for i, each in enumerate(_parts(content, at)):
        where = f"{at}[{i}]"
        part = as_object(each, where)
        if text_in(part, "type", where) != "text":
            raise refused(f"is '{part['type']}', but only text is taken here.", f"{where}.type")
        if block := _text(part, where):
            blocks.append(block)
    return blocks


def blocks_of(content: Any, at: str) -> list[Block]:
    """Return the blocks of a content that may hold everything that a user says.

    Raises:
        InvalidRequest: a part cannot be said to Anthropic, or is of a wrong type.
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content.strip() else []
    blocks = []
    for i, part in enumerate(_parts(content, at)):
        if block := _block(as_object(part, f"{at}[{i}]"), f"{at}[{i}]"):
            blocks.append(block)
    return blocks


def answer_blocks(content: Any, at: str) -> list[Block]:
    """Return the blocks of what an assistant said: texts, and refusals, which are texts too.

    Raises:
        InvalidRequest: it holds something else.
    """
    if isinstance(content, list):
        content = [
            {"type": "text", "text": part.get("refusal")}
            if isinstance(part, dict) and part.get("type") == "refusal"
            else part
            for part in content
        ]
    return text_blocks(content, at)


def mark_cache(block: Block, part: dict[str, Any], at: str) -> Block:
    """Carry over the mark that what ends here is to be cached: Anthropic's own, or OpenAI's."""
    if (mark := part.get("cache_control")) is not None:
        block["cache_control"] = as_object(mark, f"{at}.cache_control")
    elif (mark := part.get("prompt_cache_breakpoint")) is not None:
        is_long = as_object(mark, f"{at}.prompt_cache_breakpoint").get("ttl") == "12h"
        block["cache_control"] = {"type": "ephemeral", "ttl": "1h"} if is_long else {"type": "ephemeral"}
    return block


def _parts(content: Any, at: str) -> list[Any]:
    if isinstance(content, list):
        return content
    raise wrong_type(content, at, "a text or a list")


def _block(part: dict[str, Any], at: str) -> Block | None:
    match text_in(part, "type", at):
        case "text":
            return _text(part, at)
        case "image_url":
            return mark_cache({"type": "image", "source": _image(part.get("image_url"), f"{at}.image_url")}, part, at)
        case "file":
            return mark_cache(_document(as_object(part.get("file"), f"{at}.file"), f"{at}.file"), part, at)
        case other:
            raise refused(f"is '{other}', which Claude does not take.", f"{at}.type")


def _text(part: dict[str, Any], at: str) -> Block | None:
    text = text_in(part, "text", at)
    return mark_cache({"type": "text", "text": text}, part, at) if text.strip() else None


def _image(image: Any, at: str) -> Block:
    url = text_in(as_object(image, at), "url", at)
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    media_type, data = _data(url, f"{at}.url")
    if media_type == "image/jpg":
        media_type = "image/jpeg"
    if media_type not in _IMAGE_TYPES:
        raise refused("must be an address, or a data URL of a JPEG, PNG, GIF or WebP image.", f"{at}.url")
    return {"type": "base64", "media_type": media_type, "data": data}


def _document(file: dict[str, Any], at: str) -> Block:
    if "file_data" not in file:
        raise refused("must hold 'file_data': ids of files are known to the provider that stores them alone.", at)
    media_type, data = _data(text_in(file, "file_data", at), f"{at}.file_data")
    block: Block = {"type": "document"}
    if media_type == "application/pdf":
        block["source"] = {"type": "base64", "media_type": media_type, "data": data}
    elif media_type.startswith("text/"):
        block["source"] = {"type": "text", "media_type": "text/plain", "data": _plain(data, f"{at}.file_data")}
    else:
        raise refused("must be a data URL of a PDF or a plain text.", f"{at}.file_data")
    if file.get("filename") is not None:
        block["title"] = as_text(file["filename"], f"{at}.filename")
    return block


def _data(url: str, at: str) -> tuple[str, str]:
    """Take a data URL apart (RFC 2397): its type, and its data in base64."""
    found = _DATA_URL.match(url)
    if found is None:
        raise refused("must be a data URL in base64.", at)
    return (found[1] or "text/plain").lower(), url[found.end() :]


def _plain(data: str, at: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        raise InvalidRequest(f"'{at}' must be UTF-8 in base64.", param=at) from None


def list_of(value: Any, at: str) -> list[Any]:
    return [] if value is None else as_list(value, at)
