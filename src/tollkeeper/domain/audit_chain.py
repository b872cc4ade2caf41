"""Checks a chain of audit events: which numbers were changed, are missing or were inserted, and whether its end is whole."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from tollkeeper.domain.audit import FIRST_MAC, AuditEvent, after_break, mac_of, seal_of

FAULTS_KEPT = 1_000
_PENDING_KEPT = 8


class FaultKind(StrEnum):
    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    CUT_OFF = "cut_off"
    END_GONE = "end_gone"
    END_CHANGED = "end_changed"
    END_WAS_CHANGED = "end_was_changed"
    NOT_AS_KEPT = "not_as_kept"
    GONE = "gone"
    BEGUN_AGAIN = "begun_again"
    NEVER_BEGUN = "never_begun"


_MESSAGES: dict[FaultKind, str] = {
    FaultKind.CHANGED: "number {n} was changed",
    FaultKind.MISSING: "number {n} is missing, so the one behind cannot be checked",
    FaultKind.INSERTED: "number {n} was inserted",
    FaultKind.CUT_OFF: "number {n} is missing: the end was cut off",
    FaultKind.END_GONE: "the note of where the log ends is gone",
    FaultKind.END_CHANGED: "the note of where the log ends was changed",
    FaultKind.END_WAS_CHANGED: "the note of where the log ended had been changed when number {n} was written",
    FaultKind.NOT_AS_KEPT: "number {n} is not the one whose head was kept",
    FaultKind.GONE: "the whole log is gone",
    FaultKind.BEGUN_AGAIN: "the log was begun again: what was in it before is gone",
    FaultKind.NEVER_BEGUN: "the installation's log does not know of it",
}


class Fault(msgspec.Struct, frozen=True):
    """Something wrong with the events `first` to `last`; both 0 when it is the chain as a whole."""

    kind: FaultKind
    first: int = 0
    last: int = 0

    @property
    def message(self) -> str:
        numbers = str(self.first) if self.first == self.last else f"{self.first} to {self.last}"
        return _MESSAGES[self.kind].format(n=numbers)


class Head(msgspec.Struct, frozen=True):
    """The end of a chain: the number and the mac of the last event. Kept elsewhere it proves what was there."""

    number: int
    mac: bytes


class SealedHead(msgspec.Struct, frozen=True):
    """The end of a chain as the database has it."""

    number: int
    mac: bytes
    seal: bytes


class ChainCheck:
    """Takes a chain's events in the order of their numbers, then tells what is wrong with it.

    After an event that does not fit it looks for the next one that does, with what the events in between say, so that
    one change is one fault. `kept` are macs of earlier ends, by number.
    """

    def __init__(
        self, organization_id: str, head: SealedHead | None, key: bytes, *, kept: Mapping[int, bytes] | None = None
    ) -> None:
        self._key, self._head = key, head
        self._kept = dict(kept or {})
        self._is_sealed = head is not None and head.seal == seal_of(organization_id, head.number, head.mac, key)
        self._previous = FIRST_MAC  # the mac of the last event that fitted
        self._number = 0  # of the last event
        self._shift = 0  # how many were inserted before it, the rest being renumbered
        self._pending: deque[bytes] = deque(maxlen=_PENDING_KEPT)  # the macs of events that did not fit
        self._pending_from = 0
        self._computed = FIRST_MAC
        self._last_mac = FIRST_MAC
        self._faults: list[Fault] = []
        self.faults_count = 0
        self.events = 0

    def feed(self, event: AuditEvent) -> None:
        """Check the next event."""
        self.events += 1
        number = event.number
        if number < 1:
            self._note(FaultKind.INSERTED, number, number)
            return
        if number != self._number + 1:
            self._flush(FaultKind.CHANGED)
            self._note(FaultKind.MISSING, self._number + 1, number - 1)
            self._fits(event)
        elif not self._pending_from and mac_of(self._renumbered(event), self._previous, self._key) == event.mac:
            self._fits(event)
        else:
            self._place(event)
        if self._kept.pop(number, event.mac) != event.mac:
            self._note(FaultKind.NOT_AS_KEPT, number, number)
        self._number, self._last_mac = number, event.mac

    def finish(self) -> list[Fault]:
        """Return what was found, the first thousand at most; `faults_count` counts all."""
        self._flush(FaultKind.CHANGED)
        last = self._number - self._shift
        head = self._head
        if head is None:
            if self.events:
                self._note(FaultKind.END_GONE)
        else:
            if not self._is_sealed:
                self._note(FaultKind.END_CHANGED)
            if head.number > last:
                self._note(FaultKind.CUT_OFF, last + 1, head.number)
            elif self._is_sealed and not self._faults and head.mac != self._last_mac:
                self._note(FaultKind.CHANGED, self._number, self._number)
        for number in sorted(self._kept):
            self._note(FaultKind.CUT_OFF, last + 1, number)
        return self._faults

    def _place(self, event: AuditEvent) -> None:
        """Find out where an event belongs that does not follow the last one that fitted."""
        plain = self._renumbered(event)
        if not self._pending_from:
            if mac_of(plain, after_break(self._previous, self._key), self._key) == event.mac:
                self._note(FaultKind.END_WAS_CHANGED, event.number, event.number)
                self._fits(event)
                return
            self._pending_from, self._computed = event.number, self._previous
        else:
            followed = {*self._pending, self._computed}
            if any(mac_of(plain, each, self._key) == event.mac for each in followed):
                self._flush(FaultKind.CHANGED)
                self._fits(event)
                return
            if self._is_moved(event):
                shift = event.number - self._pending_from
                self._flush(FaultKind.INSERTED)
                self._shift += shift
                self._fits(event)
                return
        self._computed = mac_of(plain, self._computed, self._key)
        self._pending.append(event.mac)

    def _is_moved(self, event: AuditEvent) -> bool:
        """Tell whether it followed the last event that fitted before others were put between the two."""
        if not self._pending_from:
            return False
        inserted = event.number - self._pending_from
        moved = msgspec.structs.replace(event, number=event.number - self._shift - inserted)
        return mac_of(moved, self._previous, self._key) == event.mac

    def _fits(self, event: AuditEvent) -> None:
        self._previous = event.mac
        if event.number > self._end:  # of a log that was put back to an earlier state, and not all of it
            self._note(FaultKind.INSERTED, event.number, event.number)

    @property
    def _end(self) -> float:
        """The number that the last event should have, as the events stand; infinite when nobody knows."""
        return self._head.number + self._shift if self._head is not None and self._is_sealed else math.inf

    def _renumbered(self, event: AuditEvent) -> AuditEvent:
        return msgspec.structs.replace(event, number=event.number - self._shift) if self._shift else event

    def _flush(self, kind: FaultKind) -> None:
        if self._pending_from:
            for number in range(self._pending_from, self._number + 1):
                self._note(FaultKind.INSERTED if number > self._end else kind, number, number)
            self._previous = self._pending[-1]
        self._pending.clear()
        self._pending_from = 0

    def _note(self, kind: FaultKind, first: int = 0, last: int = 0) -> None:
        earlier = self._faults[-1] if self._faults else None
        if earlier is not None and first and earlier.kind is kind and earlier.last + 1 == first:
            self._faults[-1] = Fault(kind, earlier.first, last)
            return
        self.faults_count += 1
        if len(self._faults) < FAULTS_KEPT:
            self._faults.append(Fault(kind, first, last))
