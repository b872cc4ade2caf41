"""A usage record as a row: few columns to filter by, the rest in one JSON text. Both ways, for both engines."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import msgspec

from tollkeeper.domain.lease import Draw
from tollkeeper.domain.usage import ChargeLine, CostState, Outcome, RateFigure, Try, UsageRecord
from tollkeeper.kit.ids import uuid7_ms
from tollkeeper.store.schema import usage_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

COLUMNS = tuple(column.name for column in usage_record.columns)
MS_PER_HOUR = 3_600_000
MS_PER_DAY = 86_400_000

Row = tuple[str, int, bytes, str, str, int, str, str, int, str, "int | None", str, str]


KEY_BYTES = 256
"""Bound of a text that is part of a rollup's key. PostgreSQL's index rows may take 2,704 bytes, all keys together."""
TIER_BYTES = 64
LABEL_VALUE_BYTES = 512  # 128 characters, whichever they are
TEXT_BYTES = 1024  # of a text that is no key
NUMBER_MAX = 2**50
"""Bound of a single call's amount (1.1 million dollars), quantities and times: 8,191 such records fit an int64 sum."""
DRAWS_MAX = 512
"""Of a call: more than its six scopes can have budgets (`control.budgets.BUDGETS_PER_SCOPE_MAX`). All of them count for
their leases; those beyond are not kept with the record, which says how many they were."""
_LEASE_ID_BYTES = 16
_INT64_MAX = 2**63 - 1
BEYOND_REASON = "an amount or quantity was beyond what a call can have"

_log = logging.getLogger(__name__)
_CHARACTER_BYTES = 4  # of UTF-8, at most
_UNSTORABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TEXT_BYTES = {
    **dict.fromkeys(
        ("organization_id", "project_id", "api_key_id", "operation", "model_served", "provider"), KEY_BYTES
    ),
    "service_tier": TIER_BYTES,
    **dict.fromkeys(("model_asked", "reason", "end_user", "provider_request_id"), TEXT_BYTES),
}
_TIMES = ("latency_us", "first_byte_us", "overhead_us")


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
    draws: tuple[Draw, ...] = ()
    reserved_nanos: int = 0
    rates: tuple[RateFigure, ...] = ()
    draws_cut: int = 0  # how many more draws there were
    tries: tuple[Try, ...] = ()
    steps_us: tuple[int, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Detail).decode


def distinct(records: Iterable[UsageRecord]) -> list[UsageRecord]:
    """Return the records as both engines can store them, in the order of their call ids, each call once.

    Writers that overlap then never deadlock.
    """
    by_call = {
        (record.organization_id, record.call_id): record if is_plain(record) else storable(record) for record in records
    }
    return [by_call[key] for key in sorted(by_call)]


def is_plain(record: UsageRecord) -> bool:
    """Tell at a tenth of the cost of `storable` that it would return the record itself; False when that is not sure."""
    texts = [
        record.organization_id, record.project_id, record.api_key_id, record.operation, record.model_asked,
        record.model_served, record.provider, record.reason, record.end_user, record.provider_request_id,
        record.service_tier,
    ]  # fmt: skip
    texts += record.quantities
    texts += record.labels
    texts += record.labels.values()
    numbers = [record.amount_nanos or 0, record.reasoning_tokens, record.latency_us, record.first_byte_us]
    numbers += record.quantities.values()
    numbers.append(record.overhead_us)
    numbers += record.steps_us
    for line in record.lines:
        texts += (line.dimension, line.source)
        numbers += (line.quantity, line.price_pico, line.amount_nanos)
    for draw in record.draws:
        if not _is_storable_draw(draw):
            return False
    together = "".join(texts)
    return (
        together.isascii()
        and together.isprintable()
        and (len(together) <= KEY_BYTES or len(max(texts, key=len)) <= KEY_BYTES)
        and len(record.service_tier) <= TIER_BYTES
        and min(numbers) >= 0
        and max(numbers) <= NUMBER_MAX
    )


def storable(record: UsageRecord) -> UsageRecord:
    """Return the record itself when both engines can store it, or one with what they cannot store mended.

    Texts lose control characters, lone surrogates and what is beyond their bound. A record with an amount or quantity
    outside ±`NUMBER_MAX` becomes unpriced, without quantities and lines, with a critical log line: no sum of ours is
    wrong in silence. Draws and times outside 0 to `NUMBER_MAX` are cut to it, those of steps left out. Sums never saturate: thousands of records at
    the bound fit into a rollup row, and one that did not would be refused and set aside.
    """
    changes: dict[str, Any] = {}
    for name, bytes_max in _TEXT_BYTES.items():
        text = getattr(record, name)
        if (kept := storable_text(text, bytes_max)) is not text:
            changes[name] = kept
    if any(storable_text(text, KEY_BYTES) is not text for text in record.quantities):
        changes["quantities"] = {storable_text(name, KEY_BYTES): count for name, count in record.quantities.items()}
    if any(_storable_label(label) is not label for label in record.labels.items()):
        changes["labels"] = dict(map(_storable_label, record.labels.items()))
    if any(_storable_line(line) is not line for line in record.lines):
        changes["lines"] = tuple(map(_storable_line, record.lines))
    if record.draws and not all(map(_is_storable_draw, record.draws)):
        _log.critical("call %s has draws that no call can have: they are cut", record.call_id.hex())
        changes["draws"] = tuple(map(_storable_draw, record.draws))
    changes |= _mended_times(record)
    if not all(-NUMBER_MAX <= number <= NUMBER_MAX for number in _numbers(record)):
        _log.critical("call %s has an amount or quantity that no call can have: unpriced", record.call_id.hex())
        changes |= {
            "amount_nanos": None,
            "cost_state": CostState.UNPRICED,
            "quantities": {},
            "reasoning_tokens": 0,
            "lines": (),
            "reason": BEYOND_REASON,
        }
    return msgspec.structs.replace(record, **changes) if changes else record


def storable_text(text: str, bytes_max: int) -> str:
    """Return the text itself, or without control characters and lone surrogates and cut to `bytes_max` of UTF-8."""
    if text.isprintable() and (len(text) * _CHARACTER_BYTES <= bytes_max or len(text.encode()) <= bytes_max):
        return text
    clean = _UNSTORABLE.sub("", text)
    cut = clean.encode()[:bytes_max].decode(errors="ignore")
    return text if cut == text else cut


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
        record.draws[:DRAWS_MAX],
        record.reserved_nanos,
        record.rates,
        _draws_cut(record),
        record.tries,
        record.steps_us,
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
        draws=detail.draws,
        reserved_nanos=detail.reserved_nanos,
        rates=detail.rates,
        tries=detail.tries,
        steps_us=detail.steps_us,
    )


def _storable_label(label: tuple[str, str]) -> tuple[str, str]:
    key, value = storable_text(label[0], KEY_BYTES), storable_text(label[1], LABEL_VALUE_BYTES)
    return label if key is label[0] and value is label[1] else (key, value)


def _storable_line(line: ChargeLine) -> ChargeLine:
    dimension, source = storable_text(line.dimension, KEY_BYTES), storable_text(line.source, TEXT_BYTES)
    if dimension is line.dimension and source is line.source:
        return line
    return msgspec.structs.replace(line, dimension=dimension, source=source)


def _mended_times(record: UsageRecord) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for name in _TIMES:
        if not 0 <= (time_us := getattr(record, name)) <= NUMBER_MAX:
            changes[name] = min(max(time_us, 0), NUMBER_MAX)
    if not all(0 <= step_us <= NUMBER_MAX for step_us in record.steps_us):
        changes["steps_us"] = ()  # a part of them would tell wrong
    return changes


def _is_storable_draw(draw: Draw) -> bool:
    return (
        len(draw.lease_id) <= _LEASE_ID_BYTES
        and 0 <= draw.amount <= NUMBER_MAX
        and -_INT64_MAX <= draw.left <= _INT64_MAX
        and -_INT64_MAX <= draw.limit <= _INT64_MAX
        and -_INT64_MAX <= draw.used <= _INT64_MAX
    )


def _storable_draw(draw: Draw) -> Draw:
    figures = (min(max(number, -_INT64_MAX), _INT64_MAX) for number in (draw.left, draw.limit, draw.used))
    return Draw(draw.lease_id[:_LEASE_ID_BYTES], min(max(draw.amount, 0), NUMBER_MAX), *figures)


def _draws_cut(record: UsageRecord) -> int:
    cut = max(len(record.draws) - DRAWS_MAX, 0)
    if cut:
        _log.critical("call %s drew on %d budgets too many to be kept: they count", record.call_id.hex(), cut)
    return cut


def _numbers(record: UsageRecord) -> Iterator[int]:
    yield record.amount_nanos or 0
    yield record.reasoning_tokens
    yield from record.quantities.values()
    for line in record.lines:
        yield line.quantity
        yield line.price_pico
        yield line.amount_nanos
