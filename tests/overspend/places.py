"""An organization, its team, its project and eight keys, with a budget each: what the calls of a scenario are held to."""

from __future__ import annotations

from dataclasses import dataclass

from tests.overspend.calls import MODELS
from tests.overspend.fleet import Fleet

from tollkeeper.control import api_keys, projects, teams
from tollkeeper.control.administration import Administration, Secrets, operator
from tollkeeper.domain.budget import Budget
from tollkeeper.domain.limit import LimitScope, Unit
from tollkeeper.domain.tenancy import OrganizationId
from tollkeeper.store.budgets import set_budget
from tollkeeper.store.engine import Store

KEYS = len(MODELS)
COUNTED_KEY, COUNTED_CALLS = 1, 60
"""One key has a number of calls a day as well."""
POOR_KEY, POOR_PARTS = 2, 25
"""And one has so small a part of the project's budget that it is used up long before it."""


@dataclass(frozen=True, slots=True)
class Node:
    """A budget and what it amounts to. `models` are those that its calls name on the provider's bill; none: all."""

    name: str
    budget_id: str
    scope_kind: str
    scope_id: str
    unit: str
    limit: int
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Places:
    """`nodes` are all budgets; the project's is the one that is meant to be used up. `keys` are the secrets."""

    nodes: tuple[Node, ...]
    keys: tuple[str, ...]

    @property
    def project(self) -> Node:
        return next(node for node in self.nodes if node.scope_kind == "project")

    def scope_limits(self) -> dict[tuple[str, str], int]:
        """Return what each scope's budget amounts to, by scope and unit."""
        return {(node.scope_id, node.unit): node.limit for node in self.nodes}


async def found_places(fleet: Fleet, limit_nanos: int) -> Places:
    """Make team, keys and budgets: the project's amounts to `limit_nanos`, the others lean on it."""
    store = Store.open(fleet.database_url)
    try:
        administration = Administration(store, Secrets.of(fleet.pepper))
        caller = operator(fleet.organization_id, name="a test")
        team = await administration.change(caller, teams.create_team, name="Bridge")
        await administration.change(caller, projects.update_project, fleet.project_id, team_id=team.id)
        made = [
            await administration.change(
                caller, api_keys.create_service_key, project_id=fleet.project_id, name=f"service {number}"
            )
            for number in range(KEYS)
        ]
        wanted: list[tuple[str, LimitScope, str, Unit, int, tuple[str, ...]]] = [
            ("organization", "organization", fleet.organization_id, "usd", limit_nanos * 12 // 10, ()),
            ("team", "team", team.id, "usd", limit_nanos * 11 // 10, ()),
            ("project", "project", fleet.project_id, "usd", limit_nanos, ()),
        ]
        for number, key in enumerate(made):
            amount = limit_nanos // POOR_PARTS if number == POOR_KEY else limit_nanos // 2
            wanted.append((f"key {number}", "api_key", key.record.id, "usd", amount, (MODELS[number],)))
        counted = made[COUNTED_KEY].record.id
        wanted.append(
            (f"key {COUNTED_KEY} calls", "api_key", counted, "requests", COUNTED_CALLS, (MODELS[COUNTED_KEY],))
        )
        nodes = []
        for name, scope_kind, scope_id, unit, amount, models in wanted:
            budget = Budget(
                OrganizationId(fleet.organization_id),
                scope_kind,
                scope_id,
                "daily" if unit == "requests" else "monthly",
                amount,
                unit=unit,
            )
            kept = await store.write(lambda c, b=budget: set_budget(c, fleet.organization_id, b))
            nodes.append(Node(name, kept.id, scope_kind, scope_id, unit, amount, models))
        return Places(tuple(nodes), tuple(key.key for key in made))
    finally:
        await store.aclose()
