"""Candidates as they stand in an answer: parts with signatures, finish reasons, grounding, safety."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollkeeper_simulator import clock, text
from tollkeeper_simulator.gemini.signatures import sign

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.gemini.reply import Reply
    from tollkeeper_simulator.gemini.request import GenerateRequest

_CATEGORIES = ("HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT")


def candidate(said: Reply, index: int, asked: GenerateRequest) -> Json:
    """Return a whole candidate."""
    parts: list[Json] = [{"text": said.summary, "thought": True}] if said.summary else []
    if said.pieces:
        parts.append({"text": "".join(said.pieces)} | text_signature(said, asked))
    parts += calls(said, asked)
    content: Json = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    return {"content": content, **ending(said, asked), "index": index}


def calls(said: Reply, asked: GenerateRequest) -> list[Json]:
    """Return the function calls as parts: newer models give them ids, and the first one a signature."""
    parts: list[Json] = []
    for place, call in enumerate(said.calls):
        entry: Json = {"name": call.name, "args": call.arguments}
        if asked.model.is_newer:
            entry["id"] = clock.object_id("")[:8]
        signature = {"thoughtSignature": sign(said.seed)} if place == 0 and _signs(said, asked) else {}
        parts.append({"functionCall": entry, **signature})
    return parts


def text_signature(said: Reply, asked: GenerateRequest) -> Json:
    """Return the signature that goes with the last text, if it has one."""
    return {"thoughtSignature": sign(said.seed)} if asked.model.is_newer and _signs(said, asked) else {}


def ending(said: Reply, asked: GenerateRequest) -> Json:
    """Return what stands beside the last part."""
    more: Json = {"finishReason": said.finish}
    if said.finish == "SAFETY":
        more["safetyRatings"] = _ratings(blocked=True)
    if asked.tools.searches:
        more["groundingMetadata"] = _grounding(said, asked)
    return more


def prompt_feedback() -> Json:
    """Return what is said instead of candidates when the prompt itself is blocked."""
    return {"blockReason": "SAFETY", "safetyRatings": _ratings(blocked=True)}


def _signs(said: Reply, asked: GenerateRequest) -> bool:
    """Newer models sign whatever they do, older ones what they thought about with functions at hand."""
    return asked.model.is_newer or (said.thinking_tokens > 0 and asked.tools.has_functions)


def _ratings(*, blocked: bool) -> list[Json]:
    first, *others = (f"HARM_CATEGORY_{name}" for name in _CATEGORIES)
    worst: Json = {"category": first, "probability": "HIGH"} | ({"blocked": True} if blocked else {})
    return [worst, *({"category": name, "probability": "NEGLIGIBLE"} for name in others)]


def _grounding(said: Reply, asked: GenerateRequest) -> Json:
    """Return what an answer rests on. It was searched once, for all answers; no query is made twice."""
    seed = text.seed_of(asked.model.name, "".join(asked.prompt.tokens))
    said_of_each = ("".join(text.say(seed + place + 3, 4)).rstrip(" .") for place in range(asked.tools.searches))
    queries = [f"{words} {place + 1}" for place, words in enumerate(said_of_each)]
    whole = "".join(said.pieces)
    segment = {"startIndex": 0, "endIndex": len(whole.encode()), "text": whole}
    return {
        "webSearchQueries": queries,
        "searchEntryPoint": {"renderedContent": "<div>searched</div>"},
        "groundingChunks": [{"web": {"uri": "https://example.com/tolls", "title": "example.com"}}],
        "groundingSupports": [{"segment": segment, "groundingChunkIndices": [0]}],
    }
