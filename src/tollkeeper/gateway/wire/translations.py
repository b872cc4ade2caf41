"""Which translation serves a call at a provider of another dialect."""

from __future__ import annotations

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.gateway.wire import (
    anthropic_to_gemini,
    anthropic_to_openai,
    openai_to_anthropic,
    openai_to_gemini,
    openai_to_gemini_embeddings,
)
from tollkeeper.gateway.wire.call import Call
from tollkeeper.gateway.wire.openai import OpenAICall
from tollkeeper.gateway.wire.provider_api import api_of
from tollkeeper.gateway.wire.translation import Dialect, Translation

_TRANSLATED = frozenset({"chat.completions", "messages"})
_OPENAI_KINDS: tuple[ProviderKind, ...] = ("openai", "deepseek", "xai", "openai_compatible")
_TRANSLATIONS: dict[tuple[Dialect, ProviderKind], Translation] = {
    ("openai", "anthropic"): openai_to_anthropic.TRANSLATION,
    ("openai", "gemini"): openai_to_gemini.TRANSLATION,
    ("anthropic", "gemini"): anthropic_to_gemini.TRANSLATION,
    **{("anthropic", kind): anthropic_to_openai.for_kind(kind) for kind in _OPENAI_KINDS},
}


def find_translation(call: Call, kind: ProviderKind) -> Translation | None:
    """Return the translation of a call for a provider of another dialect; None when there is none."""
    assert call.dialect != api_of(kind).dialect
    if call.operation == "embeddings" and kind == "gemini" and isinstance(call, OpenAICall):
        return openai_to_gemini_embeddings.BASE64 if call.wants_base64 else openai_to_gemini_embeddings.FLOATS
    return _TRANSLATIONS.get((call.dialect, kind)) if call.operation in _TRANSLATED else None
