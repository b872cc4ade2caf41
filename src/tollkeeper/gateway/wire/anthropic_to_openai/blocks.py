"""Anthropic's content blocks as parts of OpenAI messages: texts, images, documents, search results. Pure.

Shapes: `anthropic` 2.12, types/{image,document,search_result}_block_param.py; `openai` 3.51,
types/chat/chat_completion_content_part_param.py (2026-11).
"""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.translation_reading import as_list, as_object, as_text, refused, text_in, wrong_type

Part = dict[str, Any]


def text_part(text: str) -> Part:
    return {"type": "text", "text": text}


def blocks_in(content: Any, at: str) -> list[tuple[str, dict[str, Any], str]]:
    """Return each block of a content as (type, block, place); a text alone is one block.

    Raises:
        InvalidRequest: it is neither a text nor a list of objects that have a type.
    """
    if isinstance(content, str):
        return [("text", text_part(content), at)]
    if not isinstance(content, list):
        raise wrong_type(content, at, "a text or a list")
    found = []
    for i, each in enumerate(content):
        block = as_object(each, f"{at}[{i}]")
        found.append((text_in(block, "type", f"{at}[{i}]"), block, f"{at}[{i}]"))
    return found


def parts_of(kind: str, block: dict[str, Any], at: str) -> list[Part]:
    """Return a block that a user or a tool's result may hold as parts.

    Raises:
        InvalidRequest: it cannot be said in OpenAI's dialect.
    """
    match kind:
        case "text":
            return [text_part(text_in(block, "text", at))]
        case "image":
            return [{"type": "image_url", "image_url": {"url": _image(block, at)}}]
        case "document":
            return _document(block, at)
        case "search_result":
            texts = [
                text_in(each, "text", place) for _, each, place in blocks_in(block.get("content"), f"{at}.content")
            ]
            return [text_part("\n\n".join([text_in(block, "title", at), text_in(block, "source", at), *texts]))]
        case other:
            raise refused(f"is '{other}', which a provider of OpenAI's dialect does not take.", f"{at}.type")


def one_or_more(parts: list[Part]) -> str | list[Part]:
    """Return a content: a text alone, as every server of the dialect takes it, or the parts."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        text: str = parts[0]["text"]
        return text
    return parts


def _source(block: dict[str, Any], at: str) -> tuple[str, dict[str, Any], str]:
    at = f"{at}.source"
    source = as_object(block.get("source"), at)
    return text_in(source, "type", at), source, at


def _image(block: dict[str, Any], at: str) -> str:
    kind, source, at = _source(block, at)
    match kind:
        case "base64":
            return f"data:{text_in(source, 'media_type', at)};base64,{text_in(source, 'data', at)}"
        case "url":
            return text_in(source, "url", at)
        case other:
            raise refused(f"is '{other}'; a provider of OpenAI's dialect takes base64 and url.", f"{at}.type")


def _document(block: dict[str, Any], at: str) -> list[Part]:
    if (citations := block.get("citations")) is not None and as_object(citations, f"{at}.citations").get("enabled"):
        raise refused("is not taken: a provider of OpenAI's dialect cites no documents.", f"{at}.citations")
    heading = [as_text(block[name], f"{at}.{name}") for name in ("title", "context") if block.get(name) is not None]
    kind, source, where = _source(block, at)
    match kind:
        case "base64":
            media_type = text_in(source, "media_type", where)
            name = heading[0] if block.get("title") is not None else "document.pdf"
            file = {"filename": name, "file_data": f"data:{media_type};base64,{text_in(source, 'data', where)}"}
            context = [text_part(heading[-1])] if block.get("context") is not None else []
            return [*context, {"type": "file", "file": file}]
        case "text":
            return [text_part("\n\n".join([*heading, text_in(source, "data", where)]))]
        case "content":
            parts = [text_part("\n\n".join(heading))] if heading else []
            content = source.get("content")
            if not isinstance(content, str):
                as_list(content, f"{where}.content")
            for inner, each, place in blocks_in(content, f"{where}.content"):
                if inner not in {"text", "image"}:
                    raise refused("must be text or image.", f"{place}.type")
                parts += parts_of(inner, each, place)
            return parts
        case other:
            raise refused(
                f"is '{other}'; a provider of OpenAI's dialect takes base64, text and content.", f"{where}.type"
            )
