"""What places are allotted per period: set, taken away, listed, and how much of a place's budget its parts have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, delete, exists, func, insert, or_, select, tuple_, update

from tollkeeper.domain.budget import Budget, Enforcement, Period
from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.domain.tenancy import OrganizationId, Place
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.projects import Reach
from tollkeeper.store.schema_limits import budget
from tollkeeper.store.schema_tenancy import project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (
    budget.c.organization_id,
    budget.c.scope_kind,
    budget.c.scope_id,
    budget.c.period,
    budget.c.amount,
    budget.c.is_carried_over,
    budget.c.is_hard,
    budget.c.is_exceeding_notified,
    budget.c.is_exceeding_disabling,
    budget.c.updated_at_us,
    budget.c.id,
    budget.c.model,
    budget.c.unit,
    budget.c.created_at_us,
)


class BudgetFilter(msgspec.Struct, frozen=True):
    """Which budgets are listed; None lets all in. `reach`: those of its teams, of their projects, and of its projects."""

    scope_id: str | None = None
    reach: Reach | None = None


async def set_budget(connection: AsyncConnection, organization_id: str, wanted: Budget) -> Budget:
    """Write the budget of a place for a period, over one that is there.

    Whoever asks holds the organization's lock: what all parts have together may have to fit into something.
    """
    assert wanted.organization_id == organization_id
    kept = msgspec.structs.replace(wanted, updated_at_us=now_us())
    values = {
        "amount": kept.amount,
        "is_carried_over": int(kept.is_carried_over),
        "is_hard": int(kept.enforcement.hard_limit),
        "is_exceeding_notified": int(kept.enforcement.notify_on_exceed),
        "is_exceeding_disabling": int(kept.enforcement.auto_disable_on_exceed),
        "updated_at_us": kept.updated_at_us,
    }
    mine = _mine(organization_id, kept.scope_id, kept.period)
    if not (await connection.execute(update(budget).where(mine).values(**values))).rowcount:
        kept = msgspec.structs.replace(kept, id=new_id("bud"), created_at_us=kept.updated_at_us)
        identity = {
            "id": kept.id,
            "scope_kind": kept.scope_kind,
            "scope_id": kept.scope_id,
            "model": kept.model,
            "unit": kept.unit,
            "period": kept.period,
            "created_at_us": kept.created_at_us,
        }
        await connection.execute(insert(budget).values(organization_id=organization_id, **identity, **values))
    return kept


async def get_budget(connection: AsyncConnection, organization_id: str, scope_id: str, period: Period) -> Budget | None:
    """Return the budget of a place for a period; None when it has none."""
    row = (await connection.execute(select(*_COLUMNS).where(_mine(organization_id, scope_id, period)))).one_or_none()
    return _to_budget(row) if row else None


async def delete_budget(connection: AsyncConnection, organization_id: str, scope_id: str, period: Period) -> bool:
    """Take a budget away; False when there was none."""
    statement = delete(budget).where(_mine(organization_id, scope_id, period))
    return bool((await connection.execute(statement)).rowcount)


async def delete_budgets_of(connection: AsyncConnection, organization_id: str, scope_id: str) -> None:
    """Take away every budget of a place."""
    await connection.execute(
        delete(budget).where(budget.c.organization_id == organization_id, budget.c.scope_id == scope_id)
    )


async def read_budgets_of(connection: AsyncConnection, organization_id: str, scope_ids: Sequence[str]) -> list[Budget]:
    """Return every budget of these places."""
    query = select(*_COLUMNS).where(budget.c.organization_id == organization_id, budget.c.scope_id.in_(scope_ids))
    rows = await connection.execute(query.order_by(budget.c.scope_id, budget.c.period))
    return [_to_budget(row) for row in rows]


async def list_budgets(
    connection: AsyncConnection,
    organization_id: str,
    wanted: BudgetFilter,
    *,
    after: tuple[str, str] | None = None,
    limit: int = 100,
) -> list[Budget]:
    """Return at most `limit` budgets in the order of scope and period, those behind `after`."""
    query = select(*_COLUMNS).where(budget.c.organization_id == organization_id)
    if wanted.scope_id is not None:
        query = query.where(budget.c.scope_id == wanted.scope_id)
    if wanted.reach is not None:
        below = select(project.c.id).where(
            project.c.organization_id == organization_id, project.c.team_id.in_(wanted.reach.team_ids)
        )
        named = (*wanted.reach.team_ids, *wanted.reach.project_ids)
        query = query.where(or_(budget.c.scope_id.in_(named), budget.c.scope_id.in_(below)))
    if after is not None:
        query = query.where(tuple_(budget.c.scope_id, budget.c.period) > after)
    query = query.order_by(budget.c.scope_id, budget.c.period).limit(limit)
    return [_to_budget(row) for row in await connection.execute(query)]


async def sum_allotted(connection: AsyncConnection, place: Place, period: Period) -> int:
    """Return, in nano-USD, what the parts of an organization or a team have together for a period.

    A team without a budget for the period counts as its projects: they draw on what is above the team.
    """
    assert place.kind != "project", "a project has no parts"
    organization_id = place.organization_id
    of_project = and_(
        project.c.organization_id == organization_id,
        project.c.id == budget.c.scope_id,
        project.c.archived_at_us.is_(None),
    )
    is_part: ColumnElement[bool]
    if place.kind == "team":
        is_part = exists().where(of_project, project.c.team_id == place.team_id)
    else:
        other = budget.alias()
        has_team_budget = exists().where(
            other.c.organization_id == organization_id, other.c.scope_id == project.c.team_id, other.c.period == period
        )
        is_direct_project = exists().where(of_project, or_(project.c.team_id.is_(None), ~has_team_budget))
        is_part = or_(budget.c.scope_kind == "team", is_direct_project)
    # Whole dollars and the rest apart: the sum of many large budgets need not fit 64 bits.
    query = select(
        func.coalesce(func.sum(budget.c.amount // NANOS_PER_USD), 0),
        func.coalesce(func.sum(budget.c.amount % NANOS_PER_USD), 0),
    ).where(budget.c.organization_id == organization_id, budget.c.period == period, is_part)
    dollars, rest = (await connection.execute(query)).one()
    return int(dollars) * NANOS_PER_USD + int(rest)


def _mine(organization_id: str, scope_id: str, period: str) -> ColumnElement[bool]:
    return and_(budget.c.organization_id == organization_id, budget.c.scope_id == scope_id, budget.c.period == period)


def _to_budget(row: Row[Any, *tuple[Any, ...]]) -> Budget:
    return Budget(
        OrganizationId(row.organization_id),
        row.scope_kind,
        row.scope_id,
        row.period,
        row.amount,
        bool(row.is_carried_over),
        Enforcement(bool(row.is_hard), bool(row.is_exceeding_notified), bool(row.is_exceeding_disabling)),
        row.updated_at_us,
        row.id,
        row.model,
        row.unit,
        row.created_at_us,
    )
