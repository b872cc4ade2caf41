"""Calls of every status, outcome, label and end user, and an oracle that finds them in memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
from tests.analytics.ledger import DAY_US, Known, Ledger

from tollkeeper.control.calls import CallFilters, CallSearch, find_calls
from tollkeeper.domain.usage import CostState, Outcome, UsageRecord
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7_ms

END_USERS = ("", "kim", 'o"neil\\', "한국어 사용자", "100%")
LABELS: tuple[dict[str, str], ...] = (
    {},
    {"feature": "search"},
    {"feature": "chat", "purpose": "eval"},
    {"operation": "chat.completions"},  # as a field of the record is called
    {"outcome": 'say "hi"'},
    {"feature": "한국어"},
)


def vary(dice: random.Random, record: UsageRecord) -> UsageRecord:
    status, outcome = dice.choice(
        [
            (200, Outcome.COMPLETE),
            (200, Outcome.CLIENT_GONE),
            (404, Outcome.PROVIDER_ERROR),
            (429, Outcome.PROVIDER_ERROR),
            (503, Outcome.PROVIDER_ERROR),
            (0, Outcome.BROKEN),
        ]
    )
    return msgspec.structs.replace(
        record,
        status=status,
        outcome=outcome,
        labels=dice.choice(LABELS),
        end_user=dice.choice(END_USERS),
        model_asked=dice.choice(["fast", record.model_served]),
        operation=dice.choice(["chat.completions", "embeddings", "messages"]),
        reason="it says feature:search and operation chat.completions",
    )


async def add_varied(ledger: Ledger, count: int, *, seed: int, days: int = 20) -> None:
    """Add calls of the last days; some hours have many, most have none."""
    dice, now = random.Random(seed), now_us()
    hours = [now - dice.randrange(days * DAY_US) for _ in range(max(count // 6, 1))]
    await add_at(ledger, [dice.choice(hours) - dice.randrange(60_000_000) for _ in range(count)], seed=seed)


async def add_at(ledger: Ledger, at_us: list[int], *, seed: int) -> None:
    dice = random.Random(seed)
    made = []
    for moment in at_us:
        known = ledger.make(dice, moment)
        made.append(Known(vary(dice, known.record), known.team_id, known.member_id))
    await ledger.workshop.store.insert_usage([each.record for each in made], slot=f"varied{seed}")
    ledger.calls += made


def expected(
    ledger: Ledger, filters: CallFilters, seen: Callable[[Known], bool] = lambda _: True, **ranges: int
) -> list[bytes]:
    """Return the ids of the calls that match, newest first, by looking at each."""
    from_ms, to_ms = -(-ranges.get("from_us", 0) // 1000), -(-ranges.get("to_us", 10**16) // 1000)
    return sorted(
        (
            each.record.call_id
            for each in ledger.calls
            if seen(each) and matches(each, filters) and from_ms <= uuid7_ms(each.record.call_id) < to_ms
        ),
        reverse=True,
    )


def matches(call: Known, filters: CallFilters) -> bool:
    record = call.record
    values: dict[str, Any] = {
        "team_id": call.team_id,
        "member_id": call.member_id,
        "project_id": record.project_id,
        "api_key_id": record.api_key_id,
        "provider": record.provider,
        "model": record.model_served,
        "model_asked": record.model_asked,
        "operation": record.operation,
        "outcome": record.outcome.value,
        "cost_state": record.cost_state.value,
        "end_user": record.end_user,
    }
    low, high, amount = filters.cost_from_nanos, filters.cost_to_nanos, record.amount_nanos
    return (
        all(values[name] in wanted and (values[name] or name == "end_user") for name, wanted in filters.columns.items())
        and all(
            record.labels.get(name, None) == value if value is not None else name in record.labels
            for name, value in filters.labels
        )
        and (not filters.statuses or any(first <= record.status <= last for first, last in filters.statuses))
        and (low is None or (amount is not None and amount >= low))
        and (high is None or (amount is not None and amount <= high))
    )


def random_filters(dice: random.Random, ledger: Ledger) -> CallFilters:
    """Return filters of which each has a chance, so that most searches find something."""
    some = dice.choice(ledger.calls)
    columns = {
        "team_id": (ledger.workshop.team.id,),
        "member_id": (some.member_id or "mem_none",),
        "project_id": (some.record.project_id,),
        "api_key_id": (some.record.api_key_id, "key_none"),
        "provider": ("anthropic",),
        "model": ("gpt-4o", "mystery"),
        "model_asked": ("fast",),
        "operation": ("chat.completions", "messages"),
        "outcome": (some.record.outcome.value,),
        "cost_state": (dice.choice([CostState.UNPRICED, CostState.COMPUTED]).value,),
        "end_user": (some.record.end_user,),
    }
    label = dice.choice(
        [
            ("feature", "search"),
            ("feature", None),
            ("operation", "chat.completions"),
            ("outcome", 'say "hi"'),
            ("x", None),
        ]
    )
    return CallFilters(
        columns={name: wanted for name, wanted in columns.items() if dice.random() < 0.15},
        labels=(label,) if dice.random() < 0.3 else (),
        statuses=dice.choice([(), (), (), ((404, 404),), ((400, 499), (0, 0)), ((0, 0), (400, 999))]),
        cost_from_nanos=dice.choice([None, None, None, 10**11]),
        cost_to_nanos=dice.choice([None, None, None, 15 * 10**11]),
    )


async def all_pages(ledger: Ledger, who: Any, search: CallSearch, *, between: Any = None) -> list[bytes]:
    """Return the ids of all calls that pages show, in their order; `between` runs after each page."""
    found: list[bytes] = []
    for _ in range(10_000):
        page = await ledger.workshop.company.look(who, find_calls, search)
        assert len(page.calls) <= search.limit
        found += [each.record.call_id for each in page.calls]
        if page.end is None:
            return found
        assert search.after is None or page.end < search.after, "a page goes on below the one before"
        search = msgspec.structs.replace(search, after=page.end)
        if between is not None:
            await between()
    raise AssertionError("the pages do not end")
