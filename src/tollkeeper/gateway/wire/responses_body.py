"""OpenAI's Responses, requests: the fields that a call is decided by, read and checked. Pure.

Fields that are not named here pass through untouched; they are never consulted.
Wire shapes: `openai` 3.51 type stubs (types/responses, 2026-11), https://github.com/openai/openai-openapi (v2.3.0).
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.gateway.wire.call import MODEL_NAME_LENGTH_MAX, OUTPUT_TOKENS_MAX
from tollkeeper.gateway.wire.decisive_names import DecisiveNames
from tollkeeper.gateway.wire.json_body import checked
from tollkeeper.gateway.wire.openai_names import ROUTING_NAMES, check_routing
from tollkeeper.gateway.wire.texts import SERVICE_TIER_LENGTH_MAX

ID_LENGTH_MAX = 512

_ABSENT = msgspec.Raw()
_NAMES = DecisiveNames(
    {
        *ROUTING_NAMES, "model", "input", "instructions", "stream", "service_tier", "max_output_tokens", "max_tool_calls",
        "tools", "background", "previous_response_id", "conversation", "prompt", "plugins", "search_parameters",
        "extra_body",
    },
    uncounted=("instructions",),
)  # fmt: skip


class ResponsesBody(msgspec.Struct):
    """What a call is decided by."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=MODEL_NAME_LENGTH_MAX)]
    input: msgspec.Raw = _ABSENT
    stream: bool | None = None
    service_tier: Annotated[str, msgspec.Meta(max_length=SERVICE_TIER_LENGTH_MAX)] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Any] | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=0, le=OUTPUT_TOKENS_MAX)] | None = None
    max_tool_calls: Annotated[int, msgspec.Meta(ge=0, le=OUTPUT_TOKENS_MAX)] | None = None
    tools: msgspec.Raw = _ABSENT
    background: bool | None = None
    previous_response_id: Annotated[str, msgspec.Meta(max_length=ID_LENGTH_MAX)] | None = None
    conversation: msgspec.Raw = _ABSENT
    prompt: msgspec.Raw = _ABSENT
    plugins: msgspec.Raw = _ABSENT  # OpenRouter's and xAI's ways to ask for a search
    search_parameters: msgspec.Raw = _ABSENT


_decode = msgspec.json.Decoder(ResponsesBody).decode


def read_fields(body: bytes) -> tuple[ResponsesBody, bool]:
    """Return the fields of a body, and whether a decisive name stands in it a second time, deeper down or escaped.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    fields, members = checked(body, lambda read: (_decode(read), _NAMES.read(read)))
    check_routing(members)
    for name in ("model", "service_tier"):
        if not (getattr(fields, name) or "").isprintable():
            raise InvalidRequest(f"'{name}' must consist of printable characters.", param=name)
    return fields, _NAMES.is_ambiguous(body, _NAMES.quoted(members))
