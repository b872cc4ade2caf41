"""A Messages request, checked: what the caller may ask for and what Anthropic refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tollkeeper_simulator.anthropic import fields, prompt, thoughts, tools
from tollkeeper_simulator.anthropic.catalogue import Model, find
from tollkeeper_simulator.anthropic.errors import refuse

if TYPE_CHECKING:
    from tollkeeper_simulator.anthropic.prompt import Prompt
    from tollkeeper_simulator.anthropic.tools import ToolPlan
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.prices import Tier

_COUNTED = frozenset({
    "model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "mcp_servers",
    "context_management", "output_format", "speed",
})  # fmt: skip
_KNOWN = _COUNTED | frozenset({
    "max_tokens", "metadata", "stop_sequences", "stream", "temperature", "top_k", "top_p", "service_tier", "container",
    "inference_geo",
})  # fmt: skip
_METADATA = frozenset({"user_id"})
_STOPS_MAX = 8_191


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """What was asked, after all checks. `percent` is what its token prices are of the list's (US-only inference costs more)."""

    asked_model: str
    model: Model
    prompt: Prompt
    tier: Tier
    percent: int
    stream: bool
    output_tokens_max: int
    stops: list[str]
    thinking_tokens: int
    shows_thinking: bool
    tools: ToolPlan
    schema: Any
    wants_priority: bool

    @property
    def served_model(self) -> str:
        """The name that the answer carries."""
        return self.asked_model if self.asked_model != self.model.name else self.model.served_as


def read(body: Json, plan: FaultPlan) -> MessageRequest:
    """Check a Messages body. Raises RefusedError with the answer that Anthropic would give."""
    fields.known_only(body, _KNOWN)
    asked = fields.text(fields.required(body, "model"), "model")
    model = find(asked)
    limit = _output_limit(body, model)
    thinking, shown = thoughts.read(body, model, limit)
    planned = tools.read(body, plan, thinks=thinking > 0)
    read_prompt = prompt.read(body)
    _fits_context(model, read_prompt.size)
    _check_sampling(body, thinks=thinking > 0)
    metadata = fields.mapping(body.get("metadata") or {}, "metadata")
    fields.known_only(metadata, _METADATA, "metadata.")
    return MessageRequest(
        asked_model=asked,
        model=model,
        prompt=read_prompt,
        tier=_speed(body, model),
        percent=_geography(body, model),
        stream=fields.flag(body, "stream"),
        output_tokens_max=limit,
        stops=_stops(body),
        thinking_tokens=thinking,
        shows_thinking=shown,
        tools=planned,
        schema=_schema(body),
        wants_priority=fields.choice(body, "service_tier", ("auto", "standard_only")) in {None, "auto"},
    )


def count(body: Json) -> int:
    """Return how many tokens a prompt is; its body has no `max_tokens`. Raises RefusedError."""
    fields.known_only(body, _COUNTED)
    find(fields.text(fields.required(body, "model"), "model"))
    return prompt.read(body).size


def _output_limit(body: Json, model: Model) -> int:
    fields.required(body, "max_tokens")
    limit = fields.integer(body, "max_tokens", 0)
    assert limit is not None, "max_tokens is there"
    if limit > model.output_tokens_max:
        message = (
            f"max_tokens: {limit} > {model.output_tokens_max}, which is the maximum allowed number of output tokens for "
            f"{model.name}"
        )
        raise refuse(message)
    return limit


def _fits_context(model: Model, size: int) -> None:
    if size > model.context_tokens:
        message = f"prompt is too long: {size} tokens > {model.context_tokens} maximum"
        raise refuse(message)


def _check_sampling(body: Json, *, thinks: bool) -> None:
    fields.number(body, "temperature", 0, 1)
    fields.number(body, "top_p", 0, 1)
    fields.integer(body, "top_k", 0)
    if thinks and body.get("temperature") not in {None, 1}:
        message = "`temperature` may only be set to 1 when thinking is enabled."
        raise refuse(message)


def _stops(body: Json) -> list[str]:
    given = fields.items(body.get("stop_sequences") or [], "stop_sequences")
    for place, each in enumerate(given[:_STOPS_MAX]):
        if not fields.text(each, f"stop_sequences.{place}").strip():
            message = "stop_sequences: each stop sequence must contain non-whitespace"
            raise refuse(message)
    return given


def _schema(body: Json) -> Any:
    config = fields.mapping(body.get("output_config") or {}, "output_config")
    form = config.get("format") or body.get("output_format")
    if form is None:
        return None
    if fields.mapping(form, "output_config.format").get("type") != "json_schema":
        raise fields.wrong_tag("output_config.format", form.get("type"), ("json_schema",))
    return fields.mapping(fields.required(form, "schema", "output_config.format."), "output_config.format.schema")


def _speed(body: Json, model: Model) -> Tier:
    if fields.choice(body, "speed", ("standard", "fast")) != "fast":
        return "default"
    if not model.sells_fast:
        message = f"speed: fast mode is not supported by {model.name}"
        raise refuse(message)
    return "fast"


def _geography(body: Json, model: Model) -> int:
    where = fields.choice(body, "inference_geo", ("global", "us"))
    if where is not None and not model.adapts:
        message = f"inference_geo: not supported by {model.name}"
        raise refuse(message)
    return 110 if where == "us" else 100
