"""Sums bill records into the result objects of OpenAI's usage and costs API; all sums are integers until printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from tollkeeper_simulator.bill import Record
    from tollkeeper_simulator.dialect import Json
    from tollkeeper_simulator.prices import Dimension
    from tollkeeper_simulator.settings import Settings

Maker = Callable[[list["Record"], tuple[str, ...], "Settings", "frozenset[str] | None"], list["Json"]]
_EMBEDDINGS = "/v1/embeddings"
_NANO_DIGITS = 9
_TOKEN_CLASSES: dict[Dimension, str] = {
    "input": "input_tokens",
    "cache_read": "cached_input_tokens",
    "cache_write_30m": "cache_write_30m_tokens",
    "cache_write_12h": "cache_write_12h_tokens",
    "output": "output_tokens",
    "input_audio": "input_audio_tokens",
    "output_audio": "output_audio_tokens",
}


def usd(nano: int) -> str:
    """Return nano-USD as an exact decimal number of dollars."""
    digits = f"{abs(nano):0{_NANO_DIGITS + 1}d}"
    text = f"{digits[:-_NANO_DIGITS]}.{digits[-_NANO_DIGITS:]}".rstrip("0")
    return ("-" if nano < 0 else "") + (text + "0" if text.endswith(".") else text)


def line_item(record: Record, dimension: Dimension) -> str:
    """Return the name of a cost line: `<model>, <token class>`; of the classes only `input_tokens` is documented."""
    return f"{record.served_model}, {_TOKEN_CLASSES[dimension]}"


def costs(
    records: list[Record], group_by: tuple[str, ...], settings: Settings, line_items: frozenset[str] | None
) -> list[Json]:
    """Return `organization.costs.result` objects; their amounts add up to the bill exactly."""
    sums: dict[tuple[Any, ...], tuple[int, int]] = {}
    for record in records:
        for line in record.lines:
            item = line_item(record, line.dimension)
            if line_items is not None and item not in line_items:
                continue
            key = _key({**_dimensions(record, settings), "line_item": item}, group_by)
            amount, quantity = sums.get(key, (0, 0))
            sums[key] = (amount + line.amount_nano, quantity + line.quantity)
    by_item = "line_item" in group_by
    return [
        {
            "object": "organization.costs.result",
            "amount": {"value": _amount(amount, settings), "currency": "usd"},
            **_shown(key, group_by, ("line_item", "project_id", "api_key_id", "user_id", "api_source")),
            "quantity": quantity if by_item else None,
            "quantity_unit": "tokens" if by_item else None,
        }
        for key, (amount, quantity) in sums.items()
    ]


def completions(
    records: list[Record], group_by: tuple[str, ...], settings: Settings, _line_items: frozenset[str] | None
) -> list[Json]:
    """Return `organization.usage.completions.result` objects."""
    groups = _grouped((record for record in records if record.path != _EMBEDDINGS), group_by, settings)
    names = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source")
    return [
        {"object": "organization.usage.completions.result", **_quantities(group), **_shown(key, group_by, names)}
        for key, group in groups.items()
    ]


def embeddings(
    records: list[Record], group_by: tuple[str, ...], settings: Settings, _line_items: frozenset[str] | None
) -> list[Json]:
    """Return `organization.usage.embeddings.result` objects."""
    groups = _grouped((record for record in records if record.path == _EMBEDDINGS), group_by, settings)
    return [
        {
            "object": "organization.usage.embeddings.result",
            "input_tokens": sum(record.usage.input_tokens for record in group),
            "num_model_requests": len(group),
            **_shown(key, group_by, ("project_id", "user_id", "api_key_id", "model")),
        }
        for key, group in groups.items()
    ]


def _quantities(group: list[Record]) -> Json:
    def total(field: str) -> int:
        return sum(getattr(record.usage, field) for record in group)

    cached, written, audio = total("cached_tokens"), total("cache_write_tokens"), total("input_audio_tokens")
    entered, image = total("input_tokens"), total("input_image_tokens")
    made, spoken = total("output_tokens"), total("output_audio_tokens")
    return {
        "input_tokens": entered,
        "input_cached_tokens": cached,
        "input_cache_write_tokens": written,
        "input_cache_write_30m_tokens": written,
        "input_cache_write_12h_tokens": 0,
        "input_uncached_tokens": entered - cached - written,
        "input_text_tokens": entered - cached - written - audio - image,
        "input_image_tokens": image,
        "input_audio_tokens": audio,
        "input_cached_text_tokens": cached,
        "input_cached_audio_tokens": 0,
        "input_cached_image_tokens": 0,
        "output_tokens": made,
        "output_text_tokens": made - spoken,
        "output_audio_tokens": spoken,
        "output_image_tokens": 0,
        "num_model_requests": len(group),
    }


def _dimensions(record: Record, settings: Settings) -> Json:
    return {
        "project_id": settings.project,
        "api_key_id": record.api_key_id,
        "user_id": None,
        "api_source": "unlabeled",
        "model": record.served_model,
        "batch": False,
        "service_tier": record.service_tier,
    }


def _key(values: Json, group_by: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(values[name] for name in group_by)


def _grouped(
    records: Iterable[Record], group_by: tuple[str, ...], settings: Settings
) -> dict[tuple[Any, ...], list[Record]]:
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(_key(_dimensions(record, settings), group_by), []).append(record)
    return groups


def _shown(key: tuple[Any, ...], group_by: tuple[str, ...], names: tuple[str, ...]) -> Json:
    given = dict(zip(group_by, key, strict=True))
    return {name: given.get(name) for name in names}


def _amount(nano: int, settings: Settings) -> str | msgspec.Raw:
    exact = usd(nano)
    return exact if settings.costs_as_text else msgspec.Raw(exact.encode())
