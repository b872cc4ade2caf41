"""`GET /v1/models` and `/v1/models/{id}` in the OpenAI dialect: the public names that resolve here."""

from __future__ import annotations

from typing import Any

import msgspec

from tollkeeper.domain.deployment import Provider, RouteTable
from tollkeeper.domain.errors import ModelNotFound

_encode = msgspec.json.encode


class ModelList:
    """The list of models, rendered once; it changes only with the configuration."""

    def __init__(self, routes: RouteTable, *, created_s: int) -> None:
        self._routes, self._created_s = routes, created_s
        self._rendered: bytes | None = None

    def render(self) -> bytes:
        """Return {"object": "list", "data": [{"id", "object": "model", "created", "owned_by"}, …]} as bytes."""
        if self._rendered is None:
            data = [
                self._describe(name, provider)
                for name, provider in sorted(self._routes.names(), key=lambda item: item[0])
            ]
            self._rendered = _encode({"object": "list", "data": data})
        return self._rendered

    def render_one(self, name: str) -> bytes:
        """Describe one model.

        Raises:
            ModelNotFound: no provider here serves it.
        """
        route = self._routes.resolve(name)
        if route is None:
            raise ModelNotFound(f"The model '{name}' does not exist here; GET /v1/models lists what there is.")
        return _encode(self._describe(name, route.deployments[0].provider))

    def _describe(self, name: str, provider: Provider) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created_s, "owned_by": provider.name}
