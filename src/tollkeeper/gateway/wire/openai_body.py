"""The OpenAI dialect, requests: the fields that a call is decided by, read and checked. Pure.

Fields that are not named here pass through untouched; they are never consulted.
Wire shapes: https://github.com/openai/openai-openapi (v2.3.0, 2026-08-21), `openai` 3.51 type stubs (2026-11).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.call import MODEL_NAME_LENGTH_MAX, OUTPUT_TOKENS_MAX
from tollkeeper.gateway.wire.decisive_names import is_stated
from tollkeeper.gateway.wire.json_body import checked
from tollkeeper.gateway.wire.openai_names import check_names
from tollkeeper.gateway.wire.texts import SERVICE_TIER_LENGTH_MAX

OpenAIOperation = Literal["chat.completions", "completions", "embeddings"]
CHOICES_MAX = 128  # OpenAI's own bound for `n` (openai-openapi v2.3.0, 2026-08-21)

_ABSENT = msgspec.Raw()
Count = Annotated[int, msgspec.Meta(ge=1, le=CHOICES_MAX)]
Limit = Annotated[int, msgspec.Meta(ge=0, le=OUTPUT_TOKENS_MAX)]


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Body(msgspec.Struct):
    """What all operations share."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=MODEL_NAME_LENGTH_MAX)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    service_tier: Annotated[str, msgspec.Meta(max_length=SERVICE_TIER_LENGTH_MAX)] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    n: Count | None = None
    max_tokens: Limit | None = None
    max_completion_tokens: Limit | None = None
    min_tokens: Limit | None = None  # vLLM's
    best_of: Count | None = None
    prediction: msgspec.Raw = _ABSENT
    tools: msgspec.Raw = _ABSENT
    web_search_options: msgspec.Raw = _ABSENT  # OpenAI's, xAI's and OpenRouter's ways to ask for a search
    search_parameters: msgspec.Raw = _ABSENT
    plugins: msgspec.Raw = _ABSENT
    cached_content: msgspec.Raw = _ABSENT  # Gemini's, in these places
    extra_body: msgspec.Raw = _ABSENT
    google: msgspec.Raw = _ABSENT


class ChatBody(Body, kw_only=True):
    messages: list[msgspec.Raw]


class CompletionBody(Body, kw_only=True):
    prompt: msgspec.Raw


class EmbeddingBody(Body, kw_only=True):
    input: msgspec.Raw
    encoding_format: str | None = None


_DECODERS: dict[OpenAIOperation, msgspec.json.Decoder[Any]] = {
    "chat.completions": msgspec.json.Decoder(ChatBody),
    "completions": msgspec.json.Decoder(CompletionBody),
    "embeddings": msgspec.json.Decoder(EmbeddingBody),
}
REQUIRED: dict[OpenAIOperation, str] = {"chat.completions": "messages", "completions": "prompt", "embeddings": "input"}


def read_fields(operation: OpenAIOperation, body: bytes) -> tuple[Body, list[bytes]]:
    """Return the fields of a body, and the decisive names that stand in it.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    decoder = _DECODERS[operation]
    fields, decisive = checked(body, lambda read: (decoder.decode(read), check_names(read)))
    if not fields.model.isprintable():
        raise InvalidRequest("'model' must consist of printable characters.", param="model")
    if fields.service_tier is not None and not fields.service_tier.isprintable():
        raise InvalidRequest("'service_tier' must consist of printable characters.", param="service_tier")
    if operation != "chat.completions" and not is_stated(getattr(fields, REQUIRED[operation])):
        raise InvalidRequest(f"Missing required parameter: '{REQUIRED[operation]}'.", param=REQUIRED[operation])
    return fields, decisive
