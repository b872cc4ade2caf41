"""`GET /v1/models` and `/v1/models/{id}` in the OpenAI dialect: the public names that resolve here."""

from __future__ import annotations

from typing import Any

import msgspec

from tollkeeper.domain.deployment import Provider, RouteTable
from tollkeeper.domain.errors import ModelNotFound
from tollkeeper.domain.key_terms import KeyTerms
from tollkeeper.ports.routes import Routes

_encode = msgspec.json.encode


RENDERED_MAX = 64


class ModelList:
    """The lists of models: one for all organizations without providers of their own, each rendered once."""

    def __init__(self, routes: Routes, *, created_s: int) -> None:
        self._routes, self._created_s = routes, created_s
        self._rendered: dict[RouteTable, bytes] = {}

    def render(self, organization_id: str, terms: KeyTerms | None = None) -> bytes:
        """Return {"object": "list", "data": [{"id", "object": "model", "created", "owned_by"}, …]} as bytes.

        Of the models only those that a key of these terms may call.
        """
        table = self._routes.of(organization_id)
        if terms is not None and terms.allowed_models:
            return self._render(table, terms)
        rendered = self._rendered.get(table)
        if rendered is None:
            if len(self._rendered) >= RENDERED_MAX:  # a list may be 100 kB, and a table that is gone stays no longer
                self._rendered.clear()
            rendered = self._rendered[table] = self._render(table, None)
        return rendered

    def render_one(self, name: str, organization_id: str, terms: KeyTerms | None = None) -> bytes:
        """Describe one model.

        Raises:
            ModelNotFound: no provider here serves it.
            ModelNotAllowed: a key of these terms may not call it.
        """
        route = self._routes.of(organization_id).resolve(name)
        if route is None:
            raise ModelNotFound(f"The model '{name}' does not exist here; GET /v1/models lists what there is.")
        if terms is not None:
            terms.check_model(name, route.deployments)
        return _encode(self._describe(name, route.deployments[0].provider))

    def _render(self, table: RouteTable, terms: KeyTerms | None) -> bytes:
        data = [
            self._describe(name, provider)
            for name, provider in sorted(table.names(), key=lambda item: item[0])
            if terms is None or _is_allowed(table, name, terms)
        ]
        return _encode({"object": "list", "data": data})

    def _describe(self, name: str, provider: Provider) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._created_s, "owned_by": provider.name}


def _is_allowed(table: RouteTable, name: str, terms: KeyTerms) -> bool:
    route = table.resolve(name)
    return route is not None and terms.allows_call(name, route.deployments)
