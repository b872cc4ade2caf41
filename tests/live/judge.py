"""The judge between Tollkeeper's records and the provider's bill: joins them by the provider's request id, to the nano-USD."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.live.databases import Record

USD = 1_000_000_000


@dataclass(slots=True)
class Verdict:
    """What the comparison found. Amounts are nano-USD; every list but `estimated` and `crashed` must be empty."""

    records: int = 0
    lines: int = 0
    exact: int = 0
    records_sum: int = 0
    bill_sum: int = 0
    exact_sum: int = 0
    estimated: list[tuple[Record, dict[str, Any]]] = field(default_factory=list)
    crashed: list[Record] = field(default_factory=list)  # the gateway died: booked at the reserved amount
    unmatched_lines: list[dict[str, Any]] = field(default_factory=list)  # lost, unless `crashed` explains them
    different: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)  # records of calls that the provider knows nothing of

    @property
    def lost(self) -> list[str]:
        """Billed calls that no record accounts for: each unmatched line must have a crashed record of its model."""
        crashed = Counter(record.model for record in self.crashed)
        lost = []
        for line in self.unmatched_lines:
            name = next((name for name in (line["served_model"], line["model"]) if crashed[name] > 0), None)
            if name is not None:
                crashed[name] -= 1
            elif line["amount_nano"]:
                lost.append(f"bill line {line['request_id']} {line['model']} {line['amount_nano']} has no record")
        return lost

    @property
    def faults(self) -> list[str]:
        return [*self.different, *self.doubled, *self.lost, *self.unexplained]

    def rows(self) -> list[tuple[str, str]]:
        """Return the table that people read: what, how many or how much."""
        estimated_sum = sum(record.amount_nanos or 0 for record, _ in self.estimated)
        billed_for_estimated = sum(line["amount_nano"] for _, line in self.estimated)
        return [
            ("usage records", f"{self.records:,}"),
            ("lines on the provider's bill", f"{self.lines:,}"),
            ("exact to the nano-dollar", f"{self.exact:,}"),
            ("  their sum", f"{usd(self.exact_sum)} in both"),
            ("estimated, usage never stated", f"{len(self.estimated):,}"),
            ("  their sum (bill)", f"{usd(estimated_sum)} ({usd(billed_for_estimated)})"),
            ("crashed, booked as reserved", f"{len(self.crashed):,}"),
            ("  their sum", usd(sum(record.amount_nanos or 0 for record in self.crashed))),
            ("  bill lines without an id in a record", f"{len(self.unmatched_lines):,}"),
            ("  their sum on the bill", usd(sum(line["amount_nano"] for line in self.unmatched_lines))),
            ("different", f"{len(self.different):,}"),
            ("doubled", f"{len(self.doubled):,}"),
            ("lost", f"{len(self.lost):,}"),
            ("unexplained", f"{len(self.unexplained):,}"),
            ("sum of the records", usd(self.records_sum)),
            ("sum of the bill", usd(self.bill_sum)),
        ]

    def table(self) -> str:
        return "\n".join(f"  {what:<40} {figure:>34}" for what, figure in self.rows())

    def estimated_list(self) -> str:
        """Return the estimated records one by one, with both amounts."""
        lines = [
            f"  {line['request_id']:<38} {record.model:<26} record {usd(record.amount_nanos or 0):>14}"
            f"  bill {usd(line['amount_nano']):>14}  {line['fault'] or record.outcome}"
            for record, line in self.estimated
        ]
        return "\n".join(lines)


def judge(records: list[Record], bill: list[dict[str, Any]]) -> Verdict:
    """Compare every record with the bill and every line of the bill with the records."""
    verdict = Verdict(records=len(records), lines=len(bill))
    by_request = {line["request_id"]: line for line in bill}
    assert len(by_request) == len(bill), "the simulator billed a request twice"
    verdict.bill_sum = sum(line["amount_nano"] for line in bill)
    verdict.records_sum = sum(record.amount_nanos or 0 for record in records)
    _find_doubles(verdict, records)
    for record in records:
        line = by_request.pop(record.provider_request_id, None)
        if line is not None:
            _compare(verdict, record, line)
        elif record.outcome == "crashed":
            verdict.crashed.append(record)
        elif record.amount_nanos != 0 or record.cost_state != "unbilled":
            verdict.unexplained.append(
                f"record {record.call_id} {record.outcome} {record.amount_nanos} {record.reason}"
            )
    verdict.unmatched_lines = list(by_request.values())
    return verdict


def _compare(verdict: Verdict, record: Record, line: dict[str, Any]) -> None:
    if record.is_estimated:
        verdict.estimated.append((record, line))
        if record.amount_nanos is None:
            verdict.different.append(f"{line['request_id']} {line['model']}: no amount although the model has a price")
        was_told = line["usage_sent"] and line["complete"] and "malformed" not in (line["fault"] or "")
        if was_told and record.outcome == "complete":
            verdict.different.append(f"{line['request_id']}: estimated although the provider stated its usage")
    elif record.amount_nanos == line["amount_nano"]:
        verdict.exact += 1
        verdict.exact_sum += line["amount_nano"]
    else:
        verdict.different.append(
            f"{line['request_id']} {line['model']} {line['service_tier']} fault={line['fault']}: record "
            f"{record.amount_nanos} ({record.cost_state}, {record.outcome}, {record.reason}), bill {line['amount_nano']}"
        )


def _find_doubles(verdict: Verdict, records: list[Record]) -> None:
    for what, values in (
        ("call", Counter(record.call_id for record in records)),
        ("provider request", Counter(record.provider_request_id for record in records if record.provider_request_id)),
    ):
        verdict.doubled += [f"{what} {value} has {count} records" for value, count in values.items() if count > 1]


def usd(nanos: int) -> str:
    return f"${nanos // USD:,}.{nanos % USD:09d}"
