"""A workshop's calls, made at random and all known, and what any report on them must say: added up by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from tests.keys.workshop import Workshop, open_workshop

from tollkeeper.control.administration import Action
from tollkeeper.control.usage_lines import Question, UsageLine, list_lines
from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.usage import ChargeLine, CostState, Outcome, UsageRecord
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.engine import Store

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
MODELS = ("gpt-4o", "gpt-4o-mini", "claude", "mystery")
UNPRICED = "mystery"


@dataclass(frozen=True)
class Known:
    """A call and what it counts for; the team and the member are "" when there is none."""

    record: UsageRecord
    team_id: str
    member_id: str

    def value(self, column: str) -> str:
        if column in {"team_id", "member_id"}:
            return str(getattr(self, column))
        return str(getattr(self.record, "model_served" if column == "model" else column))

    @property
    def hour(self) -> int:
        return self.record.started_at_us // HOUR_US


@dataclass
class Ledger:
    """`keys` are three services' (search, chat, ops) and the developer's and the lead's own."""

    workshop: Workshop
    keys: dict[str, ApiKey]
    calls: list[Known]

    @property
    def id(self) -> str:
        return self.workshop.company.id

    async def add(self, at_us: Iterable[int], *, seed: int) -> None:
        dice = random.Random(seed)
        made = [self.make(dice, moment) for moment in at_us]
        await self.workshop.store.insert_usage([each.record for each in made], slot=f"slot{seed}")
        self.calls += made

    def make(self, dice: random.Random, at_us: int) -> Known:
        key = dice.choice([*self.keys.values()])
        team = self.workshop.team.id if key.project_id != self.workshop.ops.id else ""
        return Known(make_call(dice, at_us, key), team, key.member_id)

    def within(self, from_us: int, to_us: int) -> list[Known]:
        """Return the calls of the hours that begin in the range: what a report on it is about."""
        return [each for each in self.calls if from_us <= each.hour * HOUR_US < to_us]

    async def lines(self, who: Any, question: Question) -> list[UsageLine]:
        """Return all lines of an answer, page by page."""
        found: list[UsageLine] = []
        while True:
            page = await self.workshop.company.look(who, list_lines, question)
            assert len(page.lines) <= question.limit
            found += page.lines
            if not page.has_more:
                return found
            question = msgspec.structs.replace(question, after=page.after[-1])

    async def acting(self, who: Any, work: Callable[..., Any], *args: Any, now_us: int, **more: Any) -> Any:
        """Let somebody do something that depends on the time."""

        async def step(action: Action) -> Any:
            action.now_us = now_us
            return await work(action, *args, **more)

        return await self.workshop.company.look(who, step)


async def open_ledger(store: Store) -> Ledger:
    workshop = await open_workshop(store)
    keys = {
        name: (await workshop.service(project_id=project.id, name=f"{name} service")).record
        for name, project in (("search", workshop.search), ("chat", workshop.chat), ("ops", workshop.ops))
    }
    keys["developer"] = (await workshop.own(workshop.developer)).record
    keys["lead"] = (await workshop.own(workshop.lead, project_ids=(workshop.chat.id,))).record
    return Ledger(workshop, keys, [])


def make_call(dice: random.Random, at_us: int, key: ApiKey) -> UsageRecord:
    model = dice.choice(MODELS)
    quantities = {"input": dice.randrange(1, 5000), "output": dice.randrange(1, 500)}
    is_unpriced = model == UNPRICED
    # odd amounts: sums of them have digits that a float does not
    lines = tuple(ChargeLine(name, count, 1, dice.randrange(1, 10**12), "x") for name, count in quantities.items())
    made = UsageRecord(
        call_id=(at_us // 1000).to_bytes(6, "big") + uuid7()[6:],
        organization_id=key.organization_id,
        project_id=key.project_id,
        api_key_id=key.id,
        operation=dice.choice(["chat.completions", "embeddings"]),
        model_asked=model,
        model_served=model,
        provider=dice.choice(["openai", "anthropic"]),
        status=dice.choice([200, 200, 200, 500]),
        outcome=Outcome.COMPLETE,
        is_stream=False,
        started_at_us=at_us,
        latency_us=dice.randrange(1, 5_000_000),
        first_byte_us=1,
        overhead_us=1,
        service_tier="standard",
        quantities=quantities,
        reasoning_tokens=0,
        is_estimated=False,
        lines=() if is_unpriced else lines,
        amount_nanos=None if is_unpriced else sum(line.amount_nanos for line in lines),
        cost_state=CostState.UNPRICED if is_unpriced else CostState.COMPUTED,
        labels={"feature": dice.choice(["search", "chat"])} if dice.random() < 0.6 else {},
    )
    if is_unpriced and made.status >= 400:  # beside calls without a price stand some that are not billed
        return msgspec.structs.replace(made, amount_nanos=0, cost_state=CostState.UNBILLED)
    return made


Sums = tuple[int, ...]


def sums_of_calls(calls: Iterable[Known]) -> Sums:
    """Return requests, errors, unpriced requests, nanos, input and output tokens, latency."""
    records = [each.record for each in calls]
    return (
        len(records),
        sum(record.status >= 400 for record in records),
        sum(record.amount_nanos is None for record in records),
        sum(record.amount_nanos or 0 for record in records),
        sum(record.quantities["input"] for record in records),
        sum(record.quantities["output"] for record in records),
        sum(record.latency_us for record in records),
    )


def sums_of_line(line: UsageLine) -> Sums:
    return (
        line.requests,
        line.errors or 0,
        line.unpriced_requests,
        line.amount_nanos or 0,
        line.input_tokens,
        line.output_tokens,
        line.latency_us_total or 0,
    )


def add(lines: Iterable[Sums]) -> Sums:
    return tuple(map(sum, zip((0,) * 7, *lines, strict=True)))


def grouped(calls: Iterable[Known], key: Callable[[Known], Any]) -> dict[Any, Sums]:
    found: dict[Any, list[Known]] = {}
    for each in calls:
        found.setdefault(key(each), []).append(each)
    return {value: sums_of_calls(members) for value, members in found.items()}


def local_day(hour: int, zone: str) -> str:
    """Return the date on which a UTC hour begins."""
    return datetime.fromtimestamp(hour * 3600, tz=UTC).astimezone(ZoneInfo(zone)).date().isoformat()


def us(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000
