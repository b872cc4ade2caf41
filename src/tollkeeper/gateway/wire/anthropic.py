"""The Anthropic dialect, requests: what a call asks, what it says of its own cost, and the body that goes upstream. Pure."""

from __future__ import annotations

import json
import re

import msgspec

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.gateway.wire import anthropic_input
from tollkeeper.gateway.wire.anthropic_body import MessagesBody, read_fields
from tollkeeper.gateway.wire.call import END_USER_LENGTH_MAX, Call
from tollkeeper.gateway.wire.decisive_names import is_stated
from tollkeeper.gateway.wire.json_body import load, with_model
from tollkeeper.gateway.wire.texts import printable
from tollkeeper.gateway.wire.unseen import Unseen

_OPEN_TIERS = frozenset({"", "auto"})
_STANDARD_TIER = "standard_only"
_CLIENTS_TOOLS = re.compile(r"(?:custom|(?:bash|text_editor|computer|memory)_\d{8})?")
"""What the client runs itself (platform.claude.com/docs/en/agents-and-tools/tool-use/overview, read 2026-11-22); every other
type is a tool of the provider, some of which are paid for."""


class _Tool(msgspec.Struct):
    type: str | None = None


_decode_tools = msgspec.json.Decoder(list[_Tool]).decode


class AnthropicCall(Call):
    """A call in this dialect; `fields` are those that are consulted."""

    __slots__ = ("fields",)
    dialect = "anthropic"
    operation = "messages"

    def __init__(self, body: bytes, fields: MessagesBody, *, is_ambiguous: bool) -> None:
        self.body, self.fields = body, fields
        self.model = fields.model
        self.is_stream = fields.stream is True
        self.choices = 1
        self.is_ambiguous = is_ambiguous
        self.service_tier = _tier_of(fields)

    @property
    def wants_usage(self) -> bool:
        return True

    @property
    def end_user(self) -> str:
        user = self.fields.metadata.user_id if self.fields.metadata is not None else None
        return printable(user, END_USER_LENGTH_MAX) if user else ""

    @property
    def metadata(self) -> dict[str, str]:
        return {}

    def output_limit(self, kind: ProviderKind) -> int | None:  # noqa: ARG002  # everywhere the same
        return self.fields.max_tokens

    @property
    def is_output_fixed(self) -> bool:
        return True

    @property
    def extra_output_tokens(self) -> int:
        return 0

    @property
    def is_tier_open(self) -> bool:
        return self.fields.speed is None and (self.fields.service_tier or "").strip().lower() in _OPEN_TIERS

    @property
    def has_cached_content(self) -> bool:
        return False

    def may_cause_fees(self, model: str) -> bool:  # noqa: ARG002  # it is the call that has the tools
        """See `Call`. A place in the United States costs a tenth more, which no price here says."""
        fields = self.fields
        if fields.inference_geo is not None and fields.inference_geo.strip().lower() not in {"", "global"}:
            return True
        if is_stated(fields.mcp_servers) or is_stated(fields.container) or is_stated(fields.context_management):
            return True
        return bool(fields.tools) and is_stated(fields.tools) and _has_provider_tools(fields.tools)

    def unseen(self) -> Unseen:
        return anthropic_input.unseen_of(self)

    def input_texts(self) -> tuple[list[str], int]:
        return anthropic_input.input_texts(self)

    def upstream_body(self, model: str, kind: ProviderKind, *, output_tokens: int | None = None) -> bytes:  # noqa: ARG002
        assert output_tokens is None, "every call of this dialect states a limit"
        if model == self.model:
            return self.body
        if self.is_ambiguous:
            return json.dumps({**load(self.body), "model": model}, separators=(",", ":")).encode()
        return with_model(self.body, model)


def parse(body: bytes) -> AnthropicCall:
    """Read a request's body.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    fields, is_ambiguous = read_fields(body)
    return AnthropicCall(body, fields, is_ambiguous=is_ambiguous)


def _tier_of(fields: MessagesBody) -> str | None:
    """Return the tier that is asked for, in the price book's words where they differ; None when that is the provider's choice."""
    if fields.speed is not None and fields.speed.strip().lower() not in {"", "standard"}:
        return "fast_mode" if fields.speed.strip().lower() == "fast" else fields.speed
    tier = (fields.service_tier or "").strip().lower()
    if tier in _OPEN_TIERS:
        return None
    return "standard" if tier == _STANDARD_TIER else tier


def _has_provider_tools(tools: msgspec.Raw) -> bool:
    try:
        return any(_CLIENTS_TOOLS.fullmatch(tool.type or "") is None for tool in _decode_tools(tools))
    except msgspec.DecodeError:  # no list of tools: the provider will refuse it, or read it differently
        return True
