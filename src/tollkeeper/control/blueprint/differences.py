"""What of a thing differs from what is wanted, as values for its use case and as texts for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tollkeeper.control.blueprint.forms import show_threshold, show_time, show_usd
from tollkeeper.control.blueprint.plan import FieldChange
from tollkeeper.domain.budget import ModelLimit, QuotaAlert
from tollkeeper.domain.currency import DisplayCurrency

_NOTHING = "–"
_SHOWN: dict[str, Callable[[Any], str]] = {"expires_at": show_time, "amount_usd": show_usd}


def differences(
    wanted: Mapping[str, Any], known: Mapping[str, Any] | None
) -> tuple[dict[str, Any], tuple[FieldChange, ...]]:
    """Return the wanted values that differ from what is known, and how they are shown; of a new thing all of them."""
    if known is None:
        fields = tuple(FieldChange(name, None, shown_value(name, value)) for name, value in wanted.items())
        return dict(wanted), tuple(each for each in fields if each.after != _NOTHING)
    values = {name: value for name, value in wanted.items() if value != known[name]}
    return values, tuple(
        FieldChange(name, shown_value(name, known[name]), shown_value(name, value)) for name, value in values.items()
    )


def shown_value(name: str, value: Any) -> str:
    """Show a field's value in one line."""
    if name in _SHOWN and value is not None:
        return _SHOWN[name](value)
    if isinstance(value, DisplayCurrency):
        return value.told
    if isinstance(value, msgspec.Struct):
        value = {key: each for key, each in msgspec.structs.asdict(value).items() if each not in (None, ())}
    if isinstance(value, Mapping):
        text = "; ".join(f"{key}: {_part(each)}" for key, each in value.items())
    elif isinstance(value, frozenset | tuple):
        parts = [_part(each) for each in value]
        text = ", ".join(sorted(parts) if isinstance(value, frozenset) else parts)
    else:
        text = "" if value is None else _part(value)
    return text or _NOTHING


def _part(value: Any) -> str:
    if isinstance(value, QuotaAlert):
        return f"{value.action} at {show_threshold(value.threshold_permille)}"
    if isinstance(value, ModelLimit):
        budget = value.daily_budget_nanos
        parts = [f"{value.daily_requests} requests a day"] if value.daily_requests is not None else []
        parts += [f"${show_usd(budget)} a day"] if budget is not None else []
        return ", ".join(parts) or "no limit"
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, tuple) else str(value)
