"""Requests for more budget as a person reads them: by name whose budget and who asked, and whether the reader may decide."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.budget_requests import asker_of, get_request, list_requests
from tollkeeper.control.budget_scopes import find_budget_scope, name_scope
from tollkeeper.domain.budget import BudgetRequest
from tollkeeper.domain.errors import NotFound
from tollkeeper.store import api_keys, budgets, members

WAITING_MAX = 20
"""How many waiting requests are counted."""


class RequestView(msgspec.Struct, frozen=True):
    """A request. `before` is what the budget amounts to now, None where there is none; `decider` is "" while it waits.

    `may_decide` and `is_own` are of the reader. The amounts are nano-USD, or counts by the request's unit.
    """

    request: BudgetRequest
    scope_name: str
    asker: str
    decider: str
    before: int | None
    may_decide: bool
    is_own: bool

    @property
    def waits(self) -> bool:
        return self.request.status == "pending"


async def describe_requests(action: Action, *, after: str | None = None, limit: int = 50) -> list[RequestView]:
    """Return the requests for budgets that the caller may read, and the caller's own; the latest first.

    Raises:
        PermissionDenied: the caller may not read budgets.
    """
    return [await _describe(action, each) for each in await list_requests(action, after=after, limit=limit)]


async def describe_request(action: Action, request_id: str) -> RequestView:
    """Return one request that the caller made, or whose budget the caller may read.

    Raises:
        NotFound: there is none of this id that the caller may know of.
    """
    return await _describe(action, await get_request(action, request_id))


async def count_waiting(action: Action) -> int:
    """Return how many requests wait that the caller may decide, up to `WAITING_MAX`."""
    waiting = await list_requests(action, status="pending", limit=WAITING_MAX)
    return sum([await _may_decide(action, each) for each in waiting])


async def _describe(action: Action, request: BudgetRequest) -> RequestView:
    now = await budgets.get_budget(action.connection, action.organization_id, request.key)
    return RequestView(
        request,
        await name_scope(action, request.scope_kind, request.key.scope_id),
        await _name_of(action, request.asked_by),
        await _name_of(action, request.decided_by) if request.decided_by else "",
        now.amount if now else None,
        request.status == "pending" and await _may_decide(action, request),
        request.asked_by == asker_of(action),
    )


async def _may_decide(action: Action, request: BudgetRequest) -> bool:
    try:
        scope = await find_budget_scope(action, request.key.scope_id)
    except NotFound:
        return False
    return scope.is_managed_by(action)


async def _name_of(action: Action, asker: str) -> str:
    """Return what a member, or a key of nobody, is called."""
    member = await members.get_member(action.connection, action.organization_id, asker)
    if member is not None:
        return member.name or member.email
    key = await api_keys.get_api_key(action.connection, action.organization_id, asker)
    return key.name if key else asker
