"""Reports to test with: contents made by hand with names of the test's choosing, and organizations that are due for one."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from sqlalchemy import select, update
from tests.analytics.ledger import DAY_US, Ledger, us

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.domain.report import (
    Breakdown,
    BudgetAtRisk,
    Mover,
    ReportContent,
    ReportDay,
    ReportLine,
    Sums,
)
from tollkeeper.kit.vault import Vault
from tollkeeper.notify.message import Message
from tollkeeper.store.engine import Store
from tollkeeper.store.periodic_reports import ReportEntry
from tollkeeper.store.schema_control import outbox
from tollkeeper.store.schema_reports import periodic_report
from tollkeeper.store.schema_tenancy import organization

ZONE = "Asia/Seoul"
NOW_US = us("2026-11-10T12:34", ZONE)  # a Tuesday
WEEK_FROM_US, WEEK_TO_US = us("2026-11-02", ZONE), us("2026-11-09", ZONE)
MONDAY_NINE_US = us("2026-11-09T09:00", ZONE)
NONE = Sums()
RULES = AccountRules(public_url="https://ai.example.com", sends_email=True)
WITHOUT_MAIL = AccountRules(public_url="https://ai.example.com")


async def add_two_weeks(ledger: Ledger, *, calls: int = 300) -> None:
    """Add calls to the last week that is over, to the one before, and around them."""
    dice = random.Random(9)
    await ledger.add([WEEK_TO_US + DAY_US - dice.randrange(16 * DAY_US) for _ in range(calls)], seed=1)


async def let_be_old(store: Store) -> None:
    """Have every organization be there for long, so that whatever is due is due for it."""
    await store.write(lambda c: c.execute(update(organization).values(created_at_us=0)))


async def entries(store: Store) -> list[ReportEntry]:
    names = ReportEntry.__struct_fields__
    rows = await store.read(lambda c: c.execute(select(*(periodic_report.c[name] for name in names))))
    return [ReportEntry(*row) for row in rows]


async def letters(store: Store, vault: Vault) -> list[tuple[str, Message]]:
    """Return who was written to and what, in the order of their addresses."""
    rows = (await store.read(lambda c: c.execute(select(outbox).where(outbox.c.kind == "report")))).all()
    opened = [
        (row.recipient, vault.open(row.sealed_message, bound_to=("outbox", row.id, row.recipient))) for row in rows
    ]
    return sorted(((to, msgspec.msgpack.decode(plain, type=Message)) for to, plain in opened), key=lambda each: each[0])


def sums(amount: int, requests: int = 10, *, unpriced: int = 0) -> Sums:
    return Sums(requests, 1, 1000 * requests, 100 * requests, amount, unpriced)


def line(value: str, now: Sums, before: Sums = NONE, *, name: str = "") -> ReportLine:
    return ReportLine(value, name, now, before)


def a_content(name: str = "Acme", *, lines: int = 5, **changes: Any) -> ReportContent:
    """Return a report of everything that there is, its every name the same."""
    parts = Breakdown(
        tuple(
            line(f"{name}{at}" if name else "x", sums((lines - at) * 10**9), sums(3 * 10**9), name=name)
            for at in range(lines)
        ),
        3,
        sums(10**9),
        sums(2 * 10**9),
    )
    budget = BudgetAtRisk(
        budget_id="bud_1",
        scope_kind="project",
        scope_id="proj_1",
        scope_name=name or "proj_1",
        model=name,
        unit="usd",
        period="monthly",
        limit=100 * 10**9,
        used=90 * 10**9,
        used_permille=900,
        projected=130 * 10**9,
        resets_at_us=WEEK_TO_US,
        is_stopped=True,
    )
    made = ReportContent(
        kind="weekly",
        organization_name=name,
        timezone=ZONE,
        first_day="2026-11-02",
        last_day="2026-11-08",
        from_us=WEEK_FROM_US,
        to_us=WEEK_TO_US,
        before_from_us=us("2026-10-26", ZONE),
        made_at_us=MONDAY_NINE_US,
        total=sums(16 * 10**9, 120, unpriced=3),
        before=sums(15 * 10**9, 100),
        estimated=sums(10**9, 5),
        days=tuple(ReportDay(f"2026-11-0{day}", sums(day * 10**9)) for day in range(2, 9)),
        models=parts,
        teams=parts,
        projects=parts,
        most_used_model=name or "gpt-4o",
        risen=tuple(Mover("project", each) for each in parts.lines[:1])
        + tuple(Mover("model", each) for each in parts.lines[1:2]),
        fallen=tuple(Mover("model", each) for each in parts.lines[-1:]),
        budgets=(budget,) * min(lines, 10),
        budgets_more=2,
    )
    return msgspec.structs.replace(made, **changes)
