"""The permissions, what holding one implies, and the set that nobody needs a role for."""

from __future__ import annotations

INFERENCE_PERMISSIONS = frozenset(
    {
        "chat:create",
        "responses:create",
        "embeddings:create",
        "images:create",
        "audio:create",
        "moderations:create",
        "files:manage",
        "batches:manage",
        "models:list",
    }
)
ADMIN_PERMISSIONS = frozenset(
    {
        "org:manage",
        "team:create",
        "team:delete",
        "project:manage",
        "member:manage",
        "role:manage",
        "api_key:create",
        "api_key:create:limited",
        "api_key:read",
        "api_key:delete",
        "quota:manage",
        "quota:override",
        "quota:read",
        "quota:read:summary",
        "analytics:full",
        "analytics:own",
        "analytics:read:aggregate",
        "billing:manage",
        "billing:read",
        "audit:read",
        "provider:manage",
        "price:manage",
    }
)
PERMISSIONS = ADMIN_PERMISSIONS | INFERENCE_PERMISSIONS

MEMBERSHIP = "membership"
"""What a route asks for that every person and administration key of the organization may call: it shows what they see."""
LOGIN = "login"
"""What a route asks for that needs a person who is logged in, of whatever organization."""

_IMPLIED: dict[str, frozenset[str]] = {
    "api_key:create": frozenset({"api_key:create:limited"}),
    "quota:manage": frozenset({"quota:read", "quota:read:summary"}),
    "quota:read": frozenset({"quota:read:summary"}),
    "analytics:full": frozenset({"analytics:own", "analytics:read:aggregate"}),
    "billing:manage": frozenset({"billing:read"}),
}


def with_implied(permissions: frozenset[str]) -> frozenset[str]:
    """Return the permissions with those that come with them: who manages quotas may read them."""
    return permissions.union(*(_IMPLIED[name] for name in permissions & _IMPLIED.keys()))
