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


class Provider(msgspec.Struct, frozen=True):
    """Where calls go. `catalogue` is the provider's name in the price catalogue, "" when it has no list prices."""

    name: str
    kind: ProviderKind
    base_url: str
    api_key: str = msgspec.field(default="")
    catalogue: str = ""

    @property
    def price_list(self) -> str:
        """The provider's name in the price book: the catalogue's for a known kind, else its own."""
        return self.catalogue or self.name

    def __repr__(self) -> str:
        return f"Provider({self.name!r}, {self.kind!r}, {self.base_url!r})"  # never the key


class Deployment(msgspec.Struct, frozen=True):
    """A model at a provider."""

    provider: Provider
    model: str
    weight: int = 1


class Route(msgspec.Struct, frozen=True):
    """A public model name and the ordered deployments behind it."""

    name: str
    deployments: tuple[Deployment, ...]


class Catalogue(Protocol):
    """Which models a provider is known to have."""

    def has(self, provider: str, model: str) -> bool: ...

    def models(self, provider: str) -> list[str]: ...


class RouteTable:
    """Resolves public model names: own names first, then `provider/model`, then a catalogue's name."""

    def __init__(self, routes: list[Route], providers: list[Provider], catalogue: Catalogue) -> None:
        self._own = {route.name: route for route in routes}
        self._providers = {provider.name: provider for provider in providers}
        self._catalogue = catalogue
        self._resolved: dict[str, Route] = dict(self._own)

    def resolve(self, name: str) -> Route | None:
        """Return the route of a public name; None when no provider here serves it."""
        route = self._resolved.get(name)
        if route is None:
            route = self._resolve_unknown(name)
            if route is not None and len(self._resolved) < 10_000:  # names come from outside
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
