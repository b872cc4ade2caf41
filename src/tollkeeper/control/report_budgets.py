"""The budgets that a report warns of: nearly used up, not lasting at this pace, or with their calls stopped."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action
from tollkeeper.control.budget_status import permille
from tollkeeper.domain.alert import projected_overrun
from tollkeeper.domain.budget import Budget
from tollkeeper.domain.report import BudgetAtRisk, is_at_risk, most_at_risk
from tollkeeper.domain.tenancy import Organization
from tollkeeper.domain.window import window_at
from tollkeeper.store import budgets
from tollkeeper.store.budget_status import Standing, read_names, read_opened, read_standings
from tollkeeper.store.budgets import BudgetFilter

_PAGE = 500


async def budgets_at_risk(action: Action, organization: Organization) -> tuple[tuple[BudgetAtRisk, ...], int]:
    """Return those of an organization that are most at risk as they stand now, and how many more there are.

    Only what calls have asked for in its window is looked at, as alerts do. What counts calls at once is never among
    them: it is used up and comes back all the time.
    """
    opened = await read_opened(action.connection, organization.id)
    found: list[BudgetAtRisk] = []
    page: list[Budget] = []
    while True:
        after = page[-1].key if page else None
        page = await budgets.list_budgets(action.connection, organization.id, BudgetFilter(), after=after, limit=_PAGE)
        counted = [each for each in page if each.id in opened and each.unit != "concurrent"]
        standings = await read_standings(action.connection, organization.id, counted)
        risks = [_risk(action, each, standings[each.id], organization) for each in counted]
        found += [each for each in risks if is_at_risk(each)]
        if len(page) < _PAGE:
            break
    most, more = most_at_risk(found)
    names = await read_names(action.connection, organization.id, {each.scope_id for each in most})
    return tuple(_named(each, names[each.scope_id].name if each.scope_id in names else "") for each in most), more


def _risk(action: Action, budget: Budget, standing: Standing, organization: Organization) -> BudgetAtRisk:
    window = window_at(budget.period, action.now_us, organization.timezone, organization.fiscal_month_start)
    projected = projected_overrun(
        standing.used, standing.limit, start_us=window.start_us, end_us=window.end_us, at_us=action.now_us
    )
    return BudgetAtRisk(
        budget_id=budget.id,
        scope_kind=budget.scope_kind,
        scope_id=budget.scope_id,
        scope_name=organization.name if budget.scope_id == organization.id else "",
        model=budget.model,
        unit=budget.unit,
        period=budget.period,
        limit=standing.limit,
        used=standing.used,
        used_permille=permille(standing),
        projected=projected,
        resets_at_us=standing.ends_at_us,
        is_stopped=standing.is_stopped,
    )


def _named(budget: BudgetAtRisk, name: str) -> BudgetAtRisk:
    return msgspec.structs.replace(budget, scope_name=name) if name else budget
