"""The tree of budgets as pages go through it: each budget in a row, below what it is a part of."""

from __future__ import annotations

import msgspec

from tollkeeper.control.budget_status import BUDGETS_MAX, Branch, BudgetStatus, StandingBudget


class Row(msgspec.Struct, frozen=True):
    """A budget in the tree; `depth` is how far below the organization."""

    depth: int
    branch: Branch
    standing: StandingBudget


def rows_of(status: BudgetStatus | None) -> list[Row]:
    """Return the budgets from the top down; none without a tree."""
    return _rows(status.root, 0) if status and status.root else []


def row_of(status: BudgetStatus | None, budget_id: str) -> Row | None:
    """Return one budget; None when it is not in the tree."""
    return next((each for each in rows_of(status) if each.standing.budget.id == budget_id), None)


def _rows(branch: Branch, depth: int) -> list[Row]:
    own = [Row(depth, branch, each) for each in branch.budgets]
    below = [row for each in branch.branches for row in _rows(each, depth + 1)]
    assert len(own) + len(below) <= BUDGETS_MAX
    return own + below
