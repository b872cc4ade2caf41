"""How api keys look from outside: the bodies that make and change them, and what is answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from tollkeeper.admin.shapes import AS_INTEGER, Name, Shape, time_us
from tollkeeper.control.key_making import RATE_MAX
from tollkeeper.domain.key_terms import MODEL_PATTERN_LENGTH_MAX, RULES_MAX, KeyTerms, RateLimit
from tollkeeper.domain.label import LABELS_MAX
from tollkeeper.domain.permission import PERMISSIONS


def _expiry(value: object) -> object:
    """Read ISO 8601; without an offset it is UTC, as Python's `datetime.utcnow().isoformat()` means it."""
    if value is None or isinstance(value, datetime):
        return value
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("it must be a time such as 2027-01-31T09:00:00Z")
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("it must be a time such as 2027-01-31T09:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


Expiry = Annotated[
    datetime | None,
    BeforeValidator(_expiry),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
    Field(
        description="ISO 8601 with its offset, fractions allowed: 2027-01-31T09:00:00.5Z. Without an offset it is UTC."
    ),
]
Permissions = Annotated[
    list[Annotated[str, Field(max_length=64, json_schema_extra={"enum": sorted(PERMISSIONS)})]],
    Field(
        max_length=len(PERMISSIONS),
        json_schema_extra={"minItems": 1},
        description="Left out: all permissions for calls that the caller may give away.",
    ),
]
PermissionChanges = Annotated[
    list[Annotated[str, Field(max_length=64)]], Field(default_factory=list, max_length=len(PERMISSIONS))
]
Addresses = Annotated[
    list[Annotated[str, Field(max_length=64)]],
    Field(max_length=RULES_MAX, description="Addresses and networks (192.0.2.0/24, 2001:db8::/32); empty lets all in."),
]
Models = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=MODEL_PATTERN_LENGTH_MAX)]],
    Field(max_length=RULES_MAX, description="Names and patterns (gpt-4o*); empty lets all in."),
]
Labels = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=128)]],
    Field(max_length=LABELS_MAX, description="What every call of the key carries unless the call says otherwise."),
]
ProjectId = Annotated[str, Field(min_length=1, max_length=64)]
Rate = Annotated[int, Field(ge=1, le=RATE_MAX), AS_INTEGER]


class RateLimitShape(Shape):
    requests_per_minute: Rate | None = None
    requests_per_day: Rate | None = None
    tokens_per_minute: Rate | None = None


class AdminKeyBody(Shape):
    name: Name
    permissions: Permissions | None = None
    expires_at: Expiry = None
    allowed_ips: Addresses | None = None

    def wanted(self) -> dict[str, Any]:
        """Return what the step that makes the key takes."""
        permissions = None if self.permissions is None else frozenset(self.permissions)
        expires_at_us = None if self.expires_at is None else time_us(self.expires_at)
        return {"name": self.name, "permissions": permissions, "expires_at_us": expires_at_us, "terms": self.terms()}

    def terms(self) -> KeyTerms:
        return KeyTerms(allowed_ips=tuple(self.allowed_ips or ()))


class ServiceKeyBody(AdminKeyBody):
    project_id: ProjectId
    allowed_models: Models | None = None
    rate_limit: RateLimitShape | None = None
    labels: Labels | None = None

    def wanted(self) -> dict[str, Any]:
        return {**super().wanted(), "project_id": self.project_id}

    def terms(self) -> KeyTerms:
        return KeyTerms(
            allowed_ips=tuple(self.allowed_ips or ()),
            allowed_models=tuple(self.allowed_models or ()),
            rate_limit=rate_limit_of(self.rate_limit),
            labels=self.labels or {},
        )


class MemberKeyBody(ServiceKeyBody):
    further_project_ids: Annotated[
        list[ProjectId],
        Field(default_factory=list, max_length=99, description="Others that OpenAI-Project may choose."),
    ]

    def wanted(self) -> dict[str, Any]:
        wanted = super().wanted()
        own = wanted.pop("project_id")
        return {**wanted, "project_ids": (own, *self.further_project_ids)}


class KeyChangeBody(Shape):
    """What is left out stays as it is; null takes away."""

    name: Name | None = None
    add_permissions: PermissionChanges
    remove_permissions: PermissionChanges
    rate_limit: Annotated[
        RateLimitShape | None,
        Field(description="What is left out of it stays, null takes a limit away; null instead of it takes all away."),
    ] = None
    allowed_ips: Addresses | None = None
    allowed_models: Models | None = None
    expires_at: Expiry = None
    disabled: bool | None = None
    labels: Labels | None = None


class RotationBody(Shape):
    grace_seconds: Annotated[int, Field(ge=0, le=30 * 86_400), AS_INTEGER] = 0


class KeyAnswer(Shape):
    object: Literal["api_key"]
    id: str
    name: str
    kind: Literal["service", "member", "admin"]
    status: Literal["active", "disabled", "expired", "deleted"]
    project_id: str | None
    further_project_ids: list[str]
    member_id: str | None
    permissions: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    rate_limit: RateLimitShape
    allowed_ips: list[str]
    allowed_models: list[str]
    labels: dict[str, str]
    replaced_by: str | None
    redacted_value: str


class NewKeyAnswer(KeyAnswer):
    key: Annotated[str, Field(description="The key itself; shown this once.")]


class RotationAnswer(Shape):
    object: Literal["api_key.rotation"]
    new_key_id: str
    key: Annotated[str, Field(description="The key itself; shown this once.")]
    expires_at: str | None
    previous_key_id: str
    previous_key_valid_until: str


class DeletedKeyAnswer(Shape):
    object: Literal["api_key.deleted"]
    id: str
    deleted: Literal[True]


UsdNumber = Annotated[
    Any,
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]}),
    Field(description="Null: no price is known."),
]


class ModelUseAnswer(Shape):
    requests: int
    errors: int
    unpriced_requests: int
    cost: UsdNumber


class KeyUseAnswer(Shape):
    """Days are those of the organization's timezone, today included."""

    object: Literal["api_key.usage"]
    api_key_id: str
    days: int
    from_: Annotated[str, Field(alias="from")]
    to: str
    timezone: str
    total_requests: int
    total_errors: int
    unpriced_requests: int
    total_cost_usd: UsdNumber
    avg_latency_ms: Annotated[Any, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]})]
    by_model: dict[str, ModelUseAnswer]


def rate_limit_of(shape: RateLimitShape | None) -> RateLimit:
    """Return a body's rate limit; none when it is left out."""
    return RateLimit() if shape is None else RateLimit(**shape.model_dump())
