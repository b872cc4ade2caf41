"""Whose a response is: its id goes to the client with a seal of the organization, the project and the provider that made it.

Decision 0022. Nothing is stored: every replica can tell, at any time, from the id alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.deployment import Provider, Route
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.gateway.wire.decisive_names import is_stated
from tollkeeper.gateway.wire.responses import ResponsesCall
from tollkeeper.kit.id_seal import IdSeal


class BoundIds:
    """The ids of one key's organization and project. `previous` is the provider's id of the response that a call goes on from."""

    __slots__ = ("_owner", "_seal", "previous")

    def __init__(self, seal: IdSeal, key: ApiKey) -> None:
        self._seal = seal
        self._owner = (key.organization_id, key.project_id)
        self.previous = ""

    def outward(self, data: bytes, provider: Provider, *raw_ids: str) -> bytes:
        """Return an answer's bytes with these ids as the client knows them."""
        for raw in raw_ids:
            if raw and (plain := b'"%b"' % raw.encode()) in data:
                data = data.replace(plain, b'"%b"' % self.seal(raw, provider).encode())
        return data

    def seal(self, raw: str, provider: Provider) -> str:
        return self._seal.seal(raw, self._of(provider))

    def find(self, sealed: str, providers: Iterable[Provider]) -> tuple[str, Provider] | None:
        """Return the provider's own id, and which of these providers made it; None when none did, or for somebody else."""
        for provider in providers:
            raw = self._seal.open(sealed, self._of(provider))
            if raw is not None:
                return raw, provider
        return None

    def _of(self, provider: Provider) -> tuple[str, ...]:
        return ("response", *self._owner, provider.name, provider.credential_id)


class ResponseIds(msgspec.Struct, frozen=True):
    """Binds calls, and ids in paths, to whose they are."""

    seal: IdSeal

    def of(self, key: ApiKey) -> BoundIds:
        return BoundIds(self.seal, key)

    def bind(self, call: ResponsesCall, key: ApiKey, route: Route) -> Route:
        """Let a call know whose ids it may name, and return its route: that of the provider which has what it names.

        Raises:
            InvalidRequest: it names an earlier response that is not its own, or that another provider has; or a conversation
                of a provider that is everybody's: they are not kept apart.
        """
        ids = call.ids = self.of(key)
        named = call.fields.previous_response_id
        if is_stated(call.fields.conversation):
            route = _narrowed(route, lambda provider: bool(provider.credential_id))
            if not route.deployments:
                raise InvalidRequest(
                    "'conversation' is not taken: conversations lie in the provider's account, which organizations share. "
                    "Go on with 'previous_response_id', or send the earlier items in 'input'.",
                    param="conversation",
                )
        if named is None:
            return route
        found = ids.find(named, (each.provider for each in route.deployments))
        if found is None:
            raise InvalidRequest(
                f"Previous response with id '{named}' not found for the model '{call.model}'. A response can be gone on from "
                "in the project that made it, with a model of the same provider.",
                param="previous_response_id",
            )
        ids.previous, owner = found
        return _narrowed(route, lambda provider: provider is owner)

    def require(self, sealed: str, key: ApiKey, providers: Iterable[Provider]) -> tuple[str, Provider]:
        """Return the provider's own id and the provider, for a key that asks for a response by its id.

        Raises:
            NotFound: there is no such response, or it is somebody else's.
        """
        found = self.of(key).find(sealed, providers)
        if found is None:
            raise NotFound(f"Response with id '{sealed}' not found.")
        return found


def _narrowed(route: Route, is_wanted: Callable[[Provider], bool]) -> Route:
    wanted = tuple(each for each in route.deployments if is_wanted(each.provider))
    if wanted == route.deployments:
        return route
    if all(each.is_for_long_context for each in wanted):  # what lies there can go on nowhere else
        wanted = tuple(msgspec.structs.replace(each, is_for_long_context=False) for each in wanted)
    return Route(route.name, wanted)
