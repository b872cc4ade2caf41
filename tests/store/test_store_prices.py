"""Own prices are appended, seen by those they hold for, and announced to running servers."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from tollkeeper.domain.price import PriceRow
from tollkeeper.kit.ids import new_id
from tollkeeper.store import revision
from tollkeeper.store.engine import Store
from tollkeeper.store.prices import insert_prices, list_all_prices, list_prices


def make_price(organization_id: str = "", **changes: object) -> PriceRow:
    values = {
        "id": new_id("price"),
        "organization_id": organization_id,
        "provider": "openai",
        "model_pattern": "gpt-4o*",
        "dimension": "input",
        "tier": "standard",
        "context_over": 0,
        "price_pico": 150_000,
        "valid_from_us": 1,
        "note": "계약",
        "created_at_us": 5,
    }
    return PriceRow(**{**values, **changes})  # type: ignore[arg-type]


async def test_prices_hold_for_everybody_or_for_their_organization(store: Store) -> None:
    common, mine, theirs = make_price(created_at_us=1), make_price("org_a", created_at_us=2), make_price("org_b")
    other = make_price(provider="acme", created_at_us=3)
    await store.write(lambda c: insert_prices(c, [common, mine, theirs, other]))
    assert await store.read(lambda c: list_prices(c, "org_a")) == [common, mine, other]
    assert await store.read(lambda c: list_prices(c, "org_a", provider="acme")) == [other]
    assert await store.read(lambda c: list_prices(c, "org_c")) == [common, other]
    assert sorted(await store.read(list_all_prices), key=lambda row: row.id) == sorted(
        [common, mine, theirs, other], key=lambda row: row.id
    )


async def test_prices_are_added_all_or_none_and_announced(store: Store) -> None:
    await store.write(lambda c: insert_prices(c, []))
    assert await store.read(lambda c: revision.changes_after(c, 0)) == []
    price = make_price()
    with pytest.raises(IntegrityError):
        await store.write(lambda c: insert_prices(c, [price, make_price("org_a"), price]))
    assert await store.read(list_all_prices) == []
    await store.write(lambda c: insert_prices(c, [price, make_price("org_a")]))
    changes = await store.read(lambda c: revision.changes_after(c, 0))
    assert [(change.kind, change.organization_id) for change in changes] == [("price", ""), ("price", "org_a")]
