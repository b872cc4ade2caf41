"""The pages of models: those that people may call with limits, kinds and prices, and how deployments are."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control.callable_models import get_model, list_models, places_of
from tollkeeper.control.deployment_status import list_status
from tollkeeper.domain.price import STANDARD_TIER
from tollkeeper.web.answers import page
from tollkeeper.web.fields import whole_number
from tollkeeper.web.visitor import Visitor

_PAGE = 50
SHOWN = ("input", "cache_read", "output")


async def show(visitor: Visitor) -> Response:
    """Answer the list, and how the deployments are that were called within the last hour."""
    start = whole_number(visitor.query, "start") or 0
    name, provider = visitor.query["name"], visitor.query["provider"]
    found = list_models(visitor.models, visitor.principal, name=name, provider=provider, start=start, limit=_PAGE)
    known = places_of(visitor.models, visitor.organization.id)
    return await page(
        visitor,
        "models.html",
        found=found,
        name=name,
        provider=provider,
        tier=STANDARD_TIER,
        shown=SHOWN,
        start=start,
        next_query=visitor.query.but(start=str(start + _PAGE)) if start + _PAGE < found.total else [],
        deployments=await visitor.look(list_status, known=known),
        may_bring=visitor.may_at("provider:manage", visitor.whole),
        may_price=visitor.may_at("price:manage", visitor.whole),
    )


async def show_one(visitor: Visitor) -> Response:
    """Answer everything that is known of one model."""
    card = get_model(visitor.models, visitor.principal, visitor.query["name"])
    return await page(visitor, "model.html", card=card, may_try=visitor.may("chat:create"))
