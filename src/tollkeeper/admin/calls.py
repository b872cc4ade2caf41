"""/v1/usage/calls: single calls, looked for by what they are and opened one by one, within what the caller may see."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from tollkeeper.admin.decisions import LimitShape
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    PLAIN,
    Number,
    OptionalNumber,
    Shape,
    Time,
    Usd,
    administration_of,
    answer,
    nanos_of,
    time_us,
)
from tollkeeper.admin.usage import ChargeLineAnswer, RequestId, TryAnswer
from tollkeeper.control import calls
from tollkeeper.control.administration import Caller
from tollkeeper.control.call_views import describe_opened, describe_page
from tollkeeper.control.calls import CallFilters, CallSearch
from tollkeeper.kit.clock import TIME_US_MAX

router = APIRouter(tags=["usage"])
Asking = Annotated[Caller, Depends(requires("membership"))]
_Word = Annotated[str, Field(min_length=1, max_length=256, pattern=PLAIN)]
Words = Annotated[list[_Word] | None, Field(max_length=100)]
Status = Annotated[str, Field(max_length=6, pattern=r"^([0-9]{1,3}|[1-5]xx|errors)$")]
_Label = Annotated[str, Field(min_length=1, max_length=193, pattern=PLAIN)]
CostState = Literal["reported", "computed", "estimated", "unpriced", "unbilled"]
Outcome = Literal["complete", "provider_error", "broken", "client_gone", "crashed"]
_COLUMNS = {
    "team_ids": "team_id",
    "project_ids": "project_id",
    "api_key_ids": "api_key_id",
    "member_ids": "member_id",
    "models": "model",
    "models_asked": "model_asked",
    "providers": "provider",
    "operations": "operation",
    "cost_states": "cost_state",
    "outcomes": "outcome",
    "end_users": "end_user",
}


class Lookup(Shape):
    """What calls are looked for by, whether they went out or were refused."""

    from_: Annotated[Time | None, Field(alias="from", description="Without it, from the oldest that is kept.")] = None
    to: Annotated[Time | None, Field(description="Exclusive; without it, up to the newest call.")] = None
    request_id: Annotated[
        str | None, Field(min_length=1, max_length=64, pattern=PLAIN, description="What x-request-id said: req_….")
    ] = None
    team_ids: Words = None
    project_ids: Words = None
    api_key_ids: Words = None
    member_ids: Words = None
    models: Words = None
    statuses: Annotated[list[Status] | None, Field(max_length=20)] = None
    after: Annotated[
        str | None, Field(max_length=64, description="`last_id` of the page before, with the same query.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=calls.PAGE_MAX)] = 50

    def search(self) -> CallSearch:
        """Return what is looked for.

        Raises:
            InvalidRequest: a status or cursor that is none.
        """
        given = {column: getattr(self, name, None) for name, column in _COLUMNS.items()}
        return CallSearch(
            filters=CallFilters(
                columns={column: tuple(wanted) for column, wanted in given.items() if wanted is not None},
                statuses=calls.parse_statuses(self.statuses or ()),
            ),
            from_us=0 if self.from_ is None else time_us(self.from_),
            to_us=TIME_US_MAX if self.to is None else time_us(self.to),
            request_id=self.request_id or "",
            after=calls.parse_cursor(self.after),
            limit=self.limit,
        )


class CallQuery(Lookup):
    """GET /v1/usage/calls: a call must have all that is stated, and of several values of one thing one of them."""

    labels: Annotated[
        list[_Label] | None, Field(max_length=16, description="A name, or name=value; a call must have all of them.")
    ] = None
    models: Annotated[Words, Field(description="As the provider names what served.")] = None
    models_asked: Annotated[Words, Field(description="As the call named it.")] = None
    providers: Words = None
    operations: Words = None
    statuses: Annotated[
        list[Status] | None,
        Field(max_length=20, description="404, 4xx, 5xx; 0: no answer came; errors: 400 and above, and 0."),
    ] = None
    cost_states: Annotated[list[CostState] | None, Field(max_length=5)] = None
    outcomes: Annotated[list[Outcome] | None, Field(max_length=5)] = None
    end_users: Words = None
    cost_from_usd: Annotated[Usd | None, Field(description="Calls without a known price have no cost.")] = None
    cost_to_usd: Annotated[Usd | None, Field(description="Inclusive, as cost_from_usd is.")] = None

    def search(self) -> CallSearch:
        """Return what is looked for.

        Raises:
            InvalidRequest: a label, status or cursor that is none.
        """
        search = super().search()
        low, high = self.cost_from_usd, self.cost_to_usd
        filters = msgspec.structs.replace(
            search.filters,
            labels=calls.parse_labels(self.labels or ()),
            cost_from_nanos=None if low is None else nanos_of(low),
            cost_to_nanos=None if high is None else nanos_of(high),
        )
        return msgspec.structs.replace(search, filters=filters)


class _CallShape(Shape):
    """What every shape of a call has. Team and member are null when there is none."""

    object: Literal["usage.call"]
    request_id: str
    started_at: str
    project_id: str
    project_name: str | None
    team_id: str | None
    team_name: str | None
    api_key_id: str
    api_key_name: str | None
    member_id: str | None
    member_name: str | None
    operation: str
    model_asked: str
    model_served: str
    provider: str
    status: Annotated[int, Field(description="The provider's; 0 when no answer came.")]
    outcome: Outcome
    is_stream: bool
    latency_us: int
    first_byte_us: int
    cost_state: CostState
    end_user: str
    labels: dict[str, str]


class CallAnswer(_CallShape):
    input_tokens: int
    output_tokens: int
    cost_usd: Annotated[OptionalNumber, Field(description="Exact to the nano; null when no price is known.")]
    tries: Annotated[int, Field(description="Deployments that were tried, the one that served included.")]


class CallsAnswer(Shape):
    """A page may hold few calls, or none, and still have more behind it: it looks through a bounded number of records."""

    object: Literal["list"]
    data: list[CallAnswer]
    has_more: bool
    first_id: Annotated[str | None, Field(description="Opaque.")]
    last_id: Annotated[str | None, Field(description="Opaque; the next page is `after` it.")]
    searched_to: Annotated[
        str | None, Field(description="Down to this time everything was looked at; null when all of it was.")
    ]


class LinkedLineAnswer(ChargeLineAnswer):
    source_url: Annotated[str | None, Field(description="Where the price can be looked up; null for own prices.")]
    own_price_from: Annotated[
        str | None, Field(description="From when on the own price holds that it was charged by; null for list prices.")
    ]


class TimesAnswer(Shape):
    """Microseconds. What each step took stands with the steps."""

    total_us: int
    own_us: Annotated[int, Field(description="What all steps took together, without the waiting.")]
    waited_us: Annotated[int, Field(description="For the provider, tries before the one that served included.")]
    first_byte_us: Annotated[int | None, Field(description="From the call's beginning; null when no answer came.")]
    is_by_step: Annotated[
        bool,
        Field(
            description="False for calls of older versions, and cut off by a crash: of those, only the waiting is known."
        ),
    ]


class StepAnswer(Shape):
    name: Literal["authenticate", "authorise", "limit", "reserve", "route", "forward", "meter", "settle"]
    duration_us: Annotated[
        int | None,
        Field(
            description="Microseconds. All of them together are the call's whole time. Null for `settle`, which writes the "
            "record that they are in, and for all but `forward` where `is_by_step` is false."
        ),
    ]
    facts: Annotated[dict[str, Any], Field(description="What the step came to; amounts are dollars.")]


class OpenedCallAnswer(_CallShape):
    """`limits` are those that the call was let in by, as /v1/decisions tells them; null without `quota:read` there."""

    call_id: str
    organization_id: str
    started_at_us: int
    overhead_us: int
    service_tier: str
    quantities: dict[str, int]
    reasoning_tokens: int
    is_estimated: bool
    lines: list[LinkedLineAnswer]
    reserved_nanos: int
    reserved_usd: Number
    amount_nanos: int | None
    amount_usd: Annotated[OptionalNumber, Field(description="Exact to the nano; null when no price is known.")]
    reason: str
    provider_request_id: str
    tries: Annotated[list[TryAnswer], Field(description="Deployments tried before the one that served.")]
    times: TimesAnswer
    steps: list[StepAnswer]
    limits: list[LimitShape] | None


@router.get("/v1/usage/calls", response_model=CallsAnswer, summary="Find single calls, newest first")
async def list_calls(request: Request, query: Annotated[CallQuery, Query()], caller: Asking) -> Response:
    """Find calls: with `analytics:full` all of a place, with `analytics:own` those made with one's own keys.

    Refused calls have no usage record: /v1/usage/refusals lists those. While `has_more` is true, ask on `after`
    the page's `last_id`, also when the page is empty.
    """
    page = await administration_of(request).look(caller, calls.find_calls, query.search())
    return answer(describe_page(page))


@router.get("/v1/usage/calls/{request_id}", response_model=OpenedCallAnswer, summary="Open one call")
async def get_call(
    request: Request,
    request_id: RequestId,
    caller: Asking,
) -> Response:
    """Show everything that is kept of a call: its record, its eight steps and times, the limits it was let in by."""
    return answer(describe_opened(await administration_of(request).look(caller, calls.open_call, request_id)))
