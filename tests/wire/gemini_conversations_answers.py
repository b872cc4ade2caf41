"""Answers of Gemini made by hypothesis, whole and as a stream of any cut, with what a client should find in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gemini_conversations_generated import ARGUMENTS, NAMES, SIGNATURES, SOME_WORDS
from hypothesis import strategies as st

REQUEST_ID = "req_019a9f1c2b3c7def8123456789abcdef"
CREATED_S = 0x019A9F1C2B3C // 1000


@dataclass
class Said:
    """What a model said: its thoughts first, then texts and calls in order, as parts of Gemini's."""

    parts: list[dict[str, Any]]
    finish_reason: str
    usage: dict[str, int]

    @property
    def thoughts(self) -> str:
        return "".join(part["text"] for part in self.parts if part.get("thought"))

    @property
    def text(self) -> str:
        return "".join(part["text"] for part in self.parts if "text" in part and not part.get("thought"))

    @property
    def calls(self) -> list[tuple[str, Any, str | None]]:
        return [
            (part["functionCall"]["name"], part["functionCall"]["args"], part.get("thoughtSignature"))
            for part in self.parts
            if "functionCall" in part
        ]


_TEXTS = SOME_WORDS.map(lambda text: {"text": text})
_THOUGHTS = SOME_WORDS.map(lambda text: {"text": text, "thought": True})


@st.composite
def _calls(draw: st.DrawFn) -> dict[str, Any]:
    call: dict[str, Any] = {"name": draw(NAMES), "args": draw(ARGUMENTS)}
    call_id = draw(st.none() | st.text("abc012", min_size=8, max_size=8))
    if call_id is not None:
        call["id"] = call_id
    part: dict[str, Any] = {"functionCall": call}
    signature = draw(SIGNATURES)
    if signature is not None:
        part["thoughtSignature"] = signature
    return part


@st.composite
def answers(draw: st.DrawFn) -> Said:
    parts = draw(st.lists(_THOUGHTS, max_size=2)) + draw(st.lists(_TEXTS | _calls(), max_size=4))
    counts = st.integers(0, 10_000)
    prompt = draw(counts)
    usage = {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": draw(st.integers(0, prompt)),
        "candidatesTokenCount": draw(counts),
        "thoughtsTokenCount": draw(counts),
        "toolUsePromptTokenCount": draw(counts),
    }
    return Said(parts, draw(st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "MALFORMED_FUNCTION_CALL"])), usage)


def whole(said: Said) -> bytes:
    """The answer of generateContent, with white space as Google writes it."""
    candidate = {
        "content": {"parts": said.parts, "role": "model"},
        "finishReason": said.finish_reason,
        "index": 0,
    }
    answer = {
        "candidates": [candidate],
        "usageMetadata": said.usage,
        "modelVersion": "gemini-3.8-flash",
        "responseId": "resp1",
    }
    return json.dumps(answer, indent=2).encode()


def events(said: Said, cuts: list[int]) -> list[bytes]:
    """The events of streamGenerateContent?alt=sse. `cuts`: into how many pieces each part's text goes."""
    pieces: list[list[dict[str, Any]]] = []
    for number, part in enumerate(said.parts):
        cut = cuts[number % len(cuts)] if cuts else 1
        if "text" not in part or cut <= 1:
            pieces.append([part])
            continue
        text, size = part["text"], max(1, len(part["text"]) // cut)
        pieces += [[{**part, "text": text[at : at + size]}] for at in range(0, len(text), size)]
    pieces.append([])
    made = []
    for number, parts in enumerate(pieces):
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        is_last = number == len(pieces) - 1
        if is_last:
            candidate["finishReason"] = said.finish_reason
        usage = said.usage if is_last else {**said.usage, "candidatesTokenCount": number, "thoughtsTokenCount": 0}
        event = {"candidates": [candidate], "usageMetadata": usage, "responseId": "resp1"}
        made.append(b"data: %b\r\n\r\n" % json.dumps(event).encode())
    return made


def fed(stream: Any, groups: list[bytes]) -> bytes:
    return b"".join([*(stream.feed(each) for each in groups), stream.finish()])


def grouped(made: list[bytes], sizes: list[int]) -> list[bytes]:
    """Events put together in groups of any sizes."""
    groups, rest, turn = [], list(made), 0
    while rest:
        size = max(1, sizes[turn % len(sizes)]) if sizes else 1
        groups.append(b"".join(rest[:size]))
        rest, turn = rest[size:], turn + 1
    return groups
