"""Checks a copy of a chain, of which events may have been left out: which were changed, and which are not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tollkeeper.domain.audit import FIRST_MAC, ExportedEvent, after_break, mac_of
from tollkeeper.domain.audit_chain import FAULTS_KEPT, Fault, FaultKind, Head

GAPS_KEPT = 1_000


class CopyReport(msgspec.Struct, frozen=True):
    """What was found. `gaps` are numbers that the copy leaves out, first and last of each; of both lists a thousand at most.

    An end that was left out shows in no copy: the `head` is the last event that is there.
    """

    organization_id: str
    events: int
    head: Head | None
    faults: tuple[Fault, ...]
    faults_count: int
    gaps: tuple[tuple[int, int], ...]
    missing: int


class CopyCheck:
    """Takes the events of a copy in its order. `kept` are macs of earlier ends, by number."""

    def __init__(self, organization_id: str, key: bytes, *, kept: Mapping[int, bytes] | None = None) -> None:
        self._organization_id, self._key = organization_id, key
        self._kept = dict(kept or {})
        self._last = Head(0, FIRST_MAC)
        self._faults: list[Fault] = []
        self._gaps: list[tuple[int, int]] = []
        self._faults_count = self._missing = self._events = 0

    def feed(self, readings: Sequence[ExportedEvent]) -> None:
        """Check the next event, given in every way that it may be read."""
        event = readings[0]
        self._events += 1
        number = event.number
        if number <= self._last.number:
            self._note(FaultKind.INSERTED, number)
            return
        if number > self._last.number + 1:
            self._missing += number - self._last.number - 1
            if len(self._gaps) < GAPS_KEPT:
                self._gaps.append((self._last.number + 1, number - 1))
        elif event.previous_mac != self._last.mac:
            self._note(FaultKind.CHANGED, number)
        before, key = event.previous_mac, self._key
        if not any(mac_of(each, before, key) == event.mac for each in readings):
            is_after_break = any(mac_of(each, after_break(before, key), key) == event.mac for each in readings)
            self._note(FaultKind.END_WAS_CHANGED if is_after_break else FaultKind.CHANGED, number)
        if self._kept.get(number, event.mac) != event.mac:
            self._note(FaultKind.NOT_AS_KEPT, number)
        self._last = Head(number, event.mac)

    def finish(self) -> CopyReport:
        """Return what was found."""
        return CopyReport(
            self._organization_id,
            self._events,
            self._last if self._last.number else None,
            tuple(self._faults),
            self._faults_count,
            tuple(self._gaps),
            self._missing,
        )

    def _note(self, kind: FaultKind, number: int) -> None:
        last = self._faults[-1] if self._faults else None
        if last == Fault(kind, number, number):
            return
        self._faults_count += 1
        if len(self._faults) < FAULTS_KEPT:
            self._faults.append(Fault(kind, number, number))
