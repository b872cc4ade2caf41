"""How the usage and costs answers look in /openapi.json. Answers are not made from these: a float would lose money."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

R = TypeVar("R")


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Bucket(_Shape, Generic[R]):
    object: Literal["bucket"]
    start_time: int
    end_time: int
    results: list[R]


class Page(_Shape, Generic[R]):
    object: Literal["page"]
    data: list[Bucket[R]]
    has_more: bool
    next_page: str | None


class Amount(_Shape):
    value: Annotated[Decimal, WithJsonSchema({"type": "number"}), Field(description="Dollars, exact to the nano.")]
    currency: Literal["usd"]


class CostsResult(_Shape):
    object: Literal["organization.costs.result"]
    amount: Annotated[Amount | None, Field(description="Null when no call in here has a known price.")]
    line_item: str | None
    project_id: str | None
    api_key_id: str | None
    user_id: str | None
    api_source: str | None
    quantity: int | None
    quantity_unit: Literal["tokens"] | None
    unpriced_requests: Annotated[int, Field(description="Calls that `amount` leaves out; absent when none.")] = 0


class CompletionsResult(_Shape):
    object: Literal["organization.usage.completions.result"]
    input_tokens: int
    input_cached_tokens: int
    input_cache_write_tokens: int
    input_cache_write_30m_tokens: int
    input_cache_write_12h_tokens: int
    input_uncached_tokens: int
    input_text_tokens: int
    input_audio_tokens: int
    input_image_tokens: int
    input_cached_text_tokens: int
    input_cached_audio_tokens: int
    input_cached_image_tokens: int
    output_tokens: int
    output_text_tokens: int
    output_audio_tokens: int
    output_image_tokens: int
    num_model_requests: int
    project_id: str | None
    user_id: str | None
    api_key_id: str | None
    model: str | None
    batch: bool | None
    service_tier: str | None
    api_source: str | None


class EmbeddingsResult(_Shape):
    object: Literal["organization.usage.embeddings.result"]
    input_tokens: int
    num_model_requests: int
    project_id: str | None
    user_id: str | None
    api_key_id: str | None
    model: str | None


CostsPage = Page[CostsResult]
CompletionsPage = Page[CompletionsResult]
EmbeddingsPage = Page[EmbeddingsResult]
