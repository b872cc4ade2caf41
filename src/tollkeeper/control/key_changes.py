"""Changes of an api key: permissions, terms, expiry, name, stopping it, letting it work again, deleting it."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from tollkeeper.control.administration import Action, Target
from tollkeeper.control.key_making import check_expiry, check_terms, policy_of, shown_key, target_of
from tollkeeper.control.key_rights import (
    CREATE,
    DELETE,
    find_key,
    is_own,
    places_of,
    require_change,
    require_handing_out,
    require_no_limits,
    require_own_bounds,
)
from tollkeeper.control.names import check_name
from tollkeeper.domain.api_key import ApiKey, KeyStatus
from tollkeeper.domain.errors import Conflict, InvalidRequest, PermissionDenied
from tollkeeper.domain.key_terms import KeyTerms, RateChange, RateLimit, check_permissions
from tollkeeper.store import api_keys, budgets, rate_limits
from tollkeeper.store.api_keys import KeyChanges
from tollkeeper.store.key_succession import move_limits, predecessor_of


class KeyUpdate(msgspec.Struct, frozen=True):
    """What is to change of a key; UNSET stays as it is. Empty lists let everything in."""

    name: str | UnsetType = UNSET
    add_permissions: frozenset[str] = frozenset()
    remove_permissions: frozenset[str] = frozenset()
    expires_at_us: int | UnsetType | None = UNSET
    is_disabled: bool | UnsetType = UNSET
    allowed_ips: tuple[str, ...] | UnsetType = UNSET
    allowed_models: tuple[str, ...] | UnsetType = UNSET
    rate_limit: RateLimit | RateChange | UnsetType = UNSET  # all of it, or a part
    labels: dict[str, str] | UnsetType = UNSET


async def update_key(action: Action, key_id: str, wanted: KeyUpdate) -> ApiKey:
    """Change a key; on every replica within a second.

    Raises:
        NotFound: there is no such key that the caller may know of.
        PermissionDenied: the caller may not change it so.
        InvalidRequest: something of what is wanted is wrong, or against the organization's policy.
        Conflict: it was replaced by another key, so its expiry stands and its rates are that one's.
    """
    key = await find_key(action, key_id, is_locked=True)
    await require_change(action, key)
    maker = await require_no_limits(action)
    if wanted.allowed_ips is not UNSET:
        require_own_bounds(maker, key)
    rates = _new_rates(key, wanted)
    if rates is not UNSET and is_own(action, key):
        await _require_no_raise(action, key, rates)
    name = key.name if wanted.name is UNSET else check_name(wanted.name)
    changes = KeyChanges(
        name=UNSET if name == key.name else name,
        status=await _new_status(action, key, wanted),
        permissions=await _new_permissions(action, key, wanted),
        expires_at_us=await _new_expiry(action, key, wanted),
        terms=_new_terms(key, msgspec.structs.replace(wanted, rate_limit=rates)),
    )
    if changes == KeyChanges():
        return key
    changed = await api_keys.change_api_key(action.connection, action.organization_id, key_id, changes)
    before, after = shown_key(key), shown_key(changed)
    different = [name for name in after if before[name] != after[name]]
    action.record(
        "api_key.update",
        target_of(changed),
        before={name: before[name] for name in different},
        after={name: after[name] for name in different},
    )
    return changed


async def delete_key(action: Action, key_id: str) -> ApiKey:
    """End a key for good; its usage keeps its name.

    Raises:
        NotFound: there is no such key that the caller may know of.
        PermissionDenied: the caller may not delete keys in all its projects.
    """
    key = await find_key(action, key_id, is_locked=True)
    for place in await places_of(action, key):
        action.require(DELETE, place)
    deleted = await api_keys.change_api_key(
        action.connection, action.organization_id, key_id, KeyChanges(status=KeyStatus.DELETED)
    )
    await _end_limits(action, key_id)
    action.record("api_key.delete", target_of(key), before=shown_key(key))
    return deleted


async def _end_limits(action: Action, key_id: str) -> None:
    """Take away a key's budgets and rates. The key that it replaced may still work: that one gets them back."""
    connection, organization_id = action.connection, action.organization_id
    replaced_id = await predecessor_of(connection, organization_id, key_id)
    if replaced_id is not None:
        await move_limits(connection, organization_id, from_key_id=key_id, to_key_id=replaced_id)
    await budgets.delete_budgets_of(connection, organization_id, key_id)
    await rate_limits.delete_rate_limits_of(connection, organization_id, key_id)


async def disable_member_keys(action: Action, member_id: str) -> list[str]:
    """Stop all keys of a member, and return their ids. Whoever asks has checked that the caller may remove the member."""
    ids = await api_keys.disable_member_keys(action.connection, action.organization_id, member_id)
    for key_id in ids:
        action.record("api_key.disable", Target("api_key", key_id), after={"member_id": member_id})
    return ids


async def _new_status(action: Action, key: ApiKey, wanted: KeyUpdate) -> KeyStatus | UnsetType:
    """Letting a stopped key work again is giving its permissions away; its owner alone cannot undo an admin's stop."""
    if wanted.is_disabled is UNSET or wanted.is_disabled == (key.status is KeyStatus.DISABLED):
        return UNSET
    if wanted.is_disabled:
        return KeyStatus.DISABLED
    if is_own(action, key):
        for place in await places_of(action, key):
            action.require(CREATE, place)
    await require_handing_out(action, key, key.permissions)
    return KeyStatus.ACTIVE


async def _new_permissions(action: Action, key: ApiKey, wanted: KeyUpdate) -> frozenset[str] | UnsetType:
    added = check_permissions(wanted.add_permissions, param="add_permissions")
    removed = check_permissions(wanted.remove_permissions, param="remove_permissions")
    if both := sorted(added & removed):
        raise InvalidRequest(f"'{both[0]}' is to be added and removed.", param="remove_permissions")
    permissions = (key.permissions | added) - removed
    if not permissions:
        raise InvalidRequest("A key needs at least one permission; disable or delete it.", param="remove_permissions")
    if added - key.permissions:
        await require_handing_out(action, key, added - key.permissions)
    return UNSET if permissions == key.permissions else permissions


async def _new_expiry(action: Action, key: ApiKey, wanted: KeyUpdate) -> int | UnsetType | None:
    expires_at_us = wanted.expires_at_us
    if expires_at_us is UNSET or expires_at_us == key.expires_at_us:
        return UNSET
    if key.replaced_by:
        raise Conflict(f"This key was replaced by {key.replaced_by}; its expiry stands.")
    expires_at_us = check_expiry(action, await policy_of(action), expires_at_us)
    if key.expires_at_us is not None and (expires_at_us is None or expires_at_us > key.expires_at_us):
        maker = await require_no_limits(action)
        if maker is not None and maker.expires_at_us is not None:
            raise PermissionDenied("An API key that expires cannot let keys live longer.", missing_permission=CREATE)
        await require_handing_out(action, key, key.permissions)
    return expires_at_us


def _new_rates(key: ApiKey, wanted: KeyUpdate) -> RateLimit | UnsetType:
    """Return the limits that the key is to have, all of them."""
    if wanted.rate_limit is UNSET:
        return UNSET
    before = (key.terms or KeyTerms()).rate_limit
    after = wanted.rate_limit.applied_to(before) if isinstance(wanted.rate_limit, RateChange) else wanted.rate_limit
    if key.held_as and after != before:
        raise Conflict(f"This key was replaced by {key.held_as}, whose limits hold for both; change those.")
    return after


async def _require_no_raise(action: Action, key: ApiKey, wanted: RateLimit) -> None:
    """How many requests a day a key may make is a budget: who does not set budgets may only lower their own key's."""
    before = (key.terms or KeyTerms()).rate_limit.requests_per_day
    after = wanted.requests_per_day
    if before is not None and (after is None or after > before):
        for place in await places_of(action, key):
            action.require("quota:manage", place)


def _new_terms(key: ApiKey, wanted: KeyUpdate) -> KeyTerms | UnsetType | None:
    terms = msgspec.structs.replace(key.terms or KeyTerms(), required_labels=())
    changes = {
        name: value
        for name in ("allowed_ips", "allowed_models", "rate_limit", "labels")
        if (value := getattr(wanted, name)) is not UNSET
    }
    changed = check_terms(msgspec.structs.replace(terms, **changes), terms.further_projects)
    return UNSET if (changed or KeyTerms()) == terms else changed
