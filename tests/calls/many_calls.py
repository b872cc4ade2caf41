"""Millions of calls written straight into a database, with the rollups that their insertion would have made."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from tollkeeper.domain.lease import Draw
from tollkeeper.domain.usage import ChargeLine, CostState, Outcome, UsageRecord
from tollkeeper.kit.clock import now_us
from tollkeeper.store import rollups
from tollkeeper.store.usage_rows import to_row

RARE_KEY = "key_rare00000001"
DAY_US = 86_400_000_000
_MODELS = tuple(f"model-{number}" for number in range(5))
_START_US = now_us() // 1000 * 1000
_GROUP = 50_000


@dataclass(frozen=True)
class Many:
    """How many, over how many days up to now; every tenth record or so has a label, three are rare."""

    records: int = 1_000_000
    days: int = 30
    keys: int = 500
    projects: int = 50
    teams: int = 8
    members: int = 40
    organization_id: str = "org_" + "0" * 20

    @property
    def first_day(self) -> int:
        return _START_US // DAY_US - self.days

    def key_id(self, number: int) -> str:
        return f"key_{number % self.keys:012}"

    def project_id(self, number: int) -> str:
        return f"proj_{number % self.projects:020}"

    def team_id(self, number: int) -> str:
        return f"team_{number % self.teams:020}"

    def member_id(self, number: int) -> str:
        return f"mem_{number % self.members:020}"


def write_crowd(many: Many) -> Iterator[tuple[str, list[str], Iterator[Any]]]:
    """Yield the tables of who there is: name, columns, rows."""
    org = many.organization_id
    yield "organization", ["id", "name", "timezone", "created_at_us"], iter([(org, "Many", "Asia/Seoul", 1)])
    ids = ["organization_id", "id", "name", "created_at_us"]
    yield "team", ids, iter([(org, many.team_id(n), f"team {n}", n) for n in range(many.teams)])
    yield (
        "project",
        [*ids, "team_id"],
        iter([(org, many.project_id(n), f"project {n}", n, many.team_id(n)) for n in range(many.projects)]),
    )
    yield (
        "account",
        ["id", "email", "name", "language", "status", "created_at_us"],
        iter([(f"acc_{n}", f"p{n}@example.com", f"Person {n}", "en", "active", n) for n in range(many.members)]),
    )
    yield (
        "member",
        ["organization_id", "id", "account_id", "status", "created_at_us"],
        iter([(org, many.member_id(n), f"acc_{n}", "active", n) for n in range(many.members)]),
    )
    columns = "organization_id id project_id name kind digest pepper_version status permissions created_at_us member_id"
    keys = [(many.key_id(n), n) for n in range(many.keys)] + [(RARE_KEY, many.keys)]
    yield "api_key", columns.split(), iter([_key(many, key_id, number) for key_id, number in keys])


def _key(many: Many, key_id: str, number: int) -> tuple[Any, ...]:
    digest = hashlib.sha256(key_id.encode()).digest()
    place = (many.organization_id, key_id, many.project_id(number), f"key {number}")
    return *place, "member", digest, 1, "active", '["chat:create"]', number, many.member_id(number)


def calls_of(many: Many) -> Iterator[UsageRecord]:
    """Yield every call, oldest first; the same ones each time."""
    dice = random.Random(1)
    span_us = many.days * DAY_US
    rare = {many.records // 7, many.records // 2, many.records - 100}
    for number in range(many.records):
        yield _call(many, dice, number, _START_US - span_us + span_us * number // many.records, is_rare=number in rare)


def records_of(many: Many) -> Iterator[tuple[Any, ...]]:
    """Yield every call as its row."""
    return (to_row(each) for each in calls_of(many))


def rollups_of(many: Many) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the rows of the rollups of calls and of labels."""
    usage: rollups.Sums = {}
    labels: rollups.Sums = {}
    group: list[UsageRecord] = []
    for record in calls_of(many):
        group.append(record)
        if len(group) == _GROUP:
            _add(usage, labels, group)
            group = []
    _add(usage, labels, group)
    return rollups.rows(usage, "slot"), rollups.rows(labels, "slot")


def _add(usage: rollups.Sums, labels: rollups.Sums, group: list[UsageRecord]) -> None:
    found = rollups.summarise(group)
    rollups.merge(usage, found.usage)
    rollups.merge(labels, found.labels)


def _call(many: Many, dice: random.Random, number: int, at_us: int, *, is_rare: bool) -> UsageRecord:
    key = int(many.keys * dice.random() ** 3)
    model = _MODELS[number % 5]
    status = 429 if dice.random() < 0.01 else 200
    lines = tuple(
        ChargeLine(name, count, 150_000, 150 * count, f"genai-prices 0.2.3 {model}")
        for name, count in (("input", dice.randrange(100, 5000)), ("output", dice.randrange(10, 900)))
    )
    return _replaced(
        call_id=(at_us // 1000).to_bytes(6, "big") + b"\x70" + dice.randbytes(9),
        organization_id=many.organization_id,
        project_id=many.project_id(key),
        api_key_id=RARE_KEY if is_rare else many.key_id(key),
        model_asked="fast",
        model_served=model,
        status=status,
        outcome=Outcome.COMPLETE if status == 200 else Outcome.PROVIDER_ERROR,
        started_at_us=at_us,
        quantities={line.dimension: line.quantity for line in lines} if status == 200 else {},
        lines=lines if status == 200 else (),
        amount_nanos=sum(line.amount_nanos for line in lines) if status == 200 else 0,
        cost_state=CostState.COMPUTED if status == 200 else CostState.UNBILLED,
        end_user="rare@example.com" if is_rare else f"user{number % 1000}@example.com",
        labels={"case": "rare"} if is_rare else {"feature": f"f{number % 20}"} if number % 2 else {},
        draws=(Draw(b"l" * 16, 1000, 5000, 10**11, 10**9), Draw(b"m" * 16, 1000, 5000, 10**12, 10**10)),
    )


def _replaced(**changes: Any) -> UsageRecord:
    return msgspec.structs.replace(SAMPLE, **changes)


SAMPLE = UsageRecord(
    call_id=bytes(16),
    organization_id="",
    project_id="",
    api_key_id="",
    operation="chat.completions",
    model_asked="",
    model_served="",
    provider="openai",
    status=200,
    outcome=Outcome.COMPLETE,
    is_stream=True,
    started_at_us=0,
    latency_us=1_234_567,
    first_byte_us=345_678,
    overhead_us=1234,
    service_tier="standard",
    quantities={},
    reasoning_tokens=0,
    is_estimated=False,
    lines=(),
    amount_nanos=0,
    cost_state=CostState.COMPUTED,
    provider_request_id="chatcmpl-0123456789abcdefghijklmnopqr",
    reserved_nanos=12_345,
)
