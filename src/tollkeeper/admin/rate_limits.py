"""/v1/rate-limits: how many requests and tokens a minute organizations, teams, projects, members and keys may have."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from tollkeeper.admin.budget_shapes import BudgetScopeKind, IsFromTier, ModelName, ScopeId
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    AS_INTEGER,
    PLAIN,
    After,
    Limit,
    ListPage,
    Shape,
    administration_of,
    answer,
    id_path,
    list_answer,
)
from tollkeeper.control import rate_limits
from tollkeeper.control.administration import Caller
from tollkeeper.control.rate_limit_views import shown_rate_limit
from tollkeeper.control.rate_limits import RateTerms
from tollkeeper.domain.rate_limit import RATE_MAX

router = APIRouter(tags=["rate limits"])
Rate = Annotated[int, Field(ge=1, le=RATE_MAX), AS_INTEGER]
RateLimitPath = Annotated[str, id_path("rate", "rate_0123456789ABCDEFGHIJ")]


class RateLimitBody(Shape):
    """At least one limit must be said."""

    scope: ScopeId
    model: ModelName | None = None
    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None


class RateLimitAnswer(Shape):
    object: Literal["rate_limit"]
    id: str
    scope: str
    scope_kind: BudgetScopeKind
    model: str | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    is_from_tier: IsFromTier
    created_at: str
    updated_at: str


@router.get(
    "/v1/rate-limits", response_model=ListPage[RateLimitAnswer], summary="List the rate limits that the caller may read"
)
async def list_rate_limits(
    request: Request,
    caller: Annotated[Caller, Depends(requires("quota:read"))],
    scope: Annotated[str | None, Query(min_length=1, max_length=64, pattern=PLAIN)] = None,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    """A key's own `rate_limit` is not among them: it is part of the key."""
    found = await administration_of(request).look(
        caller, rate_limits.list_rate_limits, scope_id=scope, after=after, limit=limit + 1
    )
    return list_answer(found, limit, shown_rate_limit)


@router.put("/v1/rate-limits", response_model=RateLimitAnswer, summary="Set a rate limit")
async def set_rate_limit(
    request: Request, body: RateLimitBody, caller: Annotated[Caller, Depends(requires("quota:manage"))]
) -> Response:
    """Limit the requests and tokens a minute of a scope, in place of its limits for the same model.

    It needs `quota:manage` at what the scope is part of: the organization for a team or a member, the team for its
    project, the project for its key. What is left out is not limited.
    """
    terms = RateTerms(body.requests_per_minute, body.tokens_per_minute, body.model or "")
    made = await administration_of(request).change(caller, rate_limits.set_rate_limit, body.scope, terms=terms)
    return answer(shown_rate_limit(made))


@router.delete("/v1/rate-limits/{rate_limit_id}", response_model=RateLimitAnswer, summary="Take a rate limit away")
async def delete_rate_limit(
    request: Request, rate_limit_id: RateLimitPath, caller: Annotated[Caller, Depends(requires("quota:manage"))]
) -> Response:
    return answer(
        shown_rate_limit(await administration_of(request).change(caller, rate_limits.delete_rate_limit, rate_limit_id))
    )
