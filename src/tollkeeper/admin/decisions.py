"""/v1/decisions: why a call was let in or refused, by which limits and with which figures."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import OptionalNumber, Shape, administration_of, answer
from tollkeeper.control import decisions
from tollkeeper.control.administration import Caller

router = APIRouter(tags=["decisions"])
Figure = Annotated[
    OptionalNumber,
    Field(description="Dollars where `unit` is usd, else a count; null when it was not written down."),
]


class LimitShape(Shape):
    """A limit as it stood when the call came.

    Of an admitted call, `used` is what the process that let it in had last heard of a budget, and `left` is `limit` less
    that, not below 0. `at_hand` is the part that this process held in its own lease just then: little of it says nothing
    about the budget, for more is fetched when it is needed. `charged` is what the call came to; rates leave nothing
    behind. A limit that was deleted since has no scope. A key's own rate has the key's id.
    """

    kind: Literal["budget", "rate"]
    id: str | None
    scope_kind: str | None
    scope_id: str | None
    scope_name: str | None
    model: Annotated[str | None, Field(description="Null when it counts all models together.")]
    unit: str | None
    period: str | None
    limit: Figure
    used: Figure
    reserved: Figure
    left: Figure
    at_hand: Annotated[
        OptionalNumber, Field(description="What the process held of it; null for a refused call and for a rate.")
    ]
    needed: Figure
    charged: Figure
    resets_at: str | None
    decisive: Annotated[bool, Field(description="Whether this is the limit that refused the call.")]


class DecisionAnswer(Shape):
    """`cost_usd` is null for a refused call, and while no price is known."""

    object: Literal["decision"]
    request_id: str
    at: str
    outcome: Literal["admitted", "refused"]
    status: Annotated[int, Field(description="What the call was answered with; 0 when the provider gave no answer.")]
    code: str | None
    message: str | None
    api_key_id: str
    project_id: str
    model: str | None
    reserved_usd: OptionalNumber
    cost_usd: OptionalNumber
    limits: list[LimitShape]


@router.get("/v1/decisions/{request_id}", response_model=DecisionAnswer, summary="Why was a call admitted or refused")
async def get_decision(
    request: Request,
    request_id: Annotated[
        str,
        Path(
            min_length=1,
            max_length=64,
            description="What the call's x-request-id said.",
            json_schema_extra={"pattern": "^req_[0-9a-f]{32}$"},
        ),
    ],
    caller: Annotated[Caller, Depends(requires("quota:read"))],
) -> Response:
    """Explain a call: every limit that was looked at, with the figures of that moment.

    Admitted calls are kept like their usage records, refused ones for 30 days. Of one key at most 100 refused calls a
    minute and 5,000 a day are kept by each process.
    """
    found = await administration_of(request).look(caller, decisions.explain_call, request_id)
    return answer(decisions.describe_decision(found))
