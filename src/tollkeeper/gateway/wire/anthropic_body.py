"""The Anthropic dialect, requests: the fields that a call is decided by, read and checked. Pure.

Fields that are not named here pass through untouched; they are never consulted.
Wire shapes: https://platform.claude.com/docs/en/api/messages (read 2026-11-22), `anthropic` 2.12 type stubs (2026-11).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.call import MODEL_NAME_LENGTH_MAX, OUTPUT_TOKENS_MAX
from tollkeeper.gateway.wire.decisive_names import DecisiveNames, is_stated
from tollkeeper.gateway.wire.json_body import checked
from tollkeeper.gateway.wire.texts import SERVICE_TIER_LENGTH_MAX

NAMES = DecisiveNames(
    {
        "model", "messages", "system", "max_tokens", "stream", "service_tier", "tools", "metadata", "speed",
        "inference_geo", "mcp_servers", "container", "context_management", "fallbacks",
    },
    uncounted=("messages", "system"),
)  # fmt: skip
_ABSENT = msgspec.Raw()
_Word = Annotated[str, msgspec.Meta(max_length=SERVICE_TIER_LENGTH_MAX)]


class Metadata(msgspec.Struct):
    user_id: str | None = None


class MessagesBody(msgspec.Struct, kw_only=True):
    """A request for a message, as far as it is consulted."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=MODEL_NAME_LENGTH_MAX)]
    messages: list[msgspec.Raw]
    max_tokens: Annotated[int, msgspec.Meta(ge=0, le=OUTPUT_TOKENS_MAX)]
    stream: bool | None = None
    service_tier: _Word | None = None
    speed: _Word | None = None
    inference_geo: _Word | None = None
    metadata: Metadata | None = None
    tools: msgspec.Raw = _ABSENT
    mcp_servers: msgspec.Raw = _ABSENT
    container: msgspec.Raw = _ABSENT
    context_management: msgspec.Raw = _ABSENT
    fallbacks: msgspec.Raw = _ABSENT


_decode_body = msgspec.json.Decoder(MessagesBody).decode


def read_fields(body: bytes) -> tuple[MessagesBody, bool]:
    """Return the fields of a body, and whether it is ambiguous.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    fields, members = checked(body, lambda read: (_decode_body(read), NAMES.read(read)))
    for name, text in (("model", fields.model), ("service_tier", fields.service_tier), ("speed", fields.speed)):
        if text is not None and not text.isprintable():
            raise InvalidRequest(f"'{name}' must consist of printable characters.", param=name)
    if is_stated(fields.fallbacks):
        raise InvalidRequest(
            "'fallbacks' is not taken: which model serves a call, and in whose place, is configured in Tollkeeper; "
            "a call names one by 'model'.",
            param="fallbacks",
        )
    return fields, NAMES.is_ambiguous(body, NAMES.quoted(members))
