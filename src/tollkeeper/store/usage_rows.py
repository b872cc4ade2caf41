"""A usage record as a row: few columns to filter by, the rest in one JSON text. Both ways, for both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tollkeeper.domain.usage import ChargeLine, CostState, Outcome, UsageRecord
from tollkeeper.kit.ids import uuid7_ms
from tollkeeper.store.schema import usage_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

COLUMNS = tuple(column.name for column in usage_record.columns)
MS_PER_HOUR = 3_600_000
MS_PER_DAY = 86_400_000

Row = tuple[str, int, bytes, str, str, int, str, str, int, str, "int | None", str, str]


class Detail(msgspec.Struct, omit_defaults=True, gc=False):
    """What nobody filters by. New fields go to the end and need a default, so that old rows stay readable."""

    operation: str
    model_asked: str
    outcome: Outcome
    is_stream: bool
    latency_us: int
    first_byte_us: int
    overhead_us: int
    service_tier: str
    quantities: dict[str, int]
    reasoning_tokens: int = 0
    is_estimated: bool = False
    lines: tuple[ChargeLine, ...] = ()
    reason: str = ""
    labels: dict[str, str] = {}
    provider_request_id: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Detail).decode


def distinct(records: Iterable[UsageRecord]) -> list[UsageRecord]:
    """Return the records in the order of their call ids, each call once: writers that overlap then never deadlock."""
    by_call = {(record.organization_id, record.call_id): record for record in records}
    return [by_call[key] for key in sorted(by_call)]


def to_row(record: UsageRecord) -> Row:
    """Return the values of `COLUMNS`."""
    detail = Detail(
        record.operation,
        record.model_asked,
        record.outcome,
        record.is_stream,
        record.latency_us,
        record.first_byte_us,
        record.overhead_us,
        record.service_tier,
        record.quantities,
        record.reasoning_tokens,
        record.is_estimated,
        record.lines,
        record.reason,
        record.labels,
        record.provider_request_id,
    )
    return (
        record.organization_id,
        uuid7_ms(record.call_id) // MS_PER_DAY,
        record.call_id,
        record.project_id,
        record.api_key_id,
        record.started_at_us,
        record.provider,
        record.model_served,
        record.status,
        record.cost_state._value_,
        record.amount_nanos,
        record.end_user,
        _encode(detail).decode(),
    )


def from_row(row: Sequence[Any]) -> UsageRecord:
    """Return the record that `to_row` made the row from."""
    detail = _decode(row[12])
    return UsageRecord(
        call_id=bytes(row[2]),
        organization_id=row[0],
        project_id=row[3],
        api_key_id=row[4],
        operation=detail.operation,
        model_asked=detail.model_asked,
        model_served=row[7],
        provider=row[6],
        status=row[8],
        outcome=detail.outcome,
        is_stream=detail.is_stream,
        started_at_us=row[5],
        latency_us=detail.latency_us,
        first_byte_us=detail.first_byte_us,
        overhead_us=detail.overhead_us,
        service_tier=detail.service_tier,
        quantities=detail.quantities,
        reasoning_tokens=detail.reasoning_tokens,
        is_estimated=detail.is_estimated,
        lines=detail.lines,
        amount_nanos=row[10],
        cost_state=CostState(row[9]),
        reason=detail.reason,
        end_user=row[11],
        labels=detail.labels,
        provider_request_id=detail.provider_request_id,
    )
