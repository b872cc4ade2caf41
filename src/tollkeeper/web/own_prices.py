"""The page of own prices: what is in force over the list prices, and a form that previews and adds one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from starlette.responses import Response

from tollkeeper.control.own_prices import (
    PricePreview,
    RowState,
    add_price,
    doubt_about,
    list_own,
    near_listed,
    preview_price,
    usage_of,
)
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.money import format_usd_per_million
from tollkeeper.domain.price import PRICE_TIERS, STANDARD_TIER
from tollkeeper.domain.usage import Dimension
from tollkeeper.prices.drafts import PriceDraft
from tollkeeper.web.answers import go, page
from tollkeeper.web.catalogues import catalogue_of
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.fields import ungrouped, whole_number
from tollkeeper.web.visitor import Sent, Visitor
from tollkeeper.web.words import Words

_PRICES_MAX = 500
_UNITS_MAX = 1_000_000_000
_CALL = {"input_tokens": 1000, "output_tokens": 500, "units": 1}

STATES: dict[RowState, str] = {
    RowState.IN_FORCE: _("in force"),
    RowState.LATER: _("later"),
    RowState.SUPERSEDED: _("superseded"),
}


async def show(visitor: Visitor) -> Response:
    """Answer the prices, and the form with what was written, or with the price that a link names."""
    return await _page(visitor, None)


async def act(visitor: Visitor) -> Response:
    """Preview a price, or add it."""
    sent, is_operators = visitor.form, visitor.people.rules.is_credit_operators
    draft = _draft(visitor)
    match sent["do"]:
        case "preview":
            counts = {name: _count(sent, name) for name in _CALL}
            usage = usage_of(draft.dimension, **counts)
            with _whole_sentences():
                preview = await visitor.look(preview_price, draft, usage, is_operators=is_operators)
            return await _page(visitor, preview)
        case "add":
            with _whole_sentences():
                made = await visitor.change(add_price, draft, is_operators=is_operators)
            notice = "price-there" if not made.is_new else "price-doubtful" if doubt_about(made.row) else "price-added"
            return go(f"{visitor.home}/models/prices", notice=notice)
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


@contextmanager
def _whole_sentences() -> Iterator[None]:
    """Let what is refused of a price end like a sentence: it is written to stand behind the line of a file."""
    try:
        yield
    except InvalidRequest as refusal:
        if refusal.message.endswith("."):
            raise
        raise InvalidRequest(f"{refusal.message}.", param=refusal.param) from refusal


async def _page(visitor: Visitor, preview: PricePreview | None) -> Response:
    found = await visitor.look(list_own)
    sent = visitor.form if visitor.form else visitor.query
    words = Words(catalogue_of(visitor.language))
    return await page(
        visitor,
        "own_prices.html",
        found=found[:_PRICES_MAX],
        is_cut=len(found) > _PRICES_MAX,
        preview=preview,
        near=near_listed(found[0].row) if found and visitor.query["done"] == "price-doubtful" else "",
        states=STATES,
        sent=sent,
        call={name: sent[name] or str(usual) for name, usual in _CALL.items()},
        dimensions=[words.title(each.value, "class") for each in Dimension],
        dimension=words.title(sent["dimension"] or Dimension.INPUT.value, "class"),
        tiers=[words.title(each, "tier") for each in PRICE_TIERS],
        tier=words.title(sent["tier"] or STANDARD_TIER, "tier"),
        tier_usual=STANDARD_TIER,
        per_million=format_usd_per_million,
        is_operators=visitor.people.rules.is_credit_operators,
    )


def _draft(visitor: Visitor) -> PriceDraft:
    sent, words = visitor.form, Words(catalogue_of(visitor.language))
    return PriceDraft(
        provider=sent["provider"].strip(),
        model=sent["model"].strip(),
        dimension=words.named(sent["dimension"], "class"),
        usd_per_million=ungrouped(sent, "usd_per_million").removeprefix("$"),
        tier=words.named(sent["tier"], "tier") or STANDARD_TIER,
        context_over=whole_number(sent, "context_over") or 0,
        valid_from=_moment(visitor),
        note=sent["note"].strip(),
    )


def _moment(visitor: Visitor) -> str:
    """Return when a price begins, with its distance from UTC; "" is now. A browser's field states none: it speaks of the
    organization's clocks.
    """
    text = visitor.form["valid_from"].strip()
    if not text:
        return ""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=visitor.figures.zone)).isoformat()
    except (ValueError, OverflowError):
        raise InvalidRequest("A moment is written like 2026-12-01T00:00.", param="valid_from") from None


def _count(sent: Sent, name: str) -> int:
    count = whole_number(sent, name)
    if count is None:
        return _CALL[name]
    if count > _UNITS_MAX:
        raise InvalidRequest(f"A call has at most {_UNITS_MAX:,} of anything here.", param=name)
    return count
