"""How the API of each kind of provider is called: its dialect, its paths, and the headers that carry our key. Pure.

Sources: https://platform.claude.com/docs/en/api/overview (x-api-key, anthropic-version), https://ai.google.dev/api
(x-goog-api-key), read 2026-11-22; all others take OpenAI's way.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.gateway.wire.call import Call, Operation
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
            method = "streamGenerateContent?alt=sse" if call.is_stream else "generateContent"
            return f"/models/{quote(model, safe='')}:{method}"
        return self.paths.get(call.operation) or self.paths[_CHAT[self.dialect]]

    def key_header(self, secret: bytes) -> tuple[bytes, bytes]:
        """Return the header that carries our key."""
        if self.dialect == "anthropic":
            return b"x-api-key", secret
        if self.dialect == "gemini":
            return b"x-goog-api-key", secret
        return b"authorization", b"Bearer " + secret


_OPENAI = ProviderApi(
    "openai",
    {"chat.completions": "/chat/completions", "completions": "/completions", "embeddings": "/embeddings"},
    (b"openai-beta", b"idempotency-key", b"x-client-request-id"),
)
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
