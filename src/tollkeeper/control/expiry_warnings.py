"""Telling people that an api key ends soon: once for each key and each number of days ahead."""

from __future__ import annotations

from tollkeeper.control import outbox
from tollkeeper.domain.api_key import US_PER_DAY
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.vault import Vault
from tollkeeper.notify import messages
from tollkeeper.notify.messages import KeyNamed
from tollkeeper.notify.reader import Reader
from tollkeeper.store import key_expiry
from tollkeeper.store.engine import Connection, Store
from tollkeeper.store.key_expiry import EndingKey

_PAGE = 200


async def warn_of_ending_keys(store: Store, vault: Vault, *, days: tuple[int, ...], public_url: str) -> int:
    """Put an e-mail into the outbox for everybody who must know of a key that ends; returns how many keys.

    `days` are how many days ahead. Safe to run anywhere and at any time: who was told is not told again.

    Raises:
        StoreUnavailable: the database is out of reach; what was put in is in.
    """
    if not days:
        return 0
    now, warned = now_us(), 0
    page: list[EndingKey] = []
    while True:
        after = page[-1].key if page else None
        page = await store.read(
            lambda c, after=after: key_expiry.list_ending_keys(  # type: ignore[misc]
                c, from_us=now, to_us=now + max(days) * US_PER_DAY, after=after, limit=_PAGE
            )
        )
        for ending in page:
            ahead = days_due(ending, days, now_us=now)
            if ahead is not None:
                warned += await _warn(store, vault, ending, days=ahead, public_url=public_url)
        if len(page) < _PAGE:
            return warned


def days_due(ending: EndingKey, days: tuple[int, ...], *, now_us: int) -> int | None:
    """Return which warning is due for a key: so many days ahead; None when none is, or it was given.

    A key that lives for a week is not warned of thirty days ahead, on the day it was made.
    """
    key = ending.key
    assert key.expires_at_us is not None, "a key that ends has an end"
    left_us, life_us = key.expires_at_us - now_us, key.expires_at_us - key.created_at_us
    due = min((each for each in days if left_us <= each * US_PER_DAY < life_us), default=None)
    if due is None or left_us <= 0 or (ending.warned_days is not None and ending.warned_days <= due):
        return None
    return due


async def _warn(store: Store, vault: Vault, ending: EndingKey, *, days: int, public_url: str) -> bool:
    key = ending.key
    named = KeyNamed(id=key.id, name=key.name, project=ending.project_name or ending.organization_name)

    async def work(connection: Connection) -> bool:
        recipients = await key_expiry.list_recipients(connection, key)
        if not recipients or not await key_expiry.note_warning(connection, key, days=days):
            return False
        for recipient in recipients:
            reader = Reader(recipient.language, ending.timezone, public_url)
            assert key.expires_at_us is not None, "a key that ends has an end"
            path = f"/{key.organization_id}/keys/{key.id}"
            message = messages.api_key_expires(reader, named, expires_at_us=key.expires_at_us, path=path)
            await outbox.post(
                connection,
                vault,
                message,
                kind="api_key_expires",
                recipient=recipient.email,
                organization_id=key.organization_id,
            )
        return True

    return await store.write(work)
