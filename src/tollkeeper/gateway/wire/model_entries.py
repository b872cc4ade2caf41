"""Models as each dialect lists and shows them; what is Tollkeeper's own stands in `tollkeeper` beside the dialect's fields. Pure.

Shapes: https://platform.openai.com/docs/api-reference/models, https://platform.claude.com/docs/en/api/models-list,
https://ai.google.dev/api/models (read 2026-11-22); `openai` 3.51, `anthropic` 2.8, `google-genai` 3.3 types.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tollkeeper.domain.deployment import Provider
from tollkeeper.gateway.wire.gemini_models import PREFIX
from tollkeeper.gateway.wire.translation import Dialect

_RELEASE_UNKNOWN = "1970-01-01T00:00:00Z"  # what Anthropic itself says of a model whose release nobody knows
_CHAT_METHODS = ["generateContent", "streamGenerateContent", "countTokens"]
_EMBEDDING_METHODS = ["embedContent", "batchEmbedContents", "countTokens"]
_COUNT_METHODS = ["countTokens"]  # of another provider's model: nothing else can be asked of it in this dialect
_encode = msgspec.json.encode


class Described(msgspec.Struct, frozen=True):
    """A model to show; `card` is what `domain.model_card.describe` tells of it."""

    name: str
    provider: Provider
    created_s: int
    card: dict[str, Any]


class Page(msgspec.Struct, frozen=True):
    """Rendered models in order; `names` are those of the first and the last, None when there are none."""

    entries: Sequence[bytes]
    names: tuple[str, str] | None
    has_more: bool


def render_entry(dialect: Dialect, model: Described) -> bytes:
    """Return a model in a dialect."""
    if dialect == "anthropic":
        return _encode(_anthropic(model))
    if dialect == "gemini":
        return _encode(_gemini(model))
    shown = {"id": model.name, "object": "model", "created": model.created_s, "owned_by": model.provider.name}
    return _encode(shown | {"tollkeeper": model.card})


def render_page(dialect: Dialect, page: Page) -> bytes:
    """Return a list of models in a dialect."""
    data = b",".join(page.entries)
    if dialect == "gemini":
        token = b',"nextPageToken":' + _encode(page.names[1]) if page.names is not None and page.has_more else b""
        return b'{"models":[%b]%b}' % (data, token)
    if dialect == "anthropic":
        first, last = page.names or (None, None)
        ends = _encode({"has_more": page.has_more, "first_id": first, "last_id": last})
        return b'{"data":[%b],%b' % (data, ends[1:])
    return b'{"object":"list","data":[%b]}' % data


def _anthropic(model: Described) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.name,
        "created_at": _RELEASE_UNKNOWN,
        "lifecycle": "deprecated" if model.card["deprecated"] else "active",
        "max_input_tokens": model.card["context_window"],
        "max_tokens": model.card["output_limit"],
        "tollkeeper": model.card,
    }


def _gemini(model: Described) -> dict[str, Any]:
    limits = {"inputTokenLimit": model.card["context_window"], "outputTokenLimit": model.card["output_limit"]}
    return {
        "name": PREFIX + model.name,
        "displayName": model.name,
        **{name: limit for name, limit in limits.items() if limit is not None},
        "supportedGenerationMethods": _methods(model),
        "tollkeeper": model.card,
    }


def _methods(model: Described) -> list[str]:
    if model.provider.kind != "gemini":
        return _COUNT_METHODS
    outputs = model.card["modalities"]["output"]
    served = model.card["providers"][0]["model"]
    is_embedding = "embedding" in (served if outputs is None else outputs)
    return _EMBEDDING_METHODS if is_embedding else _CHAT_METHODS
