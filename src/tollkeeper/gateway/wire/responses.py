"""OpenAI's Responses, requests: what a call asks, what it says of its own cost, and the body that goes upstream. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tollkeeper.domain.deployment import Deployment, Provider, ProviderKind
from tollkeeper.gateway.wire import openai_terms, responses_answer, responses_input
from tollkeeper.gateway.wire.call import END_USER_LENGTH_MAX, Call
from tollkeeper.gateway.wire.decisive_names import is_stated
from tollkeeper.gateway.wire.json_body import load, with_model, written
from tollkeeper.gateway.wire.responses_body import ResponsesBody, read_fields
from tollkeeper.gateway.wire.texts import printable
from tollkeeper.gateway.wire.unseen import Unseen

if TYPE_CHECKING:
    from tollkeeper.gateway.wire.answers import Stated

_OPENING = re.compile(rb"^\s*\{")
_BOUNDED_TOOLS = {
    "web_search": "web_search",
    "web_search_preview": "web_search",
    "file_search": "file_search",
    "code_interpreter": "code_session",  # the least; see `session_of`
}
"""OpenAI's tools whose uses `max_tool_calls` bounds -> how a use is counted."""


class ClientIds(Protocol):
    """The ids of responses as one client knows them. `previous` is the provider's id of the one that a call goes on from."""

    previous: str

    def outward(self, data: bytes, provider: Provider, *raw_ids: str) -> bytes:
        """Return an answer's bytes with these ids as the client knows them."""


class ResponsesCall(Call):
    """A call of Responses; `fields` are those that are consulted.

    `ids` says whose ids it may name and gets: it is set before the call goes out. `pending_id` is the provider's id of a
    response that goes on in the background, when that is all that is known of it.
    """

    __slots__ = ("fields", "ids", "pending_id")
    dialect = "openai"
    operation = "responses"
    names_ids = True

    def __init__(self, body: bytes, fields: ResponsesBody, *, is_ambiguous: bool) -> None:
        self.body, self.fields, self.is_ambiguous = body, fields, is_ambiguous
        self.model = fields.model
        self.service_tier = fields.service_tier
        self.is_stream = fields.stream is True
        self.choices = 1
        self.ids: ClientIds | None = None
        self.pending_id = ""

    @property
    def is_background(self) -> bool:
        return self.fields.background is True

    @property
    def wants_usage(self) -> bool:
        return True

    @property
    def end_user(self) -> str:
        user = self.fields.safety_identifier or self.fields.user
        return printable(user, END_USER_LENGTH_MAX) if user else ""

    @property
    def metadata(self) -> dict[str, str]:
        given = self.fields.metadata or {}
        return {name: value for name, value in given.items() if isinstance(value, str)}

    def output_limit(self, kind: ProviderKind) -> int | None:  # noqa: ARG002  # everywhere the same
        """See `Call`. What a model thinks is within the limit (developers.openai.com/api/reference, read 2026-11-22)."""
        return self.fields.max_output_tokens or None

    @property
    def is_output_fixed(self) -> bool:
        return self.fields.max_output_tokens is not None

    @property
    def extra_output_tokens(self) -> int:
        return 0

    @property
    def is_tier_open(self) -> bool:
        return openai_terms.is_tier_open(self.service_tier)

    @property
    def has_cached_content(self) -> bool:
        return False  # what lies at the provider is bounded by the model's window: see `unseen`

    def may_cause_fees(self, model: str) -> bool:
        """See `Call`. A stored prompt may bring tools of its own."""
        fields = self.fields
        if is_stated(fields.prompt) or is_stated(fields.plugins) or is_stated(fields.search_parameters):
            return True
        if openai_terms.is_search_model(model):
            return True
        hosted = openai_terms.provider_tools(fields.tools)
        return bool(hosted) and (fields.max_tool_calls is None or not hosted <= _BOUNDED_TOOLS.keys())

    def has_uncounted_fees(self, model: str) -> bool:
        """See `Call`. A response lists every use of a tool."""
        return openai_terms.is_search_model(model)

    def fees_max(self, model: str) -> Mapping[str, int]:  # noqa: ARG002
        hosted = openai_terms.provider_tools(self.fields.tools)
        limit = self.fields.max_tool_calls or 0
        fees = {_BOUNDED_TOOLS[each]: limit for each in hosted if each in _BOUNDED_TOOLS}
        if "code_interpreter" in hosted:
            ran_by = [tool for tool in load(bytes(self.fields.tools)) if tool.get("type") == "code_interpreter"]
            fees |= dict.fromkeys(map(responses_answer.session_of, ran_by), limit)
        return fees

    def reads_max(self, model: str) -> int:
        """See `Call`. After each use of a tool the model reads all again (developers.openai.com/api/reference,
        `max_tool_calls`, read 2026-11-22).
        """
        return (self.fields.max_tool_calls or 0) + 1 if self.fees_max(model) else 0

    def unseen(self) -> Unseen:
        return responses_input.unseen_of(self)

    def texts_in(self, fields: dict[str, Any]) -> tuple[list[str], int]:
        return responses_input.texts_in(fields)

    def upstream_body(self, model: str, kind: ProviderKind, *, output_tokens: int | None = None) -> bytes:  # noqa: ARG002
        named = "" if self.ids is None else self.ids.previous
        if model == self.model and output_tokens is None and not named:
            return self.body
        added: dict[str, Any] = {} if output_tokens is None else {"max_output_tokens": output_tokens}
        if self.is_ambiguous or named or (added and b'"max_output_tokens"' in self.body):
            fields = {**load(self.body), **added, "model": model}
            if named:
                fields["previous_response_id"] = named
            return written(fields)
        body = self.body if model == self.model else with_model(self.body, model)
        return _OPENING.sub(msgspec.json.encode(added)[:-1] + b",", body, count=1) if added else body

    def read_answer(self, body: bytes, deployment: Deployment) -> Stated:
        stated = responses_answer.read_answer(body)
        if self.ids is not None:
            stated.body = self.ids.outward(body, deployment.provider, stated.response_id, stated.previous_id)
        if stated.is_under_way:
            self.note_id(stated.response_id)
        return stated

    def without_body(self) -> ResponsesCall:
        """Return the call as far as its settlement asks: it may be hours until then, and the body may be large."""
        fields = ResponsesBody(self.fields.model, service_tier=self.fields.service_tier, background=True)
        return ResponsesCall(b"", fields, is_ambiguous=False)

    def take_pending_id(self) -> str:
        raw_id, self.pending_id = self.pending_id, ""
        return raw_id

    def note_id(self, raw_id: str) -> None:
        """Note the provider's id of the response, in case that it goes on in the background."""
        if self.is_background:
            self.pending_id = raw_id


def parse(body: bytes) -> ResponsesCall:
    """Read a request's body.

    Raises:
        InvalidRequest: not JSON, not UTF-8, a needed field is missing or has a wrong type; `param` names the field.
    """
    fields, is_ambiguous = read_fields(body)
    return ResponsesCall(body, fields, is_ambiguous=is_ambiguous)
