"""/v1/api-keys: make keys for services, members and the administration; list, get, change, rotate, delete; their usage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from msgspec import UNSET

from tollkeeper.admin.api_key_shapes import (
    AdminKeyBody,
    DeletedKeyAnswer,
    KeyAnswer,
    KeyChangeBody,
    KeyUseAnswer,
    MemberKeyBody,
    NewKeyAnswer,
    RotationAnswer,
    RotationBody,
    ServiceKeyBody,
)
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    After,
    Limit,
    ListPage,
    administration_of,
    answer,
    id_path,
    list_answer,
    time_us,
)
from tollkeeper.control import api_keys, key_usage
from tollkeeper.control.administration import Caller
from tollkeeper.control.api_keys import KeyUpdate
from tollkeeper.control.key_views import shown_key, shown_new_key, shown_rotation, shown_use
from tollkeeper.domain.api_key import KeyKind
from tollkeeper.domain.key_terms import RateChange, RateLimit

router = APIRouter(tags=["api keys"])
KeyPath = Annotated[str, id_path("key", "key_0123456789AB")]
Id = Annotated[str | None, Query(max_length=64)]
MayMake = Annotated[Caller, Depends(requires("api_key:create:limited"))]
MayRead = Annotated[Caller, Depends(requires("api_key:read"))]


@router.post("/v1/api-keys/service", response_model=NewKeyAnswer, summary="Make a service's key for a project")
async def create_service_key(request: Request, body: ServiceKeyBody, caller: MayMake) -> Response:
    return answer(
        shown_new_key(await administration_of(request).change(caller, api_keys.create_service_key, **body.wanted()))
    )


@router.post("/v1/api-keys", response_model=NewKeyAnswer, summary="Make a key of one's own")
async def create_member_key(request: Request, body: MemberKeyBody, caller: MayMake) -> Response:
    return answer(
        shown_new_key(await administration_of(request).change(caller, api_keys.create_member_key, **body.wanted()))
    )


@router.post("/v1/api-keys/admin", response_model=NewKeyAnswer, summary="Make a key for the administration")
async def create_admin_key(
    request: Request, body: AdminKeyBody, caller: Annotated[Caller, Depends(requires("api_key:create"))]
) -> Response:
    return answer(
        shown_new_key(await administration_of(request).change(caller, api_keys.create_admin_key, **body.wanted()))
    )


@router.get("/v1/api-keys", response_model=ListPage[KeyAnswer], summary="List the keys that the caller may read")
async def list_keys(
    request: Request,
    caller: MayRead,
    project_id: Id = None,
    member_id: Id = None,
    kind: Literal["service", "member", "admin"] | None = None,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    wanted: dict[str, Any] = {"project_id": project_id, "member_id": member_id}
    if kind is not None:
        wanted["kind"] = KeyKind(kind)
    found = await administration_of(request).look(caller, api_keys.list_keys, **wanted, after=after, limit=limit + 1)
    return list_answer(found, limit, shown_key)


@router.get("/v1/api-keys/{key_id}", response_model=KeyAnswer, summary="Get a key")
async def get_key(request: Request, key_id: KeyPath, caller: MayRead) -> Response:
    return answer(shown_key(await administration_of(request).look(caller, api_keys.get_key, key_id)))


@router.put("/v1/api-keys/{key_id}", response_model=KeyAnswer, summary="Change a key; on every replica within a second")
async def update_key(request: Request, key_id: KeyPath, body: KeyChangeBody, caller: MayMake) -> Response:
    """Change what is stated; what is left out stays as it is.

    Of `rate_limit`, too, only the limits that are stated change: null takes one away, and `"rate_limit": null` takes them
    all away. Lists and labels take the place of all before.
    """
    changed = await administration_of(request).change(caller, api_keys.update_key, key_id, _update(body))
    return answer(shown_key(changed))


@router.post(
    "/v1/api-keys/{key_id}/rotate", response_model=RotationAnswer, summary="Put a new key in the place of a key"
)
async def rotate_key(request: Request, key_id: KeyPath, caller: MayMake, body: RotationBody | None = None) -> Response:
    grace_seconds = body.grace_seconds if body else 0
    rotated = await administration_of(request).change(caller, api_keys.rotate_key, key_id, grace_seconds=grace_seconds)
    return answer(shown_rotation(rotated, key_id=key_id))


@router.delete("/v1/api-keys/{key_id}", response_model=DeletedKeyAnswer, summary="End a key for good")
async def delete_key(
    request: Request, key_id: KeyPath, caller: Annotated[Caller, Depends(requires("api_key:delete"))]
) -> Response:
    deleted = await administration_of(request).change(caller, api_keys.delete_key, key_id)
    return answer({"object": "api_key.deleted", "id": deleted.id, "deleted": True})


@router.get("/v1/api-keys/{key_id}/usage", response_model=KeyUseAnswer, summary="What a key was used for")
async def read_key_usage(
    request: Request,
    key_id: KeyPath,
    caller: Annotated[Caller, Depends(requires("analytics:own"))],
    days: Annotated[int, Query(ge=1, le=366)] = 30,
) -> Response:
    use = await administration_of(request).look(caller, key_usage.read_key_use, key_id, days=days)
    return answer(shown_use(use, days=days))


def _update(body: KeyChangeBody) -> KeyUpdate:
    """Return what is stated; of name and disabled, null states nothing."""
    stated = body.model_fields_set
    wanted: dict[str, Any] = {
        "add_permissions": frozenset(body.add_permissions),
        "remove_permissions": frozenset(body.remove_permissions),
        "name": UNSET if body.name is None else body.name,
        "is_disabled": UNSET if body.disabled is None else body.disabled,
    }
    if "expires_at" in stated:
        wanted["expires_at_us"] = None if body.expires_at is None else time_us(body.expires_at)
    if "rate_limit" in stated:
        rates = body.rate_limit
        wanted["rate_limit"] = RateLimit() if rates is None else RateChange(**rates.model_dump(exclude_unset=True))
    if "labels" in stated:
        wanted["labels"] = body.labels or {}
    for name in ("allowed_ips", "allowed_models"):
        if name in stated:
            wanted[name] = tuple(getattr(body, name) or ())
    return KeyUpdate(**wanted)
