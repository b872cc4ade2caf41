"""How budgets stand, as a tree: the organization, its teams, projects, members and keys, those that have budgets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.blueprint.forms import show_time
from tollkeeper.control.budget_scopes import READ, Scope, find_budget_scope
from tollkeeper.control.budget_views import in_unit
from tollkeeper.control.scopes import reach_of
from tollkeeper.domain.access import decide
from tollkeeper.domain.budget import Budget
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.limit import LimitScope
from tollkeeper.domain.tenancy import Organization
from tollkeeper.store import budgets, organizations
from tollkeeper.store.budget_status import Named, Standing, read_names, read_standings
from tollkeeper.store.budgets import BudgetFilter, BudgetReach
from tollkeeper.store.projects import Reach

SUMMARY = "quota:read:summary"
BUDGETS_MAX = 1000
_ORDER: tuple[LimitScope, ...] = ("organization", "team", "project", "member", "api_key")
_INDIVIDUALS = frozenset({"member", "api_key"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StandingBudget(msgspec.Struct, frozen=True):
    """A budget and how it stands."""

    budget: Budget
    standing: Standing


class Branch(msgspec.Struct, frozen=True):
    """A scope with its budgets, and what is below it."""

    kind: LimitScope
    id: str
    name: str
    budgets: tuple[StandingBudget, ...]
    branches: tuple[Branch, ...]


class BudgetStatus(msgspec.Struct, frozen=True):
    """What the caller may see of it: without budgets there is no `root`. Times are the organization's."""

    at_us: int
    timezone: str
    root: Branch | None


async def read_status(action: Action, *, scope_id: str | None = None) -> BudgetStatus:
    """Return how the budgets of a scope and of all below it stand; of the whole organization without one.

    Budgets of members and keys are for who may read quotas, not for who may see their summary alone.

    Raises:
        NotFound: there is no such scope that the caller may know of.
        PermissionDenied: the caller may not see its budgets.
        InvalidRequest: there are too many budgets to show at once.
    """
    organization = await organizations.get_organization(action.connection, action.organization_id)
    assert organization is not None, "a caller's organization is there"
    scope = None if scope_id is None else await _require_visible(action, scope_id)
    found = await _read_visible(action, scope)
    standings = await read_standings(action.connection, action.organization_id, found)
    own: dict[str, list[StandingBudget]] = {}
    for each in found:
        own.setdefault(each.scope_id, []).append(StandingBudget(each, standings[each.id]))
    names = await read_names(action.connection, action.organization_id, own.keys())
    root = _tree(organization, own, names)
    if root is not None and scope_id is not None:
        root = _find(root, scope_id)
    return BudgetStatus(action.now_us, organization.timezone, root)


def shown_status(status: BudgetStatus) -> dict[str, Any]:
    """Return it as programs get it; amounts are in each budget's unit, dollars with all their digits."""
    zone = ZoneInfo(status.timezone)
    return {
        "object": "budget_status",
        "at": show_time(status.at_us),
        "timezone": status.timezone,
        "root": None if status.root is None else _shown_branch(status.root, zone),
    }


def permille(standing: Standing) -> int | None:
    """Return which part of a budget is used, in thousandths; None of nothing."""
    return standing.used * 1000 // standing.limit if standing.limit else None


def local_time(at_us: int, zone: ZoneInfo) -> datetime:
    """Return a moment as clocks in a zone show it."""
    return (_EPOCH + timedelta(microseconds=at_us)).astimezone(zone)


async def _require_visible(action: Action, scope_id: str) -> Scope:
    scope = await find_budget_scope(action, scope_id)
    if scope.place is None:
        scope.require_read(action)
    else:
        action.require(SUMMARY, scope.place)
    return scope


async def _read_visible(action: Action, scope: Scope | None) -> list[Budget]:
    """Return the budgets of a scope and below it: those of places, and of members and keys whose quotas may be read."""
    if scope is not None and scope.place is None:
        return await _read(action, BudgetFilter(scope.id))
    if scope is None or scope.place is None or scope.kind == "organization":
        summed, read = _reach(action, SUMMARY), _reach(action, READ)
    else:
        within = Reach((scope.id,), ()) if scope.kind == "team" else Reach((), (scope.id,))
        may_read = decide(action.caller.principal, READ, scope.place).is_allowed
        summed, read = BudgetReach(within), BudgetReach(within if may_read else Reach((), ()))
    found = await _read(action, BudgetFilter(reach=summed))
    if summed == read:
        return found
    more = await _read(action, BudgetFilter(reach=read))
    return [
        *(each for each in found if each.scope_kind not in _INDIVIDUALS),
        *(each for each in more if each.scope_kind in _INDIVIDUALS),
    ]


def _reach(action: Action, permission: str) -> BudgetReach | None:
    principal = action.caller.principal
    places = reach_of(principal, permission)
    return None if places is None else BudgetReach(places, principal.member_id)


async def _read(action: Action, wanted: BudgetFilter) -> list[Budget]:
    found = await budgets.list_budgets(action.connection, action.organization_id, wanted, limit=BUDGETS_MAX + 1)
    if len(found) > BUDGETS_MAX:
        raise InvalidRequest(f"There are more than {BUDGETS_MAX} budgets; name a team or a project.", param="scope")
    return found


def _tree(organization: Organization, own: dict[str, list[StandingBudget]], names: dict[str, Named]) -> Branch | None:
    """Return what has budgets and the path to it, from the organization down."""
    below: dict[str, set[str]] = {}
    for scope_id in own:
        at = scope_id
        while at != organization.id:
            parent = (names[at].parent_id if at in names else "") or organization.id
            below.setdefault(parent, set()).add(at)
            at = parent

    def branch(scope_id: str, name: str) -> Branch:
        parts = [branch(each, names[each].name if each in names else each) for each in below.get(scope_id, ())]
        parts.sort(key=lambda each: (_ORDER.index(each.kind), each.name, each.id))
        return Branch(_kind_of(scope_id), scope_id, name, tuple(own.get(scope_id, ())), tuple(parts))

    return branch(organization.id, organization.name) if own else None


def _kind_of(scope_id: str) -> LimitScope:
    prefixes: dict[str, LimitScope] = {"team": "team", "proj": "project", "mem": "member", "key": "api_key"}
    return prefixes.get(scope_id.partition("_")[0], "organization")


def _find(branch: Branch, scope_id: str) -> Branch | None:
    if branch.id == scope_id:
        return branch
    return next((found for each in branch.branches if (found := _find(each, scope_id)) is not None), None)


def _shown_branch(branch: Branch, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "kind": branch.kind,
        "id": branch.id,
        "name": branch.name,
        "budgets": [_shown(each.budget, each.standing, zone) for each in branch.budgets],
        "children": [_shown_branch(each, zone) for each in branch.branches],
    }


def _shown(budget: Budget, standing: Standing, zone: ZoneInfo) -> dict[str, Any]:
    thousandths = permille(standing)
    return {
        "id": budget.id,
        "model": budget.model or None,
        "unit": budget.unit,
        "period": budget.period,
        "limit": in_unit(budget.unit, standing.limit),
        "used": in_unit(budget.unit, standing.used),
        "reserved": in_unit(budget.unit, standing.reserved),
        "left": in_unit(budget.unit, standing.left),
        "percent": None if thousandths is None else Decimal(thousandths) / 10,
        "resets_at": None if standing.ends_at_us is None else local_time(standing.ends_at_us, zone).isoformat(),
        "hard_limit": budget.enforcement.hard_limit,
        "stopped": standing.is_stopped,
    }
