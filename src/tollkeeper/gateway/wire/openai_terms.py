"""The OpenAI dialect, requests: what a call says of its own cost: its limit, its tier, tools that cost a fee. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.gateway.wire.decisive_names import is_stated
from tollkeeper.gateway.wire.openai_body import Body, OpenAIOperation

_CALLERS_TOOLS = frozenset({"function", "custom"})  # which the client runs; all others are the provider's, and paid for


COMPLETION_TOKENS_UNSTATED = 16
"""OpenAI's own limit of a text completion that states none (openai-openapi v2.3.0, 2026-08-21)."""


class _Tool(msgspec.Struct):
    type: str = ""


_decode_tools = msgspec.json.Decoder(list[_Tool]).decode


def output_limit(fields: Body, operation: OpenAIOperation, kind: ProviderKind) -> int | None:
    """Return the most tokens that each answer may have at a provider of this kind; None when the call does not say.

    Of two limits the larger one counts, and 0 is none: by which one a provider goes is not said. Text completions and
    DeepSeek know `max_tokens` only (api-docs.deepseek.com/api/create-chat-completion, read 2026-11-22). A `min_tokens`
    above the limit counts as the limit: vLLM refuses it, another server of the dialect may write as much.
    """
    limit, newer = fields.max_tokens or 0, fields.max_completion_tokens or 0
    if newer and operation == "chat.completions" and kind != "deepseek":
        limit = max(limit, newer)
    return max(limit, fields.min_tokens or 0) if limit else None


def is_output_fixed(fields: Body, operation: OpenAIOperation) -> bool:
    """Tell whether no limit can be added: the call states one or a minimum, or a prediction, which OpenAI lets nobody limit."""
    is_limited = fields.max_tokens is not None or fields.max_completion_tokens is not None
    return is_limited or bool(fields.min_tokens) or is_stated(fields.prediction) or operation == "embeddings"


def predicted_tokens_max(fields: Body) -> int:
    """Return the most tokens of a predicted output: those that the answer does not have are billed besides it.

    Source: developers.openai.com/api/docs/guides/predicted-outputs, read 2026-11-22.
    """
    prediction = fields.prediction
    return len(prediction) if is_stated(prediction) else 0


def has_cached_content(fields: Body) -> bool:
    """Tell whether a call names content that lies at the provider already, and is input of a length that nobody knows.

    Gemini's: ai.google.dev/gemini-api/docs/openai, `extra_body.google.cached_content`; read 2026-11-22.
    """
    if not (fields.cached_content or fields.extra_body or fields.google):
        return False
    return is_stated(fields.cached_content) or any(map(_names_cached_content, (fields.extra_body, fields.google)))


SEARCHES_EACH_CALL = re.compile(r"gpt-(?:4o(?:-mini)?-search-preview|5-search-api)(?:-\d{4}-\d{2}-\d{2})?")
"""OpenAI's chat models that search the web once for every call, and say nothing of it in their usage (developers.openai.com/
api/docs/guides/tools-web-search, read 2026-11-22)."""
ONE_SEARCH = {"web_search": 1}


def may_cause_fees(fields: Body, model: str) -> bool:
    """Tell whether a call of a model may cause fees that are not per token: for a search, or a tool of the provider.

    xAI's `search_parameters`, OpenRouter's `plugins` and `:online` names, models of others made for searching, and every kind
    of tool that the client does not run itself. OpenAI's `web_search_options` belong to models that search once in any case.
    """
    if fields.web_search_options or fields.search_parameters or fields.plugins:
        if is_stated(fields.search_parameters) or is_stated(fields.plugins):
            return True
        if is_stated(fields.web_search_options) and not SEARCHES_EACH_CALL.fullmatch(model):
            return True
    if fields.tools and has_provider_tools(fields.tools):
        return True
    return is_search_model(model)


@lru_cache(maxsize=4096)
def is_search_model(model: str) -> bool:
    """Tell whether a model is made for searching, for a fee that its answer does not state."""
    return ("-search-" in model and not SEARCHES_EACH_CALL.fullmatch(model)) or model.endswith(":online")


def is_tier_open(service_tier: str | None) -> bool:
    """Tell whether a call asks for no service tier, so that the provider's project decides."""
    return service_tier is None or service_tier.strip().lower() in {"", "auto"}


def _names_cached_content(extra: msgspec.Raw) -> bool:
    """Look for the name in any of its spellings, at any depth; an escaped letter may hide it."""
    text = bytes(extra)
    return b"cachedcontent" in text.lower().replace(b"_", b"") or b"\\u" in text


def has_provider_tools(tools: msgspec.Raw) -> bool:
    """Tell whether a list of tools has one that the client does not run itself."""
    return bool(provider_tools(tools))


def provider_tools(tools: msgspec.Raw) -> set[str]:
    """Return the types of those tools that the client does not run itself; "" is one that nobody can read."""
    if not is_stated(tools):
        return set()
    try:
        return {tool.type for tool in _decode_tools(tools)} - _CALLERS_TOOLS
    except msgspec.DecodeError:  # no list of tools: who takes it reads it differently
        return {""}
