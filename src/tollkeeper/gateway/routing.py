"""Which route a model's name has for an organization."""

from __future__ import annotations

from tollkeeper.domain.deployment import Route
from tollkeeper.domain.errors import ModelNotFound
from tollkeeper.ports.routes import Routes


def find_route(routes: Routes, organization_id: str, model: str) -> Route:
    """Return the route of a public name.

    Raises:
        ModelNotFound: no provider here serves it.
    """
    route = routes.of(organization_id).resolve(model)
    if route is None:
        raise ModelNotFound(
            f"The model '{model}' does not exist here or no provider is configured for it; "
            "GET /v1/models lists what there is, and provider/model names any model of a configured provider."
        )
    return route
