"""Hundreds of days of calls written straight into a database, with the rollups that their insertion would have made.

Seven days are made call by call, one of each weekday; all others are the same days again with other ids and times. Calls
come in the hours of an office in Seoul, few at weekends; few keys make most of them, each with one to three models.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from tests.calls.many_calls import SAMPLE

from tollkeeper.domain.lease import Draw
from tollkeeper.domain.usage import ChargeLine, CostState, Outcome, UsageRecord
from tollkeeper.kit.clock import now_us
from tollkeeper.store import rollups
from tollkeeper.store.schema import charge_rollup, label_rollup, usage_record, usage_rollup
from tollkeeper.store.usage_rows import to_row

DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000
_HOURS_PER_DAY = 24
_OF_WEEKDAYS = (1.25, 1.3, 1.3, 1.25, 1.2, 0.4, 0.3)  # Monday first; seven in all
_OF_HOURS = (14, 15, 12, 14, 15, 15, 14, 12, 9, 6, 5, 4, 3, 2, 2, 1, 1, 1, 1, 1, 2, 3, 5, 9)  # UTC: nine hours behind
_MODELS = (
    ("openai", "gpt-4o-mini", 150_000, 600_000),
    ("openai", "gpt-4o", 2_500_000, 10_000_000),
    ("openai", "gpt-4.1-mini", 400_000, 1_600_000),
    ("openai", "gpt-4.1-nano", 100_000, 400_000),
    ("openai", "text-embedding-3-small", 20_000, 0),
    ("openai", "o4-mini", 1_100_000, 4_400_000),
)
_ROLLUPS = (usage_rollup, charge_rollup, label_rollup)


class Writer(NamedTuple):
    """A key as the calls know it, and the numbers of the models that it uses."""

    api_key_id: str
    project_id: str
    models: tuple[int, ...]


@dataclass(frozen=True)
class History:
    """How many records, over how many days up to now, and whose."""

    organization_id: str
    records: int
    days: int
    writers: tuple[Writer, ...]
    end_us: int = field(default_factory=lambda: now_us() // _HOUR_US * _HOUR_US)
    """The last full hour's end."""

    @property
    def today(self) -> int:
        """Days since 1970, by UTC."""
        return self.end_us // DAY_US


class Table(NamedTuple):
    """Rows for a table, oldest day first."""

    name: str
    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


class _Day(NamedTuple):
    """A day made call by call, its times as of 1970."""

    records: list[tuple[Any, ...]]
    sums: list[list[tuple[Any, ...]]]  # of `_ROLLUPS`, in their order


def writers_of(key_ids: list[tuple[str, str]]) -> tuple[Writer, ...]:
    """Return keys, given as (id, project's id), with the models that each uses: the same ones each time."""
    dice = random.Random(7)
    return tuple(
        Writer(key, project, tuple(dice.sample(range(len(_MODELS)), dice.choice((1, 1, 2, 3)))))
        for key, project in key_ids
    )


def tables_of(history: History) -> Iterator[Table]:
    """Yield what is to be written, table by table; each must be read to its end before the next."""
    dice = random.Random(1)
    share = history.records / history.days
    week = [_made(history, dice, round(share * weight)) for weight in _OF_WEEKDAYS]
    first = history.today - history.days + 1
    days = [(day, week[(day + 3) % 7]) for day in range(first, history.today + 1)]  # 1970 began on a Thursday
    names = [column.name for column in usage_record.columns]
    yield Table(usage_record.name, names, _records(history, days))
    for number, table in enumerate(_ROLLUPS):
        columns = [column.name for column in table.columns]
        yield Table(table.name, columns, _sums(history, days, number))


def _records(history: History, days: list[tuple[int, _Day]]) -> Iterator[tuple[Any, ...]]:
    for day, made in days:
        at_us, at_ms = day * DAY_US, day * DAY_US // 1000
        for organization_id, _, call_id, project_id, key_id, started_us, *rest in made.records:
            if at_us + started_us >= history.end_us:
                return
            moved = (int.from_bytes(call_id[:6]) + at_ms).to_bytes(6) + call_id[6:]
            yield (organization_id, day, moved, project_id, key_id, at_us + started_us, *rest)


def _sums(history: History, days: list[tuple[int, _Day]], number: int) -> Iterator[tuple[Any, ...]]:
    end_hour = history.end_us // _HOUR_US
    for day, made in days:
        for organization_id, hour, *rest in made.sums[number]:
            if day * _HOURS_PER_DAY + hour < end_hour:
                yield (organization_id, day * _HOURS_PER_DAY + hour, *rest)


def _made(history: History, dice: random.Random, count: int) -> _Day:
    hours = dice.choices(range(_HOURS_PER_DAY), weights=_OF_HOURS, k=count)
    moments = sorted(hour * _HOUR_US + dice.randrange(_HOUR_US // 1000) * 1000 for hour in hours)
    records = [_call(history, dice, at_us) for at_us in moments]
    found = rollups.summarise(records)
    sums = [rollups.rows(each, "slot") for each in found]
    return _Day([to_row(each) for each in records], sums)


def _call(history: History, dice: random.Random, at_us: int) -> UsageRecord:
    writer = history.writers[int(len(history.writers) * dice.random() ** 2.5)]
    provider, model, input_pico, output_pico = _MODELS[writer.models[int(len(writer.models) * dice.random() ** 2)]]
    is_refused = dice.random() < 0.01
    prices = (("input", dice.randrange(100, 9000), input_pico), ("output", dice.randrange(10, 900), output_pico))
    lines = tuple(
        ChargeLine(name, count, price, price * count // 1000, f"genai-prices 0.2.3 {model}")
        for name, count, price in prices
    )
    return msgspec.structs.replace(
        SAMPLE,
        call_id=(at_us // 1000).to_bytes(6) + b"\x70" + dice.randbytes(9),
        organization_id=history.organization_id,
        project_id=writer.project_id,
        api_key_id=writer.api_key_id,
        model_asked=model,
        model_served=model,
        provider=provider,
        operation="embeddings" if "embedding" in model else "chat.completions",
        status=429 if is_refused else 200,
        outcome=Outcome.PROVIDER_ERROR if is_refused else Outcome.COMPLETE,
        started_at_us=at_us,
        quantities={} if is_refused else {line.dimension: line.quantity for line in lines},
        lines=() if is_refused else lines,
        amount_nanos=0 if is_refused else sum(line.amount_nanos for line in lines),
        cost_state=CostState.UNBILLED if is_refused else CostState.COMPUTED,
        end_user=f"user{dice.randrange(5000)}@example.com",
        labels={"feature": f"f{dice.randrange(12)}"} if dice.random() < 0.5 else {},
        draws=(Draw(b"l" * 16, 1000, 5000, 10**11, 10**9),),
    )
