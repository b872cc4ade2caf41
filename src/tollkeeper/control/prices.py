"""Prices: add and import own ones, all or none; list them; and the price book with them over the catalogue."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tollkeeper.control.organizations import choose_organization
from tollkeeper.domain.deployment import CATALOGUE_PROVIDERS
from tollkeeper.domain.errors import InvalidRequest, NotFound, StoreUnavailable, UnknownDatabase
from tollkeeper.domain.price import PriceRow
from tollkeeper.domain.rate_card import card_of
from tollkeeper.domain.usage import Dimension, Usage
from tollkeeper.kit.clock import now_us
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.drafts import PriceDraft, slot_of, to_rows
from tollkeeper.store import prices
from tollkeeper.store.engine import Store, parse_url
from tollkeeper.store.readiness import check_known

NO_DATABASE = "there is no database yet"


class PriceChange(msgspec.Struct, frozen=True):
    """What a new row does. `before_pico` is the price that it replaces, None when none was known or it is a pattern."""

    row: PriceRow
    before_pico: int | None
    is_new: bool  # False: the same price is in force already, and nothing is added


async def add_prices(
    store: Store, drafts: list[PriceDraft], *, organization_id: str = "", is_dry_run: bool = False
) -> list[PriceChange]:
    """Add own prices, all or none, and return what they change, in order. Prices already in force are not added again.

    Raises:
        InvalidRequest: one of them is wrong; nothing was added.
        StoreUnavailable: nothing was added.
    """
    rows = to_rows(drafts, now_us=now_us(), organization_id=organization_id)
    existing = await list_own_prices(store, organization_id)
    book = CompiledBook.load().with_own_rows(existing, organization_id=organization_id)
    changes = [change_of(book, existing, row) for row in rows]
    added = [change.row for change in changes if change.is_new]
    if added and not is_dry_run:
        await store.write(lambda connection: prices.insert_prices(connection, added))
    return changes


def change_of(book: CompiledBook, existing: list[PriceRow], row: PriceRow) -> PriceChange:
    """Return what a row does to a book that `existing` lies over."""
    return PriceChange(row, price_before(book, row), not _is_in_force(existing, row))


async def list_own_prices(store: Store, organization_id: str = "") -> list[PriceRow]:
    """Return the own prices for everybody, and those of the organization if one is given, in the order of adding."""
    return await store.read(lambda connection: prices.list_prices(connection, organization_id))


async def load_book(url: str, *, organization: str | None = None) -> tuple[CompiledBook, str]:
    """Return the catalogue with own prices over it; the catalogue alone and the reason when the database is away.

    `organization` is an id or a name; without one only prices for everybody count.

    Raises:
        ConfigurationError: the URL is none that is supported.
        NotFound: there is no such organization.
    """
    book = CompiledBook.load()
    if _is_missing(url):
        return book, NO_DATABASE  # opening would make an empty one
    store = Store.open(url)
    try:
        await check_known(store)
        organization_id = (await choose_organization(store, organization)).id if organization else ""
        rows = await list_own_prices(store, organization_id)
    except (StoreUnavailable, UnknownDatabase) as error:
        return book, error.message
    finally:
        await store.aclose()
    return book.with_own_rows(rows, organization_id=organization_id), ""


def find_model(book: CompiledBook, name: str) -> tuple[str, str]:
    """Return (provider, model) of `PROVIDER/MODEL` or of a model's name alone.

    Raises:
        NotFound: nobody has it.
        InvalidRequest: several have it, and none of them is a provider that is called directly.
    """
    prefix, slash, rest = name.partition("/")
    prefix = CATALOGUE_PROVIDERS.get(prefix, prefix)
    if slash and prefix in book.providers() and book.find(prefix, rest) is not None:
        return prefix, rest
    having = [provider for provider in book.providers() if _has(book, provider, name)]
    direct = [provider for provider in CATALOGUE_PROVIDERS.values() if provider in having]
    if len(direct) == 1 or len(having) == 1:
        return (direct or having)[0], name
    if not having:
        raise NotFound(f"No price is known for '{name}': it is unpriced. Add one with: tollkeeper prices add")
    named = ", ".join(f"{provider}/{name}" for provider in (direct or having)[:6])
    raise InvalidRequest(f"Several providers have '{name}'; say which: {named}", param="model")


def _has(book: CompiledBook, provider: str, name: str) -> bool:
    if book.has(provider, name):
        return True
    return book.model(provider, name) is None and book.find(provider, name) is not None


def _is_missing(url: str) -> bool:
    parsed = parse_url(url)
    return parsed.drivername == "sqlite" and not Path(str(parsed.database)).exists()


def price_before(book: CompiledBook, row: PriceRow) -> int | None:
    """Return the price that a book has for what a row prices when the row begins; None for a pattern, or when it has none."""
    if row.model_pattern.endswith("*"):
        return None
    found = book.find(row.provider, row.model_pattern)
    rates = found.rates(row.valid_from_us, row.tier) if found is not None else None
    usage = Usage({Dimension.INPUT: row.context_over + 1})
    rate = card_of(rates).pick(usage).get(row.dimension) if rates else None
    return rate.price_pico if rate is not None else None


def _is_in_force(existing: list[PriceRow], row: PriceRow) -> bool:
    begun = [other for other in existing if slot_of(other) == slot_of(row) and other.valid_from_us <= row.valid_from_us]
    latest = max(enumerate(begun), key=lambda entry: (entry[1].valid_from_us, entry[0]), default=None)
    return latest is not None and latest[1].price_pico == row.price_pico
