"""A new api key, from what is asked for to its record: permissions, expiry under the organization's policy, terms, secret."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action, Target
from tollkeeper.control.key_rights import bound_as, require_grantable, require_no_limits
from tollkeeper.control.names import check_name
from tollkeeper.domain.access import ADMIN_PERMISSIONS, INFERENCE_PERMISSIONS, held
from tollkeeper.domain.api_key import (
    ID_LENGTH,
    SECRET_LENGTH,
    US_PER_DAY,
    ApiKey,
    ApiKeyId,
    KeyKind,
    KeyStatus,
    expiry_under,
    write_key,
)
from tollkeeper.domain.errors import InvalidRequest, PermissionDenied
from tollkeeper.domain.key_terms import (
    FurtherProject,
    KeyTerms,
    RateLimit,
    check_addresses,
    check_labels,
    check_models,
    check_permissions,
)
from tollkeeper.domain.tenancy import KeyPolicy, Place, ProjectId
from tollkeeper.kit.ids import random_base62
from tollkeeper.kit.secrets import keyed_digest
from tollkeeper.store import api_keys, organizations

LIFE_MAX_DAYS = 36_525
RATE_MAX = 1_000_000_000


class NewApiKey(msgspec.Struct, frozen=True):
    """A key just made. `key` is the secret itself: shown once, stored nowhere."""

    key: str
    record: ApiKey

    def __repr__(self) -> str:
        return f"NewApiKey({self.record.id!r})"


class KeyWish(msgspec.Struct, frozen=True):
    """What a new key is to be. Without `permissions` it gets those for calling models that its maker may give away."""

    name: str
    permissions: frozenset[str] | None = None
    expires_at_us: int | None = None
    terms: KeyTerms | None = None


async def make_key(action: Action, kind: KeyKind, everywhere: list[Place], wish: KeyWish) -> NewApiKey:
    """Make a key for places that the caller was allowed to make keys at; the first one is its own.

    Raises:
        InvalidRequest: something of what is wished for is wrong, or against the organization's policy.
        PermissionDenied: the caller does not have what it would give away.
    """
    maker = await require_no_limits(action)
    permissions = _permissions(action, kind, everywhere, wish.permissions)
    policy = await policy_of(action)
    expires_at_us = check_expiry(action, policy, wish.expires_at_us)
    if maker is not None and maker.expires_at_us is not None:
        expires_at_us = min(expires_at_us or maker.expires_at_us, maker.expires_at_us)
    further = tuple(FurtherProject(place.project_id, place.team_id, permissions) for place in everywhere[1:])
    terms = bound_as(maker, kind, check_terms(wish.terms, further))
    record = ApiKey(
        organization_id=action.organization_id,  # type: ignore[arg-type]
        id=new_key_id(),
        project_id=ProjectId(everywhere[0].project_id),
        name=check_name(wish.name),
        kind=kind,
        status=KeyStatus.ACTIVE,
        permissions=permissions,
        created_at_us=action.now_us,
        expires_at_us=expiry_under(policy, created_at_us=action.now_us, expires_at_us=expires_at_us),
        member_id=action.caller.principal.member_id if kind is KeyKind.MEMBER else "",
        team_id=everywhere[0].team_id,
        terms=terms,
    )
    made = await store_key(action, record)
    action.record("api_key.create", target_of(record), after=shown_key(record))
    return made


async def store_key(action: Action, record: ApiKey) -> NewApiKey:
    """Give a record a secret and store it."""
    key = write_key(record.id.removeprefix("key_"), random_base62(SECRET_LENGTH))
    digest = keyed_digest(action.secrets.pepper, key.encode())
    await api_keys.create_api_key(action.connection, action.organization_id, key=record, digest=digest)
    return NewApiKey(key, record)


def new_key_id() -> ApiKeyId:
    """Return a new key's id, which is the part of the key that may be shown."""
    return ApiKeyId(f"key_{random_base62(ID_LENGTH)}")


async def policy_of(action: Action) -> KeyPolicy:
    """Return what the organization asks of its keys."""
    found = await organizations.get_organization(action.connection, action.organization_id)
    assert found is not None, "a caller's organization exists"
    return found.policy


def check_expiry(action: Action, policy: KeyPolicy, expires_at_us: int | None) -> int | None:
    """Return an expiry that was asked for.

    Raises:
        InvalidRequest: it is in the past or a century ahead, or none although the organization wants one.
    """
    if expires_at_us is None:
        if policy.is_key_expiry_required:
            raise InvalidRequest(
                "This organization's policy is_key_expiry_required wants every key to have an expires_at.",
                param="expires_at",
            )
        return None
    if expires_at_us <= action.now_us:
        raise InvalidRequest("The expiry is in the past.", param="expires_at")
    if expires_at_us > action.now_us + LIFE_MAX_DAYS * US_PER_DAY:
        raise InvalidRequest("The expiry is more than 100 years ahead.", param="expires_at")
    return expires_at_us


def check_terms(terms: KeyTerms | None, further: tuple[FurtherProject, ...] = ()) -> KeyTerms | None:
    """Return terms as they are stored; None when they agree nothing.

    Raises:
        InvalidRequest: an address, a model, a label or a rate that is none, or too many of them.
    """
    terms = terms or KeyTerms()
    checked = KeyTerms(
        further_projects=further,
        allowed_ips=check_addresses(terms.allowed_ips),
        allowed_models=check_models(terms.allowed_models),
        rate_limit=_rate_limit(terms.rate_limit),
        labels=check_labels(terms.labels),
    )
    return None if checked == KeyTerms() else checked


def target_of(key: ApiKey) -> Target:
    """Return what audit events about a key are about."""
    return Target("api_key", key.id, key.name)


def shown_key(key: ApiKey) -> dict[str, object]:
    """Return what the audit log keeps of a key: what can change of it."""
    terms = key.terms or KeyTerms()
    rates = msgspec.structs.asdict(terms.rate_limit)
    return {
        "name": key.name,
        "kind": key.kind.value,
        "status": key.status.value,
        "project_ids": key.project_ids,
        "member_id": key.member_id,
        "permissions": sorted(key.permissions),
        "expires_at_us": key.expires_at_us,
        "allowed_ips": terms.allowed_ips,
        "allowed_models": terms.allowed_models,
        "rate_limit": {name: rate for name, rate in rates.items() if rate is not None},
        "labels": terms.labels,
    }


def _permissions(
    action: Action, kind: KeyKind, everywhere: list[Place], wished: frozenset[str] | None
) -> frozenset[str]:
    if wished is None:
        permissions = _usual_permissions(action, kind, everywhere)
        if not permissions:
            what = "for administration" if kind is KeyKind.ADMIN else "for calling models"
            raise PermissionDenied(f"You have no permission {what} here that a key could get.")
    else:
        permissions = check_permissions(wished, param="permissions")
        if not permissions:
            raise InvalidRequest("A key needs at least one permission.", param="permissions")
    for place in everywhere:
        require_grantable(action, kind, permissions, place)
    return permissions


def _usual_permissions(action: Action, kind: KeyKind, everywhere: list[Place]) -> frozenset[str]:
    """Return all permissions of the usual sort that the caller may give away in every one of the places."""
    principal = action.caller.principal
    usual = ADMIN_PERMISSIONS if kind is KeyKind.ADMIN else INFERENCE_PERMISSIONS
    for place in everywhere:
        usual &= held(principal, place) | principal.may_hand_out
    if kind is KeyKind.ADMIN and not held(principal, everywhere[0]) | principal.may_hand_out >= INFERENCE_PERMISSIONS:
        usual -= {"api_key:create"}  # who has it hands out calling models
    return usual


def _rate_limit(limit: RateLimit) -> RateLimit:
    for name, rate in msgspec.structs.asdict(limit).items():
        if rate is not None and not 1 <= rate <= RATE_MAX:
            message = f"rate_limit.{name} must be from 1 to {RATE_MAX:,}."
            raise InvalidRequest(message, param="rate_limit", part=name)
    return limit
