"""Which permission each route asks for, and the refusal to build an application with a route that names none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from tollkeeper.domain.access import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS, authorise
from tollkeeper.domain.api_key import ApiKey, KeyKind

PUBLIC = frozenset({"/", "/healthz", "/readyz", "/openapi.json"})
"""Routes that anybody may call: they tell nothing about any organization."""


class Authenticator(Protocol):
    """Finds out whose key a request carries."""

    async def authenticate(self, headers: Mapping[bytes, bytes]) -> ApiKey:
        """Return the key's record.

        Raises:
            InvalidApiKey: there is none, or it is mistyped, unknown, disabled or expired.
            DirectoryUnavailable: the store is out of reach.
        """
        ...


class Requires:
    """A FastAPI dependency that lets a request in when its key has a permission, and hands on the key's record."""

    def __init__(self, permission: str) -> None:
        assert permission in ADMIN_PERMISSIONS | INFERENCE_PERMISSIONS, permission
        self.permission = permission

    async def __call__(self, request: Request) -> ApiKey:
        authenticator: Authenticator = request.app.state.authenticator
        key = await authenticator.authenticate(dict(request.scope["headers"]))
        authorise(key, self.permission)
        if key.kind is KeyKind.ADMIN:
            await request.app.state.key_uses.note(key)
        return key


def requires(permission: str) -> Requires:
    """Declare what a route asks for: `key: Annotated[ApiKey, Depends(requires("billing:read"))]`."""
    return Requires(permission)


def declared(app: FastAPI) -> dict[tuple[str, str], str]:
    """Return the permission of every route that is not public: (method, path) -> permission.

    Raises:
        AssertionError: a route declares none, so nobody decided who may call it.
    """
    found: dict[tuple[str, str], str] = {}
    for context in iter_route_contexts(app.routes):
        if context.path in PUBLIC:
            continue
        dependant: Dependant | None = getattr(context, "dependant", None)
        permissions = _permissions(dependant) if dependant is not None else []
        if not permissions:
            raise AssertionError(f"the route {context.path} declares no permission")
        assert len(permissions) == 1, f"the route {context.path} declares several permissions"
        for method in context.methods or ():
            found[method, str(context.path)] = permissions[0]
    return found


def _permissions(dependant: Dependant) -> list[str]:
    own = [dependant.call.permission] if isinstance(dependant.call, Requires) else []
    return own + [each for inner in dependant.dependencies for each in _permissions(inner)]
