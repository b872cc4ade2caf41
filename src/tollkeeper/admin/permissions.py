"""Which permission each route asks for, and the refusal to build an application with a route that names none.

A route's permission is checked twice: here, whether the caller has it anywhere at all, and by the use case for the place
that the request is about (`control.administration.Action.require`). Forgetting the second never crosses organizations.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from tollkeeper.admin.callers import Authenticator, CallerFinder
from tollkeeper.control.administration import Caller
from tollkeeper.domain.access import require_somewhere
from tollkeeper.domain.permission import LOGIN, MEMBERSHIP, PERMISSIONS

__all__ = ["PAGES", "PUBLIC", "Authenticator", "Requires", "declared", "is_public", "requires"]

PAGES = frozenset(
    {"/", "/sign-in", "/sign-up", "/forgot-password", "/reset-password", "/verify-email", "/accept-invitation"}
    | {"/refusal"}
)
PUBLIC = PAGES | {"/healthz", "/readyz", "/openapi.json"}
"""Routes that anybody may call: they tell nothing about any organization."""
PUBLIC_PREFIX = "/v1/auth/"
"""What people call before they are logged in."""


def is_public(path: str) -> bool:
    """Tell whether anybody may call a route."""
    return path in PUBLIC or path.startswith(PUBLIC_PREFIX)


class Requires:
    """A FastAPI dependency that lets a request in when its caller has a permission somewhere, and hands on the caller."""

    def __init__(self, permission: str) -> None:
        assert permission in PERMISSIONS or permission in {MEMBERSHIP, LOGIN}, permission
        self.permission = permission

    async def __call__(self, request: Request) -> Caller:
        finder: CallerFinder = request.app.state.callers
        caller = await finder.find(request, needs_organization=self.permission != LOGIN)
        require_somewhere(caller.principal, self.permission)
        return caller


def requires(permission: str) -> Requires:
    """Declare what a route asks for: `caller: Annotated[Caller, Depends(requires("billing:read"))]`."""
    return Requires(permission)


def declared(app: FastAPI) -> dict[tuple[str, str], str]:
    """Return the permission of every route that asks for one: (method, path) -> permission.

    Raises:
        AssertionError: a route that is not public declares none, so nobody decided who may call it.
    """
    found: dict[tuple[str, str], str] = {}
    for context in iter_route_contexts(app.routes):
        dependant: Dependant | None = getattr(context, "dependant", None)
        permissions = _permissions(dependant) if dependant is not None else []
        if not permissions:
            if context.path is not None and is_public(context.path):
                continue
            raise AssertionError(f"the route {context.path} declares no permission")
        assert len(permissions) == 1, f"the route {context.path} declares several permissions"
        for method in context.methods or ():
            found[method, str(context.path)] = permissions[0]
    return found


def _permissions(dependant: Dependant) -> list[str]:
    own = [dependant.call.permission] if isinstance(dependant.call, Requires) else []
    return own + [each for inner in dependant.dependencies for each in _permissions(inner)]
