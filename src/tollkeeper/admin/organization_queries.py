"""The parameters of OpenAI's usage and costs API, checked; unknown ones are refused.

Names, values and bounds: github.com/openai/openai-openapi at f85dbe22 (2026-08-21) and the openai Python package 3.51,
types/admin/organization/usage_*_params.py (read 2026-11-21). `timezone` is ours.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tollkeeper.admin.organization_buckets import TIME_S_MAX, Width
from tollkeeper.domain.errors import InvalidRequest

_Time = Annotated[int, Field(ge=0, le=TIME_S_MAX)]
_Id = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Ids = Annotated[list[_Id], Field(max_length=100)]
_USAGE_LIMITS = {"1h": (24, 168), "1d": (7, 31)}


class RangeQuery(BaseModel):
    """What all of these routes take."""

    model_config = ConfigDict(extra="forbid")

    start_time: Annotated[_Time, Field(description="Unix seconds; the first bucket is the one that holds this time.")]
    end_time: Annotated[_Time | None, Field(description="Unix seconds, exclusive; without it, now.")] = None
    page: Annotated[str | None, Field(description="`next_page` of the page before.")] = None
    project_ids: Annotated[_Ids | None, Field(description="Only these projects.")] = None
    api_key_ids: Annotated[_Ids | None, Field(description="Only these API keys.")] = None
    timezone: Annotated[
        str, Field(description="Where days begin: an IANA name such as Asia/Seoul. OpenAI has UTC days only.")
    ] = "UTC"

    def filters(self) -> dict[str, tuple[str, ...]]:
        """Return the filters as the reports take them: column -> the values that are let in."""
        asked = {"project_id": self.project_ids, "api_key_id": self.api_key_ids}
        return {column: tuple(wanted) for column, wanted in asked.items() if wanted is not None}


class CostsQuery(RangeQuery):
    """GET /v1/organization/costs."""

    bucket_width: Literal["1d"] = "1d"
    group_by: list[Literal["project_id", "line_item", "api_key_id", "user_id", "api_source"]] = []
    line_items: Annotated[
        _Ids | None, Field(description="Only these lines, exactly as `line_item` shows them: `gpt-4o, input_tokens`.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=180, description="How many buckets.")] = 7


class _UsageQuery(RangeQuery):
    """What the usage routes take."""

    bucket_width: Annotated[Literal["1m", "1h", "1d"], Field(description="Hours are the finest here.")] = "1d"
    limit: Annotated[int | None, Field(description="How many buckets: 1d 7, at most 31; 1h 24, at most 168.")] = None
    models: Annotated[_Ids | None, Field(description="Only these models, as the provider names what served.")] = None
    user_ids: Annotated[_Ids | None, Field(description="Only calls with keys of these members (mem_…).")] = None

    def buckets(self) -> tuple[Width, int]:
        """Return the width of the buckets and how many are wanted.

        Raises:
            InvalidRequest: minutes, or a limit out of bounds.
        """
        if self.bucket_width == "1m":
            message = "Usage is kept by the hour: use bucket_width=1h or 1d."
            raise InvalidRequest(message, param="bucket_width")
        usual, most = _USAGE_LIMITS[self.bucket_width]
        limit = usual if self.limit is None else self.limit
        if not 1 <= limit <= most:
            message = f"'limit' must be from 1 to {most} with bucket_width={self.bucket_width}."
            raise InvalidRequest(message, param="limit")
        return ("hour" if self.bucket_width == "1h" else "day"), limit

    def filters(self) -> dict[str, tuple[str, ...]]:
        filters = super().filters()
        if self.models is not None:
            filters["model"] = tuple(self.models)
        if self.user_ids is not None:
            filters["member_id"] = tuple(self.user_ids)
        return filters


class CompletionsQuery(_UsageQuery):
    """GET /v1/organization/usage/completions."""

    group_by: list[Literal["project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source"]] = []
    batch: Annotated[bool | None, Field(description="Only batch jobs, or only others.")] = None


class EmbeddingsQuery(_UsageQuery):
    """GET /v1/organization/usage/embeddings."""

    group_by: list[Literal["project_id", "user_id", "api_key_id", "model"]] = []
