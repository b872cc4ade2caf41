"""Whether the parts of an organization's or a team's budget fit into it, before and after a plan; pure reckoning."""

from __future__ import annotations

import msgspec

from tollkeeper.domain.budget import Period
from tollkeeper.domain.money import format_usd
from tollkeeper.domain.tenancy import ScopeKind

Scope = tuple[ScopeKind, str]
"""A place by its kind and its name; the organization's name is ""."""
ORGANIZATION: Scope = ("organization", "")


class Allotments(msgspec.Struct, frozen=True):
    """Budgets in nano-USD by place and period, and the teams of the projects ("" for none), all by name."""

    amounts: dict[Scope, dict[Period, int]]
    teams: dict[str, str]


def overfull(before: Allotments, after: Allotments) -> tuple[str, ...]:
    """Say which budgets would have parts of more than the whole; what was too much before may stay, but not grow."""
    known = _excesses(before)
    found = []
    for (scope, period), (parts, whole) in sorted(_excesses(after).items()):
        earlier_parts, earlier_whole = known.get((scope, period), (0, 0))
        if parts - whole > max(earlier_parts - earlier_whole, 0):
            what = "The teams and projects" if scope == ORGANIZATION else f"The projects of team '{scope[1]}'"
            whose = "the organization's" if scope == ORGANIZATION else "its"
            found.append(
                f"{what} would have ${format_usd(parts)} of {whose} {period} budget of ${format_usd(whole)}, "
                f"${format_usd(parts - whole)} too much."
            )
    return tuple(found)


def _excesses(allotments: Allotments) -> dict[tuple[Scope, Period], tuple[int, int]]:
    """Return, for every budget that has parts, what the parts have together and what there is."""
    sums: dict[tuple[Scope, Period], int] = {}
    for scope, amounts in allotments.amounts.items():
        kind, name = scope
        for period, amount in amounts.items():
            if kind == "team":
                sums[ORGANIZATION, period] = sums.get((ORGANIZATION, period), 0) + amount
            elif kind == "project":
                whole = _whole_of(allotments, name, period)
                sums[whole, period] = sums.get((whole, period), 0) + amount
    return {
        (scope, period): (parts, allotments.amounts[scope][period])
        for (scope, period), parts in sums.items()
        if period in allotments.amounts.get(scope, {})
    }


def _whole_of(allotments: Allotments, project: str, period: Period) -> Scope:
    """A project draws on its team's budget, or on the organization's when the team has none for the period."""
    team: Scope = ("team", allotments.teams.get(project, ""))
    return team if team[1] and period in allotments.amounts.get(team, {}) else ORGANIZATION
