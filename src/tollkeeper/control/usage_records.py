"""A single usage record as the JSON that programs get, from the API and the command line alike."""

from __future__ import annotations

from typing import Any

import msgspec

from tollkeeper.domain.money import format_usd
from tollkeeper.domain.usage import UsageRecord


def describe_record(record: UsageRecord) -> dict[str, Any]:
    """Return the fields of a record; amounts also as exact numbers of dollars, null when there is none.

    By which limits the call was let in, and with what figures, is told by `decisions.explain_call`; how long its steps took by
    `call_views.describe_opened`.
    """
    described: dict[str, Any] = msgspec.structs.asdict(record)
    for told_elsewhere in ("draws", "rates", "steps_us"):
        del described[told_elsewhere]
    described["call_id"] = record.call_id.hex()
    described["lines"] = [
        {**msgspec.structs.asdict(line), "amount_usd": usd_number(line.amount_nanos)} for line in record.lines
    ]
    described["tries"] = [msgspec.structs.asdict(each) for each in record.tries]
    return {
        "object": "usage.record",
        "request_id": request_id_of(record),
        **described,
        "reserved_usd": usd_number(record.reserved_nanos),
        "amount_usd": usd_number(record.amount_nanos),
    }


def request_id_of(record: UsageRecord) -> str:
    """Return the id that the call was answered with, in x-request-id."""
    return f"req_{record.call_id.hex()}"


def usd_number(nanos: int | None) -> msgspec.Raw | None:
    """Return an amount as a JSON number with all its digits."""
    return None if nanos is None else msgspec.Raw(format_usd(nanos).encode())
