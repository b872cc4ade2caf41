"""Api keys: make one for a service, a member or the administration, list them, get one; see also `key_changes`.

Everything that is done with keys is found here: changes are in `key_changes`, rotation in `key_rotation`, who may do it
in `key_rights`.
"""

from __future__ import annotations

from tollkeeper.control import scopes
from tollkeeper.control.administration import Action
from tollkeeper.control.key_changes import KeyUpdate, delete_key, disable_member_keys, update_key
from tollkeeper.control.key_making import KeyWish, NewApiKey, make_key
from tollkeeper.control.key_rights import CREATE, READ, find_key, find_places
from tollkeeper.control.key_rotation import Rotated, rotate_key
from tollkeeper.control.key_uses import AdminKeyUses
from tollkeeper.domain.access import require_somewhere
from tollkeeper.domain.api_key import ApiKey, KeyKind
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.key_terms import KeyTerms
from tollkeeper.store import api_keys, places
from tollkeeper.store.api_keys import KeyFilter

__all__ = [
    "AdminKeyUses",
    "KeyUpdate",
    "NewApiKey",
    "Rotated",
    "choose_key",
    "create_admin_key",
    "create_member_key",
    "create_service_key",
    "delete_key",
    "disable_member_keys",
    "get_key",
    "list_keys",
    "rotate_key",
    "update_key",
]

PROJECTS_MAX = 100


async def create_service_key(
    action: Action,
    *,
    project_id: str,
    name: str,
    permissions: frozenset[str] | None = None,
    expires_at_us: int | None = None,
    terms: KeyTerms | None = None,
) -> NewApiKey:
    """Make a key that a program calls models with in a project. Usually it may call all that the caller may give away.

    Raises:
        NotFound: there is no such project that the caller may know of.
        PermissionDenied: the caller may not make keys there, or does not have what the key would get.
        InvalidRequest: something of what is asked for is wrong, or against the organization's policy.
    """
    found = await find_places(action, (project_id,))
    return await make_key(action, KeyKind.SERVICE, found, KeyWish(name, permissions, expires_at_us, terms))


async def create_member_key(
    action: Action,
    *,
    project_ids: tuple[str, ...],
    name: str,
    permissions: frozenset[str] | None = None,
    expires_at_us: int | None = None,
    terms: KeyTerms | None = None,
) -> NewApiKey:
    """Make a key of the member who calls, for the first of these projects and, by header, for the others.

    It never may more than the member may at the moment of its use.

    Raises:
        NotFound: there is no such project that the caller may know of.
        PermissionDenied: the caller may not make keys there, or does not have what the key would get.
        InvalidRequest: no member calls, or something of what is asked for is wrong, or against the organization's policy.
    """
    if not action.caller.principal.member_id:
        raise InvalidRequest(
            "A member's key is made by the member: log in, or make a service's key by POST /v1/api-keys/service."
        )
    wanted = tuple(dict.fromkeys(project_ids))
    if not 1 <= len(wanted) <= PROJECTS_MAX:
        raise InvalidRequest(f"A key is for 1 to {PROJECTS_MAX} projects.", param="further_project_ids")
    found = await find_places(action, wanted)
    return await make_key(action, KeyKind.MEMBER, found, KeyWish(name, permissions, expires_at_us, terms))


async def create_admin_key(
    action: Action,
    *,
    name: str,
    permissions: frozenset[str] | None = None,
    expires_at_us: int | None = None,
    terms: KeyTerms | None = None,
) -> NewApiKey:
    """Make a key that administers the organization and cannot call models. Usually it may all that the caller may.

    Raises:
        PermissionDenied: the caller may not make keys for the organization, or does not have what the key would get.
        InvalidRequest: something of what is asked for is wrong, or against the organization's policy.
    """
    action.require(CREATE, action.organization)
    wish = KeyWish(name, permissions, expires_at_us, terms)
    return await make_key(action, KeyKind.ADMIN, [action.organization], wish)


async def list_keys(
    action: Action,
    *,
    project_id: str | None = None,
    member_id: str | None = None,
    kind: KeyKind | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[ApiKey]:
    """Return at most `limit` keys that the caller may read, oldest first; deleted ones are not listed.

    Raises:
        NotFound: there is no such project that the caller may know of.
        PermissionDenied: the caller may not read keys there, or anywhere.
    """
    require_somewhere(action.caller.principal, READ)
    if project_id is not None:
        place = await places.place_of_project(action.connection, action.organization_id, project_id)
        if place is None:
            raise NotFound(f"There is no project '{project_id}'.")
        action.require(READ, place)
    wanted = KeyFilter(project_id, member_id, kind, scopes.reach_of(action.caller.principal, READ))
    return await api_keys.list_api_keys(action.connection, action.organization_id, wanted, after=after, limit=limit)


async def get_key(action: Action, key_id: str) -> ApiKey:
    """Return a key that is not deleted.

    Raises:
        NotFound: there is none that the caller may know of.
    """
    return await find_key(action, key_id)


async def choose_key(action: Action, named: str) -> ApiKey:
    """Return the key of this id, public part or name; deleted ones by id only.

    Raises:
        NotFound: there is none that the caller may know of.
        InvalidRequest: several keys have this name.
    """
    key_id = named if named.startswith("key_") else f"key_{named.removeprefix('sk-tk-').partition('-')[0]}"
    try:
        return await find_key(action, key_id, is_deleted_good=True)
    except NotFound:
        matching = await api_keys.find_by_name(action.connection, action.organization_id, name=named)
    if not matching:
        raise NotFound(f"There is no API key '{named}' in this organization.")
    matching = [key for key in matching if not key.replaced_by] or matching  # a name goes on with the successor
    if len(matching) > 1:
        ids = ", ".join(key.id for key in matching[:5])
        raise InvalidRequest(f"Several keys are named '{named}' ({ids}); say which by its id.", param="key")
    return await find_key(action, matching[0].id)
