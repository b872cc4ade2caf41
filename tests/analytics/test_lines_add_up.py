"""Whatever calls there are and however they are grouped: every line is what its calls come to, and all of them add up."""

from __future__ import annotations

import itertools
import random

import pytest
from tests.analytics.ledger import (
    DAY_US,
    HOUR_US,
    Known,
    Ledger,
    add,
    grouped,
    local_day,
    sums_of_calls,
    sums_of_line,
    us,
)

from tollkeeper.control.usage_lines import COLUMNS, Question, parse_grouping

SPANS = {
    "Asia/Seoul": ("2026-10-28", "2026-11-04"),  # the month changes
    "America/New_York": ("2026-10-30", "2026-11-03"),  # a day of 25 hours
    "America/New_York, spring": ("2026-03-06", "2026-03-11"),  # a day of 23 hours
    "Asia/Kolkata": ("2026-10-30", "2026-11-03"),  # half an hour beside the hours of the ledger
    "Australia/Lord_Howe": ("2026-10-02", "2026-10-06"),  # its clocks change by half an hour
    "UTC": ("2026-12-30", "2027-01-02"),
}
GROUPINGS = [*itertools.combinations(COLUMNS, 1), *itertools.combinations(COLUMNS, 2), ("team", "project", "key")]


@pytest.mark.parametrize("named", SPANS)
async def test_every_line_is_the_sum_of_its_calls_and_lines_add_up(ledger: Ledger, named: str) -> None:
    zone = named.partition(",")[0]
    first, last = (us(text, zone) for text in SPANS[named])
    dice = random.Random(named)
    await ledger.add([dice.randrange(first - DAY_US, last + DAY_US) for _ in range(300)], seed=1)
    await ledger.add([dice.randrange(first, last) // HOUR_US * HOUR_US for _ in range(100)], seed=2)
    for _ in range(12):
        from_us = first + dice.choice([0, 0, 17 * 60_000_000, 5 * HOUR_US])
        to_us = last - dice.choice([0, 0, 29 * 60_000_000, 7 * HOUR_US])
        bucket = dice.choice([(), ("day",), ("hour",)])
        titles = (*dice.choice(GROUPINGS), *bucket)
        question = Question(parse_grouping(titles), from_us, to_us, zone, limit=dice.choice([3, 7, 1000]))
        lines = await ledger.lines(None, question)
        columns = question.grouping.columns

        def key(call: Known, columns: tuple[str, ...] = columns, bucket: tuple[str, ...] = bucket) -> tuple[str, ...]:
            when = {(): "", ("day",): local_day(call.hour, zone), ("hour",): str(call.hour)}[bucket]
            return when, *(call.value(column) for column in columns)

        def shown(from_us: int, bucket: tuple[str, ...] = bucket) -> str:
            if not bucket:
                return ""
            if bucket == ("hour",):
                return str(from_us // HOUR_US)
            return local_day(-(-from_us // HOUR_US), zone)

        known = ledger.within(from_us, to_us)
        found = [((shown(line.from_us), *map(str, line.group.values())), sums_of_line(line)) for line in lines]
        assert dict(found) == grouped(known, key), titles
        assert len(found) == len(dict(found)), "a line came twice"
        assert [line.from_us for line in lines] == sorted(line.from_us for line in lines)
        assert add(sums for _, sums in found) == sums_of_calls(known)


async def test_teams_projects_keys_and_members_each_come_to_the_total(ledger: Ledger) -> None:
    dice = random.Random(5)
    start = us("2026-11-01")
    await ledger.add([start + dice.randrange(30 * DAY_US) for _ in range(400)], seed=3)
    total = sums_of_calls(ledger.calls)
    for title in ("team", "project", "key", "member"):
        lines = await ledger.lines(None, Question(parse_grouping([title]), start, start + 30 * DAY_US, limit=2))
        assert len(lines) > 1
        assert add(map(sums_of_line, lines)) == total, title


async def test_lines_by_label_and_the_calls_without_add_up(ledger: Ledger) -> None:
    dice = random.Random(6)
    start = us("2026-11-01")
    await ledger.add([start + dice.randrange(3 * DAY_US) for _ in range(200)], seed=4)
    for titles in (["label:feature"], ["label:feature", "day", "team"], ["model,label:feature,project"]):
        question = Question(parse_grouping(titles), start, start + 3 * DAY_US, limit=5)
        lines = await ledger.lines(None, question)
        assert len({(line.from_us, *line.group.values()) for line in lines}) == len(lines)
        assert sum(line.requests for line in lines) == len(ledger.calls)
        assert sum(line.amount_nanos or 0 for line in lines) == sums_of_calls(ledger.calls)[3]
        for value in ("search", "chat", None):
            counted = sum(line.requests for line in lines if line.group["label_value"] == value)
            assert counted == sum(call.record.labels.get("feature") == value for call in ledger.calls) > 0


async def test_pages_are_about_the_same_calls_though_new_ones_come_meanwhile(ledger: Ledger) -> None:
    from tollkeeper.control.usage_lines import list_lines

    start = us("2026-11-01")
    await ledger.add([start + hour * HOUR_US for hour in range(10)], seed=5)
    question = Question(parse_grouping(["hour"]), start, start + 10 * HOUR_US, limit=4)
    page = await ledger.workshop.company.look(None, list_lines, question)
    await ledger.add([start + 20 * HOUR_US], seed=6)
    later = Question(parse_grouping(["hour"]), start, start + DAY_US, after=page.after[-1])
    rest = await ledger.workshop.company.look(None, list_lines, later)
    assert [line.from_us for line in (*page.lines, *rest.lines)] == [start + hour * HOUR_US for hour in range(10)]
