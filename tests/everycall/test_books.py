"""The judge judges: what it lets pass, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.everycall.books import balance
from tests.live.databases import Record

FEES = "it may have caused fees that its answer does not state"


def record(amount_nanos: int | None, *, reason: str = "", is_estimated: bool = False) -> Record:
    state = "unpriced" if amount_nanos is None else "estimated" if is_estimated else "computed"
    return Record(
        "a1", "grok-4.3", 200, state, amount_nanos, "complete", is_estimated, "", {"number": "1"}, reason, "xai"
    )


def line(amount_nano: int, *, told_all: bool = True) -> dict[str, Any]:
    return {
        "fault": "label=1",
        "api_key_id": "first",
        "amount_nano": amount_nano,
        "model": "grok-4.3",
        "provider": "xai",
        "usage_sent": told_all,
        "complete": told_all,
        "request_id": "up_1",
    }


def test_a_call_booked_at_its_bill_is_exact() -> None:
    books = balance([record(70)], [line(70)])
    assert (books.problems, books.exact["xai"], books.exact_nanos["xai"]) == ([], 1, 70)


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (record(70), [line(71)]),
        (record(70), [line(35), line(35)]),
        (record(70, is_estimated=True), [line(70)]),
        (record(None, reason="no price is known for this model"), [line(70, told_all=False)]),
        (record(None, reason=FEES), [line(70)]),
    ],
    ids=["another amount", "twice", "a guess at what was told", "no price", "no price although its fees were told"],
)
def test_what_is_wrong_is_a_problem(found: Record, lines: list[dict[str, Any]]) -> None:
    assert balance([found], lines).problems != []


def test_a_bill_without_a_record_is_a_lost_call() -> None:
    assert len(balance([], [line(70)]).lost) == 1


def test_fees_that_only_the_lost_usage_would_have_told_are_listed_without_a_price() -> None:
    books = balance([record(None, reason=FEES)], [line(70, told_all=False)])
    assert (books.problems, [each.billed_nanos for each in books.untold]) == ([], [70])
    assert "unpriced" in books.untold[0].as_text()
