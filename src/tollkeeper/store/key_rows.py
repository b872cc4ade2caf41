"""An api key's row: which columns are read with it, and how texts become its permissions, terms and expiry, and back."""

from __future__ import annotations

from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, select

from tollkeeper.domain.api_key import ApiKey, ApiKeyId, KeyKind, KeyStatus, expiry_under
from tollkeeper.domain.key_terms import FurtherProject, KeyTerms, RateLimit
from tollkeeper.domain.tenancy import KeyPolicy, OrganizationId, ProjectId
from tollkeeper.store.daily_requests import requests_per_day
from tollkeeper.store.schema_tenancy import api_key, organization, project

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Row, Select

_JOINED = api_key.join(organization, organization.c.id == api_key.c.organization_id).outerjoin(
    project, and_(project.c.organization_id == api_key.c.organization_id, project.c.id == api_key.c.project_id)
)
_KEY_NAMES = (
    "organization_id",
    "id",
    "project_id",
    "name",
    "kind",
    "status",
    "permissions",
    "created_at_us",
    "expires_at_us",
    "last_used_at_us",
    "member_id",
    "further_project_ids",
    "allowed_ips",
    "allowed_models",
    "rate_limit",
    "labels",
    "replaced_by",
)
_NO_TERMS = ("[]", "[]", "[]", "{}", "{}", "[]")
KeyRow = Any
"""A row of `select_keys`."""


def select_keys() -> Select[Any]:
    """Begin a query for keys with what their project and organization say about them."""
    return select(
        *(api_key.c[name] for name in _KEY_NAMES),
        project.c.team_id,
        project.c.archived_at_us.label("project_archived_at_us"),
        organization.c.key_age_max_days,
        organization.c.required_labels,
        requests_per_day().label("requests_per_day"),
    ).select_from(_JOINED)


def to_api_key(row: Row[Any, *tuple[Any, ...]]) -> ApiKey:
    """Return the record of a key. What depends on its member's roles and on further projects is not looked up.

    What keys have in common is one object: thousands of them are kept in memory.
    """
    permissions = permissions_of(row.permissions)
    return ApiKey(
        organization_id=OrganizationId(intern(row.organization_id)),
        id=ApiKeyId(row.id),
        project_id=ProjectId(intern(row.project_id or "")),
        name=row.name,
        kind=KeyKind(row.kind),
        status=KeyStatus(row.status),
        permissions=permissions,
        created_at_us=row.created_at_us,
        expires_at_us=expiry_under(
            KeyPolicy(row.key_age_max_days), created_at_us=row.created_at_us, expires_at_us=row.expires_at_us
        ),
        last_used_at_us=row.last_used_at_us,
        member_id=row.member_id or "",
        team_id=intern(row.team_id or ""),
        terms=_terms_of(
            row.further_project_ids,
            row.allowed_ips,
            row.allowed_models,
            row.rate_limit,
            row.labels,
            row.required_labels,
            permissions=permissions,
            requests_per_day=row.requests_per_day,
        ),
        replaced_by=row.replaced_by or "",
    )


def columns_of_terms(terms: KeyTerms | None) -> dict[str, str]:
    """Return the columns that hold a key's terms; requests per day are a budget, see `daily_requests`."""
    terms = terms or KeyTerms()
    return {
        "further_project_ids": _json([each.id for each in terms.further_projects]),
        "allowed_ips": _json(terms.allowed_ips),
        "allowed_models": _json(terms.allowed_models),
        "rate_limit": _json(_per_minute(terms.rate_limit)),
        "labels": _json(terms.labels),
    }


def text_of_permissions(permissions: Iterable[str]) -> str:
    """Return permissions as their column holds them."""
    return _json(sorted(permissions))


@lru_cache(maxsize=4096)
def permissions_of(text: str) -> frozenset[str]:
    """Read permissions from their column; equal ones are one object, as most keys of an organization have the same."""
    return msgspec.json.decode(text, type=frozenset[str])


@lru_cache(maxsize=4096)
def _terms_of(*texts: str, permissions: frozenset[str], requests_per_day: int | None) -> KeyTerms | None:
    """Return what is agreed beyond permissions; None when nothing is: so it is with most keys, and takes no memory."""
    if texts == _NO_TERMS and requests_per_day is None:
        return None
    further, ips, models, rate_limit, labels, required = texts
    return KeyTerms(
        tuple(FurtherProject(each, "", permissions) for each in _strings(further)),
        _strings(ips),
        _strings(models),
        msgspec.structs.replace(msgspec.json.decode(rate_limit, type=RateLimit), requests_per_day=requests_per_day),
        msgspec.json.decode(labels, type=dict[str, str]),
        _strings(required),
    )


def _strings(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _per_minute(rate_limit: RateLimit) -> Mapping[str, int]:
    kept = msgspec.structs.asdict(msgspec.structs.replace(rate_limit, requests_per_day=None))
    return {name: value for name, value in kept.items() if value is not None}
