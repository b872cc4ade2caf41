"""What is told about rates: the headers of an answer, the figures of a limit, and the refusal of a call that comes too fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tollkeeper.domain.errors import RateExceeded
from tollkeeper.domain.rate_limit import shown_duration
from tollkeeper.domain.rate_share import Meter
from tollkeeper.ports.limiter import Headers

_NOUNS = {"api_key": "API key"}


def headers_of(meters: Sequence[Meter], now_ns: int) -> Headers:
    """Return limit, remaining and reset of the tightest rate of each unit, as OpenAI's headers.

    Tightest is the one of which the least is left. A call that counts for no more than what remains goes at once; the
    reset says when the whole minute's limit is there again.
    """
    of_requests: Meter | None = None
    of_tokens: Meter | None = None
    least_requests = least_tokens = 0
    for meter in meters:
        meter.drain(now_ns)
        left = meter.remaining
        if meter.is_tokens:
            if of_tokens is None or left < least_tokens:
                of_tokens, least_tokens = meter, left
        elif of_requests is None or left < least_requests:
            of_requests, least_requests = meter, left
    found: list[tuple[bytes, bytes]] = []
    if of_requests is not None:
        found += (
            (b"x-ratelimit-limit-requests", b"%d" % of_requests.limit),
            (b"x-ratelimit-remaining-requests", b"%d" % least_requests),
            (b"x-ratelimit-reset-requests", shown_duration(of_requests.empty_in_ns).encode()),
        )
    if of_tokens is not None:
        found += (
            (b"x-ratelimit-limit-tokens", b"%d" % of_tokens.limit),
            (b"x-ratelimit-remaining-tokens", b"%d" % least_tokens),
            (b"x-ratelimit-reset-tokens", shown_duration(of_tokens.empty_in_ns).encode()),
        )
    return found


def figures_of(meter: Meter, tokens: int, *, is_decisive: bool = False) -> dict[str, Any]:
    """Return the figures of a rate as they are: for a call that was just let in, with the call in them."""
    rule = meter.rule
    return {
        "kind": "rate",
        "rate_limit_id": rule.id,
        "scope_kind": rule.scope_kind,
        "scope_id": rule.scope_id,
        "scope_name": rule.scope_name,
        "model": rule.model,
        "unit": meter.unit,
        "period": "minute",
        "limit": meter.limit,
        "left": meter.remaining,
        "needed": tokens if meter.is_tokens else 1,
        "is_decisive": is_decisive,
    }


def refusal_of(slowest: Meter, wait_ns: int, meters: Sequence[Meter], tokens: int) -> RateExceeded:
    """Return the error for a call that must wait for a bucket; the wait is rounded up to the millisecond."""
    rule, wait_ms = slowest.rule, -(-wait_ns // 1_000_000)
    whose = f"{_NOUNS.get(rule.scope_kind, rule.scope_kind)} '{rule.scope_name}'"
    for_model = f" and model '{rule.model}'" if rule.model else ""
    right = "api_key:create" if rule.id == rule.scope_id else "quota:manage"  # a limit among the key's own terms
    fields: dict[str, Any] = {
        "limit_name": f"{slowest.unit}_per_minute",
        "scope": rule.scope_kind,
        "scope_id": rule.scope_id,
        "unit": slowest.unit,
        "limit": slowest.limit,
        "retry_after_seconds": wait_ms / 1000,
    }
    if rule.model:
        fields["model"] = rule.model
    error = RateExceeded(
        f"Rate limit of {slowest.limit:,} {slowest.unit} a minute reached for {whose}{for_model}. Try again in "
        f"{shown_duration(wait_ns)}; an admin with {right} can raise it.",
        **fields,
    )
    error.looked_at = tuple(figures_of(each, tokens, is_decisive=each is slowest) for each in meters)
    error.rate_headers = tuple(headers_of(meters, slowest.at_ns))
    return error
