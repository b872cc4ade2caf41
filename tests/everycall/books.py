"""The judge of every call: its usage record against all that the simulated providers billed for it, found by its number.

The number is in a label of the record and in the fault text of each bill line, so that also calls are matched whose provider
says no request id (Gemini), whose answer never began, and all tries of one call. A try that broke and may be billed has a
record of its own: which deployment a line is of, its key tells.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.everycall.calls import SECOND_KEY, SPARE
from tests.live.databases import Record
from tests.live.judge import usd

_LABEL = re.compile(r"\blabel=(\d+)")
_FEES_UNKNOWN = "it may have caused fees that its answer does not state"
Line = dict[str, Any]
_Slot = tuple[int, bool]
"""The number of a call, and whether it is the second deployment's part of it."""


@dataclass(slots=True)
class Unstated:
    """A call whose usage the gateway did not see: what it was booked at, if at anything, and what the provider billed."""

    number: int
    record: Record
    lines: list[Line]

    @property
    def billed_nanos(self) -> int:
        return sum(line["amount_nano"] for line in self.lines)

    @property
    def _booked(self) -> str:
        return "unpriced" if self.record.amount_nanos is None else usd(self.record.amount_nanos)

    def as_text(self) -> str:
        line = self.lines[-1] if self.lines else {"provider": "-", "fault": ""}
        return (
            f"  {self.number:>6}  {line['provider']:<9} {self.record.model:<28} record {self._booked:>14}"
            f"  bill {usd(self.billed_nanos):>14}  {self.record.outcome}: {line['fault']}"
        )


@dataclass(slots=True)
class Books:
    """What the comparison found; every list but `estimated` and `untold` must be empty.

    `untold` are calls with a tool of the provider whose usage never came: only the answer could have told how often it was
    used, so that the record has no price, and says why.
    """

    records: int = 0
    lines: int = 0
    tries: int = 0
    lost_tries: int = 0
    exact: Counter[str] = field(default_factory=Counter)  # by provider
    exact_nanos: Counter[str] = field(default_factory=Counter)
    free: int = 0
    estimated: list[Unstated] = field(default_factory=list)
    untold: list[Unstated] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unpriced: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.unpriced, *self.different]

    def rows(self) -> list[tuple[str, str]]:
        rows = [("usage records", f"{self.records:,}"), ("lines on the providers' bill", f"{self.lines:,}")]
        for provider in sorted(self.exact):
            rows.append((f"  exact to the nano-dollar at {provider}", f"{self.exact[provider]:,}"))
            rows.append(("    their sum, in both", usd(self.exact_nanos[provider])))
        guessed = sum(each.record.amount_nanos or 0 for each in self.estimated)
        billed = sum(each.billed_nanos for each in self.estimated)
        return [
            *rows,
            ("  not billed, and booked as free", f"{self.free:,}"),
            ("  estimated, usage never stated", f"{len(self.estimated):,}"),
            ("    their sum (bill)", f"{usd(guessed)} ({usd(billed)})"),
            ("  unpriced, fees that only a usage tells", f"{len(self.untold):,}"),
            ("    their bill", usd(sum(each.billed_nanos for each in self.untold))),
            ("tries that another deployment followed", f"{self.tries:,}"),
            ("  that may be billed, and have a record", f"{self.lost_tries:,}"),
            ("lost", f"{len(self.lost):,}"),
            ("doubled", f"{len(self.doubled):,}"),
            ("unpriced", f"{len(self.unpriced):,}"),
            ("different", f"{len(self.different):,}"),
        ]


def balance(records: Iterable[Record], bill: Iterable[Line]) -> Books:
    """Compare every record with the lines of its call, and every line with the records."""
    books = Books()
    lines: dict[_Slot, list[Line]] = defaultdict(list)
    for line in bill:
        books.lines += 1
        found = _LABEL.search(line["fault"] or "")
        if found is not None:
            lines[int(found[1]), line["api_key_id"] == SECOND_KEY[-6:]].append(line)
        elif line["amount_nano"]:
            books.lost.append(f"bill line {line['request_id']} of {line['amount_nano']} names no call")
    by_call: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        books.records += 1
        by_call[int(record.labels["number"])].append(record)
    seen: set[_Slot] = set()
    for number, of_call in by_call.items():
        _check_tries(books, number, of_call)
        for record in of_call:
            own = _slot(number, record.provider)
            tried = {_slot(number, each.provider) for each in record.tries if not each.request_id}
            seen |= {own, *tried}
            _compare(books, number, record, [line for slot in {own, *tried} for line in lines.get(slot, ())])
    for slot in lines.keys() - seen:
        if billed := sum(line["amount_nano"] for line in lines[slot]):
            books.lost.append(f"call {slot[0]} was billed {billed} and has no record")
    return books


def _check_tries(books: Books, number: int, records: list[Record]) -> None:
    """One record of a call is the call's; others are of tries that broke and may be billed, and the call's names them."""
    *lost, last = records
    books.tries += len(last.tries)
    books.lost_tries += len(lost)
    named = [each.request_id for each in last.tries if each.request_id]
    if named != [f"req_{record.call_id}" for record in lost]:
        books.doubled.append(f"call {number} has records that are no tries of it: {lost} before {last}")
    for record in lost:
        if record.outcome != "broken" or record.cost_state not in {"estimated", "unpriced"}:
            books.doubled.append(f"call {number} is charged for a try that did not break: {record}")


def _compare(books: Books, number: int, record: Record, lines: list[Line]) -> None:
    billed = sum(line["amount_nano"] for line in lines)
    said = f"call {number}: record {record.amount_nanos} ({record.cost_state}, {record.outcome}, {record.reason})"
    bill = f"bill {[(line['model'], line['amount_nano'], line['fault']) for line in lines]}"
    if record.amount_nanos is None and _FEES_UNKNOWN in record.reason and not any(_told_all(line) for line in lines):
        books.untold.append(Unstated(number, record, lines))
    elif record.amount_nanos is None:
        books.unpriced.append(f"{said}, {bill}")
    elif record.is_estimated:
        books.estimated.append(Unstated(number, record, lines))
        if any(_told_all(line) for line in lines) and "_timeout" not in record.reason:
            books.different.append(f"{said} is an estimate although the provider stated its usage, {bill}")
    elif record.amount_nanos != billed:
        books.different.append(f"{said}, {bill}")
    elif record.cost_state == "unbilled":
        books.free += 1
    else:
        provider = lines[-1]["provider"] if lines else "nobody"
        books.exact[provider] += 1
        books.exact_nanos[provider] += billed
    if len([line for line in lines if line["amount_nano"]]) > 1:
        books.doubled.append(f"call {number} was billed more than once, {bill}")


def _slot(number: int, provider: str) -> _Slot:
    return number, provider.endswith(SPARE)


def _told_all(line: Line) -> bool:
    """Whether the gateway was given the whole answer with its usage, and could read it."""
    return line["usage_sent"] and line["complete"] and "malformed" not in line["fault"]
