"""An Anthropic Messages request as an OpenAI chat-completions request, for OpenAI and for those that speak like it. Pure.

Shapes: `anthropic` 2.12, types/message_create_params.py; `openai` 3.51, types/chat/completion_create_params.py
(2026-11). DeepSeek's: api-docs.deepseek.com/api/create-chat-completion, …/guides/thinking_mode.
"""

from __future__ import annotations

from typing import Any

from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.gateway.wire.anthropic_to_openai.messages import messages_of
from tollkeeper.gateway.wire.anthropic_to_openai.reasoning import put_reasoning, reasoner
from tollkeeper.gateway.wire.anthropic_to_openai.rules import RULES
from tollkeeper.gateway.wire.anthropic_to_openai.tools import put_format, put_tools
from tollkeeper.gateway.wire.translation_reading import (
    as_count,
    as_flag,
    as_list,
    as_number,
    as_object,
    as_text,
    missing,
    refused,
)

STOPS_MAX = 4  # that OpenAI takes
_TIERS = {"auto": "auto", "standard_only": "default"}
_HARMLESS = {"speed": ("standard",), "mcp_servers": ([],), "fallbacks": ([],)}
"""What may be said of a refused field, because it asks for nothing."""


def request(fields: dict[str, Any], *, model: str, output_tokens: int | None, kind: ProviderKind) -> dict[str, Any]:
    """Return the body for a provider of this kind; see `Translation.request`."""
    _check_names(fields)
    said = {name: value for name, value in fields.items() if value is not None}
    body: dict[str, Any] = {"model": model, "messages": messages_of(said, with_reasoning=kind == "deepseek")}
    limit_name = "max_completion_tokens" if kind in {"openai", "xai"} else "max_tokens"
    if "max_tokens" in said:
        body[limit_name] = as_count(said["max_tokens"], "max_tokens")
    elif output_tokens is not None:
        body[limit_name] = output_tokens
    else:
        raise missing("max_tokens")
    put_tools(body, said, kind=kind)
    put_format(body, said, kind=kind)
    put_reasoning(body, said, kind=kind)
    _put_sampling(body, said)
    _put_terms(body, said)
    if kind == "deepseek":
        _flatten(body["messages"])
    return body


def _check_names(fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        rule = RULES.get(name)
        if rule is None or "[" in name:
            raise refused("is not a field that can be translated for this provider.", name)
        if rule.how == "refused" and value is not None and value not in _HARMLESS.get(name, ()):
            raise refused(f"is not taken by a model of this provider: {rule.note}.", name)


def _put_sampling(body: dict[str, Any], said: dict[str, Any]) -> None:
    samples = reasoner(body["model"]).samples
    for name in ("temperature", "top_p"):
        if name in said:
            value = as_number(said[name], name, most=1)
            if samples:
                body[name] = value
    if "stop_sequences" in said:
        stops = as_list(said["stop_sequences"], "stop_sequences")
        for i, each in enumerate(stops):
            as_text(each, f"stop_sequences[{i}]")
        if len(stops) > STOPS_MAX:
            raise refused(f"can hold at most {STOPS_MAX} for this provider.", "stop_sequences")
        if stops:
            body["stop"] = stops


def _put_terms(body: dict[str, Any], said: dict[str, Any]) -> None:
    if "metadata" in said and (user := as_object(said["metadata"], "metadata").get("user_id")) is not None:
        body["user"] = as_text(user, "metadata.user_id")
    if "service_tier" in said:
        tier = as_text(said["service_tier"], "service_tier")
        if tier not in _TIERS:
            raise refused("must be auto or standard_only.", "service_tier")
        body["service_tier"] = _TIERS[tier]
    if "stream" in said and as_flag(said["stream"], "stream"):
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}


def _flatten(messages: list[dict[str, Any]]) -> None:
    """Make one text of several: DeepSeek takes a content as one text only."""
    for message in messages:
        content = message["content"]
        if isinstance(content, list) and all(part["type"] == "text" for part in content):
            message["content"] = "\n\n".join(part["text"] for part in content)
