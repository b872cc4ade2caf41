"""What a provider says in an answer's usage that it bills for the call: xAI's ticks, OpenRouter's dollars. Pure.

Sources, read 2026-11-22: docs.x.ai/developers/cost-tracking (`cost_in_usd_ticks`, 10^10 of them are a dollar, fees and
discounts included); openrouter.ai/docs/use-cases/usage-accounting (`cost`, what is charged to the account; of a call with a
key of one's own, `is_byok`, what the other provider bills is `cost_details.upstream_inference_cost` and comes on top).
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import msgspec

from tollkeeper.domain.money import NANOS_PER_USD

TICKS_PER_USD = 10**10
REPORTED_NANOS_MAX = 10**15
"""A million dollars: no call comes to that much, and what says so is no cost."""
_TICKS_PER_NANO = TICKS_PER_USD // NANOS_PER_USD
_NUMBER_LENGTH_MAX = 64
_EXPONENT_MAX = 30  # of ten, either way: beyond it a number is an attack
_NOTHING = msgspec.Raw()


class CostDetails(msgspec.Struct):
    upstream_inference_cost: msgspec.Raw = _NOTHING


class CostFields(msgspec.Struct):
    """The part of a usage that tells its cost, each as it stands there: none of it may spoil the rest of a usage."""

    cost_in_usd_ticks: msgspec.Raw = _NOTHING
    cost: msgspec.Raw = _NOTHING
    is_byok: msgspec.Raw = _NOTHING
    cost_details: msgspec.Raw = _NOTHING


_decode_details = msgspec.json.Decoder(CostDetails).decode


def reported_nanos(fields: CostFields) -> int | None:
    """Return what is stated, in nano-USD rounded half up once; None when nothing is, or nothing that can be a cost."""
    if fields.cost_in_usd_ticks and (ticks := _ticks(bytes(fields.cost_in_usd_ticks))) is not None:
        return ticks
    dollars = _dollars(fields.cost)
    if dollars is None:
        return None
    if bytes(fields.is_byok) == b"true":
        upstream = _upstream(fields.cost_details)
        if upstream is None:
            return None  # the larger part of what is paid is not known
        dollars += upstream
    nanos = int((dollars * NANOS_PER_USD).to_integral_value(ROUND_HALF_UP))
    return nanos if nanos <= REPORTED_NANOS_MAX else None


def without_cost(usage: Any) -> Any:
    """Return a usage that was read as plain values without the fields of its cost."""
    if not isinstance(usage, dict):
        return usage
    return {name: value for name, value in usage.items() if name not in CostFields.__struct_fields__}


def copy_cost(usage: Any, into: CostFields) -> None:
    """Write the fields of the cost of a usage that was read as plain values as they would stand in JSON."""
    for name in CostFields.__struct_fields__:
        if name in usage:
            setattr(into, name, msgspec.Raw(msgspec.json.encode(usage[name])))


def _ticks(text: bytes) -> int | None:
    if len(text) > _NUMBER_LENGTH_MAX or not text.isdigit():
        return None
    nanos = (int(text) + _TICKS_PER_NANO // 2) // _TICKS_PER_NANO
    return nanos if nanos <= REPORTED_NANOS_MAX else None


def _dollars(raw: msgspec.Raw) -> Decimal | None:
    text = bytes(raw)
    if not text or len(text) > _NUMBER_LENGTH_MAX:
        return None
    try:
        found = Decimal(text.decode("ascii"))
    except (InvalidOperation, ValueError):
        return None
    if not found.is_finite() or found < 0 or abs(found.adjusted()) > _EXPONENT_MAX:
        return None
    return found


def _upstream(details: msgspec.Raw) -> Decimal | None:
    if not details:
        return None
    try:
        return _dollars(_decode_details(details).upstream_inference_cost)
    except msgspec.DecodeError:
        return None
