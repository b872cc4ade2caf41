"""/v1/leases: what servers hold of budgets, and the end of a quarantine."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    AS_INTEGER,
    After,
    Limit,
    ListPage,
    OptionalNumber,
    Shape,
    Usd,
    administration_of,
    answer,
    id_path,
    list_answer,
    nanos_of,
    shown_time,
    usd_of,
)
from tollkeeper.control import lease_release
from tollkeeper.control.administration import Caller
from tollkeeper.control.lease_release import ALL_STATES, Release, Stated, read_id, shown_id
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.held_lease import HeldLease
from tollkeeper.domain.lease import LeaseState

router = APIRouter(tags=["budgets"])
LeasePath = Annotated[str, id_path("lease", "lease_0123456789abcdef0123456789abcdef")]
AMOUNT_MAX = 2**53
Dollars = Annotated[OptionalNumber, Field(description="Exact to the nano.")]


class LeaseAnswer(Shape):
    """Amounts of money are in `_usd`, counts in the fields without; the others are null."""

    object: Literal["lease"]
    id: str
    budget_id: str
    scope: str
    scope_id: str
    unit: str
    period: str
    model: str
    state: Literal["open", "suspense", "quarantine", "closed"]
    server: str
    heard_at: str | None
    amount: int | None
    used: int | None
    amount_usd: Dollars
    used_usd: Dollars
    created_at: str


class ReleaseBody(Shape):
    amount_usd: Annotated[Usd | None, Field(description="What counts as used; all of it when nothing is said.")] = None
    amount: Annotated[
        int | None, Field(ge=0, le=AMOUNT_MAX, description="The same, of a budget that counts."), AS_INTEGER
    ] = None
    force: Annotated[bool, Field(description="End one in suspense too: its server never comes back.")] = False


class ReleaseAnswer(LeaseAnswer):
    counts_as_used: int | None
    counts_as_used_usd: Dollars


@router.get("/v1/leases", response_model=ListPage[LeaseAnswer], summary="List what servers hold of budgets")
async def list_leases(
    request: Request,
    caller: Annotated[Caller, Depends(requires("quota:read"))],
    state: Annotated[Literal["open", "suspense", "quarantine"] | None, Query(description="Only those.")] = None,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    """List leases that have not ended, oldest first. What is in suspense or quarantine cannot be used by anybody."""
    states = ALL_STATES if state is None else (LeaseState(state),)
    behind = b"" if after is None else read_id(after, param="after")
    found = await administration_of(request).look(
        caller, lease_release.list_leases, states, after=behind, limit=limit + 1
    )
    return list_answer(found, limit, _shown)


@router.post("/v1/leases/{lease_id}/release", response_model=ReleaseAnswer, summary="End a lease in quarantine")
async def release_lease(
    request: Request,
    lease_id: LeasePath,
    body: ReleaseBody,
    caller: Annotated[Caller, Depends(requires("quota:override"))],
) -> Response:
    """Say how much of a lease in quarantine was used, for instance by the provider's bill; the rest can be used again.

    Without an amount all of it counts as used: nothing is ever used twice. What a journal that turns up later says
    replaces what was said here.
    """
    stated = Stated(None if body.amount_usd is None else nanos_of(body.amount_usd), body.amount)
    done = await administration_of(request).change(
        caller, lease_release.release_lease, _lease_id(lease_id), stated=stated, is_forced=body.force
    )
    return answer(_released(done))


def _lease_id(text: str) -> bytes:
    try:
        return read_id(text)
    except InvalidRequest:
        message = "There is no such lease."
        raise NotFound(message) from None


def _shown(held: HeldLease) -> dict[str, Any]:
    is_usd = held.is_usd
    return {
        "object": "lease",
        "id": shown_id(held.id),
        "budget_id": held.budget_id,
        "scope": held.scope_kind,
        "scope_id": held.scope_id,
        "unit": held.unit,
        "period": held.period,
        "model": held.model,
        "state": held.state.value,
        "server": held.holder,
        "heard_at": shown_time(held.heard_at_us),
        "amount": None if is_usd else held.amount,
        "used": None if is_usd else held.consumed,
        "amount_usd": usd_of(held.amount) if is_usd else None,
        "used_usd": usd_of(held.consumed) if is_usd else None,
        "created_at": shown_time(held.created_at_us),
    }


def _released(release: Release) -> dict[str, Any]:
    is_usd = release.after.is_usd
    return {
        **_shown(release.after),
        "counts_as_used": None if is_usd else release.used,
        "counts_as_used_usd": usd_of(release.used) if is_usd else None,
    }
