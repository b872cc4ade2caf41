"""An OpenAI chat-completions request as an Anthropic Messages request. Pure.

Shapes: `openai` 3.51, types/chat/completion_create_params.py; `anthropic` 2.12, types/message_create_params.py (2026-11).
"""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.openai_to_anthropic.claude import Claude, claude
from tollkeeper.gateway.wire.openai_to_anthropic.messages import Conversation, conversation
from tollkeeper.gateway.wire.openai_to_anthropic.parts import list_of
from tollkeeper.gateway.wire.openai_to_anthropic.rules import RULES
from tollkeeper.gateway.wire.openai_to_anthropic.schema import taken_schema
from tollkeeper.gateway.wire.openai_to_anthropic.tools import put_tools
from tollkeeper.gateway.wire.translation_reading import (
    as_count,
    as_flag,
    as_number,
    as_object,
    as_text,
    missing,
    refused,
    text_in,
)

THINKING_TOKENS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
"""By effort, for models that think by a budget. Tollkeeper's own figures; the least that Anthropic takes is 1,024."""
THINKING_TOKENS_MIN = 1024
_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only"}
_ONLY_JSON = "Answer with one JSON object and nothing else: no words around it and no code fence."
_HARMLESS = {"n": (1,), "logprobs": (False,), "top_logprobs": (0,), "logit_bias": ({},), "functions": ([],)}
"""What may be said of a refused field, because it asks for nothing."""


def request(fields: dict[str, Any], *, model: str, output_tokens: int | None) -> dict[str, Any]:
    """Return Anthropic's body; see `Translation.request`."""
    _check_names(fields)
    if "messages" not in fields:
        raise missing("messages")
    said = {name: value for name, value in fields.items() if value is not None}
    limits = claude(model)
    talk = conversation(fields["messages"])
    body: dict[str, Any] = {"model": model, "max_tokens": _limit(said, output_tokens, limits), "messages": talk.turns}
    _put_format(body, talk, said)
    if talk.system:
        body["system"] = talk.system
    put_tools(body, said, is_strict=limits.is_strict)
    _put_thinking(body, said, limits, talk)
    _put_sampling(body, said, limits)
    if "stop" in said:
        body["stop_sequences"] = _stops(said["stop"])
    end_user = "safety_identifier" if "safety_identifier" in said else "user"
    if user := as_text(said.get(end_user, ""), end_user):
        body["metadata"] = {"user_id": user}
    if "service_tier" in said:
        tier = as_text(said["service_tier"], "service_tier")
        if tier not in _TIERS:
            raise refused(f"'{tier}' is not among Anthropic's; auto, default and priority are taken.", "service_tier")
        body["service_tier"] = _TIERS[tier]
    if "stream" in said:
        body["stream"] = as_flag(said["stream"], "stream")
    return body


def _check_names(fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        rule = RULES.get(name)
        if rule is None or "[" in name:
            raise refused("is not a field that can be translated for Anthropic.", name)
        if rule.how == "refused" and value is not None and value not in _HARMLESS.get(name, ()):
            raise refused(f"is not taken by a model of Anthropic: {rule.note}.", name)
    modalities = list_of(fields.get("modalities"), "modalities")
    if any(each != "text" for each in modalities):
        raise refused("can hold only 'text' for a model of Anthropic.", "modalities")


def _limit(said: dict[str, Any], output_tokens: int | None, limits: Claude) -> int:
    stated = [as_count(said[name], name) for name in ("max_completion_tokens", "max_tokens") if name in said]
    return min(stated) if stated else output_tokens or limits.output_tokens


def _put_format(body: dict[str, Any], talk: Conversation, said: dict[str, Any]) -> None:
    if "response_format" not in said:
        return
    wanted = as_object(said["response_format"], "response_format")
    match text_in(wanted, "type", "response_format"):
        case "text":
            pass
        case "json_object":
            talk.system.append({"type": "text", "text": _ONLY_JSON})
        case "json_schema":
            at = "response_format.json_schema"
            schema = as_object(wanted.get("json_schema"), at).get("schema")
            if schema is None:
                raise missing(f"{at}.schema")
            body["output_config"] = {"format": {"type": "json_schema", "schema": taken_schema(schema, f"{at}.schema")}}
        case other:
            raise refused(f"is '{other}'; it must be text, json_object or json_schema.", "response_format.type")


def _put_thinking(body: dict[str, Any], said: dict[str, Any], limits: Claude, talk: Conversation) -> None:
    if "thinking" in said:
        text_in(as_object(said["thinking"], "thinking"), "type", "thinking")
        body["thinking"] = said["thinking"]
    if "reasoning_effort" not in said:
        return
    wanted = as_text(said["reasoning_effort"], "reasoning_effort")
    if wanted != "none" and wanted not in THINKING_TOKENS:
        raise refused(f"must be none, {', '.join(THINKING_TOKENS)}.", "reasoning_effort")
    if wanted == "none" and limits.off != "never":
        if limits.off != "default":
            body.setdefault("thinking", {"type": limits.off})
        return
    if effort := limits.effort(wanted):
        body.setdefault("output_config", {})["effort"] = effort
    is_forced = body.get("tool_choice", {}).get("type") in {"any", "tool"}  # which excludes thinking that is asked for
    if "thinking" in body or is_forced or wanted in {"none", "minimal"}:
        return
    if thinking := _thinking(wanted, limits, talk, output_tokens=body["max_tokens"]):
        body["thinking"] = thinking


def _thinking(wanted: str, limits: Claude, talk: Conversation, *, output_tokens: int) -> dict[str, Any] | None:
    if limits.thinking == "adaptive":
        return {"type": "adaptive", "display": "summarized"}
    if limits.thinking == "none" or not talk.is_thinking_resumable:
        return None
    budget = min(THINKING_TOKENS[wanted], output_tokens - 1)  # OpenAI's limit holds for thinking too
    return {"type": "enabled", "budget_tokens": budget} if budget >= THINKING_TOKENS_MIN else None


def _put_sampling(body: dict[str, Any], said: dict[str, Any], limits: Claude) -> None:
    temperature = min(as_number(said["temperature"], "temperature", most=2), 1) if "temperature" in said else None
    top_p = as_number(said["top_p"], "top_p", most=1) if "top_p" in said else None
    top_k = as_count(said["top_k"], "top_k") if "top_k" in said else None
    is_thinking = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
    if not limits.samples or is_thinking:  # thinking excludes another temperature than 1
        return
    if temperature is not None:
        body["temperature"] = temperature
    if top_p is not None and (temperature is None or limits.samples_both):
        body["top_p"] = top_p
    if top_k is not None:
        body["top_k"] = top_k


def _stops(stop: Any) -> list[str]:
    stops = [stop] if isinstance(stop, str) else list_of(stop, "stop")
    for i, each in enumerate(stops):
        if not as_text(each, f"stop[{i}]").strip():
            raise refused("must be more than white space: Anthropic takes no other.", f"stop[{i}]")
    return stops
