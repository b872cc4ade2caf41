"""/v1/usage: calls added up by what the caller likes, within what the caller may see, and single records."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import Number, OptionalNumber, Shape, Time, administration_of, answer, shown_time, time_us
from tollkeeper.admin.usage_cursor import CURSOR_LENGTH_MAX, read_cursor, write_cursor
from tollkeeper.admin.usage_sums import Milliseconds, SummedUsd, mean_ms, shown_usd
from tollkeeper.control import usage, usage_lines
from tollkeeper.control.administration import Caller
from tollkeeper.control.usage_lines import TIME_FORMATS, LinePage, Question, UsageLine
from tollkeeper.control.usage_records import describe_record
from tollkeeper.kit.clock import now_us, utc

router = APIRouter(tags=["usage"])
Asking = Annotated[Caller, Depends(requires("membership"))]
RequestId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=64,
        description="What the call's x-request-id said.",
        json_schema_extra={"pattern": "^req_[0-9a-f]{32}$"},
    ),
]
_US_PER_DAY = 86_400_000_000
_DAYS = 30
_Word = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Words = Annotated[list[_Word] | None, Field(max_length=100)]


class UsageAsked(Shape):
    """What the list and the export are asked with."""

    from_: Annotated[Time | None, Field(alias="from", description="Without it, 30 days before `to`.")] = None
    to: Annotated[Time | None, Field(description="Exclusive; without it, now.")] = None
    group_by: Annotated[
        list[_Word],
        Field(
            default_factory=list,
            max_length=16,
            description="team, project, key, member, model, provider, operation, label:NAME, hour, day or month; several "
            "with commas. By hour a time range may have 31 days, else 400.",
        ),
    ]
    timezone: Annotated[
        str | None, Field(max_length=64, description="Where days begin; without it, the organization's timezone.")
    ] = None
    team_ids: _Words = None
    project_ids: _Words = None
    api_key_ids: _Words = None
    member_ids: _Words = None
    models: Annotated[_Words, Field(description="As the provider names what served.")] = None
    providers: _Words = None
    operations: _Words = None

    def question(self) -> Question:
        """Return what is asked of the reports."""
        to_us = time_us(self.to) if self.to is not None else now_us()
        from_us = time_us(self.from_) if self.from_ is not None else to_us - _DAYS * _US_PER_DAY
        return Question(usage_lines.parse_grouping(self.group_by), from_us, to_us, self.timezone, self.filters())

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Return the filters as the reports take them: column -> the values that are let in."""
        asked = {
            "team_id": self.team_ids,
            "project_id": self.project_ids,
            "api_key_id": self.api_key_ids,
            "member_id": self.member_ids,
            "model": self.models,
            "provider": self.providers,
            "operation": self.operations,
        }
        return {column: tuple(wanted) for column, wanted in asked.items() if wanted is not None}


class UsageQuery(UsageAsked):
    """GET /v1/usage."""

    after: Annotated[
        str | None,
        Field(max_length=CURSOR_LENGTH_MAX, description="`last_id` of the page before, with the same query."),
    ] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class UsageLineAnswer(Shape):
    """A line has only the fields that it is grouped by."""

    object: Literal["usage.line"]
    start_time: str
    end_time: str
    day: Annotated[str, Field(description="The date in the timezone.")] = ""
    hour: Annotated[str, Field(description="When the UTC hour begins.")] = ""
    team_id: str | None = None
    team_name: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    api_key_id: str | None = None
    api_key_name: str | None = None
    member_id: Annotated[str | None, Field(description="Null for keys that belong to no person.")] = None
    member_name: str | None = None
    model: str = ""
    provider: str = ""
    operation: str = ""
    label: Annotated[str | None, Field(description="Null for calls without this label.")] = None
    requests: int
    errors: Annotated[int | None, Field(description="Null by label: nobody counts them.")]
    input_tokens: int
    output_tokens: int
    cost_usd: SummedUsd
    unpriced_requests: Annotated[int, Field(description="Calls that `cost_usd` leaves out: no price is known.")]
    avg_latency_ms: Milliseconds


class UsageAnswer(Shape):
    object: Literal["list"]
    data: list[UsageLineAnswer]
    has_more: bool
    first_id: Annotated[str | None, Field(description="Opaque.")]
    last_id: Annotated[str | None, Field(description="Opaque; the next page is `after` it.")]
    timezone: str


class TryAnswer(Shape):
    """A deployment that was tried and did not serve; `status` is 0 when no answer came."""

    provider: str
    model: str
    status: int
    reason: str
    request_id: Annotated[str, Field(description="The try's own record, when it may be billed; else empty.")]


class ChargeLineAnswer(Shape):
    dimension: str
    quantity: int
    price_pico: Annotated[int, Field(description="Pico-dollars per unit.")]
    amount_nanos: int
    amount_usd: Annotated[Decimal, Field(description="Exact.")]
    source: str


class UsageRecordAnswer(Shape):
    object: Literal["usage.record"]
    request_id: str
    call_id: str
    organization_id: str
    project_id: str
    project_name: str | None
    team_id: str | None
    team_name: str | None
    api_key_id: str
    api_key_name: str | None
    operation: str
    model_asked: str
    model_served: str
    provider: str
    status: int
    outcome: str
    is_stream: bool
    started_at: str
    started_at_us: int
    latency_us: int
    first_byte_us: int
    overhead_us: int
    service_tier: str
    quantities: dict[str, int]
    reasoning_tokens: int
    is_estimated: bool
    lines: list[ChargeLineAnswer]
    reserved_nanos: int
    reserved_usd: Number
    amount_nanos: int | None
    amount_usd: Annotated[OptionalNumber, Field(description="Exact to the nano; null when no price is known.")]
    cost_state: str
    reason: str
    end_user: str
    labels: dict[str, str]
    provider_request_id: str
    tries: Annotated[
        list[TryAnswer], Field(description="Deployments tried before the one that served; none was billed.")
    ]


@router.get("/v1/usage", response_model=UsageAnswer, summary="Requests, tokens and costs, grouped")
async def list_usage(request: Request, query: Annotated[UsageQuery, Query()], caller: Asking) -> Response:
    question = msgspec.structs.replace(query.question(), after=read_cursor(query.after), limit=query.limit)
    page = await administration_of(request).look(caller, usage_lines.list_lines, question)
    return answer(_shown_page(page, question))


@router.get("/v1/usage/{request_id}", response_model=UsageRecordAnswer, summary="Get the usage record of one call")
async def get_usage(
    request: Request,
    request_id: RequestId,
    caller: Asking,
) -> Response:
    record, names = await administration_of(request).look(caller, usage.get_record, request_id)
    return answer(
        {
            **describe_record(record),
            "started_at": shown_time(record.started_at_us),
            "project_name": names["project_id"].get(record.project_id),
            "team_id": next(iter(names["team_id"]), None),
            "team_name": next(iter(names["team_id"].values()), None),
            "api_key_name": names["api_key_id"].get(record.api_key_id),
        }
    )


def _shown_page(page: LinePage, question: Question) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [_shown(line, page, question) for line in page.lines],
        "has_more": page.has_more,
        "first_id": write_cursor(page.after[0]) if page.after else None,
        "last_id": write_cursor(page.after[-1]) if page.after else None,
        "timezone": page.timezone,
    }


def _shown(line: UsageLine, page: LinePage, question: Question) -> dict[str, Any]:
    group: dict[str, Any] = {}
    bucket = question.grouping.bucket
    if bucket == "hour":
        group["hour"] = shown_time(line.from_us)
    elif bucket != "all":
        group[bucket] = utc(line.from_us).astimezone(ZoneInfo(page.timezone)).strftime(TIME_FORMATS[bucket])
    for column, value in line.group.items():
        if column == "label_value":
            group["label"] = value
        elif column in page.names:
            group[column] = value or None
            group[f"{column.removesuffix('_id')}_name"] = page.names[column].get(value or "")
        else:
            group[column] = value
    return {
        "object": "usage.line",
        "start_time": shown_time(line.from_us),
        "end_time": shown_time(line.to_us),
        **group,
        "requests": line.requests,
        "errors": line.errors,
        "input_tokens": line.input_tokens,
        "output_tokens": line.output_tokens,
        "cost_usd": shown_usd(line.amount_nanos or 0, unpriced=line.unpriced_requests),
        "unpriced_requests": line.unpriced_requests,
        "avg_latency_ms": mean_ms(line.latency_us_total, line.requests),
    }
