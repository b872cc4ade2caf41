"""Route tables in memory: nothing for who brings nothing, quick for many, and unchanged where nothing changed."""

from __future__ import annotations

from typing import Any

from brought_providers import SECRETS, add_organization, bring, live_routes, operators_table
from sqlalchemy import insert

from tollkeeper.control.live_routes import LiveRoutes
from tollkeeper.domain.provider_credential import ProviderCredential
from tollkeeper.kit.vault import Vault
from tollkeeper.store.engine import Store
from tollkeeper.store.schema_tenancy import organization, provider_credential


class CountingVault(Vault):
    """Counts what it opens."""

    opened = 0

    def open(self, sealed: bytes, *, bound_to: tuple[str, ...]) -> bytes:
        type(self).opened += 1
        return super().open(sealed, bound_to=bound_to)


async def add_many(store: Store, count: int) -> None:
    rows = []
    for number in range(count):
        made = ProviderCredential(f"org_{number}", f"prov_{number}", "openai", "openai", "https://p.test", "", "", 1, 1)
        sealed = SECRETS.vault.seal(b"secret-%d" % number, bound_to=made.binding)
        rows.append({name: getattr(made, name) for name in made.__struct_fields__} | {"sealed_secret": sealed})

    async def work(connection: Any) -> None:
        owners = [{"id": row["organization_id"], "name": "x", "timezone": "UTC", "created_at_us": 1} for row in rows]
        await connection.execute(insert(organization), owners)
        await connection.execute(insert(provider_credential), rows)

    await store.write(work)


async def test_an_organization_that_brings_nothing_shares_the_operators_table(store: Store) -> None:
    await bring(store, await add_organization(store, "Acme"), "sk-secret-00000000000")
    routes = await live_routes(store)
    assert len({id(routes.of(f"org_{number}")) for number in range(100_000)}) == 1
    assert len(routes._own) == 1


async def test_a_thousand_credentials_are_read_at_once_and_opened_once(store: Store) -> None:
    await add_many(store, 1_000)
    CountingVault.opened = 0
    routes = LiveRoutes(store, CountingVault(b"p" * 32), operators_table())
    await routes.reload()
    assert CountingVault.opened == 1_000
    for number in (0, 999):
        route = routes.of(f"org_{number}").resolve("openai/gpt-fake")
        assert route is not None
        assert route.deployments[0].provider.api_key == f"secret-{number}"
    table, provider = routes.of("org_7"), routes._brought["org_7", "prov_7"].provider
    await bring(store, "org_7", "sk-further-secret-0000", name="further")
    await bring(store, "org_8", "sk-further-secret-0000", name="further")
    untouched = routes.of("org_9")
    await routes.reload()
    assert CountingVault.opened == 1_002, "what did not change is not opened again"
    assert routes.of("org_9") is untouched
    assert routes.of("org_7") is not table
    assert routes._brought["org_7", "prov_7"].provider is provider


async def test_a_table_of_an_organization_remembers_less(store: Store) -> None:
    organization_id = await add_organization(store, "Acme")
    await bring(store, organization_id, "sk-secret-00000000000")
    table = (await live_routes(store)).of(organization_id)
    for number in range(3_000):
        assert table.resolve(f"openai/model-{number}") is not None
    assert len(table._resolved) <= 1_000
