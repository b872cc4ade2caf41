"""Finding calls that were refused before they went out: a page of those that the caller may see, and one of them opened."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.calls import CallFilters, CallSearch, range_of
from tollkeeper.control.decisions import decision_of
from tollkeeper.control.usage import parse_request_id
from tollkeeper.control.usage_access import FULL, owner_of, scopes_of
from tollkeeper.control.usage_lines import Names, names_of
from tollkeeper.domain.access import decide
from tollkeeper.domain.call_decision import CallDecision, LookedAt, RefusedCall
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.tenancy import Place
from tollkeeper.kit.ids import uuid7_ms
from tollkeeper.store import api_keys, places, refused_calls
from tollkeeper.store.refusal_search import COLUMNS, count_refusals, search_refusals

LIMITED = 429
"""The status of what a limit refuses."""
COUNTED_MAX = 5_000
"""How many refused calls are looked at to be counted."""


class FoundRefusal(msgspec.Struct, frozen=True):
    """A refused call, with the team that its project is in now and whose key it was; "" for none.

    Without `quota:read` there its decision has no limits, and no message where one tells of a limit's figures.
    """

    decision: CallDecision
    team_id: str
    member_id: str

    @property
    def limit(self) -> LookedAt | None:
        """The limit that refused it; None when none did, or when the caller may not know."""
        return next((each for each in self.decision.limits if each.is_decisive), None)


class LimitedCalls(msgspec.Struct, frozen=True):
    """How many calls limits refused; `is_all` is false where there were too many to look at."""

    count: int
    is_all: bool


class RefusalPage(msgspec.Struct, frozen=True):
    """Refused calls, newest first. `end` is where to look on, None when everything was looked at."""

    refused: list[FoundRefusal]
    names: Names
    end: bytes | None

    @property
    def searched_to_us(self) -> int | None:
        return None if self.end is None else uuid7_ms(self.end) * 1000


async def find_refusals(action: Action, search: CallSearch) -> RefusalPage:
    """Return a page of the refused calls that the caller may see: all of a place, or those made with one's own keys.

    Raises:
        PermissionDenied: the caller may see totals only, or nothing.
        InvalidRequest: it asks for something that a refused call has not, or for a time that makes no sense.
    """
    filters = msgspec.structs.replace(search.filters, within=scopes_of(action.caller.principal, is_detailed=True))
    has_cost = filters.cost_from_nanos is not None or filters.cost_to_nanos is not None
    if has_cost or filters.labels or not set(COLUMNS).issuperset(filters.columns):
        raise InvalidRequest(
            "Refused calls can be looked for by time, request id, status, model, key, member, project and team: "
            "nothing else is known of what was never sent.",
            param="shown",
        )
    first, end = range_of(search)
    if first >= end:
        return RefusalPage([], await names_of(action.connection, action.organization_id, []), None)
    found = await search_refusals(
        action.connection, action.organization_id, filters, first=first, end=end, limit=search.limit
    )
    refused = await _as_seen(action, found.refused)
    return RefusalPage(refused, await _names(action, refused), found.end)


async def count_limited(action: Action, *, from_us: int, to_us: int) -> LimitedCalls:
    """Return how many calls that the caller may see limits refused in a time: budgets, quotas, credit and rates.

    Raises:
        PermissionDenied: the caller may see totals only, or nothing.
    """
    within = scopes_of(action.caller.principal, is_detailed=True)
    filters = CallFilters(statuses=((LIMITED, LIMITED),), within=within)
    first, end = range_of(CallSearch(from_us=from_us, to_us=to_us))
    found = await count_refusals(
        action.connection, action.organization_id, filters, first=first, end=end, rows=COUNTED_MAX
    )
    return LimitedCalls(*found)


async def open_refusal(action: Action, reference: str) -> tuple[FoundRefusal, Names]:
    """Return one refused call, by its request id, for who may see its project's calls or made it.

    Raises:
        InvalidRequest: it is no request id.
        NotFound: there is none that the caller may know of.
    """
    call_id = parse_request_id(reference)
    found = await refused_calls.find_refusal(action.connection, action.organization_id, call_id)
    if found is not None:
        (seen,) = await _as_seen(action, [found])
        place = await places.place_of_project(action.connection, action.organization_id, found.project_id)
        if place is not None and (decide(action.caller.principal, FULL, place).is_allowed or _is_own(action, seen)):
            return seen, await _names(action, [seen])
    raise NotFound(f"Nothing is known of the call {reference}. Of refused calls the latest 30 days are kept.")


async def _as_seen(action: Action, refused: list[RefusedCall]) -> list[FoundRefusal]:
    """Return refused calls as the caller may see them."""
    connection, organization_id = action.connection, action.organization_id
    known = await places.places_of_projects(connection, organization_id, sorted({each.project_id for each in refused}))
    members = await api_keys.members_of_keys(connection, organization_id, sorted({each.api_key_id for each in refused}))
    found: list[FoundRefusal] = []
    for each in refused:
        place = known.get(each.project_id, Place(organization_id))
        decision = decision_of(each)
        if decision.limits and not decide(action.caller.principal, "quota:read", place).is_allowed:
            decision = msgspec.structs.replace(decision, limits=(), message="")
        found.append(FoundRefusal(decision, place.team_id or "", members.get(each.api_key_id, "")))
    return found


def _is_own(action: Action, found: FoundRefusal) -> bool:
    owner = owner_of(action.caller.principal)
    return found.decision.api_key_id == owner.api_key_id or (found.member_id == owner.member_id != "")


async def _names(action: Action, refused: list[FoundRefusal]) -> Names:
    groups: list[dict[str, str | None]] = [
        {
            "team_id": each.team_id,
            "project_id": each.decision.project_id,
            "api_key_id": each.decision.api_key_id,
            "member_id": each.member_id,
        }
        for each in refused
    ]
    return await names_of(action.connection, action.organization_id, groups)
