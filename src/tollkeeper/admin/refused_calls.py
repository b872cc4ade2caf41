"""/v1/usage/refusals: calls that were refused before they went out, within what the caller may see."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from tollkeeper.admin.calls import Asking, Lookup, Status, Words
from tollkeeper.admin.decisions import LimitShape
from tollkeeper.admin.shapes import Shape, administration_of, answer
from tollkeeper.control.call_views import describe_refusals
from tollkeeper.control.refused_calls import find_refusals

router = APIRouter(tags=["usage"])


class RefusalQuery(Lookup):
    """GET /v1/usage/refusals: a call must have all that is stated, and of several values of one thing one of them."""

    models: Annotated[Words, Field(description="As the call named it.")] = None
    statuses: Annotated[list[Status] | None, Field(max_length=20, description="429, 4xx, 5xx.")] = None


class RefusalAnswer(Shape):
    """Team and member are null when there is none; the limit when none refused it, or without `quota:read` there.

    The message of who may not read quotas is null where it would tell a limit's figures.
    """

    object: Literal["usage.refusal"]
    request_id: str
    at: str
    project_id: str
    project_name: str | None
    team_id: str | None
    team_name: str | None
    api_key_id: str
    api_key_name: str | None
    member_id: str | None
    member_name: str | None
    model: Annotated[str | None, Field(description="Null when it was refused before its model was read.")]
    status: int
    code: str
    message: str | None
    limit: Annotated[LimitShape | None, Field(description="The limit that refused it, as it stood then.")]


class RefusalsAnswer(Shape):
    """A page may hold few, or none, and still have more behind it: it looks through a bounded number of refused calls."""

    object: Literal["list"]
    data: list[RefusalAnswer]
    has_more: bool
    first_id: Annotated[str | None, Field(description="Opaque.")]
    last_id: Annotated[str | None, Field(description="Opaque; the next page is `after` it.")]
    searched_to: Annotated[
        str | None, Field(description="Down to this time everything was looked at; null when all of it was.")
    ]


@router.get("/v1/usage/refusals", response_model=RefusalsAnswer, summary="Find refused calls, newest first")
async def list_refusals(request: Request, query: Annotated[RefusalQuery, Query()], caller: Asking) -> Response:
    """Find calls that were refused before they went out: with `analytics:full` all of a place, with `analytics:own` one's own.

    They are kept for 30 days, when their key was good, and only so many of a key that goes on for long. Every limit that
    was looked at: /v1/decisions/{request_id}. While `has_more` is true, ask on `after` the page's `last_id`.
    """
    return answer(describe_refusals(await administration_of(request).look(caller, find_refusals, query.search())))
