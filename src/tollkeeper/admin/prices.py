"""/v1/prices: an organization's own prices over the list prices: list, preview, add. Nothing edits or deletes one."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field, WithJsonSchema

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    AS_INTEGER,
    PLAIN,
    After,
    Limit,
    ListPage,
    Number,
    OptionalNumber,
    PlainDecimal,
    Shape,
    Time,
    administration_of,
    answer,
    list_answer,
    shown_time,
    usd_of,
)
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Caller
from tollkeeper.control.own_prices import (
    NOTE_LENGTH_MAX,
    OwnPrice,
    add_price,
    doubt_about,
    list_own,
    preview_price,
    usage_of,
)
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.price import STANDARD_TIER, PriceRow
from tollkeeper.domain.usage import Charge
from tollkeeper.prices.drafts import CONTEXT_OVER_MAX, PriceDraft

router = APIRouter(tags=["prices"])
Managing = Annotated[Caller, Depends(requires("price:manage"))]
_PICO_PER_USD_PER_MILLION = 10**6
_PRICE_MAX = 10**9
_COUNT_MAX = 10**9
PerMillion = Annotated[
    PlainDecimal,
    Field(ge=0, le=_PRICE_MAX, decimal_places=6),
    WithJsonSchema(
        {"type": "number", "minimum": 0, "maximum": _PRICE_MAX, "description": "Dollars for a million units."}
    ),
]
_Count = Annotated[int, Field(ge=0, le=_COUNT_MAX), AS_INTEGER]


class PriceBody(Shape):
    """A price as `tollkeeper prices add` takes it. It holds for the organization, from `valid_from` on or from now."""

    provider: Annotated[str, Field(min_length=1, max_length=256, pattern=PLAIN, examples=["openai"])]
    model: Annotated[str, Field(min_length=1, max_length=257, pattern=PLAIN, examples=["gpt-4o-mini"])]
    dimension: Annotated[str, Field(min_length=1, max_length=96, pattern=PLAIN, examples=["input"])]
    usd_per_million: PerMillion
    tier: Annotated[str, Field(min_length=1, max_length=32, pattern=PLAIN)] = STANDARD_TIER
    context_over: Annotated[int, Field(ge=0, le=CONTEXT_OVER_MAX), AS_INTEGER] = 0
    valid_from: Time | None = None
    note: Annotated[str, Field(max_length=NOTE_LENGTH_MAX)] = ""

    def draft(self) -> PriceDraft:
        """Return the price as it is checked."""
        return PriceDraft(
            self.provider,
            self.model,
            self.dimension,
            format(self.usd_per_million, "f"),
            self.tier,
            self.context_over,
            "" if self.valid_from is None else self.valid_from.isoformat(),
            self.note,
        )


class PreviewBody(PriceBody):
    """A price, and the call that it is tried on; `units` count what is priced when that is neither input nor output."""

    input_tokens: _Count = 1000
    output_tokens: _Count = 500
    units: _Count = 1


class PriceShape(Shape):
    object: Literal["price"]
    id: str
    organization_id: Annotated[str | None, Field(description="Null for a price that holds for everybody here.")]
    provider: str
    model: str
    dimension: str
    tier: str
    context_over: int
    usd_per_million: Number
    valid_from: str
    note: str
    created_at: str


class PriceAnswer(PriceShape):
    is_new: Annotated[bool, Field(description="False when this price was in force already and nothing was added.")]
    warning: Annotated[str | None, Field(description="Said when no known model of the provider has this name.")]


class ListedPrice(PriceShape):
    state: Literal["in_force", "later", "superseded"]
    is_known_model: Annotated[
        bool, Field(description="False when its provider has list prices, but not for this name.")
    ]
    list_usd_per_million: Annotated[
        OptionalNumber, Field(description="Null where there is no list price, or a pattern.")
    ]


class ChargeAnswer(Shape):
    cost_usd: Annotated[OptionalNumber, Field(description="Exact to the nano; null when no price is known.")]
    reason: Annotated[str | None, Field(description="Why no price is known.")]


class PreviewAnswer(Shape):
    object: Literal["price.preview"]
    model: Annotated[str, Field(description="The model that the call is of: for a pattern the first one it is about.")]
    at: str
    is_new: bool
    usd_per_million_before: OptionalNumber
    usd_per_million: Number
    before: ChargeAnswer
    after: ChargeAnswer
    is_known_model: Annotated[
        bool, Field(description="False when its provider has list prices, but not for this name.")
    ]
    near_model: Annotated[str | None, Field(description="The known model that was perhaps meant.")]
    is_known_provider: Annotated[bool, Field(description="Whether there are prices under this provider's name.")]


@router.get("/v1/prices", response_model=ListPage[ListedPrice], summary="List the own prices, newest first")
async def list_prices(request: Request, caller: Managing, after: After = None, limit: Limit = 20) -> Response:
    """List the organization's prices and those for everybody on this installation, with the list prices in their place."""
    found = await administration_of(request).look(caller, list_own)
    if after is not None:
        at = next((at for at, each in enumerate(found) if each.row.id == after), None)
        if at is None:
            raise InvalidRequest(f"There is no price '{after}'.", param="after")
        found = found[at + 1 :]
    return list_answer(found[: limit + 1], limit, _listed)


@router.post("/v1/prices", response_model=PriceAnswer, summary="Add a price for the organization")
async def create_price(request: Request, body: PriceBody, caller: Managing) -> Response:
    """Add a price. It is never edited: a later one supersedes it. Calls that were made before keep their amounts."""
    made = await administration_of(request).change(caller, add_price, body.draft(), is_operators=_is_operators(request))
    return answer({**_shown(made.row), "is_new": made.is_new, "warning": doubt_about(made.row) or None})


@router.post("/v1/prices/preview", response_model=PreviewAnswer, summary="Show what a price would change")
async def show_preview(request: Request, body: PreviewBody, caller: Managing) -> Response:
    """Price a call as it is until the price would hold, and with it. Nothing is added."""
    usage = usage_of(body.dimension, input_tokens=body.input_tokens, output_tokens=body.output_tokens, units=body.units)
    found = await administration_of(request).look(
        caller, preview_price, body.draft(), usage, is_operators=_is_operators(request)
    )
    before = found.change.before_pico
    return answer(
        {
            "object": "price.preview",
            "model": found.model,
            "at": shown_time(found.at_us),
            "is_new": found.change.is_new,
            "usd_per_million_before": None if before is None else _per_million(before),
            "usd_per_million": _per_million(found.change.row.price_pico),
            "before": _charged(found.before),
            "after": _charged(found.after),
            "is_known_provider": found.is_known_provider,
            "is_known_model": found.is_known_model,
            "near_model": found.near or None,
        }
    )


def _is_operators(request: Request) -> bool:
    rules: AccountRules = request.app.state.people.rules
    return rules.is_credit_operators


def _listed(found: OwnPrice) -> dict[str, Any]:
    listed = None if found.list_pico is None else _per_million(found.list_pico)
    return {
        **_shown(found.row),
        "state": found.state.value,
        "is_known_model": found.is_known_model,
        "list_usd_per_million": listed,
    }


def _shown(row: PriceRow) -> dict[str, Any]:
    return {
        "object": "price",
        "id": row.id,
        "organization_id": row.organization_id or None,
        "provider": row.provider,
        "model": row.model_pattern,
        "dimension": row.dimension,
        "tier": row.tier,
        "context_over": row.context_over,
        "usd_per_million": _per_million(row.price_pico),
        "valid_from": shown_time(row.valid_from_us),
        "note": row.note,
        "created_at": shown_time(row.created_at_us),
    }


def _per_million(price_pico: int) -> Decimal:
    return (Decimal(price_pico) / _PICO_PER_USD_PER_MILLION).normalize() + 0


def _charged(charge: Charge) -> dict[str, Any]:
    cost = None if charge.amount_nanos is None else usd_of(charge.amount_nanos)
    return {"cost_usd": cost, "reason": charge.reason or None}
