"""An OpenAI chat completion as a request of Gemini's `generateContent`."""

from __future__ import annotations

from typing import Any

from tollkeeper.gateway.wire.gemini_target.checking import (
    TOKENS_MAX,
    JsonObject,
    as_choice,
    as_count,
    as_number,
    check_fields,
    check_names,
    texts,
)
from tollkeeper.gateway.wire.gemini_target.models import Effort, thinking_of_budget, thinking_of_effort
from tollkeeper.gateway.wire.gemini_target.schemas import gemini_schema
from tollkeeper.gateway.wire.openai_to_gemini.messages import read_messages
from tollkeeper.gateway.wire.openai_to_gemini.rules import RULES
from tollkeeper.gateway.wire.openai_to_gemini.tools import read_tools
from tollkeeper.gateway.wire.translation_reading import as_flag, as_object, as_text, refused

_STOPS_MAX, _CHOICES_MAX, _LOGPROBS_MAX = 5, 8, 20
_SEED_BITS = 0x7FFF_FFFF
_TIERS = {"default": "standard", "flex": "flex", "priority": "priority", "fast": "priority"}
_EFFORTS: dict[str, Effort] = {
    "none": "none", "minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "xhigh": "high",
    "max": "high",
}  # fmt: skip


def gemini_request(fields: JsonObject, *, model: str, output_tokens: int | None) -> JsonObject:
    """Return the body for `models/{model}:generateContent`, or its streamed sister.

    Raises:
        InvalidRequest: a field is unknown, of a wrong type or cannot be said to Gemini; `param` names it.
    """
    check_fields(fields, RULES)
    if fields.get("web_search_options") is not None:  # even an empty one asks for a search
        raise refused(f"cannot be used with Gemini models: {RULES['web_search_options'].note}.", "web_search_options")
    contents, instructions = read_messages(fields.get("messages"), model)
    body: JsonObject = {"contents": contents}
    if instructions:
        body["systemInstruction"] = {"parts": instructions}
    body |= read_tools(fields)
    config = _generation_config(fields, model, output_tokens)
    if config:
        body["generationConfig"] = config
    tier = fields.get("service_tier")
    if tier is not None and as_choice(tier, "service_tier", ("auto", *_TIERS)) != "auto":
        body["serviceTier"] = _TIERS[tier]
    return body


def _generation_config(fields: JsonObject, model: str, output_tokens: int | None) -> JsonObject:
    config: JsonObject = {}
    limit = _output_limit(fields, output_tokens)
    if limit is not None:
        config["maxOutputTokens"] = limit
    choices = 1 if fields.get("n") is None else as_count(fields["n"], "n", most=_CHOICES_MAX)
    if choices > 1:
        config["candidateCount"] = choices
    _add_sampling(config, fields)
    _add_stops(config, fields.get("stop"))
    _add_logprobs(config, fields)
    _add_format(config, fields.get("response_format"))
    thinking = _thinking(fields, model)
    if thinking:
        config["thinkingConfig"] = thinking
    modalities = fields.get("modalities")
    if modalities is not None and modalities != ["text"]:
        raise refused('must be ["text"]: Gemini models answer no speech here.', "modalities")
    return config


def _output_limit(fields: JsonObject, output_tokens: int | None) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        if fields.get(name) is not None:
            return as_count(fields[name], name)
    return output_tokens


def _add_sampling(config: JsonObject, fields: JsonObject) -> None:
    if fields.get("temperature") is not None:
        config["temperature"] = as_number(fields["temperature"], "temperature", least=0, most=2)
    if fields.get("top_p") is not None:
        config["topP"] = as_number(fields["top_p"], "top_p", least=0, most=1)
    for name, said in (("frequency_penalty", "frequencyPenalty"), ("presence_penalty", "presencePenalty")):
        if fields.get(name) is not None:
            penalty = as_number(fields[name], name, least=-2, most=2)
            if penalty:  # models without penalties refuse even 0
                config[said] = min(penalty, 1.99)  # Gemini's range ends below 2
    if fields.get("seed") is not None:
        config["seed"] = as_count(fields["seed"], "seed", least=-(2**63), most=2**63) & _SEED_BITS


def _add_stops(config: JsonObject, stop: Any) -> None:
    if stop is None:
        return
    found = [stop] if isinstance(stop, str) else texts(stop, "stop", most=_STOPS_MAX)
    if any(found):
        config["stopSequences"] = [each for each in found if each]


def _add_logprobs(config: JsonObject, fields: JsonObject) -> None:
    if fields.get("logprobs") is not None and as_flag(fields["logprobs"], "logprobs"):
        config["responseLogprobs"] = True
        if fields.get("top_logprobs") is not None:
            config["logprobs"] = as_count(fields["top_logprobs"], "top_logprobs", least=0, most=_LOGPROBS_MAX)
    elif fields.get("top_logprobs"):
        raise refused("needs 'logprobs' to be true.", "top_logprobs")


def _add_format(config: JsonObject, wanted: Any) -> None:
    if wanted is None:
        return
    kinds = ("text", "json_object", "json_schema")
    kind = as_choice(as_object(wanted, "response_format").get("type"), "response_format.type", kinds)
    if kind == "text":
        return
    config["responseMimeType"] = "application/json"
    if kind == "json_schema":
        place = "response_format.json_schema"
        schema = as_object(wanted.get("json_schema"), place).get("schema")
        if schema is not None:
            config["responseJsonSchema"] = gemini_schema(schema, f"{place}.schema")


def _thinking(fields: JsonObject, model: str) -> JsonObject:
    effort = fields.get("reasoning_effort")
    found: JsonObject = {}
    if effort is not None:
        found = thinking_of_effort(model, _EFFORTS[as_choice(effort, "reasoning_effort", tuple(_EFFORTS))])
    for name, extra in (("extra_body", fields.get("extra_body")), ("google", {"google": fields.get("google")})):
        if extra is not None:
            found |= _google_thinking(as_object(extra, name), name, model)
    return found


def _google_thinking(extra: JsonObject, name: str, model: str) -> JsonObject:
    """Read `google.thinking_config`, as Google's endpoint for OpenAI clients takes it.

    Raises:
        InvalidRequest: there is something else in it.
    """
    where = "google" if name == "google" else f"{name}.google"
    check_names(extra, name, ("google",))
    if extra.get("google") is None:
        return {}
    google = as_object(extra["google"], where)
    check_names(google, where, ("thinking_config",))
    if google.get("thinking_config") is None:
        return {}
    where = f"{where}.thinking_config"
    config = as_object(google["thinking_config"], where)
    check_names(config, where, ("include_thoughts", "thinking_budget", "thinking_level"))
    found: JsonObject = {}
    if config.get("thinking_budget") is not None:
        budget = as_count(config["thinking_budget"], f"{where}.thinking_budget", least=-1, most=TOKENS_MAX)
        found = {"thinkingBudget": budget} if budget < 0 else thinking_of_budget(model, budget)
    if config.get("thinking_level") is not None:
        level = as_text(config["thinking_level"], f"{where}.thinking_level").lower()
        found = thinking_of_effort(model, _EFFORTS[as_choice(level, f"{where}.thinking_level", tuple(_EFFORTS))])
    if config.get("include_thoughts") is not None:
        found["includeThoughts"] = as_flag(config["include_thoughts"], f"{where}.include_thoughts")
    return found
