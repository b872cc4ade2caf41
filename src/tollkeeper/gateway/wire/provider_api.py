"""How the API of each kind of provider is called: its dialect, its paths, and the headers that carry our key. Pure.

Sources: https://platform.claude.com/docs/en/api/overview (x-api-key, anthropic-version), https://ai.google.dev/api
(x-goog-api-key), read 2026-11-22; all others take OpenAI's way.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

import msgspec

from tollkeeper.domain.deployment import Provider, ProviderKind
from tollkeeper.gateway.wire.call import Call, Operation
from tollkeeper.gateway.wire.media_body import FORM_OPERATIONS
from tollkeeper.gateway.wire.translation import Dialect

_CHAT: dict[Dialect, Operation] = {"openai": "chat.completions", "anthropic": "messages"}
ANTHROPIC_VERSION = b"2023-06-01"


class ProviderApi(msgspec.Struct, frozen=True):
    """One dialect as providers speak it.

    `paths` are below the base URL, by operation. `passed_headers` are the client's, passed on to a provider of its own
    dialect when they were sent; `own_headers` stand for those of them that must be there.
    """

    dialect: Dialect
    paths: Mapping[Operation, str]
    passed_headers: tuple[bytes, ...]
    own_headers: tuple[tuple[bytes, bytes], ...] = ()

    def path_for(self, call: Call, model: str) -> str:
        """Return where a call of a model goes; one of another dialect goes where its translation does."""
        if self.dialect == "gemini":
            return f"/models/{_in_path(model)}:{call.gemini_method}"
        return self.paths.get(call.operation) or self.paths[_CHAT[self.dialect]]

    def key_header(self, provider: Provider) -> tuple[bytes, bytes]:
        """Return the header that carries our key."""
        secret = provider.api_key.encode()
        if name := provider.own_key_header:
            return name.encode(), secret
        if self.dialect == "anthropic":
            return b"x-api-key", secret
        if self.dialect == "gemini":
            return b"x-goog-api-key", secret
        return b"authorization", b"Bearer " + secret


@lru_cache(maxsize=4096)
def _in_path(model: str) -> str:
    return quote(model, safe="")


_OPENAI = ProviderApi(
    "openai",
    {
        "chat.completions": "/chat/completions",
        "completions": "/completions",
        "embeddings": "/embeddings",
        "responses": "/responses",
        "moderations": "/moderations",
        "images.generations": "/images/generations",
        "images.edits": "/images/edits",
        "images.variations": "/images/variations",
        "audio.speech": "/audio/speech",
        "audio.transcriptions": "/audio/transcriptions",
        "audio.translations": "/audio/translations",
    },
    (b"openai-beta", b"idempotency-key", b"x-client-request-id"),
)
FORM_PATHS = frozenset(_OPENAI.paths[operation] for operation in FORM_OPERATIONS)
"""Which may be sent a form instead of JSON."""
_ANTHROPIC = ProviderApi(
    "anthropic",
    {"messages": "/messages"},
    (b"anthropic-version", b"anthropic-beta"),
    ((b"anthropic-version", ANTHROPIC_VERSION),),
)
_GEMINI = ProviderApi("gemini", {}, ())
_OF_KIND: dict[ProviderKind, ProviderApi] = {
    "openai": _OPENAI,
    "deepseek": _OPENAI,
    "xai": _OPENAI,
    "openai_compatible": _OPENAI,
    "anthropic": _ANTHROPIC,
    "gemini": _GEMINI,
}


def api_of(kind: ProviderKind) -> ProviderApi:
    """Return how providers of a kind are called."""
    return _OF_KIND[kind]
