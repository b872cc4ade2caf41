"""A generateContent request, checked: what the caller may ask for and what Google refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tollkeeper_simulator.dialect import RefusedError
from tollkeeper_simulator.gemini import fields, prompt, schema, tools
from tollkeeper_simulator.gemini.errors import error, refuse

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.faults import FaultPlan
    from tollkeeper_simulator.gemini.catalogue import Model
    from tollkeeper_simulator.gemini.prompt import Prompt
    from tollkeeper_simulator.gemini.tools import ToolPlan
    from tollkeeper_simulator.prices import Tier

_KNOWN = frozenset({
    "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "cachedContent", "model",
    "serviceTier", "store",
})  # fmt: skip
_CONFIG = frozenset({
    "stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema", "_responseJsonSchema", "responseModalities",
    "candidateCount", "maxOutputTokens", "temperature", "topP", "topK", "seed", "presencePenalty", "frequencyPenalty",
    "responseLogprobs", "logprobs", "enableEnhancedCivicAnswers", "speechConfig", "thinkingConfig", "imageConfig",
    "mediaResolution", "audioTimestamp",
})  # fmt: skip
_THINKING = frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"})
_LEVELS = {"MINIMAL": 0, "LOW": 64, "MEDIUM": 192, "HIGH": 448}
_TIERS: dict[str, str] = {"standard": "default", "unspecified": "default", "flex": "flex", "priority": "priority"}
_STOPS_MAX = 5
_CANDIDATES_MAX = 8


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """What was asked, after all checks."""

    model: Model
    prompt: Prompt
    tier: Tier
    candidates: int
    output_tokens_max: int
    stops: list[str]
    seed: str
    thinking_tokens: int
    shows_thinking: bool
    tools: ToolPlan
    schema: Any
    json_object: bool


def read(body: Json, model: Model, plan: FaultPlan) -> GenerateRequest:
    """Check the body of a request to `model`. Raises RefusedError with the answer that Google would give."""
    given = fields.camel(body)
    fields.known_only(given, _KNOWN)
    if given.get("cachedContent") is not None:
        raise RefusedError(error(403, "CachedContent not found (or permission denied)"))
    config = fields.mapping(given.get("generationConfig"), "generation_config")
    fields.known_only(config, _CONFIG, "generation_config")
    _check_sampling(config)
    read_prompt = prompt.read(given, model)
    size = len(read_prompt.tokens)
    if size > model.input_tokens_max:
        message = (
            f"The input token count ({size}) exceeds the maximum number of tokens allowed ({model.input_tokens_max})."
        )
        raise refuse(message)
    thinking, shown = _thinking(config, model)
    made_schema, json_object = _response_form(config)
    return GenerateRequest(
        model=model,
        prompt=read_prompt,
        tier=_tier(given, model),
        candidates=fields.integer(config, "candidateCount", "generation_config", low=1, high=_CANDIDATES_MAX) or 1,
        output_tokens_max=_output_limit(config, model),
        stops=_stops(config),
        seed=str(config.get("seed")),
        thinking_tokens=thinking,
        shows_thinking=shown,
        tools=tools.read(given, model, plan),
        schema=made_schema,
        json_object=json_object,
    )


def _check_sampling(config: Json) -> None:
    where = "generation_config"
    fields.number(config, "temperature", where, low=0, high=2)
    fields.number(config, "topP", where, low=0, high=1)
    fields.integer(config, "topK", where, low=1)
    fields.number(config, "presencePenalty", where, low=-2, high=2)
    fields.number(config, "frequencyPenalty", where, low=-2, high=2)
    fields.integer(config, "seed", where, low=-(2**31), high=2**31 - 1)


def _output_limit(config: Json, model: Model) -> int:
    most = model.output_tokens_max
    return fields.integer(config, "maxOutputTokens", "generation_config", low=1, high=most) or most


def _stops(config: Json) -> list[str]:
    given = fields.items(config.get("stopSequences"), "generation_config.stop_sequences")
    if len(given) > _STOPS_MAX:
        message = f"* GenerateContentRequest.generation_config.stop_sequences: at most {_STOPS_MAX} stop sequences\n"
        raise refuse(message)
    return [fields.text(each, "generation_config.stop_sequences") for each in given if each]


def _thinking(config: Json, model: Model) -> tuple[int, bool]:
    given = fields.mapping(config.get("thinkingConfig"), "generation_config.thinking_config")
    fields.known_only(given, _THINKING, "generation_config.thinking_config")
    shown = given.get("includeThoughts") is True
    budget, level = given.get("thinkingBudget"), given.get("thinkingLevel")
    if budget is not None and level is not None:
        message = "You can only set only one of thinking budget and thinking level."
        raise refuse(message)
    if level is not None:
        if not model.is_newer:
            message = "Thinking level is not supported for this model."
            raise refuse(message)
        name = fields.choice(str(level).upper(), _LEVELS, "generation_config.thinking_config.thinking_level")
        return _LEVELS[str(name)], shown
    if budget is None or budget == -1:
        return model.thinking_usual, shown
    low, high = model.thinking_budgets or (0, 32_768)
    amount = fields.integer(given, "thinkingBudget", "generation_config.thinking_config", low=0)
    assert amount is not None, "the budget is there"
    if not low <= amount <= high:
        message = f"The thinking budget {amount} is invalid. Please choose a value between {low} and {high}."
        raise refuse(message)
    return min(amount, _LEVELS["MEDIUM"]), shown


def _response_form(config: Json) -> tuple[Any, bool]:
    """Return the schema that the answer satisfies, and whether it is any JSON object."""
    kind = config.get("responseMimeType") or "text/plain"
    where = "generation_config.response_schema"
    own = config.get("responseSchema")
    plain = config.get("responseJsonSchema", config.get("_responseJsonSchema"))
    if kind not in {"text/plain", "application/json", "text/x.enum"}:
        allowed = "`text/plain`, `application/json`, `application/xml`, `application/yaml` and `text/x.enum`"
        message = f"* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are {allowed}.\n"
        raise refuse(message)
    if (own is not None or plain is not None) and kind == "text/plain":
        name = "response_schema" if own is not None else "response_json_schema"
        message = f"* GenerateContentRequest.generation_config.{name}: only allowed with response_mime_type application/json\n"
        raise refuse(message)
    if own is not None and plain is not None:
        message = "Only one of response_schema and response_json_schema can be set."
        raise refuse(message)
    made = schema.as_json_schema(own, where) if own is not None else plain
    return made, kind == "application/json" and made is None


def _tier(body: Json, model: Model) -> Tier:
    asked = body.get("serviceTier")
    if asked is None:
        return "default"
    name = str(asked).lower().removeprefix("service_tier_")
    tier = cast("Tier", _TIERS.get(name))
    if tier is None:
        message = f"Invalid value at 'service_tier', \"{asked}\""
        raise refuse(message, "service_tier")
    if not model.sells(tier):
        message = f"Service tier {name} is not supported for models/{model.name}."
        raise refuse(message)
    return tier
