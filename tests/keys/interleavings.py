"""Many hands on the same keys at once, on two servers, while others use them; afterwards a judge compares all answers.

The audit log says in which order the changes happened. A change that was answered must hold a second later on both
servers, until the next one; what the log forbids (a key rotated twice, changed after its deletion) must not be in it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from tests.keys.replicas import Replicas

from tollkeeper.store import audit
from tollkeeper.store.engine import Store

WITHIN_S = 1.0
KEYS_AT_ONCE = 4
ADMINS, USERS_OF_A_REPLICA = 4, 2
_BUSY_S_MAX = 30
_MARGIN_S = 0.05  # of clocks and of the moment at which a grace period ends


@dataclass(frozen=True)
class Use:
    """A key was used: when, and whether the answer was 200."""

    key_id: str
    sent_s: float
    answered_s: float
    is_good: bool


@dataclass(frozen=True)
class Change:
    """A change that was answered with success; `request_id` is its event's."""

    key_id: str
    kind: str
    sent_s: float
    answered_s: float
    valid_until_s: float | None = None


@dataclass
class Run:
    """What was done and answered; times by the wall clock, as the servers have it."""

    replicas: Replicas
    dice: random.Random
    secrets: dict[str, str] = field(default_factory=dict)
    in_play: list[str] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    changes: dict[str, Change] = field(default_factory=dict)  # by request id
    answers: Counter[str] = field(default_factory=Counter)
    is_over: bool = False


@dataclass(frozen=True)
class Report:
    uses: int
    judged: int
    changes: int
    answers: dict[str, int]
    slowest_s: float
    problems: list[str]


async def interleave(replicas: Replicas, *, seconds: float, seed: int, changes_min: int = 0) -> Report:
    """Let admins and users at the keys for so long (on a busy machine until there are `changes_min`), then judge."""
    run = Run(replicas, random.Random(seed))
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=50)) as client:
        for _ in range(KEYS_AT_ONCE):
            await _make(run, client)
        workers = [asyncio.ensure_future(_administer(run, client)) for _ in range(ADMINS)]
        for origin in replicas.origins:
            workers += [asyncio.ensure_future(_use(run, client, origin)) for _ in range(USERS_OF_A_REPLICA)]
        await asyncio.sleep(seconds)
        for _ in range(_BUSY_S_MAX):
            if len(run.changes) < changes_min:
                await asyncio.sleep(1)
        run.is_over = True
        await asyncio.gather(*workers)
        await asyncio.sleep(WITHIN_S + _MARGIN_S)
        run.in_play = list(run.secrets)
        for origin in replicas.origins:
            for key_id in run.in_play:
                await _use_once(run, client, origin, key_id)
    return await _judge(run)


async def _administer(run: Run, client: httpx.AsyncClient) -> None:
    while not run.is_over:
        key_id = run.dice.choice(run.in_play)
        kind = run.dice.choices(("rotate", "disable", "enable", "delete", "rename"), (3, 4, 6, 1, 2))[0]
        admin = run.replicas.admin(client, run.dice.randrange(2))
        sent_s = time.time()
        valid_until_s = None
        if kind == "rotate":
            body = {"grace_seconds": run.dice.choice((0, 1, 3))}
            answered = await admin.ask("POST", f"api-keys/{key_id}/rotate", body)
            if answered.status_code == 200:
                rotated = answered.json()
                run.secrets[rotated["new_key_id"]] = rotated["key"]
                run.in_play.append(rotated["new_key_id"])
                valid_until_s = _seconds(rotated["previous_key_valid_until"])
        elif kind == "delete":
            answered = await admin.ask("DELETE", f"api-keys/{key_id}")
        else:
            changes = {"disable": {"disabled": True}, "enable": {"disabled": False}}
            answered = await admin.ask("PUT", f"api-keys/{key_id}", changes.get(kind, {"name": str(sent_s)}))
        run.answers[f"{kind} {answered.status_code}"] += 1
        if answered.status_code == 200:
            request_id = answered.headers["x-request-id"]
            run.changes[request_id] = Change(key_id, kind, sent_s, time.time(), valid_until_s)
        elif key_id in run.in_play and answered.status_code == 404:
            run.in_play.remove(key_id)
        if len(run.in_play) < KEYS_AT_ONCE:
            await _make(run, client)
        elif len(run.in_play) > 2 * KEYS_AT_ONCE:
            run.in_play.pop(0)
        await asyncio.sleep(run.dice.random() * 0.5)  # so that there are times without a change


async def _use(run: Run, client: httpx.AsyncClient, origin: str) -> None:
    while not run.is_over:
        await _use_once(run, client, origin, run.dice.choice(run.in_play))


async def _use_once(run: Run, client: httpx.AsyncClient, origin: str, key_id: str) -> None:
    headers = {"authorization": f"Bearer {run.secrets[key_id]}"}
    sent_s = time.time()
    answered = await client.get(f"{origin}/v1/models", headers=headers, timeout=30)
    assert answered.status_code in {200, 401}, answered.text
    run.uses.append(Use(key_id, sent_s, time.time(), answered.status_code == 200))


async def _make(run: Run, client: httpx.AsyncClient) -> None:
    body = {"name": "in play", "project_id": run.replicas.project_id}
    made = (await run.replicas.admin(client, run.dice.randrange(2)).ask("POST", "api-keys/service", body)).json()
    run.secrets[made["id"]] = made["key"]
    run.in_play.append(made["id"])


async def _judge(run: Run) -> Report:
    problems: list[str] = []
    judged, slowest_s = 0, 0.0
    uses: dict[str, list[Use]] = {}
    for use in run.uses:
        uses.setdefault(use.key_id, []).append(use)
    for key_id, happened in (await _history(run)).items():
        problems += _contradictions(key_id, happened)
        for at, change in enumerate(happened):
            until_s = happened[at + 1].sent_s if at + 1 < len(happened) else float("inf")
            is_good, ends_s = _state_after(happened[: at + 1])
            for use in uses.get(key_id, ()):
                if use.sent_s < change.answered_s or use.answered_s > until_s:
                    continue
                if ends_s is not None and use.sent_s - _MARGIN_S < ends_s < use.answered_s + _MARGIN_S:
                    continue
                expected = is_good and (ends_s is None or use.sent_s < ends_s)
                late_s = use.sent_s - change.answered_s
                if use.is_good != expected:
                    slowest_s = max(slowest_s, late_s)
                    if late_s > WITHIN_S:
                        problems.append(f"{key_id}: {late_s:.2f} s after {change.kind} answered as before it")
                judged += 1
    return Report(len(run.uses), judged, len(run.changes), dict(sorted(run.answers.items())), slowest_s, problems)


async def _history(run: Run) -> dict[str, list[Change]]:
    """Return the changes of each key in the order of their commits, which the audit log knows."""
    store = Store.open(run.replicas.database_url)
    found: dict[str, list[Change]] = {}
    number = 0
    try:
        while events := await store.read(
            lambda c, number=number: audit.events_after(c, run.replicas.organization_id, number)
        ):
            number = events[-1].number
            for event in events:
                change = run.changes.get(event.request_id)
                if change is not None and event.action != "api_key.create":
                    found.setdefault(event.target_id, []).append(change)
    finally:
        await store.aclose()
    return found


def _state_after(happened: list[Change]) -> tuple[bool, float | None]:
    """Return whether a key is good after these changes, and when it ends if it was replaced."""
    is_enabled, ends_s = True, None
    for change in happened:
        if change.kind in {"disable", "enable"}:
            is_enabled = change.kind == "enable"
        elif change.kind == "delete":
            return False, None
        elif change.kind == "rotate":
            ends_s = change.valid_until_s
    return is_enabled, ends_s


def _contradictions(key_id: str, happened: list[Change]) -> list[str]:
    kinds = [change.kind for change in happened]
    problems = []
    if kinds.count("rotate") > 1:
        problems.append(f"{key_id} was rotated {kinds.count('rotate')} times")
    if "delete" in kinds[:-1]:
        problems.append(f"{key_id} was changed after its deletion: {kinds}")
    return problems


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def table_of(report: Report) -> str:
    """Say in a few lines what was found."""
    answers: dict[str, Any] = msgspec.to_builtins(report.answers)
    lines = [
        f"{report.changes:,} changes, {report.uses:,} uses of keys, {report.judged:,} of them between two changes",
        f"the last answer that a change had not reached came {report.slowest_s:.2f} s after it was answered",
        ", ".join(f"{name}: {count}" for name, count in answers.items()),
    ]
    return "\n".join(lines)
