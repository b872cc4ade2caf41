"""Brings what calls cost into the books: per organization and UTC day, the difference between usage and what is booked.

A day's row says how much of it is booked, and is locked before the usage is read. So a difference is booked once, however
many processes do this, and late records are booked when they come.
"""

from __future__ import annotations

import msgspec

from tollkeeper.domain import credit_bookings
from tollkeeper.domain.ledger import Transaction, TransactionKind
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store import ledger, usage_bookings
from tollkeeper.store.engine import Connection, Store

US_PER_DAY = 86_400_000_000
RECENT_DAYS = 2


async def book_usage(store: Store, *, is_everything: bool) -> int:
    """Book the usage of the last days, or of all days; returns of how many (organization, day) there was something.

    Raises:
        StoreUnavailable: the database is out of reach; what was booked is booked.
    """
    from_day = 0 if is_everything else now_us() // US_PER_DAY - RECENT_DAYS
    behind = await store.read(lambda connection: usage_bookings.days_behind(connection, from_day=from_day))
    for organization_id, day in behind:
        await store.write(lambda connection, id_=organization_id, day=day: book_day(connection, id_, day))  # type: ignore[misc]
    return len(behind)


async def book_day(connection: Connection, organization_id: str, day: int) -> None:
    """Book what a day's calls cost more than is booked; less is taken back."""
    booked = await usage_bookings.lock_day(connection, organization_id, day)
    total = await usage_bookings.read_usage(connection, organization_id, day)
    if total == booked.amount_nanos:
        return
    transaction = Transaction(
        organization_id=organization_id,
        id=uuid7(),
        kind=TransactionKind.PROVIDER_USAGE,
        idempotency_key=f"provider_usage:{day}:{booked.transactions_count + 1}",
        entries=credit_bookings.provider_usage(total - booked.amount_nanos),
        effective_at_us=day * US_PER_DAY,
        booked_at_us=now_us(),
    )
    is_new = await ledger.book(connection, transaction)
    assert is_new, "a day's transactions are numbered under its lock"
    after = msgspec.structs.replace(booked, amount_nanos=total, transactions_count=booked.transactions_count + 1)
    await usage_bookings.note_booked(connection, after)
