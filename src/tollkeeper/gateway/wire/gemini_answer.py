"""The Gemini dialect, answers: the usage that an answer or a chunk states, and the text that it adds. Pure.

Wire shapes: https://ai.google.dev/api/generate-content#UsageMetadata (read 2026-11-22). The prompt's count includes what was
cached; the candidates' excludes thoughts; what tools put into the prompt is outside of it. In a stream every chunk states
the usage so far: the last one counts.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tollkeeper.domain.usage import Usage
from tollkeeper.gateway.wire.decisive_names import is_stated
from tollkeeper.gateway.wire.openai_answer import Tokens
from tollkeeper.gateway.wire.texts import SERVICE_TIER_LENGTH_MAX, collect_texts, printable

_NOT_OUTPUT = frozenset({"role", "id", "name", "thoughtSignature", "mimeType", "data", "language", "outcome"})
_ABSENT = msgspec.Raw()
_TIERS_OF_TRAFFIC = {
    "ON_DEMAND": "standard",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
}


class ModalityCount(msgspec.Struct, rename="camel"):
    modality: str = ""
    token_count: Tokens | None = None


class WireUsage(msgspec.Struct, rename="camel"):
    """`usageMetadata`; what is absent is none."""

    prompt_token_count: Tokens | None = None
    cached_content_token_count: Tokens | None = None
    candidates_token_count: Tokens | None = None
    thoughts_token_count: Tokens | None = None
    tool_use_prompt_token_count: Tokens | None = None
    prompt_tokens_details: list[ModalityCount] | None = None
    prompt_token_details: list[ModalityCount] | None = None  # what embeddings call it
    cache_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None
    service_tier: str | None = None
    traffic_type: str | None = None


class GroundingMetadata(msgspec.Struct, rename="camel"):
    web_search_queries: list[str] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    index: int | None = None
    finish_reason: str | None = None
    grounding_metadata: GroundingMetadata | None = None


class PromptFeedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class Answer(msgspec.Struct, rename="camel"):
    """A whole answer, or one chunk of a stream, as far as it is metered."""

    model_version: str = ""
    usage_metadata: WireUsage | None = None
    candidates: Annotated[list[Candidate], msgspec.Meta(max_length=1024)] | None = None
    prompt_feedback: PromptFeedback | None = None
    error: Any = None
    embedding: msgspec.Raw = _ABSENT
    embeddings: msgspec.Raw = _ABSENT

    @property
    def is_blocked(self) -> bool:
        """Whether the prompt was refused: then there are no candidates."""
        return self.prompt_feedback is not None and bool(self.prompt_feedback.block_reason)

    @property
    def is_embedding(self) -> bool:
        return is_stated(self.embedding) or is_stated(self.embeddings)


_decode_answer = msgspec.json.Decoder(Answer).decode


def parse_answer(data: bytes) -> Answer | None:
    """Read an answer or a chunk; None when nothing in it is understood."""
    try:
        return _decode_answer(data)
    except (msgspec.DecodeError, RecursionError):
        return None


def is_grounded_by_prompt(model: str) -> bool:
    """Tell whether a model's searches are billed once for each prompt that was grounded; those from 3 on are by query.

    Source: ai.google.dev/gemini-api/docs/pricing, read 2026-11-22.
    """
    return model.rsplit("/", 1)[-1].startswith(("gemini-1", "gemini-2"))


def queries_of(answer: Answer) -> set[str]:
    """Return the searches of Google that an answer, or a chunk, says were made for it; an empty one is none."""
    found: set[str] = set()
    for candidate in answer.candidates or ():
        if candidate.grounding_metadata is not None:
            found.update(filter(None, candidate.grounding_metadata.web_search_queries or ()))
    return found


def with_grounding(usage: Usage, queries: set[str], model: str) -> Usage:
    """Return a usage with the fees of the searches that were made for the answer."""
    count = 1 if is_grounded_by_prompt(model) else len(queries)
    return msgspec.structs.replace(usage, quantities={**usage.quantities, "grounding": count})


def usage_of(wire: WireUsage) -> Usage:
    """Bring a stated usage into disjoint classes; only sound and pictures that are written have classes of their own."""
    prompt, cached = wire.prompt_token_count or 0, wire.cached_content_token_count or 0
    cached = min(cached, prompt)
    thoughts = wire.thoughts_token_count or 0
    heard = min(_count(wire.prompt_tokens_details, "AUDIO"), prompt)
    heard_cached = min(_count(wire.cache_tokens_details, "AUDIO"), cached, heard)
    heard_fresh = min(heard - heard_cached, prompt - cached)
    written = wire.candidates_token_count or 0
    spoken = min(_count(wire.candidates_tokens_details, "AUDIO"), written)
    drawn = min(_count(wire.candidates_tokens_details, "IMAGE"), written - spoken)
    quantities = {
        "input": prompt - cached - heard_fresh + (wire.tool_use_prompt_token_count or 0),
        "cache_read": cached - heard_cached,
        "input_audio": heard_fresh,
        "cache_read_audio": heard_cached,
        "output": written - spoken - drawn + thoughts,
        "output_audio": spoken,
        "output_image": drawn,
    }
    stated = {name: count for name, count in quantities.items() if count or name in {"input", "output"}}
    return Usage(stated, thoughts, _tier(wire))


def embedding_usage_of(wire: WireUsage) -> Usage:
    """Bring the stated usage of embeddings into disjoint classes: pictures have a price of their own there.

    https://ai.google.dev/api/embeddings#EmbeddingUsageMetadata (read 2026-11-22).
    """
    prompt = wire.prompt_token_count or 0
    details = wire.prompt_token_details or wire.prompt_tokens_details
    heard = min(_count(details, "AUDIO"), prompt)
    seen = min(_count(details, "IMAGE"), prompt - heard)
    quantities = {"input": prompt - heard - seen, "input_audio": heard, "input_image": seen}
    return Usage({name: count for name, count in quantities.items() if count or name == "input"})


def delta_texts(data: bytes) -> list[str]:
    """Return the texts that a chunk (or an answer) adds to the output: text, thoughts, arguments of functions."""
    try:
        chunk: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return []
    found: list[str] = []
    candidates = chunk.get("candidates") if isinstance(chunk, dict) else None
    for candidate in candidates if isinstance(candidates, list) else ():
        if isinstance(candidate, dict):
            collect_texts(candidate.get("content"), found, skip=_NOT_OUTPUT)
    return found


def _count(details: list[ModalityCount] | None, modality: str) -> int:
    return sum(each.token_count or 0 for each in details or () if each.modality == modality)


def _tier(wire: WireUsage) -> str | None:
    if wire.service_tier:
        return printable(wire.service_tier.lower(), SERVICE_TIER_LENGTH_MAX)
    if wire.traffic_type:
        return _TIERS_OF_TRAFFIC.get(wire.traffic_type, printable(wire.traffic_type.lower(), SERVICE_TIER_LENGTH_MAX))
    return None
