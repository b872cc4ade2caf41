"""Reads an export of the audit log back and checks it, event by event: it may be larger than the memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from io import BufferedReader, TextIOWrapper
from itertools import islice, product

import msgspec

from tollkeeper.domain.audit import ExportedEvent
from tollkeeper.domain.audit_copy import CopyCheck, CopyReport
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.kit.spreadsheets import FORMULA_STARTS

LINE_BYTES_MAX = 16 * 1024 * 1024
_READINGS_MAX = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS = (
    "id", "actor_kind", "actor_id", "actor_name", "address", "request_id", "action", "target_kind", "target_id",
    "target_name", "before", "after",
)  # fmt: skip


class _Party(msgspec.Struct):
    kind: str
    id: str
    name: str


class _Line(msgspec.Struct):
    id: str
    number: int
    at: str
    action: str
    actor: _Party
    address: str
    request_id: str
    target: _Party
    before: msgspec.Raw
    after: msgspec.Raw
    mac: str
    previous_mac: str


def check_file(
    file: BufferedReader, organization_id: str, key: bytes, *, kept: Mapping[int, bytes] | None = None
) -> CopyReport:
    """Check an export of an organization's log, JSON Lines or CSV, against the key that its macs were made with.

    Raises:
        InvalidRequest: it is no such file; the message says which event.
    """
    check = CopyCheck(organization_id, key, kept=kept)
    is_json = file.peek(1)[:1] == b"{"
    number = 0
    try:
        if is_json:
            while line := file.readline(LINE_BYTES_MAX):
                number += 1
                check.feed([_event_of(_decode(line), organization_id)])
        else:
            for cells in _rows(file):
                number += 1
                check.feed(_events_of(cells, organization_id))
    except (ValueError, KeyError, TypeError, OverflowError, csv.Error, msgspec.MsgspecError) as error:
        raise InvalidRequest(
            f"Event {number} of the file cannot be read ({error}). Is it an export of the audit log, as it was written?",
            param="file",
        ) from None
    return check.finish()


def _rows(file: BufferedReader) -> Iterator[dict[str, str]]:
    before = csv.field_size_limit(LINE_BYTES_MAX)
    try:
        yield from csv.DictReader(TextIOWrapper(file, encoding="utf-8", newline=""))
    finally:
        csv.field_size_limit(before)


def _event_of(line: _Line, organization_id: str) -> ExportedEvent:
    return ExportedEvent(
        organization_id=organization_id,
        number=line.number,
        id=line.id,
        at_us=_microseconds(line.at),
        actor_kind=line.actor.kind,
        actor_id=line.actor.id,
        actor_name=line.actor.name,
        address=line.address,
        request_id=line.request_id,
        action=line.action,
        target_kind=line.target.kind,
        target_id=line.target.id,
        target_name=line.target.name,
        before=bytes(line.before).decode(),
        after=bytes(line.after).decode(),
        mac=bytes.fromhex(line.mac),
        previous_mac=bytes.fromhex(line.previous_mac),
    )


def _events_of(cells: dict[str, str], organization_id: str) -> list[ExportedEvent]:
    """Return every event that may stand in a row: a text such as '=1 was written of itself, or for =1."""
    ways = [_unescaped(cells[name]) for name in _TEXTS]
    number, at_us = int(cells["number"]), _microseconds(cells["at"])
    mac, previous_mac = bytes.fromhex(cells["mac"]), bytes.fromhex(cells["previous_mac"])
    return [
        ExportedEvent(
            organization_id=organization_id,
            number=number,
            at_us=at_us,
            mac=mac,
            previous_mac=previous_mac,
            **dict(zip(_TEXTS, texts, strict=True)),
        )
        for texts in islice(product(*ways), _READINGS_MAX)
    ]


def _unescaped(text: str) -> tuple[str, ...]:
    return (text[1:], text) if text[:1] == "'" and text[1:].startswith(FORMULA_STARTS) else (text,)


_decode = msgspec.json.Decoder(_Line).decode


def _microseconds(text: str) -> int:
    since = datetime.fromisoformat(text) - _EPOCH
    return since // timedelta(microseconds=1)
