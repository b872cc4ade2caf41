"""Who may do what: the permissions, and the decision whether a key may do a thing."""

from __future__ import annotations

from tollkeeper.domain.api_key import ApiKey, KeyKind
from tollkeeper.domain.errors import PermissionDenied

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


def authorise(key: ApiKey, permission: str) -> None:
    """Pass when the key may use `permission`.

    Raises:
        PermissionDenied: it may not; the message names what is missing.
    """
    if permission in key.permissions:
        return
    if key.kind is KeyKind.ADMIN and permission in INFERENCE_PERMISSIONS:
        message = f"An administration key cannot call models (missing permission '{permission}'); use a project key."
    else:
        message = f"This API key does not have the permission '{permission}'; an admin can grant it."
    raise PermissionDenied(message, missing_permission=permission)
