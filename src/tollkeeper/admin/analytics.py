"""/v1/{teams,projects,organizations}/{id}/analytics: what calls of a period come to, as far as the caller may see."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import Shape, administration_of, answer, id_path, shown_time
from tollkeeper.admin.usage_sums import Milliseconds, SummedUsd, mean_ms, shown_usd
from tollkeeper.control.administration import Caller
from tollkeeper.control.analytics import Analytics, Breakdown, analyze
from tollkeeper.domain.tenancy import ScopeKind

router = APIRouter(tags=["analytics"])
Asking = Annotated[Caller, Depends(requires("membership"))]
_PERIOD_PATTERN = r"^(([1-9]|[1-9]\d|[12]\d\d|3[0-5]\d|36[0-5])d|([1-9]|[1-9]\d|1[0-5]\d|16[0-8])h)$"  # the document's; the use case refuses
Period = Annotated[
    str,
    Query(
        max_length=8,
        description="1d to 365d: the last days in the organization's timezone, today included. 1h to 168h: hours.",
        examples=["30d"],
        json_schema_extra={"pattern": _PERIOD_PATTERN},
    ),
]
_TOP_MODELS = 5
_SERVICE = "service"
"""Where calls are counted that were made with keys of nobody's."""
_BY = {"model": "by_model", "project_id": "by_project", "api_key_id": "by_key", "member_id": "by_member"}


class SumsAnswer(Shape):
    requests: int
    errors: int
    tokens: int
    input_tokens: int
    output_tokens: int
    cost_usd: SummedUsd
    unpriced_requests: Annotated[int, Field(description="Calls that `cost_usd` leaves out: no price is known.")]
    avg_latency_ms: Milliseconds


class ModelAnswer(SumsAnswer):
    cost: Annotated[SummedUsd, Field(description="The same as `cost_usd`.")]


class NamedAnswer(SumsAnswer):
    name: str | None


class TopModelAnswer(SumsAnswer):
    model: str


class DayAnswer(SumsAnswer):
    date: str


class AnalyticsAnswer(Shape):
    """The dearest 100 of each kind are shown; what the rest comes to is in `others`, so that everything adds up."""

    object: Literal["analytics"]
    scope: ScopeKind
    scope_id: str
    covers: Annotated[
        Literal["full", "aggregate", "own"],
        Field(description="aggregate: without keys and members. own: only calls with the caller's own keys."),
    ]
    period: str
    from_: Annotated[str, Field(alias="from")]
    to: str
    timezone: str
    total_requests: int
    total_errors: int
    total_cost_usd: SummedUsd
    total_tokens: int
    unpriced_requests: int
    avg_latency_ms: Milliseconds
    by_model: dict[str, ModelAnswer]
    by_project: dict[str, NamedAnswer]
    by_key: Annotated[
        dict[str, NamedAnswer], Field(default_factory=dict, description="Absent for who may read totals only.")
    ]
    by_member: Annotated[
        dict[str, NamedAnswer],
        Field(
            default_factory=dict,
            description="Only with analytics:full. `service` has the calls of keys that belong to no person.",
        ),
    ]
    others: dict[Literal["by_model", "by_project", "by_key", "by_member"], SumsAnswer]
    top_models: list[TopModelAnswer]
    daily: Annotated[list[DayAnswer], Field(description="Every day of the period, those without calls too.")]


@router.get("/v1/teams/{team_id}/analytics", response_model=AnalyticsAnswer, summary="Analytics of a team")
async def team_analytics(
    request: Request,
    team_id: Annotated[str, id_path("team", "team_0123456789ABCDEFGHIJ")],
    caller: Asking,
    period: Period = "30d",
) -> Response:
    return await _answer(request, caller, "team", team_id, period)


@router.get("/v1/projects/{project_id}/analytics", response_model=AnalyticsAnswer, summary="Analytics of a project")
async def project_analytics(
    request: Request,
    project_id: Annotated[str, id_path("proj", "proj_0123456789ABCDEFGHIJ")],
    caller: Asking,
    period: Period = "30d",
) -> Response:
    return await _answer(request, caller, "project", project_id, period)


@router.get(
    "/v1/organizations/{organization_id}/analytics",
    response_model=AnalyticsAnswer,
    summary="Analytics of the organization",
)
async def organization_analytics(
    request: Request,
    organization_id: Annotated[str, id_path("org", "org_0123456789ABCDEFGHIJ")],
    caller: Asking,
    period: Period = "30d",
) -> Response:
    return await _answer(request, caller, "organization", organization_id, period)


async def _answer(request: Request, caller: Caller, kind: ScopeKind, place_id: str, period: str) -> Response:
    return answer(_shown(await administration_of(request).look(caller, analyze, kind, place_id, period=period), period))


def _shown(found: Analytics, period: str) -> dict[str, Any]:
    total = found.total
    models = found.parts["model"].lines
    return {
        "object": "analytics",
        "scope": found.place.kind,
        "scope_id": found.place.id,
        "covers": found.level.value,
        "period": period,
        "from": shown_time(found.from_us),
        "to": shown_time(found.to_us),
        "timezone": found.timezone,
        "total_requests": total.requests,
        "total_errors": total.errors,
        "total_cost_usd": shown_usd(total.amount_nanos, unpriced=total.unpriced_requests),
        "total_tokens": total.input_tokens_total + total.output_tokens_total,
        "unpriced_requests": total.unpriced_requests,
        "avg_latency_ms": mean_ms(total.latency_us_total, total.requests),
        **{_BY[part]: _shown_part(part, breakdown, found) for part, breakdown in found.parts.items()},
        "others": {_BY[part]: _sums(each.others) for part, each in found.parts.items() if each.others.requests},
        "top_models": [{"model": model, **_sums(sums)} for model, sums in list(models.items())[:_TOP_MODELS]],
        "daily": [{"date": date, **_sums(sums)} for date, sums in found.days],
    }


def _shown_part(part: str, breakdown: Breakdown, found: Analytics) -> dict[str, Any]:
    if part == "model":
        shown = {model: _sums(sums) for model, sums in breakdown.lines.items()}
        return {model: {**sums, "cost": sums["cost_usd"]} for model, sums in shown.items()}
    names = found.names[part]
    return {value or _SERVICE: {"name": names.get(value), **_sums(sums)} for value, sums in breakdown.lines.items()}


def _sums(sums: Any) -> dict[str, Any]:
    return {
        "requests": sums.requests,
        "errors": sums.errors,
        "tokens": sums.input_tokens_total + sums.output_tokens_total,
        "input_tokens": sums.input_tokens_total,
        "output_tokens": sums.output_tokens_total,
        "cost_usd": shown_usd(sums.amount_nanos, unpriced=sums.unpriced_requests),
        "unpriced_requests": sums.unpriced_requests,
        "avg_latency_ms": mean_ms(sums.latency_us_total, sums.requests),
    }
