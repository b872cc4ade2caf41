"""Where DeepSeek and xAI speak OpenAI's dialect with an accent: keys, prices by the hour, caches, errors.

Sources: api-docs.deepseek.com (quick_start/pricing, quick_start/error_codes, guides/kv_cache) and docs.x.ai (developers/cost-tracking,
debugging), read 2026-11-21; xAI's error shape is known from clients' reports only.

What they cannot do here: prefix completion, DeepSeek's balance API, tools on xAI's side other than
`search_parameters`, its management API, deferred answers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator import clock
from tollkeeper_simulator.answer import OPENAI_ERROR_EVENT
from tollkeeper_simulator.bill import lines_for

if TYPE_CHECKING:
    from tollkeeper_simulator.answer import Answer, Job
    from tollkeeper_simulator.bill import Usage
    from tollkeeper_simulator.openai.catalogue import Model
    from tollkeeper_simulator.prices import Provider, Tier
    from tollkeeper_simulator.settings import Settings

_PEAK_HOURS = frozenset({*range(1, 4), *range(6, 10)})
_FRIDAY = 4
_TICKS_PER_NANO = 10
_CACHE_LEAST_AND_STEP: dict[Provider, tuple[int, int]] = {"deepseek": (64, 64), "xai": (128, 128)}
_XAI_CODES = {
    400: "Client specified an invalid argument",
    401: "Unauthenticated",
    403: "The caller does not have permission to execute the specified operation",
    404: "Some requested entity was not found",
    429: "Some resource has been exhausted",
    500: "Internal error",
    503: "The service is currently unavailable",
}
_XAI_QUOTA = (
    "Your team has either used all available credits or reached its monthly spending limit. To continue making API requests, "
    "please purchase more credits or raise your spending limit."
)
_XAI_ERROR_EVENT = b'data: {"code":"Internal error","error":"The stream was broken off."}\n\n'


def is_peak(now_s: int) -> bool:
    """Whether DeepSeek's peak prices hold: 01:00-04:00 and 06:00-10:00 UTC from Monday to Friday."""
    moment = datetime.fromtimestamp(now_s, UTC)
    return moment.weekday() <= _FRIDAY and moment.hour in _PEAK_HOURS


def tier_of(model: Model, asked: Tier, settings: Settings) -> Tier:
    """Return the tier that a request is billed at: only OpenAI's can be asked for, DeepSeek's is the hour's."""
    if model.family == "deepseek":
        peak = is_peak(clock.now_s()) if settings.peak_hours is None else settings.peak_hours
        return "peak" if peak else "default"
    return asked if model.family == "openai" else "default"


def percent_of(model: Model, settings: Settings) -> int:
    """Return what the prices are of the list's."""
    return settings.grok_percent if model.family == "xai" else 100


def cache_rule(model: Model) -> dict[str, int]:
    """Return from how many tokens on, and in which steps, prompts are cached; empty for OpenAI's own rule."""
    if model.family not in _CACHE_LEAST_AND_STEP:
        return {}
    least, step = _CACHE_LEAST_AND_STEP[model.family]
    return {"least": least, "step": step}


def ticks(job: Job, usage: Usage) -> int:
    """Return what `usage` costs in xAI's ticks, 10^-10 US dollars."""
    return (
        sum(line.amount_nano for line in lines_for(job.model, job.tier, usage, percent=job.percent)) * _TICKS_PER_NANO
    )


def error_event(family: Provider) -> bytes:
    """Return what ends a stream that breaks."""
    return _XAI_ERROR_EVENT if family == "xai" else OPENAI_ERROR_EVENT


def as_xai_says_it(answer: Answer) -> None:
    """Turn an error of OpenAI's shape into xAI's, whose `error` is a string."""
    error = msgspec.json.decode(answer.body)["error"]
    message = _XAI_QUOTA if error["type"] == "insufficient_quota" else error["message"]
    answer.body = msgspec.json.encode({"code": _XAI_CODES.get(answer.status, "Unknown error"), "error": message})
