"""An organization's own prices: which are in force, what a further one would change, and adding it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import cache

import msgspec

from tollkeeper.control.administration import Action, Target
from tollkeeper.control.prices import PriceChange, change_of, price_before
from tollkeeper.domain.errors import Conflict, InvalidRequest, PermissionDenied
from tollkeeper.domain.money import format_usd_per_million
from tollkeeper.domain.price import PriceRow, charge_for
from tollkeeper.domain.usage import Charge, Dimension, Usage
from tollkeeper.kit.nearest import nearest
from tollkeeper.prices.book import CompiledBook
from tollkeeper.prices.drafts import PriceDraft, slot_of, to_rows
from tollkeeper.store import prices

MANAGE = "price:manage"
ROWS_MAX = 5_000
"""Prices that an organization may add by itself; more are the operator's to import."""
NOTE_LENGTH_MAX = 500


class RowState(StrEnum):
    """What has become of a price."""

    IN_FORCE = "in_force"
    LATER = "later"
    SUPERSEDED = "superseded"


class OwnPrice(msgspec.Struct, frozen=True):
    """A price with what became of it, and the list price in its place; None for a pattern or when there is none.

    `is_known_model` is false where the provider has list prices, but none for a model of this name: a slip, perhaps.
    """

    row: PriceRow
    state: RowState
    list_pico: int | None
    is_known_model: bool


class PricePreview(msgspec.Struct, frozen=True):
    """What a price would do: to one call of a model that it concerns, at the moment from which it would hold."""

    change: PriceChange
    model: str
    at_us: int
    before: Charge
    after: Charge
    is_known_provider: bool
    is_known_model: bool
    near: str
    """The model that was probably meant by one that is not known; "" for none."""


async def list_own(action: Action) -> list[OwnPrice]:
    """Return the own prices that hold for the organization, its own and everybody's, the newest first.

    Raises:
        PermissionDenied: the caller may not manage the organization's prices.
    """
    action.require(MANAGE, action.organization)
    rows = await prices.list_prices(action.connection, action.organization_id)
    states, book = _states(rows, action.now_us), listed_book()
    return [OwnPrice(row, states[row.id], price_before(book, row), is_known_model(book, row)) for row in reversed(rows)]


async def preview_price(action: Action, draft: PriceDraft, usage: Usage, *, is_operators: bool) -> PricePreview:
    """Return what a price would do, and add nothing.

    Raises:
        PermissionDenied: as `add_price`.
        InvalidRequest: it is no price that could be.
    """
    row, existing = await _checked(action, draft, is_operators=is_operators)
    book = listed_book().with_own_rows(existing, organization_id=action.organization_id)
    then = book.with_own_rows([*existing, row], organization_id=action.organization_id)
    model, at_us = _concerned(book, row), max(row.valid_from_us, action.now_us)

    def charge(prices_: CompiledBook) -> Charge:
        return charge_for(prices_.find(row.provider, model), usage, at_us=at_us, tier=row.tier)

    return PricePreview(
        change_of(book, existing, row),
        model,
        at_us,
        charge(book),
        charge(then),
        row.provider in book.providers(),
        is_known_model(book, row),
        near_model(book, row),
    )


async def add_price(action: Action, draft: PriceDraft, *, is_operators: bool) -> PriceChange:
    """Add a price for the organization; the same price again where it is in force adds nothing.

    `is_operators`: on this installation the operator sells credit, and what it pays for is not its buyers' to price.

    Raises:
        PermissionDenied: the caller may not manage the organization's prices, or only the operator may.
        InvalidRequest: it is no price that could be.
        Conflict: the organization has as many as it may add by itself.
    """
    row, existing = await _checked(action, draft, is_operators=is_operators)
    book = listed_book().with_own_rows(existing, organization_id=action.organization_id)
    change = change_of(book, existing, row)
    if change.is_new:
        if sum(bool(each.organization_id) for each in existing) >= ROWS_MAX:
            raise Conflict(f"An organization has {ROWS_MAX:,} own prices at most; the operator imports further ones.")
        await prices.insert_prices(action.connection, [row])
        action.record("price.add", Target("price", row.id, f"{row.provider}/{row.model_pattern}"), after=_shown(row))
    return change


def is_known_model(book: CompiledBook, row: PriceRow) -> bool:
    """Tell whether a price is for a model that its provider has; for one without list prices nobody can know."""
    if book.model(row.provider, row.model_pattern) is not None or not book.catalogue_models(row.provider):
        return True
    if not row.model_pattern.endswith("*"):
        return False
    beginning = row.model_pattern[:-1].lower()
    return any(each.lower().startswith(beginning) for each in book.models(row.provider))


def near_model(book: CompiledBook, row: PriceRow) -> str:
    """Return the model that was probably meant by one that is not known; "" for none."""
    if is_known_model(book, row):
        return ""
    return nearest(row.model_pattern.removesuffix("*"), book.models(row.provider))


def is_listed_model(row: PriceRow) -> bool:
    """Return `is_known_model` by the list prices."""
    return is_known_model(listed_book(), row)


def near_listed(row: PriceRow) -> str:
    """Return `near_model` by the list prices."""
    return near_model(listed_book(), row)


def doubt_about(row: PriceRow) -> str:
    """Say that a price may be for a mistyped model; "" when it is for a known one."""
    if is_listed_model(row):
        return ""
    near = near_listed(row)
    meant = f" Did you mean '{near}'?" if near else ""
    return f"No known model of '{row.provider}' is called '{row.model_pattern}'; the price holds for calls that name it so.{meant}"


async def _checked(action: Action, draft: PriceDraft, *, is_operators: bool) -> tuple[PriceRow, list[PriceRow]]:
    action.require(MANAGE, action.organization)
    if is_operators and not action.caller.principal.is_operator:
        raise PermissionDenied(
            "On this installation prices are its operator's business (`tollkeeper prices`), as credit is; "
            "the setting credits.granted_by says so."
        )
    if len(draft.note) > NOTE_LENGTH_MAX or not draft.note.isprintable():
        raise InvalidRequest(f"A note has at most {NOTE_LENGTH_MAX} printable characters.", param="note")
    (row,) = to_rows([draft], now_us=action.now_us, organization_id=action.organization_id)
    return row, await prices.list_prices(action.connection, action.organization_id)


@cache
def listed_book() -> CompiledBook:
    """Return the list prices that the package carries."""
    return CompiledBook.load()


def _concerned(book: CompiledBook, row: PriceRow) -> str:
    """Return a model that a row concerns: its own, or the first one that begins as its pattern does."""
    if not row.model_pattern.endswith("*"):
        return row.model_pattern
    beginning = row.model_pattern[:-1]
    known = (each for each in book.models(row.provider) if each.lower().startswith(beginning.lower()))
    return next(known, beginning or "model")


def _states(rows: Sequence[PriceRow], now_us: int) -> dict[str, RowState]:
    found: dict[str, RowState] = {}
    latest: dict[tuple[object, ...], PriceRow] = {}
    for row in rows:  # in the order of adding: of two that begin together the later one holds
        if row.valid_from_us > now_us:
            found[row.id] = RowState.LATER
            continue
        found[row.id] = RowState.SUPERSEDED
        before = latest.get(slot_of(row))
        if before is None or row.valid_from_us >= before.valid_from_us:
            latest[slot_of(row)] = row
    return found | {row.id: RowState.IN_FORCE for row in latest.values()}


def _shown(row: PriceRow) -> dict[str, object]:
    return {
        "provider": row.provider,
        "model": row.model_pattern,
        "dimension": row.dimension,
        "tier": row.tier,
        "context_over": row.context_over,
        "usd_per_million": format_usd_per_million(row.price_pico),
        "valid_from_us": row.valid_from_us,
        "note": row.note,
    }


def usage_of(dimension: str, *, input_tokens: int, output_tokens: int, units: int) -> Usage:
    """Return the usage of a call that a preview is about; `units` count what is priced when that is neither of the others."""
    quantities = {Dimension.INPUT.value: input_tokens, Dimension.OUTPUT.value: output_tokens}
    if dimension not in quantities:
        quantities[dimension] = units
    return Usage(quantities, is_estimated=True)
