"""The Anthropic dialect, requests: what a call asks, what it says of its own cost, and the body that goes upstream. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.gateway.wire import anthropic_input
from tollkeeper.gateway.wire.anthropic_body import MessagesBody, read_fields
from tollkeeper.gateway.wire.anthropic_tools import NO_TOOLS, ProviderTools, read_tools
from tollkeeper.gateway.wire.call import END_USER_LENGTH_MAX, Call
from tollkeeper.gateway.wire.decisive_names import is_stated
from tollkeeper.gateway.wire.json_body import load, with_model, written
from tollkeeper.gateway.wire.texts import printable
from tollkeeper.gateway.wire.unseen import Unseen

_OPEN_TIERS = frozenset({"", "auto"})
_STANDARD_TIER = "standard_only"


class AnthropicCall(Call):
    """A call in this dialect; `fields` are those that are consulted."""

    __slots__ = ("_provider_tools", "fields")
    dialect = "anthropic"
    operation = "messages"

    def __init__(self, body: bytes, fields: MessagesBody, *, is_ambiguous: bool) -> None:
        self.body, self.fields = body, fields
        self._provider_tools = None if fields.tools else NO_TOOLS
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
        """See `Call`. Servers and edits of the context run the model as often as they like."""
        fields = self.fields
        if is_stated(fields.mcp_servers) or is_stated(fields.container) or is_stated(fields.context_management):
            return True
        return self._tools.is_unbounded

    def has_uncounted_fees(self, model: str) -> bool:  # noqa: ARG002
        """See `Call`. A container runs code, which is billed by the hour."""
        return is_stated(self.fields.container) or self._tools.has_uncounted

    def fees_max(self, model: str) -> Mapping[str, int]:  # noqa: ARG002
        return {"web_search": self._tools.searches_max}

    def reads_max(self, model: str) -> int:  # noqa: ARG002
        return self._tools.reads_max

    @property
    def _tools(self) -> ProviderTools:
        if self._provider_tools is None:
            self._provider_tools = read_tools(self.fields.tools)
        return self._provider_tools

    @property
    def may_be_placed(self) -> bool:  # type: ignore[override]  # which is never set
        place = self.fields.inference_geo
        return place is None or place.strip().lower() != "global"

    def unseen(self) -> Unseen:
        return anthropic_input.unseen_of(self)

    def texts_in(self, fields: dict[str, Any]) -> tuple[list[str], int]:
        return anthropic_input.texts_in(fields)

    def upstream_body(self, model: str, kind: ProviderKind, *, output_tokens: int | None = None) -> bytes:  # noqa: ARG002
        assert output_tokens is None, "every call of this dialect states a limit"
        if model == self.model:
            return self.body
        if self.is_ambiguous:
            return written({**load(self.body), "model": model})
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
