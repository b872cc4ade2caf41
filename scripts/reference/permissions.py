"""The page of permissions: which there are, which kind of key has them, and which route asks for them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

from scripts.reference.markdown import code, page, table

from tollkeeper.admin.app import make_app
from tollkeeper.admin.permissions import PUBLIC, declared
from tollkeeper.domain.access import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS, PERMISSIONS
from tollkeeper.domain.permission import LOGIN, MEMBERSHIP
from tollkeeper.domain.role import PREDEFINED, Role
from tollkeeper.gateway import files
from tollkeeper.gateway.model_routes import PERMISSION as MODELS_NEED
from tollkeeper.gateway.model_routes import ROUTES as MODEL_ROUTES
from tollkeeper.gateway.stored_responses import METHODS, PREFIX
from tollkeeper.gateway.token_counts import PERMISSION as COUNTS_NEED
from tollkeeper.gateway.wire.call import PERMISSIONS as INFERENCE
from tollkeeper.gateway.wire.parsing import ROUTES
from tollkeeper.gateway.wire.token_counts import ROUTES as COUNTING_ROUTES

INTRODUCTION = """\
An API key has permissions; what it lacks is refused with 403 and named in `missing_permission`. A project key has every
permission for inference, an administration key every one for administration: neither can do the other's work. A
permission that no route asks for yet is there so that keys need not change when the route comes."""


def render() -> str:
    """Return the page."""
    routes = routes_by_permission()
    return page(
        "Permissions",
        INTRODUCTION,
        "## Inference: project keys",
        _table(INFERENCE_PERMISSIONS, routes),
        "## Administration: administration keys",
        _table(ADMIN_PERMISSIONS, routes),
        "## For people and administration keys",
        "`membership` is asked of every person and administration key of the organization: they see what their roles reach. "
        "`login` is asked of a person, of whatever organization. Neither is part of a role.",
        _table(frozenset({MEMBERSHIP, LOGIN}), routes),
        "## Roles",
        table(
            ("role", "what for", "permissions"),
            [(code(each.name), each.description, _named(each)) for each in PREDEFINED.values()],
        ),
        "Custom roles are any set of permissions; nobody can make, widen or give a role with what they do not have.",
        "## Without a key",
        ", ".join(code(path) for path in sorted(PUBLIC)) + ": they tell nothing about any organization.",
    )


def _named(role: Role) -> str:
    return "all" if role.permissions == PERMISSIONS else ", ".join(code(each) for each in sorted(role.permissions))


def routes_by_permission() -> dict[str, list[str]]:
    """Return permission -> the routes that ask for it, as `METHOD /path`."""
    routes: defaultdict[str, list[str]] = defaultdict(list)
    for path, operation in ROUTES.items():
        routes[INFERENCE[operation]].append(f"POST {path}")
    routes[COUNTS_NEED] += [f"POST {path}" for path in COUNTING_ROUTES]
    routes[MODELS_NEED] += [f"GET {path}" for path in MODEL_ROUTES]
    for below, methods in METHODS.items():
        routes["responses:create"] += [f"{method} {PREFIX}{{id}}{below}" for method in methods]
    for below, methods in files.METHODS.items():
        routes[files.PERMISSION] += [f"{method} {files.PATH}{below}" for method in methods]
    nothing = cast("Any", None)  # the routes are read, never called
    for (method, path), permission in sorted(declared(make_app(administration=nothing, authenticator=nothing)).items()):
        routes[permission].append(f"{method} {path}")
    return routes


def _table(permissions: frozenset[str], routes: dict[str, list[str]]) -> str:
    rows = [
        (code(each), ", ".join(code(route) for route in routes.get(each, [])) or "–") for each in sorted(permissions)
    ]
    return table(("permission", "asked for by"), rows)
