"""Providers, the deployments of models at them, and the routes that public model names resolve to."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

ProviderKind = Literal["openai", "anthropic", "gemini", "deepseek", "xai", "openai_compatible"]

CATALOGUE_PROVIDERS: dict[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "google",
    "deepseek": "deepseek",
    "xai": "x-ai",
}
"""Which provider of the price catalogue a kind's models are listed under; openai_compatible has none by itself."""


USUAL_BASE_URLS: dict[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    "deepseek": "https://api.deepseek.com/v1",
    "xai": "https://api.x.ai/v1",
}
"""Where each kind is reached unless somebody says otherwise; openai_compatible has no such place."""


REMEMBERED_MAX, REMEMBERED_MAX_BROUGHT = 10_000, 1_000
"""How many names a table remembers the route of: the operator's, and each of an organization with its own providers."""


class Provider(msgspec.Struct, frozen=True):
    """Where calls go. `catalogue` is the provider's name in the price catalogue, "" when it has no list prices.

    `credential_id` says that an organization brought it, with a key and an address of its own; "" is the operator's.
    `is_sealed_shut` is one whose key could not be opened: it is refused, and nobody else's key stands in.
    """

    name: str
    kind: ProviderKind
    base_url: str
    api_key: str = msgspec.field(default="")
    catalogue: str = ""
    credential_id: str = ""
    is_sealed_shut: bool = False

    @property
    def price_list(self) -> str:
        """The provider's name in the price book: the catalogue's for a known kind, else its own."""
        return self.catalogue or self.name

    @property
    def is_guarded(self) -> bool:
        """Whether an organization chose the address, so that it may be a public one only."""
        return bool(self.credential_id)

    def __repr__(self) -> str:
        return f"Provider({self.name!r}, {self.kind!r}, {self.base_url!r})"  # never the key


class Deployment(msgspec.Struct, frozen=True):
    """A model at a provider."""

    provider: Provider
    model: str
    weight: int = 1


class Route(msgspec.Struct, frozen=True):
    """A public model name and the ordered deployments behind it.

    `model_names` is made of the others: every name by which a limit may mean the model, the public one first.
    """

    name: str
    deployments: tuple[Deployment, ...]
    model_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        served = [(each.model, f"{each.provider.name}/{each.model}") for each in self.deployments]
        msgspec.structs.force_setattr(self, "model_names", (self.name, *(name for names in served for name in names)))


class Catalogue(Protocol):
    """Which models a provider is known to have."""

    def has(self, provider: str, model: str) -> bool: ...

    def models(self, provider: str) -> list[str]: ...


class RouteTable:
    """Resolves public model names: own names first, then `provider/model`, then a catalogue's name."""

    def __init__(
        self,
        routes: list[Route],
        providers: list[Provider],
        catalogue: Catalogue,
        *,
        remembered_max: int = REMEMBERED_MAX,
    ) -> None:
        self._own = {route.name: route for route in routes}
        self._providers = {provider.name: provider for provider in providers}
        self._catalogue = catalogue
        self._remembered_max = remembered_max
        self._resolved: dict[str, Route] = dict(self._own)

    def of(self, organization_id: str) -> RouteTable:  # noqa: ARG002  # one table for everybody
        """See `ports.routes.Routes`: where no organization brings a provider of its own."""
        return self

    def with_providers(self, brought: list[Provider]) -> RouteTable:
        """Return the table of an organization that brings providers.

        One of a name that is here takes its place, in every route; all of them come before the others where a
        catalogue's name alone decides.
        """
        by_name = {provider.name: provider for provider in brought}
        routes = [
            Route(
                route.name,
                tuple(
                    Deployment(by_name.get(each.provider.name, each.provider), each.model, each.weight)
                    for each in route.deployments
                ),
            )
            for route in self._own.values()
        ]
        others = [provider for provider in self._providers.values() if provider.name not in by_name]
        return RouteTable(
            routes,
            [*brought, *others],
            self._catalogue,
            remembered_max=min(self._remembered_max, REMEMBERED_MAX_BROUGHT),
        )

    def resolve(self, name: str) -> Route | None:
        """Return the route of a public name; None when no provider here serves it."""
        route = self._resolved.get(name)
        if route is None:
            route = self._resolve_unknown(name)
            if route is not None and len(self._resolved) < self._remembered_max:  # names come from outside
                self._resolved[name] = route
        return route

    def names(self) -> list[tuple[str, Provider]]:
        """List every public name with the provider that serves it first: own names, then the catalogue's."""
        listed = {route.name: route.deployments[0].provider for route in self._own.values()}
        for provider in self._providers.values():
            for model in self._catalogue.models(provider.catalogue) if provider.catalogue else ():
                listed.setdefault(model, provider)
        return list(listed.items())

    def _resolve_unknown(self, name: str) -> Route | None:
        prefix, slash, model = name.partition("/")
        if slash and model and (provider := self._providers.get(prefix)):
            return Route(name, (Deployment(provider, model),))
        for provider in self._providers.values():
            if provider.catalogue and self._catalogue.has(provider.catalogue, name):
                return Route(name, (Deployment(provider, name),))
        return None
