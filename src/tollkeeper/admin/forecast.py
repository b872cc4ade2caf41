"""/v1/{organizations,teams,projects}/{id}/forecast: what the running month will come to, with a range."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import Number, OptionalNumber, Shape, administration_of, answer, id_path
from tollkeeper.control.administration import Caller
from tollkeeper.control.forecast import describe_forecast, forecast_month
from tollkeeper.domain.tenancy import ScopeKind

router = APIRouter(tags=["analytics"])
Asking = Annotated[Caller, Depends(requires("membership"))]


class ShownAmountAnswer(Shape):
    """An amount in the organization's display currency, by a rate of a day; nothing is booked in it."""

    currency: str
    amount: Number
    text: Annotated[str, Field(description="As a person reads it, in the organization's language.")]
    rate: Annotated[Number, Field(description="What one dollar is.")]
    rate_date: str
    source: str


class DisplayAnswer(Shape):
    cost: ShownAmountAnswer | None
    low: ShownAmountAnswer | None
    likely: ShownAmountAnswer | None
    high: ShownAmountAnswer | None


class ForecastDayAnswer(Shape):
    date: str
    cost_usd: OptionalNumber


class ForecastAnswer(Shape):
    """The forecast is of calls with a known price. `low_usd` to `high_usd` is a range that the outcome is mostly within."""

    object: Literal["forecast"]
    scope: ScopeKind
    scope_id: str
    covers: Annotated[
        Literal["full", "aggregate", "own"], Field(description="own: only calls with the caller's own keys.")
    ]
    from_: Annotated[str, Field(alias="from", description="When the month began, by the organization's calendar.")]
    to: str | None
    at: str
    timezone: str
    cost_usd: Annotated[OptionalNumber, Field(description="Of the month so far; null when it is not known.")]
    requests: int
    unpriced_requests: Annotated[int, Field(description="Calls that no amount here covers: no price is known.")]
    basis: Annotated[
        Literal["too_early", "few_weeks", "weeks"],
        Field(description="too_early: fewer than seven whole days are known, and nothing is said."),
    ]
    days_known: Annotated[int, Field(description="Whole days since the first cost, at most 56.")]
    is_trend_clear: Annotated[
        bool, Field(description="Whether growth or decline over the weeks goes into the likely amount.")
    ]
    low_usd: OptionalNumber
    likely_usd: OptionalNumber
    high_usd: OptionalNumber
    display: Annotated[DisplayAnswer | None, Field(description="The same in the organization's display currency.")]
    daily: Annotated[list[ForecastDayAnswer], Field(description="Days of the month with calls.")]


@router.get(
    "/v1/organizations/{organization_id}/forecast",
    response_model=ForecastAnswer,
    summary="What the organization's month will come to",
)
async def organization_forecast(
    request: Request,
    organization_id: Annotated[str, id_path("org", "org_0123456789ABCDEFGHIJ")],
    caller: Asking,
) -> Response:
    return await _answer(request, caller, "organization", organization_id)


@router.get("/v1/teams/{team_id}/forecast", response_model=ForecastAnswer, summary="What a team's month will come to")
async def team_forecast(
    request: Request, team_id: Annotated[str, id_path("team", "team_0123456789ABCDEFGHIJ")], caller: Asking
) -> Response:
    return await _answer(request, caller, "team", team_id)


@router.get(
    "/v1/projects/{project_id}/forecast", response_model=ForecastAnswer, summary="What a project's month will come to"
)
async def project_forecast(
    request: Request, project_id: Annotated[str, id_path("proj", "proj_0123456789ABCDEFGHIJ")], caller: Asking
) -> Response:
    return await _answer(request, caller, "project", project_id)


async def _answer(request: Request, caller: Caller, kind: ScopeKind, place_id: str) -> Response:
    return answer(describe_forecast(await administration_of(request).look(caller, forecast_month, kind, place_id)))
