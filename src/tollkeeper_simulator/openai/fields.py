"""Checks of request fields that all OpenAI routes share; each raises the 400 that OpenAI would send."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tollkeeper_simulator.openai.errors import refuse
from tollkeeper_simulator.prices import PRICES, Tier, tier_served

if TYPE_CHECKING:
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.openai.catalogue import Model

_TIER_NAMES = {"auto": "default", "default": "default", "flex": "flex", "priority": "priority", "fast": "priority"}


def known_only(body: Json, known: frozenset[str]) -> None:
    """Refuse the first field that this route does not have."""
    for name in body:
        if name not in known:
            message = f"Unknown parameter: '{name}'."
            raise refuse(message, name, "unknown_parameter")


def model_name(body: Json) -> str:
    """Return the model that is asked for."""
    name = body.get("model")
    if name is None:
        message = "you must provide a model parameter"
        raise refuse(message)
    if not isinstance(name, str):
        raise wrong_type("model", "a string", name)
    return name


def integer(body: Json, name: str, low: int, high: int | None = None) -> int | None:
    """Return a whole number within bounds; None when it is absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, "an integer", value)
    if value < low:
        message = f"Invalid '{name}': integer below minimum value. Expected a value >= {low}, but got {value} instead."
        raise refuse(message, name, "integer_below_min_value")
    if high is not None and value > high:
        message = f"Invalid '{name}': integer above maximum value. Expected a value <= {high}, but got {value} instead."
        raise refuse(message, name, "integer_above_max_value")
    return value


def number(body: Json, name: str, low: int, high: int) -> None:
    """Check a number within bounds, if it is there."""
    value = body.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(name, "a number", value)
    if not low <= value <= high:
        side, bound, code = ("below minimum", f">= {low}", "below_min") if value < low else (
            "above maximum", f"<= {high}", "above_max"
        )  # fmt: skip
        message = f"Invalid '{name}': decimal {side} value. Expected a value {bound}, but got {value} instead."
        raise refuse(message, name, f"decimal_{code}_value")


def flag(body: Json, name: str) -> bool:
    """Return a boolean; absent and null are False."""
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise wrong_type(name, "a boolean", value)
    return value


def stops(body: Json) -> list[str]:
    """Return the stop sequences, up to four."""
    value = body.get("stop")
    if value is None:
        return []
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise wrong_type("stop", "a string or an array of strings", value)
    if len(given) > 4:
        message = f"Invalid 'stop': array too long. Expected an array with maximum length 4, but got {len(given)}."
        raise refuse(message, "stop", "array_above_max_length")
    return [each for each in given if each]


def include_usage(body: Json, *, stream: bool) -> bool:
    """Return whether the stream shall end with a usage chunk."""
    options = body.get("stream_options")
    if options is None:
        return False
    if not stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise refuse(message, "stream_options")
    if not isinstance(options, dict):
        raise wrong_type("stream_options", "an object", options)
    for name in options:
        if name not in {"include_usage", "include_obfuscation"}:
            message = f"Unknown parameter: 'stream_options.{name}'."
            raise refuse(message, f"stream_options.{name}", "unknown_parameter")
    return flag(options, "include_usage")


def tier(body: Json, model: Model, input_tokens: int) -> Tier:
    """Return the service tier that serves this request; a tier that the model is not sold at is a 400."""
    asked = body.get("service_tier")
    if asked is None:
        return "default"
    if not isinstance(asked, str) or asked not in _TIER_NAMES:
        message = f"Invalid value: '{asked}'. Supported values are: 'auto', 'default', 'flex', 'priority', and 'fast'."
        raise refuse(message, "service_tier", "invalid_value")
    wanted = cast("Tier", _TIER_NAMES[asked])
    if wanted not in PRICES[model.name]:
        message = f"Invalid service_tier argument: '{asked}' is not supported by the model '{model.name}'."
        raise refuse(message, "service_tier", "invalid_service_tier")
    return tier_served(model.name, wanted, input_tokens)


def fits_context(model: Model, input_tokens: int, output_tokens: int) -> None:
    """Refuse what does not fit into the model's context."""
    if input_tokens + output_tokens > model.context_tokens:
        message = (
            f"This model's maximum context length is {model.context_tokens} tokens. However, you requested "
            f"{input_tokens + output_tokens} tokens ({input_tokens} in the messages, {output_tokens} in the "
            "completion). Please reduce the length of the messages or completion."
        )
        raise refuse(message, "messages", "context_length_exceeded")


def wrong_type(name: str, expected: str, value: object) -> Exception:
    """Return the 400 for a value of the wrong type."""
    names = {
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a decimal",
        list: "an array",
        dict: "an object",
    }
    got = "null" if value is None else names.get(type(value), "a value")
    message = f"Invalid type for '{name}': expected {expected}, but got {got} instead."
    return refuse(message, name, "invalid_type")
