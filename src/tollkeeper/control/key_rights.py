"""Who may do what with which api key: keys that a caller may know of, may change, and may hand out the secret of."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.domain.access import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS, PrincipalKind, decide
from tollkeeper.domain.api_key import ApiKey, KeyKind, KeyStatus
from tollkeeper.domain.errors import InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.key_terms import KeyTerms, RateLimit
from tollkeeper.domain.tenancy import Place
from tollkeeper.store import api_keys, budgets, places

CREATE, LIMITED, READ, DELETE = "api_key:create", "api_key:create:limited", "api_key:read", "api_key:delete"


async def find_key(action: Action, key_id: str, *, is_locked: bool = False, is_deleted_good: bool = False) -> ApiKey:
    """Return a key that the caller may know of: its own, or one where it may read, make or delete keys.

    Locked, nobody else changes it until the end of the action.

    Raises:
        NotFound: there is none that the caller may know of.
    """
    find = api_keys.lock_api_key if is_locked else api_keys.get_api_key
    key = await find(action.connection, action.organization_id, key_id)
    if key is None or (key.status is KeyStatus.DELETED and not is_deleted_good) or not _is_known(action, key):
        raise NotFound(f"There is no API key '{key_id}'.")
    return key


async def known_keys(action: Action, key_ids: Collection[str]) -> list[ApiKey]:
    """Return those of these keys that `find_key` would find."""
    found = await api_keys.read_keys(action.connection, action.organization_id, key_ids) if key_ids else []
    return [each for each in found if _is_known(action, each)]


async def find_places(action: Action, project_ids: tuple[str, ...]) -> list[Place]:
    """Return the places of projects in which the caller may make keys.

    Raises:
        NotFound: there is no such project that the caller may know of.
        PermissionDenied: the caller may not make keys there.
    """
    found: list[Place] = []
    for project_id in project_ids:
        place = await places.place_of_project(action.connection, action.organization_id, project_id, is_in_use=True)
        if place is None:
            raise NotFound(f"There is no project '{project_id}'.")
        action.require(LIMITED, place)  # who may make any key may make these
        found.append(place)
    return found


async def places_of(action: Action, key: ApiKey) -> list[Place]:
    """Return every place that a key is for: the organization for an administration key, else its projects."""
    if key.kind is KeyKind.ADMIN:
        return [action.organization]
    further = key.terms.further_projects if key.terms else ()
    found = [Place(key.organization_id, key.team_id, key.project_id)]
    for project in further:
        place = await places.place_of_project(action.connection, action.organization_id, project.id)
        assert place is not None, "a key is for projects of its organization, and projects stay"
        found.append(place)
    return found


def project_ids_of(key: ApiKey) -> tuple[str, ...]:
    """Return every project that a project key is for."""
    assert key.kind is not KeyKind.ADMIN, "it is for the organization"
    return (key.project_id, *(each.id for each in (key.terms.further_projects if key.terms else ())))


def is_own(action: Action, key: ApiKey) -> bool:
    """Tell whether a key is of the person who calls, or whose key calls."""
    return key.kind is KeyKind.MEMBER and key.member_id == action.caller.principal.member_id


async def require_change(action: Action, key: ApiKey) -> None:
    """Pass when the caller may change a key: any with `api_key:create` in all its projects, else only its own.

    Raises:
        PermissionDenied: the caller may not.
    """
    everywhere = await places_of(action, key)
    if is_own(action, key):
        action.require(LIMITED, everywhere[0])
        return
    for place in everywhere:
        action.require(CREATE, place)


class KeyPowers(msgspec.Struct, frozen=True):
    """What a caller may do with a key, as far as it is asked before they try."""

    may_change: bool
    may_delete: bool


async def key_powers(action: Action, key_id: str) -> KeyPowers:
    """Return what the caller may do with a key.

    Raises:
        NotFound: there is none that the caller may know of.
    """
    key = await find_key(action, key_id)
    everywhere = await places_of(action, key)
    changing = [(LIMITED, everywhere[0])] if is_own(action, key) else [(CREATE, place) for place in everywhere]
    deleting = [(DELETE, place) for place in everywhere]
    return KeyPowers(_may_all(action, changing), _may_all(action, deleting))


async def require_handing_out(action: Action, key: ApiKey, permissions: frozenset[str]) -> None:
    """Pass when the caller may let a key have permissions that it does not have at this moment.

    Raises:
        PermissionDenied: the caller does not have them all itself in all the key's projects.
    """
    for place in await places_of(action, key):
        require_grantable(action, key.kind, permissions, place)


def require_grantable(action: Action, kind: KeyKind, permissions: frozenset[str], place: Place) -> None:
    """Pass when the caller may give a key of this kind permissions at a place.

    Raises:
        PermissionDenied: the caller does not have them.
        InvalidRequest: an administration key would call models.
    """
    if kind is KeyKind.ADMIN:
        wrong = sorted(permissions - ADMIN_PERMISSIONS)
        if wrong:
            raise InvalidRequest(
                f"An administration key cannot call models: '{wrong[0]}' is for keys of a project.", param="permissions"
            )
        if CREATE in permissions:
            permissions |= INFERENCE_PERMISSIONS  # it hands these out, although it cannot use them
    action.require_grantable(permissions, place)


async def require_no_limits(action: Action) -> ApiKey | None:
    """Pass when the caller is no key that is limited itself; returns the key that calls, if one does.

    Keys that a limited key makes or changes would not be limited as it is: it would have given away what it has not. An
    administration key may be bound to addresses and still manage the keys of projects, see `bound_as`.

    Raises:
        PermissionDenied: the calling key may only be used from some addresses, for some models or at some rate.
    """
    principal = action.caller.principal
    if principal.kind is not PrincipalKind.API_KEY:
        return None
    key = await api_keys.get_api_key(action.connection, action.organization_id, principal.id)
    if key is None:
        return None
    if key.kind is KeyKind.ADMIN:
        return key
    terms = key.terms or KeyTerms()
    is_limited = terms.allowed_ips or terms.allowed_models or terms.rate_limit != RateLimit()
    if is_limited or await budgets.read_budgets_of(action.connection, action.organization_id, [key.id]):
        raise PermissionDenied(
            "An API key with allowed_ips, allowed_models, a rate_limit or a budget of its own cannot make or change "
            "keys; log in, or use a key without them.",
            missing_permission=CREATE,
        )
    return key


def _may_all(action: Action, wanted: list[tuple[str, Place]]) -> bool:
    principal = action.caller.principal
    return all(decide(principal, permission, place).is_allowed for permission, place in wanted)


def _is_known(action: Action, key: ApiKey) -> bool:
    if is_own(action, key):
        return True
    place = action.organization
    if key.kind is not KeyKind.ADMIN:
        place = Place(key.organization_id, key.team_id, key.project_id)
    return any(decide(action.caller.principal, name, place).is_allowed for name in (READ, CREATE, DELETE))


def bound_as(maker: ApiKey | None, kind: KeyKind, terms: KeyTerms | None) -> KeyTerms | None:
    """Return the terms of a key that another one makes: an administration key is bound to its maker's addresses."""
    bounds = maker.terms.allowed_ips if maker is not None and maker.terms is not None else ()
    if kind is not KeyKind.ADMIN or not bounds:
        return terms
    return msgspec.structs.replace(terms or KeyTerms(), allowed_ips=bounds)


def require_own_bounds(maker: ApiKey | None, key: ApiKey) -> None:
    """Pass when a key that is bound to addresses does not change the addresses of an administration key.

    Raises:
        PermissionDenied: it does.
    """
    if maker is not None and key.kind is KeyKind.ADMIN and maker.terms is not None and maker.terms.allowed_ips:
        raise PermissionDenied(
            "An administration key with allowed_ips cannot change those of administration keys; log in, or use another.",
            missing_permission=CREATE,
        )
