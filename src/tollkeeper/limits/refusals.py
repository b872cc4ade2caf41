"""What a call is told that a budget, a quota or the credit does not let in: whose, how far used, when it begins anew."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tollkeeper.domain.errors import LimitRefusal, QuotaExceeded, RateExceeded
from tollkeeper.domain.lease import Figures
from tollkeeper.domain.limit import Limit
from tollkeeper.domain.local_lease import Denial, LocalNode, Waiter
from tollkeeper.domain.money import NANOS_PER_USD, format_usd

_NOTHING = Figures(0, 0, 0, 0, None, 0)
_PERIOD = {"daily": "Daily ", "weekly": "Weekly ", "monthly": "Monthly ", "total": ""}
_COUNTED = {"requests": "requests", "tokens": "tokens"}
CONCURRENT_WAIT_S = 1.0


def refusal_of(waiter: Waiter, node: LocalNode, denial: Denial) -> LimitRefusal:
    """Return the error for a call that a node does not let in."""
    limit, figures = node.limit, denial.answer.figures or _NOTHING
    if limit.unit == "concurrent":
        error: LimitRefusal = _at_once(limit, figures)
    else:
        needed = waiter.least(node)
        is_stopped = denial.answer.outcome == "stopped"
        message = _stopped(limit, figures) if is_stopped else _message(limit, figures, needed)
        error = QuotaExceeded(message, **_fields(limit, figures, needed))
    error.looked_at = tuple(
        looked_at(each, waiter, is_decisive=each is node, figures=figures if each is node else None)
        for each in waiter.path
    )
    return error


def looked_at(
    node: LocalNode, waiter: Waiter, *, is_decisive: bool = False, figures: Figures | None = None
) -> dict[str, Any]:
    """Return the figures of a limit at this moment, for explanations."""
    limit = node.limit
    figures = figures or (node.lease.figures if node.lease is not None else None) or _NOTHING
    return {
        "kind": "budget",
        "budget_id": limit.budget_id,
        "scope_kind": limit.scope_kind,
        "scope_id": limit.scope_id,
        "scope_name": limit.scope_name,
        "model": limit.model,
        "unit": limit.unit,
        "period": limit.period,
        "limit": figures.limit,
        "used": figures.used,
        "reserved": figures.escrow,
        "left": figures.left,
        "needed": waiter.need[node.unit],
        "resets_at_us": figures.window_end_us,
        "is_decisive": is_decisive,
    }


def _fields(limit: Limit, figures: Figures, needed: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"scope": limit.scope_kind, "scope_id": limit.scope_id, "period": limit.period}
    if limit.unit == "usd":
        fields |= {
            "current_usage_usd": _usd(figures.used),
            "reserved_usd": _usd(figures.escrow),
            "limit_usd": _usd(figures.limit),
            "needed_usd": _usd(needed),
        }
    else:
        fields |= {
            "unit": limit.unit,
            "current_usage": figures.used,
            "reserved": figures.escrow,
            "limit": figures.limit,
            "needed": needed,
        }
    if limit.model:
        fields["model"] = limit.model
    fields["reset_date"] = _reset(limit, figures).isoformat() if figures.window_end_us is not None else None
    return fields


def _message(limit: Limit, figures: Figures, needed: int) -> str:
    if limit.scope_kind == "credit":
        return (
            f"The credit of organization '{limit.scope_name}' is used up: ${_short(figures.used)} of "
            f"${_short(figures.limit)} used, ${_short(figures.escrow)} reserved, and this call needs up to ${_short(needed)}. An admin with billing:manage can add "
            "credit; the next call then goes through."
        )
    whose = f"{_noun(limit.scope_kind)} '{limit.scope_name}'"
    for_model = f" and model '{limit.model}'" if limit.model else ""
    if limit.unit == "usd":
        what = f"{_PERIOD[limit.period]}budget of ${_short(figures.limit)} exceeded for {whose}{for_model}"
        state = f"${_short(figures.used)} used, ${_short(figures.escrow)} reserved"
        if figures.left > 0:
            state += f", this call needs up to ${_short(needed)}"
    else:
        noun = _COUNTED[limit.unit]
        what = f"{_PERIOD[limit.period]}quota of {figures.limit:,} {noun} exceeded for {whose}{for_model}"
        state = f"{figures.used:,} used, {figures.escrow:,} reserved"
    return f"{_capital(what)} ({state}). {_remedy(limit, figures)}"


def _stopped(limit: Limit, figures: Figures) -> str:
    return (
        f"Calls of {_noun(limit.scope_kind)} '{limit.scope_name}' were stopped by an alert on its "
        f"{limit.period} budget. {_remedy(limit, figures, verb='resume')}"
    )


def _remedy(limit: Limit, figures: Figures, *, verb: str = "raise") -> str:
    someone = f"an admin with quota:manage can {verb} it"
    if figures.window_end_us is None:
        return f"{_capital(someone)}."
    return f"It resets on {_reset(limit, figures):%Y-%m-%d}; {someone}."


def _at_once(limit: Limit, figures: Figures) -> RateExceeded:
    return RateExceeded(
        f"{figures.limit:,} calls at once are allowed for {_noun(limit.scope_kind)} '{limit.scope_name}', and as many "
        "are under way. Try again when one has ended; an admin with quota:manage can raise it.",
        scope=limit.scope_kind,
        scope_id=limit.scope_id,
        unit="concurrent",
        limit=figures.limit,
        retry_after_seconds=CONCURRENT_WAIT_S,
    )


def _reset(limit: Limit, figures: Figures) -> datetime:
    assert figures.window_end_us is not None
    moment = datetime.fromtimestamp(figures.window_end_us / 1_000_000, tz=UTC)
    return moment.astimezone(ZoneInfo(limit.timezone))


def _noun(scope_kind: str) -> str:
    return "api key" if scope_kind == "api_key" else scope_kind


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _usd(nanos: int) -> Decimal:
    return (Decimal(nanos) / NANOS_PER_USD).normalize() + 0


def _short(nanos: int) -> str:
    return format_usd(nanos)
