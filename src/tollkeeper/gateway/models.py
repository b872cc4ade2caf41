"""Lists of the models that a key may call, in three dialects: each model is rendered once, until its prices or routes change."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec

from tollkeeper.domain.deployment import Route, RouteTable
from tollkeeper.domain.errors import ModelNotFound
from tollkeeper.domain.key_terms import KeyTerms
from tollkeeper.domain.model_card import KnownModels, describe, versions_now
from tollkeeper.domain.price import PriceBook, PriceVersion
from tollkeeper.gateway.routing import find_route
from tollkeeper.gateway.wire.call import MODEL_NAME_LENGTH_MAX
from tollkeeper.gateway.wire.model_entries import Described, Page, render_entry, render_page
from tollkeeper.gateway.wire.translation import Dialect
from tollkeeper.ports.prices import Prices
from tollkeeper.ports.routes import Routes

TABLES_MAX = 64
_AT_ONCE = 8
ENTRIES_MAX = 8_192
"""How many rendered models are kept, a kilobyte each; names of `provider/model` come from outside."""


class ModelsAsked(msgspec.Struct, frozen=True):
    """Which part of a list is wanted: `size` models, 0 for all, of those behind `after` or before `before`, by name."""

    dialect: Dialect
    size: int = 0
    after: str = ""
    before: str = ""


class _Rendered(msgspec.Struct, frozen=True):
    versions: tuple[PriceVersion | None, ...]
    body: bytes


class ModelList:
    """The models of every organization. What is rendered once is kept; a list is put together from it."""

    def __init__(self, routes: Routes, prices: Prices, known: KnownModels, *, created_s: int) -> None:
        self._routes, self._prices, self._known, self._created_s = routes, prices, known, created_s
        self._tables: dict[RouteTable, list[Route]] = {}
        self._entries: dict[tuple[Dialect, Route], _Rendered] = {}
        self._prepared: set[tuple[Dialect, RouteTable]] = set()

    async def prepare(self, dialect: Dialect, organization_id: str, *, at_us: int) -> None:
        """Render the models for the first time, a few at once: hundreds take a tenth of a second, and calls go on meanwhile."""
        table, book = self._routes.of(organization_id), self._prices.of(organization_id)
        if (dialect, table) in self._prepared:
            return
        for place, (name, _) in enumerate(table.names()):
            if (route := table.resolve(name)) is not None:
                self._entry(dialect, route, book, at_us)
            if place % _AT_ONCE == 0:
                await asyncio.sleep(0)
        if len(self._prepared) >= TABLES_MAX:
            self._prepared.clear()
        self._prepared.add((dialect, table))

    def render(self, asked: ModelsAsked, organization_id: str, terms: KeyTerms | None = None, *, at_us: int) -> bytes:
        """Return the part of the list that is asked for: of the models only those that a key of these terms may call."""
        book = self._prices.of(organization_id)
        routes: Sequence[Route] = self._sorted(self._routes.of(organization_id))
        if terms is not None and terms.allowed_models:
            routes = [route for route in routes if terms.allows_call(route.name, route.deployments)]
        first, last = 0, len(routes)
        if asked.before:
            last = bisect_left(routes, asked.before, key=_name)
            first = max(0, last - asked.size) if asked.size else 0
            has_more = first > 0
        else:
            first = bisect_right(routes, asked.after, key=_name) if asked.after else 0
            last = min(last, first + asked.size) if asked.size else last
            has_more = last < len(routes)
        shown = routes[first:last]
        entries = [self._entry(asked.dialect, route, book, at_us) for route in shown]
        names = (shown[0].name, shown[-1].name) if shown else None
        return render_page(asked.dialect, Page(entries, names, has_more))

    def render_one(
        self, dialect: Dialect, name: str, organization_id: str, terms: KeyTerms | None = None, *, at_us: int
    ) -> bytes:
        """Describe one model.

        Raises:
            ModelNotFound: no provider here serves it.
            ModelNotAllowed: a key of these terms may not call it.
        """
        if len(name) > MODEL_NAME_LENGTH_MAX:
            raise ModelNotFound(f"A model's name has at most {MODEL_NAME_LENGTH_MAX} characters.")
        route = find_route(self._routes, organization_id, name)
        if terms is not None:
            terms.check_model(name, route.deployments)
        return self._entry(dialect, route, self._prices.of(organization_id), at_us)

    def _sorted(self, table: RouteTable) -> list[Route]:
        routes = self._tables.get(table)
        if routes is None:
            if len(self._tables) >= TABLES_MAX:  # a table that is gone stays no longer
                self._tables.clear()
            found = [table.resolve(name) for name, _ in table.names()]
            routes = self._tables[table] = sorted((route for route in found if route is not None), key=_name)
        return routes

    def _entry(self, dialect: Dialect, route: Route, book: PriceBook, at_us: int) -> bytes:
        """Return a model as rendered earlier, when the prices in force are the same still."""
        versions = versions_now(route, book, at_us)
        place = (dialect, route)
        known = self._entries.get(place)
        if known is not None and all(map(_is, known.versions, versions)):
            return known.body
        facts = [self._known.known(each.provider.catalogue, each.model) for each in route.deployments]
        card = describe(route, versions, facts)
        described = Described(route.name, route.deployments[0].provider, self._created_s, card)
        if len(self._entries) >= ENTRIES_MAX:
            self._entries.clear()
        self._entries[place] = _Rendered(versions, render_entry(dialect, described))
        return self._entries[place].body


def _name(route: Route) -> str:
    return route.name


def _is(one: PriceVersion | None, other: PriceVersion | None) -> bool:
    return one is other
