"""Rotation: a new api key takes the place of an old one, which ends at once or after a time in which both work."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.key_making import NewApiKey, check_expiry, new_key_id, policy_of, store_key, target_of
from tollkeeper.control.key_rights import (
    bound_as,
    find_key,
    is_own,
    require_change,
    require_handing_out,
    require_no_limits,
)
from tollkeeper.domain.api_key import ApiKey, KeyKind, KeyStatus
from tollkeeper.domain.errors import Conflict, InvalidRequest, PermissionDenied
from tollkeeper.store import api_keys
from tollkeeper.store.key_succession import move_limits

GRACE_S_MAX = 30 * 86_400


class Rotated(msgspec.Struct, frozen=True):
    """The new key, and until when the old one works."""

    new: NewApiKey
    previous_valid_until_us: int


async def rotate_key(action: Action, key_id: str, *, grace_seconds: int = 0) -> Rotated:
    """Make a key that is all that the old one is, with another id and secret and a life as long as the old one's was.

    The old one ends after `grace_seconds`, never later than it would have; until then both are held to the budgets and
    rates of the new one, which has all that the old one had, with what was used. A key is rotated once.

    Raises:
        NotFound: there is no such key that the caller may know of.
        PermissionDenied: the caller may not change it, has not all its permissions, or it is another person's.
        Conflict: it was rotated before, or is disabled.
        InvalidRequest: a grace period out of bounds, or the organization's policy wants an expiry and it has none.
    """
    if not 0 <= grace_seconds <= GRACE_S_MAX:
        raise InvalidRequest(f"grace_seconds must be from 0 to {GRACE_S_MAX:,} (30 days).", param="grace_seconds")
    old = await find_key(action, key_id, is_locked=True)
    await require_change(action, old)
    maker = await require_no_limits(action)
    if old.kind is KeyKind.MEMBER and not (is_own(action, old) or action.caller.principal.is_operator):
        raise PermissionDenied(
            "A person's key can be rotated by that person only, for the new one would be yours; disable or delete it."
        )
    await require_handing_out(action, old, old.permissions)
    _require_rotatable(old)
    record = await _successor(action, old)
    if maker is not None and maker.expires_at_us is not None:  # a key that ends cannot make one that lives longer
        capped = min(record.expires_at_us or maker.expires_at_us, maker.expires_at_us)
        record = msgspec.structs.replace(record, expires_at_us=capped)
    record = msgspec.structs.replace(record, terms=bound_as(maker, old.kind, record.terms))
    ends_at_us = action.now_us + grace_seconds * 1_000_000
    if old.expires_at_us is not None:
        ends_at_us = min(ends_at_us, old.expires_at_us)
    new = await store_key(action, _without_budgets(record))
    await move_limits(action.connection, action.organization_id, from_key_id=old.id, to_key_id=record.id)
    await api_keys.replace_api_key(
        action.connection, action.organization_id, old.id, replaced_by=new.record.id, expires_at_us=ends_at_us
    )
    after = {"replaced_by": record.id, "expires_at_us": ends_at_us, "new_expires_at_us": record.expires_at_us}
    action.record("api_key.rotate", target_of(old), before={"expires_at_us": old.expires_at_us}, after=after)
    return Rotated(msgspec.structs.replace(new, record=record), ends_at_us)


def _require_rotatable(old: ApiKey) -> None:
    if old.replaced_by:
        raise Conflict(f"This key was rotated already; {old.replaced_by} took its place. Rotate that one.")
    if old.status is not KeyStatus.ACTIVE:
        raise Conflict("This key is disabled; enable it first.")


def _without_budgets(record: ApiKey) -> ApiKey:
    """Leave out the requests per day: they are a budget, and come over from the old key with all that was used."""
    if record.terms is None:
        return record
    rate_limit = msgspec.structs.replace(record.terms.rate_limit, requests_per_day=None)
    return msgspec.structs.replace(record, terms=msgspec.structs.replace(record.terms, rate_limit=rate_limit))


async def _successor(action: Action, old: ApiKey) -> ApiKey:
    expires_at_us = None
    if old.expires_at_us is not None:  # its own or the policy's, so that the new life is within the policy too
        expires_at_us = action.now_us + max(old.expires_at_us - old.created_at_us, 0)
    else:
        check_expiry(action, await policy_of(action), None)
    return msgspec.structs.replace(
        old, id=new_key_id(), created_at_us=action.now_us, expires_at_us=expires_at_us, last_used_at_us=None
    )
