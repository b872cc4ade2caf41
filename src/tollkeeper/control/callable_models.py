"""The models that an organization's people may call: cards with limits and prices, and what a call would cost at most.

Nothing here asks the database: routes and prices are in memory, so that there is no action to run it in.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from tollkeeper.domain.access import Principal, require_somewhere
from tollkeeper.domain.deployment import Place, Route
from tollkeeper.domain.errors import NotFound
from tollkeeper.domain.model_card import KnownModels, describe, versions_now
from tollkeeper.domain.price import STANDARD_TIER, charge_for
from tollkeeper.domain.usage import Dimension, Usage
from tollkeeper.kit.clock import now_us
from tollkeeper.ports.prices import Prices
from tollkeeper.ports.routes import Routes
from tollkeeper.ports.tokens import TokenCounter

SEE, CALL = "models:list", "chat:create"
TOKENS_PER_MESSAGE = 3
"""What the chat format adds to each message and to the answer (OpenAI cookbook, as in `cli.request_file`)."""
NAME_LENGTH_MAX = 256
_WELL_KNOWN = ("gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash-lite", "deepseek-chat", "grok-4-fast")
Card = dict[str, Any]


class ModelTables(msgspec.Struct, frozen=True):
    """What models are looked up in, and what counts their tokens."""

    routes: Routes
    prices: Prices
    known: KnownModels
    counter: TokenCounter


class ModelPage(msgspec.Struct, frozen=True):
    """Some of the models by name, how many match in all, and the providers that there are to choose from."""

    cards: list[Card]
    total: int
    providers: list[str]


class CallAsked(msgspec.Struct, frozen=True):
    """A call that is to be estimated: its texts, one for each message, and the longest answer."""

    model: str
    texts: tuple[str, ...]
    output_tokens_max: int


class CallEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a call would cost at most, in nano-USD; None is unpriced, and `reason` says why.

    `fits` is None where nobody knows the model's window.
    """

    input_tokens: int
    output_tokens_max: int
    input_nanos: int | None
    total_nanos: int | None
    reason: str
    fits: bool | None


def list_models(
    tables: ModelTables, principal: Principal, *, name: str = "", provider: str = "", start: int = 0, limit: int = 50
) -> ModelPage:
    """Return models like `name` that a provider serves, as `GET /v1/models` tells of them.

    Raises:
        PermissionDenied: who asks may list models nowhere.
    """
    require_somewhere(principal, SEE)
    pattern = name.strip().lower()[:NAME_LENGTH_MAX]
    pattern = pattern if any(sign in pattern for sign in "*?") else f"*{pattern}*"
    pattern = pattern.replace("[", "[[]")
    routes = [
        route
        for route in routes_of(tables, principal.organization_id)
        if fnmatchcase(route.name.lower(), pattern)
        and (not provider or provider in {each.provider.name for each in route.deployments})
    ]
    providers = sorted({each.name for each in tables.routes.of(principal.organization_id).providers})
    cards = [_card(tables, principal.organization_id, route) for route in routes[start : start + limit]]
    return ModelPage(cards, len(routes), providers)


def get_model(tables: ModelTables, principal: Principal, name: str) -> Card:
    """Return one model.

    Raises:
        PermissionDenied: who asks may list models nowhere.
        NotFound: no provider here serves it.
    """
    require_somewhere(principal, SEE)
    return _card(tables, principal.organization_id, _route(tables, principal.organization_id, name))


def routes_of(tables: ModelTables, organization_id: str) -> list[Route]:
    """Return the routes that have a name by themselves, by name."""
    table = tables.routes.of(organization_id)
    found = [table.resolve(name) for name, _ in sorted(table.names(), key=lambda named: named[0])]
    return [route for route in found if route is not None]


def places_of(tables: ModelTables, organization_id: str) -> frozenset[Place]:
    """Return the deployments behind these routes."""
    return frozenset(
        (each.provider.credential_id, each.provider.name, each.model)
        for route in routes_of(tables, organization_id)
        for each in route.deployments
    )


def chat_models(tables: ModelTables, principal: Principal) -> list[str]:
    """Return the names of the models that answer in text, or of which nobody says what they answer in."""
    require_somewhere(principal, CALL)
    return [route.name for route in _answering_in_text(tables, principal.organization_id)]


def first_model(tables: ModelTables, organization_id: str) -> str | None:
    """Return a model to make a first call with: a small one that everybody knows, else any that answers in text.

    None when no provider is set up, so that no call can be answered. Whose models have no names here stands before MODEL.
    """
    table = tables.routes.of(organization_id)
    provider = next(iter(table.providers), None)
    if provider is None:
        return None
    known = next((each for each in _WELL_KNOWN if table.resolve(each) is not None), None)
    return known or next(
        (route.name for route in _answering_in_text(tables, organization_id)), f"{provider.name}/MODEL"
    )


def limit_name(tables: ModelTables, organization_id: str, model: str) -> str:
    """Return how a call says the longest answer: OpenAI's newer models refuse `max_tokens`, other servers know nothing else."""
    kind = _route(tables, organization_id, model).deployments[0].provider.kind
    return "max_completion_tokens" if kind in {"openai", "xai"} else "max_tokens"


async def estimate_call(tables: ModelTables, principal: Principal, asked: CallAsked) -> CallEstimate:
    """Count a call's texts and price them with the longest answer, at the prices of the deployment that is tried first.

    Raises:
        PermissionDenied: who asks may call models nowhere.
        NotFound: no provider here serves the model.
    """
    require_somewhere(principal, CALL)
    first = _route(tables, principal.organization_id, asked.model).usual[0]
    counts = await tables.counter.count(first.model, list(asked.texts))
    counted = sum(counts) + TOKENS_PER_MESSAGE * (len(asked.texts) + 1)
    prices = tables.prices.of(principal.organization_id).find(first.provider.price_list, first.model)
    usages = [
        Usage({Dimension.INPUT.value: counted, Dimension.OUTPUT.value: output}, is_estimated=True)
        for output in (0, asked.output_tokens_max)
    ]
    alone, together = (charge_for(prices, usage, at_us=now_us(), tier=STANDARD_TIER) for usage in usages)
    window = tables.known.known(first.provider.catalogue, first.model).facts.context_window
    return CallEstimate(
        input_tokens=counted,
        output_tokens_max=asked.output_tokens_max,
        input_nanos=alone.amount_nanos,
        total_nanos=together.amount_nanos,
        reason=together.reason or "",
        fits=None if window is None else counted + asked.output_tokens_max <= window,
    )


def _answering_in_text(tables: ModelTables, organization_id: str) -> Iterator[Route]:
    for route in routes_of(tables, organization_id):
        outputs = [tables.known.known(each.provider.catalogue, each.model).facts.outputs for each in route.deployments]
        if all(each is None or "text" in each for each in outputs):
            yield route


def _route(tables: ModelTables, organization_id: str, name: str) -> Route:
    route = tables.routes.of(organization_id).resolve(name) if len(name) <= NAME_LENGTH_MAX else None
    if route is None or not route.usual:
        raise NotFound(f"No provider here serves a model '{name[:NAME_LENGTH_MAX]}'.")
    return route


def _card(tables: ModelTables, organization_id: str, route: Route) -> Card:
    facts = [tables.known.known(each.provider.catalogue, each.model) for each in route.deployments]
    versions = versions_now(route, tables.prices.of(organization_id), now_us())
    return {"id": route.name, **describe(route, versions, facts)}
