"""What a batch of usage records adds to the hourly rollups. Pure; used to write them and to verify them.

A record's hour is that of its call id's time. Unpriced calls add no amount and are counted, so that a sum of amounts
can always say how many calls it does not cover.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tollkeeper.domain.usage import tokens_of
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
    groups: dict[tuple[Any, ...], _Group] = {}
    for record in records:
        key = (
            record.organization_id,
            uuid7_ms(record.call_id) // MS_PER_HOUR,
            record.project_id,
            record.api_key_id,
            record.provider,
            record.model_served,
            record.operation,
            record.service_tier,
            record.cost_state._value_,  # `value` is a property and costs as much as the rest of the key
            tuple(record.labels.items()),
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
    """The sums of the records that go into the same rows: most of a batch's records share a few groups."""

    __slots__ = ("amounts", "calls", "quantities", "quantities_of_lines", "unpriced_quantities")

    def __init__(self) -> None:
        self.calls = [0] * 9  # the measures of usage_rollup
        self.quantities: dict[str, int] = {}  # by dimension, as are the next three
        self.unpriced_quantities: dict[str, int] = {}
        self.quantities_of_lines: dict[str, int] = {}  # of dimensions that only a line has
        self.amounts: dict[str, int] = {}

    def add(self, record: UsageRecord) -> None:
        quantities, amounts = self.quantities, self.amounts
        of_record = record.quantities
        amount = record.amount_nanos
        for dimension, quantity in of_record.items():
            quantities[dimension] = quantities.get(dimension, 0) + quantity
        for line in record.lines:
            dimension = line.dimension
            amounts[dimension] = amounts.get(dimension, 0) + line.amount_nanos
            if dimension not in of_record:
                _count(self.quantities_of_lines, {dimension: line.quantity})
        if amount is None:
            _count(self.unpriced_quantities, of_record)
        calls = self.calls
        calls[0] += 1
        calls[1] += record.status >= _FIRST_ERROR_STATUS or record.status == 0
        calls[4] += amount or 0
        calls[5] += amount is None
        calls[6] += record.latency_us
        calls[7] += record.first_byte_us
        calls[8] += record.overhead_us

    def add_to(self, rollups: Rollups, key: tuple[Any, ...]) -> None:
        *call, cost_state, labels = key
        calls = self.calls
        calls[2:4] = tokens_of(self.quantities)
        _increase(rollups.usage, (*call, cost_state), calls)
        quantities, unpriced, amounts = self.quantities, self.unpriced_quantities, self.amounts
        _count(quantities, self.quantities_of_lines)
        unexplained = calls[4] - sum(amounts.values())
        if unexplained:
            _count(amounts, {UNEXPLAINED: unexplained})
        charges = rollups.charges
        for dimension in quantities.keys() | amounts.keys():
            quantity, amount = quantities.get(dimension, 0), amounts.get(dimension, 0)
            if quantity or amount:  # what has no price is a part of the quantity
                _increase(charges, (*call, dimension), (quantity, unpriced.get(dimension, 0), amount))
        organization_id, hour, project_id, _, _, model, *_ = call
        for label in labels:
            by = (calls[0], calls[5], calls[4], calls[2], calls[3])
            _increase(rollups.labels, (organization_id, hour, project_id, model, *label), by)


def _count(into: dict[str, int], by: dict[str, int]) -> None:
    for dimension, quantity in by.items():
        into[dimension] = into.get(dimension, 0) + quantity


def _increase(sums: Sums, key: Key, by: Sequence[int]) -> None:
    measures = sums.get(key)
    if measures is None:
        sums[key] = list(by)
        return
    for index, value in enumerate(by):
        measures[index] += value
