"""What a batch of usage records adds to the hourly rollups. Pure; used to write them and to verify them.

A record's hour is that of its call id's time. Unpriced calls add no amount and are counted, so that a sum of amounts
can always say how many calls it does not cover.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tollkeeper.domain.usage import INPUT_DIMENSIONS
from tollkeeper.kit.ids import uuid7_ms
from tollkeeper.store.schema import charge_rollup, label_rollup, usage_rollup
from tollkeeper.store.usage_rows import MS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Table

    from tollkeeper.domain.usage import UsageRecord

Key = tuple[str | int, ...]
"""A rollup row's key columns in the table's order, without the slot."""
Sums = dict[Key, list[int]]
"""Per key, the row's measure columns in the table's order."""

ROLLUP_TABLES: tuple[Table, ...] = (usage_rollup, charge_rollup, label_rollup)
UNEXPLAINED = ""
"""The dimension of charge_rollup that takes amounts which no line explains."""

_FIRST_ERROR_STATUS = 400


class Rollups(NamedTuple):
    """What is added, in the order of `ROLLUP_TABLES`."""

    usage: Sums
    charges: Sums
    labels: Sums


def summarise(records: Iterable[UsageRecord]) -> Rollups:
    """Add records up. Each record is expected once."""
    groups: dict[Key, _Group] = {}
    for record in records:
        key: Key = (
            record.organization_id,
            uuid7_ms(record.call_id) // MS_PER_HOUR,
            record.project_id,
            record.api_key_id,
            record.provider,
            record.model_served,
            record.operation,
            record.service_tier,
            record.cost_state._value_,  # `value` is a property and costs as much as the rest of the key
        )
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group()
        group.add(record)
    rollups = Rollups({}, {}, {})
    for key, group in groups.items():
        group.add_to(rollups, key)
    return rollups


def rows(sums: Sums, slot: str) -> list[tuple[str | int, ...]]:
    """Return whole table rows for a slot, sorted by key."""
    return [(*key, slot, *measures) for key, measures in sorted(sums.items())]


def merge(into: Sums, sums: Sums) -> None:
    """Add sums to others."""
    for key, measures in sums.items():
        _increase(into, key, measures)


class _Group:
    """The sums of the records that share a row of usage_rollup: most of a batch's records share a few."""

    __slots__ = ("calls", "dimensions", "labels")

    def __init__(self) -> None:
        self.calls = [0] * 9
        self.dimensions: dict[str, list[int]] = {}
        self.labels: dict[tuple[str, str], list[int]] = {}

    def add(self, record: UsageRecord) -> None:
        amount = record.amount_nanos
        unpriced = 0 if amount is not None else 1
        dimensions = self.dimensions
        input_tokens = output_tokens = 0
        for dimension, quantity in record.quantities.items():
            sums = dimensions.get(dimension)
            if sums is None:
                sums = dimensions[dimension] = [0, 0, 0]
            sums[0] += quantity
            if unpriced:
                sums[1] += quantity
            if dimension in INPUT_DIMENSIONS:
                input_tokens += quantity
            else:
                output_tokens += quantity
        for line in record.lines:
            sums = dimensions.setdefault(line.dimension, [0, 0, 0])
            sums[2] += line.amount_nanos
            if line.dimension not in record.quantities:
                sums[0] += line.quantity
        calls = self.calls
        calls[0] += 1
        calls[1] += record.status >= _FIRST_ERROR_STATUS or record.status == 0
        calls[2] += input_tokens
        calls[3] += output_tokens
        calls[4] += amount or 0
        calls[5] += unpriced
        calls[6] += record.latency_us
        calls[7] += record.first_byte_us
        calls[8] += record.overhead_us
        for label in record.labels.items():
            _increase(self.labels, label, (1, unpriced, amount or 0, input_tokens, output_tokens))

    def add_to(self, rollups: Rollups, key: Key) -> None:
        rollups.usage[key] = self.calls
        call = key[:-1]
        unexplained = self.calls[4]
        for dimension, sums in self.dimensions.items():
            unexplained -= sums[2]
            if any(sums):
                _increase(rollups.charges, (*call, dimension), sums)
        if unexplained:
            _increase(rollups.charges, (*call, UNEXPLAINED), (0, 0, unexplained))
        organization_id, hour, project_id, model = key[0], key[1], key[2], key[5]
        for label, sums in self.labels.items():
            _increase(rollups.labels, (organization_id, hour, project_id, model, *label), sums)


def _increase(sums: dict[Any, list[int]], key: Any, by: Sequence[int]) -> None:
    measures = sums.get(key)
    if measures is None:
        sums[key] = list(by)
        return
    for index, value in enumerate(by):
        measures[index] += value
