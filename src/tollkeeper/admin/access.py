"""/v1/access/explain: why a member or a key may or may not do a thing somewhere."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import Shape, administration_of, answer
from tollkeeper.control import access
from tollkeeper.control.access import Explanation
from tollkeeper.control.administration import Caller
from tollkeeper.domain.access import Grant
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.domain.tenancy import ScopeKind

router = APIRouter(tags=["access"])


class GrantShape(Shape):
    """What a role or key grants at a place and below it."""

    source: str
    permissions: list[str]
    scope_kind: ScopeKind
    scope_id: str


class ExplanationAnswer(Shape):
    """`source` is what grants it, null when nothing does; `notes` say what else holds for a key."""

    object: Literal["access_explanation"]
    principal: str
    permission: str
    scope: str
    scope_kind: ScopeKind
    allowed: bool
    reason: str
    source: str | None
    grants: list[GrantShape]
    notes: list[str]


@router.get("/v1/access/explain", response_model=ExplanationAnswer, summary="Why may somebody do something, or not")
async def explain(
    request: Request,
    caller: Annotated[Caller, Depends(requires("membership"))],
    permission: Annotated[str, Query(min_length=1, max_length=64, json_schema_extra={"enum": sorted(PERMISSIONS)})],
    principal: Annotated[
        str | None, Query(min_length=1, max_length=64, description="A member's or a key's id; oneself when left out.")
    ] = None,
    scope: Annotated[
        str | None,
        Query(min_length=1, max_length=64, description="A team's or project's id; else the whole organization."),
    ] = None,
) -> Response:
    """Explain a decision. About somebody else it needs `member:manage` or `role:manage` at the place."""
    found = await administration_of(request).look(
        caller, access.explain, permission=permission, principal_id=principal, scope_id=scope
    )
    return answer(_shown(found))


def _shown(found: Explanation) -> dict[str, Any]:
    return {
        "object": "access_explanation",
        "principal": found.principal_id,
        "permission": found.permission,
        "scope": found.place.id,
        "scope_kind": found.place.kind,
        "allowed": found.is_allowed,
        "reason": found.reason,
        "source": found.source or None,
        "grants": [_shown_grant(each, found.place.organization_id) for each in found.grants],
        "notes": list(found.notes),
    }


def _shown_grant(grant: Grant, organization_id: str) -> dict[str, Any]:
    kind = "project" if grant.project_id else "team" if grant.team_id else "organization"
    return {
        "source": grant.source,
        "permissions": sorted(grant.permissions),
        "scope_kind": kind,
        "scope_id": grant.project_id or grant.team_id or organization_id,
    }
