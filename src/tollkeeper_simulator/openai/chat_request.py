"""A chat request, checked: what the caller may ask for and what OpenAI refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tollkeeper_simulator.dialect import RefusedError
from tollkeeper_simulator.faults import NO_FAULT
from tollkeeper_simulator.openai import fields, prompt
from tollkeeper_simulator.openai.catalogue import Model, family_of, find
from tollkeeper_simulator.openai.errors import error, refuse

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.openai.prompt import Prompt
    from tollkeeper_simulator.prices import Provider, Tier

_KNOWN = frozenset({
    "messages", "model", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "max_completion_tokens", "max_tokens", "metadata", "modalities", "moderation", "n", "parallel_tool_calls",
    "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream",
    "stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity",
    "web_search_options",
})  # fmt: skip
_KNOWN_BESIDES: dict[Provider, frozenset[str]] = {
    "deepseek": frozenset({"thinking"}),
    "xai": frozenset({"search_parameters", "deferred"}),
}
_NOT_ON_GROK = ("presence_penalty", "frequency_penalty", "stop")
_REASONING_TOKENS = {"none": 0, "minimal": 0, "low": 64, "medium": 192, "high": 448, "xhigh": 960, "max": 1_920}
_CHOICES_MAX = 128


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What was asked, after all checks; `output_tokens_max` None means up to the model's own maximum."""

    asked_model: str
    model: Model
    prompt: Prompt
    tier: Tier
    stream: bool
    include_usage: bool
    choices: int
    output_tokens_max: int | None
    stops: list[str]
    seed: str
    reasoning_tokens: int
    tool: Json | None
    schema: Any
    json_object: bool
    audio: bool
    searches: int = 0


def read(body: Json, plan: FaultPlan = NO_FAULT) -> ChatRequest:
    """Check a chat body. Raises RefusedError with the answer that OpenAI would give."""
    asked = fields.model_name(body)
    fields.known_only(body, _KNOWN | _KNOWN_BESIDES.get(family_of(asked), frozenset()))
    model = find(asked)
    if model.kind != "chat":
        message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint."
        raise RefusedError(error(404, message, param="model"))
    read_prompt = prompt.read(body, model.name)
    _check_sampling(body, model)
    stream = fields.flag(body, "stream")
    limit = _output_limit(body, model)
    fields.fits_context(model, len(read_prompt.tokens), limit or 0)
    if read_prompt.audio_tokens and not model.speaks:
        message = f"The model '{model.name}' does not support audio input."
        raise refuse(message, "model", "invalid_value")
    schema, json_object = _response_format(body)
    return ChatRequest(
        asked_model=asked,
        model=model,
        prompt=read_prompt,
        tier="default" if model.family != "openai" else fields.tier(body, model, len(read_prompt.tokens)),
        stream=stream,
        include_usage=fields.include_usage(body, stream=stream),
        choices=fields.integer(body, "n", 1, _CHOICES_MAX) or 1,
        output_tokens_max=limit,
        stops=fields.stops(body),
        seed=str(body.get("seed")),
        reasoning_tokens=_reasoning(body, model),
        tool=_tool_to_call(body),
        schema=schema,
        json_object=json_object,
        audio=_wants_audio(body, model),
        searches=_searches(body, plan),
    )


def _check_sampling(body: Json, model: Model) -> None:
    for name in _NOT_ON_GROK if model.family == "xai" else ():
        if body.get(name) is not None:
            message = f"Argument not supported on this model: {name}"
            raise refuse(message, name, "invalid_value")
    fields.number(body, "temperature", 0, 2)
    fields.number(body, "top_p", 0, 1)
    fields.number(body, "presence_penalty", -2, 2)
    fields.number(body, "frequency_penalty", -2, 2)
    fields.integer(body, "top_logprobs", 0, 20)
    fields.integer(body, "seed", -(2**63), 2**63 - 1)


def _output_limit(body: Json, model: Model) -> int | None:
    old = fields.integer(body, "max_tokens", 1)
    new = fields.integer(body, "max_completion_tokens", 1)
    if old is not None and new is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise refuse(message, "max_tokens", "invalid_parameter_combination")
    if old is not None and model.reasons and model.family == "openai":
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise refuse(message, "max_tokens", "unsupported_parameter")
    limit = old if old is not None else new
    if limit is not None and limit > model.output_tokens_max:
        name = "max_tokens" if old is not None else "max_completion_tokens"
        message = (
            f"{name} is too large: {limit}. This model supports at most {model.output_tokens_max} completion tokens, "
            f"whereas you provided {limit}."
        )
        raise refuse(message, name, "invalid_value")
    return limit


def _reasoning(body: Json, model: Model) -> int:
    effort = body.get("reasoning_effort")
    thinking = body.get("thinking")
    if isinstance(thinking, dict) and thinking.get("type") == "disabled":
        return 0
    if effort is None:
        return _REASONING_TOKENS["medium"] if model.reasons else 0
    if not model.reasons:
        message = "Unrecognized request argument supplied: reasoning_effort"
        raise refuse(message)
    if not isinstance(effort, str) or effort not in _REASONING_TOKENS:
        names = ", ".join(f"'{name}'" for name in _REASONING_TOKENS)
        message = f"Invalid value: '{effort}'. Supported values are: {names}."
        raise refuse(message, "reasoning_effort", "invalid_value")
    return _REASONING_TOKENS[effort]


def _response_format(body: Json) -> tuple[Any, bool]:
    given = body.get("response_format")
    if given is None:
        return None, False
    if not isinstance(given, dict):
        raise fields.wrong_type("response_format", "an object", given)
    kind = str(given.get("type"))
    if kind == "json_schema":
        wrapped = given.get("json_schema")
        if not isinstance(wrapped, dict) or not isinstance(wrapped.get("name"), str):
            message = "Missing required parameter: 'response_format.json_schema'."
            raise refuse(message, "response_format.json_schema", "missing_required_parameter")
        return wrapped.get("schema", True), False
    if kind not in {"text", "json_object"}:
        message = f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'."
        raise refuse(message, "response_format.type", "invalid_value")
    return None, kind == "json_object"


def _tool_to_call(body: Json) -> Json | None:
    """Return the function that shall be called now, if one shall."""
    tools, choice = body.get("tools"), body.get("tool_choice")
    if tools is None:
        if choice not in (None, "none"):
            message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."
            raise refuse(message, "tool_choice")
        return None
    functions = _functions(tools)
    if isinstance(choice, dict):
        wanted = (choice.get("function") or {}).get("name")
        named = [each for each in functions if each["name"] == wanted]
        if not named:
            message = f"Tool choice 'function' not found in 'tools' parameter: '{wanted}'."
            raise refuse(message, "tool_choice")
        return named[0]
    if choice not in (None, "auto", "none", "required"):
        message = f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'."
        raise refuse(message, "tool_choice", "invalid_value")
    asked = choice != "none" and "use the tool" in prompt.user_text(body).lower()
    return functions[0] if functions and (choice == "required" or asked) else None


def _functions(tools: object) -> list[Json]:
    if not isinstance(tools, list):
        raise fields.wrong_type("tools", "an array of objects", tools)
    functions: list[Json] = []
    for place, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            message = f"Missing required parameter: 'tools[{place}].function'."
            raise refuse(message, f"tools[{place}].function", "missing_required_parameter")
        functions.append(function)
    return functions


def _wants_audio(body: Json, model: Model) -> bool:
    modalities = body.get("modalities")
    if not isinstance(modalities, list) or "audio" not in modalities:
        return False
    if not model.speaks:
        message = f"The model '{model.name}' does not support the audio modality."
        raise refuse(message, "modalities", "invalid_value")
    if not isinstance(body.get("audio"), dict):
        message = "Missing required parameter: 'audio'."
        raise refuse(message, "audio", "missing_required_parameter")
    return True


def _searches(body: Json, plan: FaultPlan) -> int:
    """Return how often xAI searches before it answers: once, where its own search is switched on."""
    given = body.get("search_parameters")
    if not isinstance(given, dict) or given.get("mode", "auto") == "off":
        return 0
    return 1 if plan.searches is None else plan.searches
