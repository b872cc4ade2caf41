"""What a request means, read from either dialect by a reader of its own: who said what, which tools were called with what.

A request is read into (system texts, events). An event is (speaker, kind, content): texts, images, documents, tool calls
(by their number in the conversation, since ids may be others) and their results. What the translations document as left
out, white space alone and thinking, is not read.
"""

from __future__ import annotations

import json
from typing import Any

Event = tuple[str, str, Any]
SHOWED = "What the tool of call "


def read_openai(body: dict[str, Any]) -> tuple[list[str], list[Event]]:
    system: list[str] = []
    events: list[Event] = []
    calls: dict[str, int] = {}
    for message in body["messages"]:
        role, content = message["role"], message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        if role in {"system", "developer"}:
            system += [part["text"] for part in parts if part["text"].strip()]
        elif role == "tool":
            events.append(("tool", "result", (calls[message["tool_call_id"]], _items(parts))))
        else:
            events += [(role, *item) for item in _items(parts)]
            if message.get("refusal"):
                events.append((role, "text", message["refusal"]))
            for call in message.get("tool_calls") or ():
                calls[call["id"]] = len(calls)
                arguments = json.loads(call["function"]["arguments"] or "{}")
                events.append((role, "call", (calls[call["id"]], call["function"]["name"], arguments)))
    return system, events


def _items(parts: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for part in parts:
        if part["type"] in {"text", "refusal"}:
            if part[part["type"]].strip():
                found.append(("text", part[part["type"]]))
        elif part["type"] == "image_url":
            found.append(("image", part["image_url"]["url"]))
        else:
            assert part["type"] == "file"
            found.append(("file", part["file"]["file_data"]))
    return found


def read_anthropic(body: dict[str, Any]) -> tuple[list[str], list[Event]]:
    system = body.get("system", [])
    texts = [system] if isinstance(system, str) else [block["text"] for block in system]
    events: list[Event] = []
    calls: dict[str, int] = {}
    for message in body["messages"]:
        role, content = message["role"], message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if role == "system":
            texts += [block["text"] for block in blocks]
            continue
        for block in blocks:
            if block["type"] == "tool_use":
                calls[block["id"]] = len(calls)
                events.append((role, "call", (calls[block["id"]], block["name"], block["input"])))
            elif block["type"] == "tool_result":
                inner = block.get("content", "")
                parts = [{"type": "text", "text": inner}] if isinstance(inner, str) else inner
                found = _block_items(parts)
                if block.get("is_error"):
                    said = [item[1] for item in found if item[0] == "text"] or [""]
                    shown = [item for item in found if item[0] != "text"]
                    found = [("text", "Error: " + said[0]), *(("text", text) for text in said[1:]), *shown]
                events.append(("tool", "result", (calls[block["tool_use_id"]], found)))
            else:
                events += [(role, *item) for item in _block_items([block])]
    return [text for text in texts if text.strip()], events


def _block_items(blocks: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for block in blocks:
        if block["type"] == "text":
            if block["text"].strip():
                found.append(("text", block["text"]))
        elif block["type"] in {"image", "document"}:
            source = block["source"]
            kind = "image" if block["type"] == "image" else "file"
            is_data = source["type"] == "base64"
            found.append((kind, f"data:{source['media_type']};base64,{source['data']}" if is_data else source["url"]))
        else:
            assert block["type"] in {"thinking", "redacted_thinking"}
    return found


def images_after_results(events: list[Event]) -> list[Event]:
    """Let the images of tools' results follow the results of their turn, as a user's, as OpenAI's dialect must have it."""
    moved: list[Event] = []
    waiting: list[Event] = []
    for event in events:
        if event[1] == "result":
            number, items = event[2]
            texts = [item for item in items if item[0] == "text"]
            waiting += [("user", *item) for item in items if item[0] != "text"]
            moved.append(("tool", "result", (number, texts)))
        else:
            moved += waiting
            waiting = []
            moved.append(event)
    return moved + waiting


def without_notes(events: list[Event]) -> list[Event]:
    return [each for each in events if not (each[1] == "text" and each[2].startswith(SHOWED))]
