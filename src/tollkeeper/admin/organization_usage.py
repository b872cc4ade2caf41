"""GET /v1/organization/usage/{completions,embeddings}: requests and tokens by hour or day, in OpenAI's shape.

Who may see the usage of some teams or projects only asks about those by `project_ids`. A user is the member whose key
it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from tollkeeper.admin import organization_schemas
from tollkeeper.admin.organization_buckets import page_of, render
from tollkeeper.admin.organization_queries import CompletionsQuery, EmbeddingsQuery
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import administration_of
from tollkeeper.control.administration import Caller
from tollkeeper.control.usage import COMPLETION_OPERATIONS, EMBEDDING_OPERATIONS, Report, UsageRow, read_usage
from tollkeeper.domain.price import BATCH_TIER
from tollkeeper.domain.usage import Dimension

router = APIRouter(tags=["organization"])
Asking = Annotated[Caller, Depends(requires("analytics:full"))]
_COMPLETION_GROUPS = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source")
_EMBEDDING_GROUPS = ("project_id", "user_id", "api_key_id", "model")
_STORED = {
    **{name: name for name in ("project_id", "api_key_id", "model", "service_tier")},
    "batch": "service_tier",
    "user_id": "member_id",
}
_CACHED = (Dimension.CACHE_READ, Dimension.CACHE_READ_AUDIO, Dimension.CACHE_READ_IMAGE)
_WRITTEN = tuple(dimension for dimension in Dimension if dimension.startswith("cache_write"))


@router.get(
    "/v1/organization/usage/completions",
    response_model=organization_schemas.CompletionsPage,
    summary="Requests and tokens of chat and text completions",
)
async def completions(request: Request, query: Annotated[CompletionsQuery, Query()], caller: Asking) -> Response:
    groups: list[str] = [*dict.fromkeys(query.group_by)]
    wanted = _Wanted(query, groups, COMPLETION_OPERATIONS)
    if query.batch is not None:
        wanted.columns.add("service_tier")
    return await _answer(request, caller, wanted, lambda rows: _completions(_of_batch(rows, query.batch), groups))


@router.get(
    "/v1/organization/usage/embeddings",
    response_model=organization_schemas.EmbeddingsPage,
    summary="Requests and tokens of embeddings",
)
async def embeddings(request: Request, query: Annotated[EmbeddingsQuery, Query()], caller: Asking) -> Response:
    groups: list[str] = [*dict.fromkeys(query.group_by)]
    wanted = _Wanted(query, groups, EMBEDDING_OPERATIONS)
    return await _answer(request, caller, wanted, lambda rows: _embeddings(rows, groups))


class _Wanted:
    """What a query asks of the reports."""

    def __init__(
        self, query: CompletionsQuery | EmbeddingsQuery, groups: list[str], operations: tuple[str, ...]
    ) -> None:
        self.query = query
        self.columns = {_STORED[name] for name in groups if name in _STORED}
        self.filters = query.filters() | {"operation": operations}


async def _answer(
    request: Request, caller: Caller, wanted: _Wanted, results: Callable[[list[UsageRow]], list[dict[str, Any]]]
) -> Response:
    query = wanted.query
    width, limit = query.buckets()
    page = page_of(
        start_time=query.start_time,
        end_time=query.end_time,
        width=width,
        timezone=query.timezone,
        limit=limit,
        cursor=query.page,
    )
    rows: list[UsageRow] = []
    if page.bounds:
        report = Report(
            page.from_us,
            page.to_us,
            bucket=width,
            timezone=query.timezone,
            group_by=tuple(sorted(wanted.columns)),
            filters=wanted.filters,
        )
        rows = await administration_of(request).look(caller, read_usage, report, permission="analytics:full")
    return Response(render(page, rows, results), media_type="application/json")


def _of_batch(rows: list[UsageRow], batch: bool | None) -> list[UsageRow]:  # noqa: FBT001  # OpenAI's parameter
    if batch is None:
        return rows
    return [row for row in rows if (row.group["service_tier"] == BATCH_TIER) is batch]


def _completions(rows: list[UsageRow], groups: list[str]) -> list[dict[str, Any]]:
    results = []
    for group, members in _grouped(rows, groups).items():
        values = dict(zip(groups, group, strict=True))
        results.append(
            {
                "object": "organization.usage.completions.result",
                **_tokens(members),
                "num_model_requests": sum(row.requests for row in members),
                **{name: values.get(name) for name in _COMPLETION_GROUPS},
            }
        )
    return results


def _embeddings(rows: list[UsageRow], groups: list[str]) -> list[dict[str, Any]]:
    results = []
    for group, members in _grouped(rows, groups).items():
        values = dict(zip(groups, group, strict=True))
        results.append(
            {
                "object": "organization.usage.embeddings.result",
                "input_tokens": sum(row.input_tokens_total for row in members),
                "num_model_requests": sum(row.requests for row in members),
                **{name: values.get(name) for name in _EMBEDDING_GROUPS},
            }
        )
    return results


def _grouped(rows: list[UsageRow], groups: list[str]) -> dict[tuple[Any, ...], list[UsageRow]]:
    grouped: dict[tuple[Any, ...], list[UsageRow]] = {}
    for row in rows:
        grouped.setdefault(tuple(_value(row, name) for name in groups), []).append(row)
    return grouped


def _value(row: UsageRow, name: str) -> str | bool | None:
    if name == "batch":
        return row.group["service_tier"] == BATCH_TIER
    if name == "api_source":
        return "unlabeled"
    return row.group[_STORED[name]] or None  # a key of nobody's has no user


def _tokens(rows: list[UsageRow]) -> dict[str, int]:
    """Return the token counts as OpenAI splits them: cached, written to the cache, and the uncached rest by kind."""

    def total(*dimensions: Dimension) -> int:
        return sum(row.quantities.get(dimension, 0) for row in rows for dimension in dimensions)

    return {
        "input_tokens": sum(row.input_tokens_total for row in rows),
        "input_cached_tokens": total(*_CACHED),
        "input_cache_write_tokens": total(*_WRITTEN),
        "input_cache_write_30m_tokens": total(Dimension.CACHE_WRITE_30M),
        "input_cache_write_12h_tokens": total(Dimension.CACHE_WRITE_12H),
        "input_uncached_tokens": total(Dimension.INPUT, Dimension.INPUT_AUDIO, Dimension.INPUT_IMAGE),
        "input_text_tokens": total(Dimension.INPUT),
        "input_audio_tokens": total(Dimension.INPUT_AUDIO),
        "input_image_tokens": total(Dimension.INPUT_IMAGE),
        "input_cached_text_tokens": total(Dimension.CACHE_READ),
        "input_cached_audio_tokens": total(Dimension.CACHE_READ_AUDIO),
        "input_cached_image_tokens": total(Dimension.CACHE_READ_IMAGE),
        "output_tokens": sum(row.output_tokens_total for row in rows),
        "output_text_tokens": total(Dimension.OUTPUT),
        "output_audio_tokens": total(Dimension.OUTPUT_AUDIO),
        "output_image_tokens": total(Dimension.OUTPUT_IMAGE),
    }
