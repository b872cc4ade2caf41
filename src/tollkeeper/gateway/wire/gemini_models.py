"""The Gemini dialect: models that a body names beside the one in its path. Pure."""

from __future__ import annotations

from typing import Any

from tollkeeper.domain.errors import InvalidRequest

PREFIX = "models/"


def check_named(fields: dict[str, Any], model: str, at: str = "model") -> None:
    """Pass when a request names no model, or the one of its path.

    Raises:
        InvalidRequest: it names another one, which would be the one that is billed.
    """
    named = fields.get("model")
    if named is not None and (not isinstance(named, str) or named.removeprefix(PREFIX) != model):
        raise InvalidRequest(f"'{at}' must be '{PREFIX}{model}', as in the path.", param=at)


def renamed(fields: dict[str, Any], model: str) -> dict[str, Any]:
    """Return a request that names the provider's model where it named one."""
    return {**fields, "model": PREFIX + model} if fields.get("model") is not None else fields
