"""The past of an organization: eight weeks of calls, more of them on weekdays and from week to week, as usage records."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.store.store_factories import call_id_at

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.usage import ChargeLine, CostState, Outcome, UsageRecord

DAYS = 56
ZONE = ZoneInfo("Asia/Seoul")
_WORK_HOURS = (9, 10, 10, 11, 11, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 20, 22)


class Model(NamedTuple):
    """A model and its prices in micro-dollars for a million tokens; without prices none is known of it."""

    provider: str
    name: str
    input: int = 0
    cache_read: int = 0
    output: int = 0


SMART = Model("openai", "gpt-5.4", 2_500_000, 250_000, 15_000_000)
SMALL = Model("openai", "gpt-4o-mini", 150_000, 75_000, 600_000)
SONNET = Model("anthropic", "claude-sonnet-4-6", 3_000_000, 300_000, 15_000_000)
PRO = Model("gemini", "gemini-2.5-pro", 1_250_000, 125_000, 10_000_000)
VECTORS = Model("openai", "text-embedding-3-small", 20_000, 0, 0)
HOUSE = Model("local", "house-llm")


class Work(NamedTuple):
    """What a key is used for: how many calls a weekday, with which models, how many tokens they take and give."""

    key: ApiKey
    calls: int
    models: tuple[Model, ...]
    tokens_in: int
    tokens_out: int
    labels: dict[str, str]


def past_calls(works: list[Work], *, seed: int, now_us: int) -> list[UsageRecord]:
    """Return the calls of the last eight weeks; the same seed makes the same ones, in other hours of another day."""
    dice, now = random.Random(seed), datetime.fromtimestamp(now_us // 1_000_000, tz=UTC).astimezone(ZONE)
    made = []
    for back in range(DAYS):
        day = now.date() - timedelta(days=back)
        busy = (0.25 if day.weekday() >= 5 else 1.0) * (1.25 - back / DAYS / 2) * dice.uniform(0.75, 1.25)
        for work in works:
            for _ in range(round(work.calls * busy)):
                at = datetime(day.year, day.month, day.day, dice.choice(_WORK_HOURS), dice.randrange(60), tzinfo=ZONE)
                if at >= now:
                    at -= timedelta(hours=at.hour, minutes=at.minute)
                at_us = int(at.timestamp()) * 1_000_000 + dice.randrange(60_000_000)
                if at_us < now_us:
                    made.append(_call(dice, work, at_us))
    return made


def _call(dice: random.Random, work: Work, at_us: int) -> UsageRecord:
    model, fate = dice.choice(work.models), dice.random()
    status = 200 if fate > 0.03 else dice.choice([400, 429, 500, 503])
    tokens_in = dice.randrange(work.tokens_in // 4, work.tokens_in * 2)
    cached = tokens_in * dice.choice([0, 0, 3, 6]) // 10 if model.cache_read else 0
    quantities = {"input": tokens_in - cached, "cache_read": cached}
    if model.output or not model.input:
        quantities["output"] = dice.randrange(work.tokens_out // 4 + 1, work.tokens_out * 2 + 2)
    lines = tuple(_line(model, name, count) for name, count in quantities.items() if count)
    is_billed, is_priced = status == 200, bool(model.input)
    latency_us = dice.randrange(400_000, 1_200_000) + quantities.get("output", 0) * 4_000
    return UsageRecord(
        call_id=call_id_at(at_us),
        organization_id=work.key.organization_id,
        project_id=work.key.project_id,
        api_key_id=work.key.id,
        operation="embeddings" if model is VECTORS else "chat.completions",
        model_asked=model.name,
        model_served=model.name,
        provider=model.provider,
        status=status,
        outcome=Outcome.COMPLETE if is_billed else Outcome.PROVIDER_ERROR,
        is_stream=dice.random() < 0.4,
        started_at_us=at_us,
        latency_us=latency_us,
        first_byte_us=latency_us // 3,
        overhead_us=dice.randrange(300, 900),
        service_tier="standard",
        quantities=quantities if is_billed else {},
        reasoning_tokens=0,
        is_estimated=False,
        lines=lines if is_billed and is_priced else (),
        amount_nanos=0 if not is_billed else sum(each.amount_nanos for each in lines) if is_priced else None,
        cost_state=CostState.UNBILLED if not is_billed else CostState.COMPUTED if is_priced else CostState.UNPRICED,
        reason="" if is_priced or not is_billed else "no price is known",
        labels=work.labels,
    )


def _line(model: Model, dimension: str, quantity: int) -> ChargeLine:
    price_pico = getattr(model, dimension)  # a micro-dollar for a million units is a pico-dollar for one
    return ChargeLine(dimension, quantity, price_pico, quantity * price_pico // 1_000, "catalogue")
