"""Makes reservations and records fit a frame: a reservation that cannot is refused, a record is cut until it does."""

from __future__ import annotations

import logging

import msgspec

from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.reservation import Reservation
from tollkeeper.domain.usage import CostState, UsageRecord
from tollkeeper.journal.format import PAYLOAD_BYTES_MAX, encode_payload

_log = logging.getLogger(__name__)

_TEXT_LENGTHS = (4_096, 256)  # at most 4 bytes each: what remains of a record cut to the second is a few KiB
_COUNT_MAX = 64  # dimensions; there are 13
_INT64_MAX = 2**63 - 1
CUT_REASON = "the record was too large for the journal and was cut"
NUMBER_REASON = "an amount or quantity was beyond 64 bits"


def reservation_payload(reservation: Reservation) -> bytes:
    """Encode a reservation.

    Raises:
        InvalidRequest: it is too large for a frame, or holds what cannot be encoded: the call must not go out.
    """
    try:
        payload = encode_payload(reservation)
    except (UnicodeEncodeError, OverflowError) as error:
        message = f"The call cannot be written to the journal: {error}."
        raise InvalidRequest(message) from error
    if len(payload) > PAYLOAD_BYTES_MAX:
        message = f"The call's model name, user and labels take more than {PAYLOAD_BYTES_MAX} bytes; shorten them."
        raise InvalidRequest(message)
    return payload


def record_payload(record: UsageRecord) -> bytes:
    """Encode a record, cut with a loud log line when it would not fit a frame: a call that went out must settle.

    Texts are cut first, then lines and labels go; the amount stays unless it is beyond 64 bits, which no call costs.
    """
    payload = _encoded(record)
    if payload is not None:
        return payload
    _log.critical("the usage record of call %s does not fit the journal and is cut", record.call_id.hex())
    for length in _TEXT_LENGTHS:
        payload = _encoded(_cut(record, length=length, is_last=length == _TEXT_LENGTHS[-1]))
        if payload is not None:
            return payload
    raise AssertionError  # what remains has a bound


def _encoded(record: UsageRecord) -> bytes | None:
    try:
        payload = encode_payload(record)
    except (UnicodeEncodeError, OverflowError):
        return None
    return payload if len(payload) <= PAYLOAD_BYTES_MAX else None


def _cut(record: UsageRecord, *, length: int, is_last: bool) -> UsageRecord:
    texts = {name: _text(value, length) for name, value in msgspec.structs.asdict(record).items() if type(value) is str}
    quantities = {_text(name, length): value for name, value in record.quantities.items() if _fits(value)}
    lines = tuple(
        msgspec.structs.replace(line, dimension=_text(line.dimension, length), source=_text(line.source, length))
        for line in record.lines
    )
    numbers = (record.amount_nanos or 0, *record.quantities.values())
    numbers += tuple(number for line in lines for number in (line.quantity, line.price_pico, line.amount_nanos))
    is_beyond = not all(_fits(number) for number in numbers)
    times = {
        name: min(max(getattr(record, name), 0), _INT64_MAX)
        for name in ("status", "started_at_us", "latency_us", "first_byte_us", "overhead_us", "reasoning_tokens")
    }
    priced = {} if not is_beyond else {"amount_nanos": None, "cost_state": CostState.UNPRICED}
    reason = NUMBER_REASON if is_beyond else f"{texts['reason']} ({CUT_REASON})".lstrip()
    changes = {
        **texts,
        **times,
        "steps_us": record.steps_us if all(map(_fits, record.steps_us)) else (),
        "quantities": dict(list(quantities.items())[:_COUNT_MAX]),
        "lines": () if is_last or is_beyond else lines,
        "labels": {} if is_last else {_text(key, length): _text(value, length) for key, value in record.labels.items()},
        "reason": reason,
        **priced,
    }
    return msgspec.structs.replace(record, **changes)


def _text(value: str, length: int) -> str:
    return value[:length].encode(errors="replace").decode()


def _fits(number: int) -> bool:
    return -_INT64_MAX <= number <= _INT64_MAX
