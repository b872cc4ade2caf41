"""Audit events as they are shown and exported: as a JSON object, a line of JSON, a row of CSV that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from typing import Any, Literal

import msgspec

from tollkeeper.domain.audit import AuditEvent, ExportedEvent, changes
from tollkeeper.kit.clock import utc
from tollkeeper.kit.spreadsheets import as_text

Form = Literal["jsonl", "csv"]
_COLUMNS = (
    "number",
    "at",
    "action",
    "actor_kind",
    "actor_id",
    "actor_name",
    "address",
    "request_id",
    "target_kind",
    "target_id",
    "target_name",
    "before",
    "after",
    "id",
    "mac",
    "previous_mac",
)


def shown_event(event: AuditEvent) -> dict[str, Any]:
    """Return an event as the JSON that programs get. `mac` and the number are what to keep to prove it later."""
    before, after = msgspec.json.decode(event.before), msgspec.json.decode(event.after)
    are_objects = all(each is None or isinstance(each, dict) for each in (before, after))
    return {
        "object": "audit_event",
        "id": event.id,
        "number": event.number,
        "at": _at(event),
        "action": event.action,
        "actor": {"kind": event.actor_kind, "id": event.actor_id, "name": event.actor_name},
        "address": event.address,
        "request_id": event.request_id,
        "target": {"kind": event.target_kind, "id": event.target_id, "name": event.target_name},
        "changed": changes(before, after) if are_objects else [],
        "before": before,
        "after": after,
        "mac": event.mac.hex(),
    }


def export_header(form: Form) -> bytes:
    """Return what an export begins with."""
    return _csv_line(_COLUMNS) if form == "csv" else b""


def export_line(event: ExportedEvent, form: Form) -> bytes:
    """Return an event as one line of an export; in CSV a text may go over several.

    `before` and `after` stand there byte for byte as the event's mac covers them, so that the file can be checked.
    """
    if form == "jsonl":
        texts = {name: msgspec.Raw(getattr(event, name).encode()) for name in ("before", "after")}
        return msgspec.json.encode(shown_event(event) | texts | {"previous_mac": event.previous_mac.hex()}) + b"\n"
    own = {
        "at": _at(event),
        "number": str(event.number),
        "mac": event.mac.hex(),
        "previous_mac": event.previous_mac.hex(),
    }
    return _csv_line(tuple(as_text(own[name] if name in own else getattr(event, name)) for name in _COLUMNS))


def _csv_line(cells: tuple[str, ...]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


def _at(event: AuditEvent) -> str:
    return utc(event.at_us).isoformat().replace("+00:00", "Z")
