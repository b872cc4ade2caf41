"""Providers, the deployments of models at them, and the routes that public model names resolve to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec

Place = tuple[str, str, str]
"""What tells deployments apart: the credential's id ("" is the operator's), the provider's name, the model."""

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


COST_REPORTING_HOSTS: dict[str, frozenset[str]] = {
    "xai": frozenset({"api.x.ai"}),
    "openai_compatible": frozenset({"openrouter.ai"}),
}
"""Where a kind's answers say what they cost, and it is what is billed: docs.x.ai/developers/cost-tracking,
openrouter.ai/docs/use-cases/usage-accounting (read 2026-11-22)."""


API_KEY_HOSTS = (".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com")
"""Ends of hosts that take their key in the header `api-key`: learn.microsoft.com/azure/ai-foundry/openai (read 2026-11-22)."""


REMEMBERED_MAX, REMEMBERED_MAX_BROUGHT = 10_000, 1_000
"""How many names a table remembers the route of: the operator's, and each of an organization with its own providers."""


class Provider(msgspec.Struct, frozen=True):
    """Where calls go. `catalogue` is the provider's name in the price catalogue, "" when it has no list prices.

    `credential_id` says that an organization brought it, with a key and an address of its own; "" is the operator's.
    `is_sealed_shut` is one whose key could not be opened: it is refused, and nobody else's key stands in.
    `key_header` is the operator's word on the header that carries the bare key; "" leaves it to kind and address.
    `reports_cost` is the operator's word on whether its answers say what it bills; None leaves it to kind and address.
    """

    name: str
    kind: ProviderKind
    base_url: str
    api_key: str = msgspec.field(default="")
    catalogue: str = ""
    credential_id: str = ""
    is_sealed_shut: bool = False
    reports_cost: bool | None = None
    key_header: str = ""

    @property
    def own_key_header(self) -> str:
        """The header that carries the bare key, where it is another one than its kind's; "" where it is not."""
        if self.key_header:
            return self.key_header
        is_azure = (urlsplit(self.base_url).hostname or "").endswith(API_KEY_HOSTS)
        return "api-key" if is_azure and self.kind in {"openai", "openai_compatible"} else ""

    @property
    def price_list(self) -> str:
        """The provider's name in the price book: the catalogue's for a known kind, else its own."""
        return self.catalogue or self.name

    @property
    def is_cost_believed(self) -> bool:
        """Whether what its answers say of their own cost is what it bills (docs/decisions/0021).

        An operator knows whom a provider's kind names; of an organization's own provider only the address tells.
        """
        if self.reports_cost is not None:
            return self.reports_cost
        if self.kind == "xai" and not self.credential_id:
            return True
        return (urlsplit(self.base_url).hostname or "") in COST_REPORTING_HOSTS.get(self.kind, ())

    @property
    def is_guarded(self) -> bool:
        """Whether an organization chose the address, so that it may be a public one only."""
        return bool(self.credential_id)

    def __repr__(self) -> str:
        return f"Provider({self.name!r}, {self.kind!r}, {self.base_url!r})"  # never the key


class Deployment(msgspec.Struct, frozen=True):
    """A model at a provider.

    Neighbours that state a `weight` share the calls of their route by it; one without (0) has its place for itself.
    The limits are the provider's for us: what is beyond them waits, or goes elsewhere. `is_for_long_context` has it
    asked only when another one refuses a call as too long. `is_unlisted`: neither settings nor catalogue name the model, a
    client did.
    """

    provider: Provider
    model: str
    weight: int = 0
    concurrent_calls: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    is_for_long_context: bool = False
    is_unlisted: bool = False
    place: Place = ("", "", "")  # made of the others, as is what follows
    is_limited: bool = False

    def __post_init__(self) -> None:
        limits = (self.concurrent_calls, self.requests_per_minute, self.tokens_per_minute)
        made = msgspec.structs.force_setattr
        made(self, "place", (self.provider.credential_id, self.provider.name, self.model))
        made(self, "is_limited", any(each is not None for each in limits))


class Route(msgspec.Struct, frozen=True):
    """A public model name and the ordered deployments behind it.

    What follows them is made of them: every name by which a limit may mean the model, the public one first; the
    deployments that any call may go to; whether some of those share the calls.
    """

    name: str
    deployments: tuple[Deployment, ...]
    model_names: tuple[str, ...] = ()
    usual: tuple[Deployment, ...] = ()
    is_shared: bool = False

    def __post_init__(self) -> None:
        served = [(each.model, f"{each.provider.name}/{each.model}") for each in self.deployments]
        made = msgspec.structs.force_setattr
        made(self, "model_names", (self.name, *(name for names in served for name in names)))
        made(self, "usual", tuple(each for each in self.deployments if not each.is_for_long_context))
        made(self, "is_shared", any(each.weight for each in self.usual))

    def in_order(self, seed: int) -> tuple[Deployment, ...]:
        """Return the usual deployments in the order in which a call tries them; `seed`, at random, decides by weight."""
        if not self.is_shared:
            return self.usual
        ordered: list[Deployment] = []
        for has_weight, neighbours in itertools.groupby(self.usual, key=lambda each: each.weight > 0):
            if not has_weight:
                ordered += neighbours
                continue
            left = list(neighbours)
            while left:
                seed, drawn = divmod(seed, sum(each.weight for each in left))
                for each in left:
                    drawn -= each.weight
                    if drawn < 0:
                        break
                left.remove(each)
                ordered.append(each)
        return tuple(ordered)


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
                    msgspec.structs.replace(each, provider=by_name.get(each.provider.name, each.provider))
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

    @property
    def providers(self) -> Iterable[Provider]:
        return self._providers.values()

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
            is_listed = bool(provider.catalogue) and self._catalogue.has(provider.catalogue, model)
            return Route(name, (Deployment(provider, model, is_unlisted=not is_listed),))
        for provider in self._providers.values():
            if provider.catalogue and self._catalogue.has(provider.catalogue, name):
                return Route(name, (Deployment(provider, name),))
        return None
