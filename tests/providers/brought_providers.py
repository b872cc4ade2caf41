"""Makes organizations that bring providers, and the data plane over their routes."""

from __future__ import annotations

import msgspec
from tests.fakes.gateway import KNOWN_MODELS, MODEL, Catalogue, FakeGateway
from tests.fakes.ports import FakePrices

from tollkeeper.control.administration import Administration, Secrets, operator
from tollkeeper.control.live_routes import LiveRoutes
from tollkeeper.control.provider_credentials import NewProvider, create_provider
from tollkeeper.domain.deployment import Deployment, Provider, Route, RouteTable
from tollkeeper.domain.provider_credential import ProviderCredential
from tollkeeper.gateway.models import ModelList
from tollkeeper.store.engine import Store
from tollkeeper.store.organizations import create_organization

PEPPER = b"p" * 32
SECRETS = Secrets.of(PEPPER)
OPERATORS = Provider("openai", "openai", "https://operator.test/v1", "sk-operator-secret-000", "openai")
BASE_URL = "https://provider.test/v1"


async def add_organization(store: Store, name: str) -> str:
    return (await store.write(lambda c: create_organization(c, name))).id


async def bring(
    store: Store, organization_id: str, secret: str, *, name: str = "openai", base_url: str | None = BASE_URL
) -> ProviderCredential:
    administration = Administration(store, SECRETS)
    new = NewProvider(name, "openai", secret, base_url=base_url)
    return await administration.change(operator(organization_id, name="tests"), create_provider, new)


def operators_table() -> RouteTable:
    return RouteTable([Route("fast", (Deployment(OPERATORS, MODEL),))], [OPERATORS], Catalogue())


async def live_routes(store: Store) -> LiveRoutes:
    routes = LiveRoutes(store, SECRETS.vault, operators_table())
    await routes.reload()
    return routes


def gateway_over(routes: LiveRoutes, **changes: object) -> FakeGateway:
    """Return the data plane in process whose keys are of no organization in particular; see `as_organization`."""
    gateway = FakeGateway(**changes)
    gateway.app._pipeline = msgspec.structs.replace(gateway.app._pipeline, routes=routes)
    gateway.app._models = ModelList(routes, FakePrices(), KNOWN_MODELS, created_s=0)
    return gateway


def as_organization(gateway: FakeGateway, organization_id: str) -> str:
    """Return a key of this organization that may call models."""
    from tests.fakes.ports import make_key

    from tollkeeper.domain.api_key import write_key
    from tollkeeper.kit.ids import random_base62
    from tollkeeper.kit.secrets import keyed_digest

    key = write_key(random_base62(12), random_base62(43))
    gateway.directory._keys[keyed_digest(PEPPER, key.encode())] = make_key(organization_id=organization_id)
    return key
