"""Conversations made by hypothesis, written in each dialect, and readers of what a Gemini request says.

A conversation is what was said, free of any dialect: `Talk` with its turns. Writers put it into a client's body; readers
take (role, kind, what) out of a body. They know nothing of the translations that they judge.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=0, max_size=12)
SOME_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=12)
NAMES = st.sampled_from(["get_weather", "search", "add-numbers", "x"])
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | WORDS
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(WORDS, SCALARS, max_size=2)
ARGUMENTS = st.dictionaries(SOME_WORDS, VALUES, max_size=3)
IMAGES = st.tuples(st.sampled_from(["image/png", "image/jpeg"]), st.binary(min_size=1, max_size=6))
URLS = st.sampled_from(["https://example.com/a.png", "https://example.org/b.jpg?size=2", "https://example.net/c"])
SIGNATURES = st.none() | st.binary(min_size=1, max_size=9).map(lambda raw: base64.b64encode(raw).decode())

Item = tuple[Any, ...]


@dataclass
class ToolCall:
    id: str
    name: str
    arguments: dict[str, Any]
    signature: str | None
    output: str = ""
    is_error: bool = False
    image: tuple[str, bytes] | None = None


@dataclass
class Turn:
    """What a user said, then what the model answered, with the results of its calls."""

    said: list[Item]
    answered: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)


@dataclass
class Talk:
    instructions: list[str]
    turns: list[Turn]


_SAID = st.lists(
    st.tuples(st.just("text"), SOME_WORDS) | st.tuples(st.just("image"), IMAGES) | st.tuples(st.just("url"), URLS),
    min_size=1,
    max_size=3,
)


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    turns = []
    for number in range(draw(st.integers(1, 4))):
        calls = [
            ToolCall(
                f"call_{number}_{place}",
                draw(NAMES),
                draw(ARGUMENTS),
                draw(SIGNATURES),
                draw(WORDS),
                draw(st.booleans()),
                draw(st.none() | IMAGES),
            )
            for place in range(draw(st.integers(0, 3)))
        ]
        turns.append(Turn(draw(_SAID), draw(st.lists(SOME_WORDS, max_size=2)), calls))
    turns.append(Turn(draw(_SAID)))
    return Talk(draw(st.lists(SOME_WORDS, max_size=2)), turns)


# ---- what was said, as the readers should find it ------------------------------------------------------------------


def meaning(talk: Talk, *, has_errors: bool, has_images: bool) -> list[Item]:
    """What a reader should find; an OpenAI client cannot say that a result is an error, nor show an image in it."""
    found: list[Item] = [("system", "text", text) for text in talk.instructions]
    for turn in talk.turns:
        for kind, what in turn.said:
            found.append(("user", "text", what) if kind == "text" else ("user", "image", *_image(kind, what)))
        found += [("model", "text", text) for text in turn.answered]
        found += [("model", "call", call.name, call.arguments) for call in turn.calls]
        for call in turn.calls:
            found.append(("user", "result", call.name, call.output, has_errors and call.is_error))
            if has_images and call.image is not None:
                found.append(("user", "image", *_image("image", call.image)))
    return found


def _image(kind: str, what: Any) -> Item:
    return (what[0], base64.b64encode(what[1]).decode()) if kind == "image" else (what,)


def gemini_meaning(body: dict[str, Any]) -> list[Item]:
    """Read a request to Gemini."""
    found: list[Item] = [
        ("system", "text", part["text"]) for part in body.get("systemInstruction", {}).get("parts", [])
    ]
    for content in body["contents"]:
        role = content["role"]
        for part in content["parts"]:
            match part:
                case {"text": text}:
                    found.append((role, "text", text))
                case {"inlineData": {"mimeType": kind, "data": data}}:
                    found.append((role, "image", kind, data))
                case {"fileData": {"fileUri": url}}:
                    found.append((role, "image", url))
                case {"functionCall": {"name": name, "args": arguments}}:
                    found.append((role, "call", name, arguments))
                case {"functionResponse": {"name": name, "response": response} as result}:
                    is_error = "error" in response
                    found.append((role, "result", name, response["error" if is_error else "output"], is_error))
                    for inner in result.get("parts", []):
                        blob = inner["inlineData"]
                        found.append((role, "image", blob["mimeType"], blob["data"]))
                case _:
                    raise AssertionError(f"a part that no reader knows: {part}")
    return found


def signatures(body: dict[str, Any]) -> list[str | None]:
    """The signature of every call of a request to Gemini, in order."""
    return [
        part.get("thoughtSignature")
        for content in body["contents"]
        for part in content["parts"]
        if "functionCall" in part
    ]


def expected_signatures(talk: Talk, unsigned: str | None) -> list[str | None]:
    """What the calls should be signed with: their own, and `unsigned` for a step's first call that lost its own."""
    return [
        call.signature or (unsigned if place == 0 else None)
        for turn in talk.turns
        for place, call in enumerate(turn.calls)
    ]


# ---- writers --------------------------------------------------------------------------------------------------------


def openai_body(talk: Talk) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": text} for text in talk.instructions]
    for turn in talk.turns:
        parts = []
        for kind, what in turn.said:
            if kind == "text":
                parts.append({"type": "text", "text": what})
            else:
                url = what if kind == "url" else f"data:{what[0]};base64,{base64.b64encode(what[1]).decode()}"
                parts.append({"type": "image_url", "image_url": {"url": url}})
        messages.append({"role": "user", "content": parts})
        if turn.answered or turn.calls:
            message: dict[str, Any] = {"role": "assistant"}
            message["content"] = [{"type": "text", "text": text} for text in turn.answered] or None
            if turn.calls:
                message["tool_calls"] = [_openai_call(call) for call in turn.calls]
            messages.append(message)
        messages += [{"role": "tool", "tool_call_id": call.id, "content": call.output} for call in turn.calls]
    return {"model": "some", "messages": messages}


def _openai_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    made: dict[str, Any] = {"id": call.id, "type": "function", "function": function}
    if call.signature:
        made["extra_content"] = {"google": {"thought_signature": call.signature}}
    return made


def anthropic_body(talk: Talk, signed: Any) -> dict[str, Any]:
    """`signed(call)` is the id under which the client knows a call."""
    messages: list[dict[str, Any]] = []
    for turn in talk.turns:
        blocks: list[dict[str, Any]] = []
        for kind, what in turn.said:
            if kind == "text":
                blocks.append({"type": "text", "text": what})
            elif kind == "url":
                blocks.append({"type": "image", "source": {"type": "url", "url": what}})
            else:
                blocks.append(_anthropic_image(what))
        messages.append({"role": "user", "content": blocks})
        said: list[dict[str, Any]] = [{"type": "text", "text": text} for text in turn.answered]
        said += [
            {"type": "tool_use", "id": signed(call), "name": call.name, "input": call.arguments} for call in turn.calls
        ]
        if said:
            messages.append({"role": "assistant", "content": said})
        if turn.calls:
            messages.append({"role": "user", "content": [_anthropic_result(call, signed(call)) for call in turn.calls]})
    body: dict[str, Any] = {"model": "some", "max_tokens": 100, "messages": messages}
    if talk.instructions:
        body["system"] = [{"type": "text", "text": text} for text in talk.instructions]
    return body


def _anthropic_image(what: tuple[str, bytes]) -> dict[str, Any]:
    data = base64.b64encode(what[1]).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": what[0], "data": data}}


def _anthropic_result(call: ToolCall, shown_id: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": call.output}]
    if call.image is not None:
        content.append(_anthropic_image(call.image))
    return {"type": "tool_result", "tool_use_id": shown_id, "content": content, "is_error": call.is_error}
