"""The route tables in force: the operator's for all, and one for each organization that brings providers, kept up to date."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

import msgspec

from tollkeeper.domain.deployment import Provider, RouteTable
from tollkeeper.domain.errors import StoreUnavailable
from tollkeeper.domain.provider_credential import ProviderCredential
from tollkeeper.kit.tasks import TaskGroup
from tollkeeper.kit.vault import BrokenSealError, Vault
from tollkeeper.store import provider_credentials
from tollkeeper.store.engine import Store

if TYPE_CHECKING:
    from tollkeeper.ports.routes import Routes

_log = logging.getLogger(__name__)
_TRY_AGAIN_S = 1.0
_OPENED_AT_ONCE = 200


class _Brought(msgspec.Struct, frozen=True):
    """A provider and the row that it was made of: an unchanged row needs no opening, and keeps its provider."""

    credential: ProviderCredential
    sealed_secret: bytes
    provider: Provider


class LiveRoutes:
    """Satisfies `ports.routes.Routes`. An organization that brings nothing costs nothing."""

    def __init__(self, store: Store, vault: Vault, shared: RouteTable) -> None:
        self._store, self._vault, self._shared = store, vault, shared
        self._own: dict[str, RouteTable] = {}
        self._brought: dict[tuple[str, str], _Brought] = {}
        self._turn = asyncio.Lock()
        self._tasks = TaskGroup()
        self._follower: asyncio.Task[None] | None = None
        self._is_behind = False

    def of(self, organization_id: str) -> RouteTable:
        """See `ports.routes.Routes`."""
        return self._own.get(organization_id, self._shared)

    async def reload(self) -> None:
        """Read all credentials. Reloads take turns: each reads what was written before it began to read.

        Raises:
            StoreUnavailable: the tables stay as they were.
        """
        async with self._turn:
            rows = await self._store.read(provider_credentials.list_all_credentials)
            brought: dict[tuple[str, str], _Brought] = {}
            for count, (credential, sealed) in enumerate(rows, start=1):
                place = (credential.organization_id, credential.id)
                known = self._brought.get(place)
                is_same = known is not None and known.credential == credential and known.sealed_secret == sealed
                brought[place] = known if known and is_same else self._open(credential, sealed)
                if count % _OPENED_AT_ONCE == 0:
                    await asyncio.sleep(0)  # calls go on meanwhile
            self._own = self._tables(brought)
            self._brought = brought

    def follow(self) -> None:
        """Reload in the background after a change was noticed, however long it takes until the store answers."""
        self._is_behind = True
        if self._follower is None or self._follower.done():
            self._follower = self._tasks.start(self._catch_up(), "routes")

    async def aclose(self) -> None:
        """Stop following."""
        await self._tasks.cancel()

    def _tables(self, brought: dict[tuple[str, str], _Brought]) -> dict[str, RouteTable]:
        """Make the tables, anew only where something changed: a table remembers what it resolved."""
        earlier = _by_organization(self._brought)
        tables: dict[str, RouteTable] = {}
        for organization_id, providers in _by_organization(brought).items():
            before = earlier.get(organization_id, [])
            is_same = len(before) == len(providers) and all(map(_is, before, providers))
            known = self._own.get(organization_id) if is_same else None
            tables[organization_id] = known or self._shared.with_providers(providers)
        return tables

    def _open(self, credential: ProviderCredential, sealed_secret: bytes) -> _Brought:
        api_key, is_sealed_shut = "", False
        try:
            api_key = self._vault.open(sealed_secret, bound_to=credential.binding).decode()
        except BrokenSealError:
            is_sealed_shut = True
            _log.critical(
                "the secret of provider '%s' (%s) of organization '%s' cannot be opened: the row was changed outside "
                "Tollkeeper, or the pepper is another; its calls are refused until the secret is set again",
                credential.name,
                credential.id,
                credential.organization_id,
            )
        provider = Provider(
            credential.name,
            credential.kind,
            credential.base_url,
            api_key,
            credential.catalogue,
            credential.id,
            is_sealed_shut,
        )
        return _Brought(credential, sealed_secret, provider)

    async def _catch_up(self) -> None:
        while self._is_behind:
            self._is_behind = False
            try:
                await self.reload()
            except StoreUnavailable as error:
                self._is_behind = True
                _log.warning("provider credentials could not be read again: %s", error.message)
                await asyncio.sleep(_TRY_AGAIN_S)


def _by_organization(brought: dict[tuple[str, str], _Brought]) -> dict[str, list[Provider]]:
    grouped = itertools.groupby(brought.items(), key=lambda item: item[0][0])
    return {organization_id: [each.provider for _, each in items] for organization_id, items in grouped}


def _is(one: Provider, other: Provider) -> bool:
    return one is other


if TYPE_CHECKING:

    def _is_the_port(routes: LiveRoutes) -> Routes:
        return routes
