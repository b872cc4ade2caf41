"""Gemini's `usageMetadata`, made from the quantities that are billed.

Field meanings: ai.google.dev/api/generate-content#UsageMetadata, read 2026-11-21: cached tokens are within the prompt's, thoughts and
tool-use prompts are not within the others, and what is nothing is left out.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tollkeeper_simulator.bill import Usage

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json, Work
    from tollkeeper_simulator.gemini.catalogue import Model
    from tollkeeper_simulator.gemini.prompt import Prompt
    from tollkeeper_simulator.gemini.reply import Reply
    from tollkeeper_simulator.gemini.request import GenerateRequest
    from tollkeeper_simulator.prices import Tier

FOUND_TOKENS = 300
"""What one search brings into the prompt."""
TIER_NAMES: dict[Tier, str] = {"default": "standard", "flex": "flex", "priority": "priority"}


def usage_of(request: GenerateRequest, said: list[Reply], work: Work) -> Usage:
    """Return what a request costs, and remember its prompt."""
    read = cached_tokens(request.prompt, request.model, work)
    kinds = request.prompt.by_modality()
    searches = request.tools.searches if said else 0
    thinking = sum(each.thinking_tokens for each in said)
    return Usage(
        input_tokens=len(request.prompt.tokens) + searches * FOUND_TOKENS,
        cached_tokens=read,
        input_audio_tokens=kinds["AUDIO"],
        input_image_tokens=kinds["IMAGE"],
        cached_audio_tokens=request.prompt.by_modality(read)["AUDIO"],
        tool_use_prompt_tokens=searches * FOUND_TOKENS,
        output_tokens=sum(each.visible_tokens for each in said) + thinking,
        reasoning_tokens=thinking,
        grounding_queries=searches if request.model.is_newer else 0,
        grounded_prompts=0 if request.model.is_newer else min(1, searches),
    )


def cached_tokens(prompt: Prompt, model: Model, work: Work) -> int:
    """Return how much of the prompt implicit caching knows, and remember it."""
    scope = f"{model.name}|{work.caller.api_key_id}"
    return work.state.cache.look_up(scope, prompt.tokens, least=model.cached_tokens_min)[0]


def metadata(usage: Usage, prompt: Prompt, tier: Tier) -> Json:
    """Return `usageMetadata`."""
    asked = usage.input_tokens - usage.tool_use_prompt_tokens
    visible = usage.output_tokens - usage.reasoning_tokens
    counts: Json = {
        "promptTokenCount": asked,
        "cachedContentTokenCount": usage.cached_tokens,
        "candidatesTokenCount": visible,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "toolUsePromptTokenCount": usage.tool_use_prompt_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    details = {
        "promptTokensDetails": prompt.by_modality() if asked else Counter[str](),
        "cacheTokensDetails": prompt.by_modality(usage.cached_tokens),
        "candidatesTokensDetails": Counter({"TEXT": visible}),
        "toolUsePromptTokensDetails": Counter({"TEXT": usage.tool_use_prompt_tokens}),
    }
    shown = {name: count for name, count in counts.items() if count or name in {"promptTokenCount", "totalTokenCount"}}
    shown |= {name: listed for name, kinds in details.items() if (listed := by_modality(kinds))}
    return {**shown, "serviceTier": TIER_NAMES[tier]}


def by_modality(kinds: Counter[str]) -> list[Json]:
    """Return a list of `ModalityTokenCount`."""
    return [{"modality": kind, "tokenCount": count} for kind, count in kinds.items() if count]
