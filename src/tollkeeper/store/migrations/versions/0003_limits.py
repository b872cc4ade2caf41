"""Budgets by model, unit and scope, what becomes of them per window, leases, replicas, rates."""

from __future__ import annotations

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BUDGET = (
    "organization_id, id, scope_kind, scope_id, model, unit, period, amount, is_carried_over, is_hard,"
    " is_exceeding_notified, is_exceeding_disabling, created_at_us, updated_at_us"
)


def upgrade() -> None:
    """Add what calls are held to."""
    op.add_column("organization", sa.Column("tier", sa.Text(), nullable=False, server_default=sa.text("'enterprise'")))
    for name, default in (("fiscal_month_start", "1"), ("is_prepaid", "0")):
        op.add_column("organization", sa.Column(name, _INT, nullable=False, server_default=sa.text(default)))
    _widen_budget()
    _create_windows()
    _create_rates()
    _create_indexes()


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _int(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, _INT, nullable=nullable, autoincrement=False) for name in names]


def _widen_budget() -> None:
    """Make the table anew: its key becomes an id, which what is kept per window refers to."""
    op.execute("ALTER TABLE budget RENAME TO budget_before")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE budget_before DROP CONSTRAINT pk_budget")
        op.execute("ALTER TABLE budget_before DROP CONSTRAINT fk_budget_organization")
    op.create_table(
        "budget",
        *_text("organization_id", "id", "scope_kind", "scope_id", "model", "unit", "period"),
        *_int("amount", "is_carried_over", "is_hard", "is_exceeding_notified", "is_exceeding_disabling"),
        *_int("created_at_us", "updated_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_budget"),
        sa.UniqueConstraint(
            "organization_id",
            "scope_id",
            "model",
            "unit",
            "period",
            "scope_kind",
            name="uq_budget_organization_id_scope_id_model_unit_period_scope_kind",
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_budget_organization"),
        sqlite_strict=True,
    )
    bind = op.get_bind()
    before = bind.execute(
        sa.text(
            "SELECT organization_id, scope_kind, scope_id, period, limit_nanos, is_carried_over, is_hard,"
            " is_exceeding_notified, is_exceeding_disabling, updated_at_us FROM budget_before"
        )
    ).all()
    names = _BUDGET.split(", ")
    insert = sa.text(f"INSERT INTO budget ({_BUDGET}) VALUES ({', '.join(':' + name for name in names)})")  # noqa: S608
    for organization_id, kind, scope_id, period, amount, *flags, updated_at_us in before:
        values = (organization_id, f"bud_{secrets.token_hex(10)}", kind, scope_id, "", "usd", period, amount, *flags)
        bind.execute(insert, dict(zip(names, (*values, updated_at_us, updated_at_us), strict=True)))
    op.drop_table("budget_before")
    op.create_table(
        "budget_increase",
        *_text("organization_id", "id", "budget_id"),
        *_int("amount", "from_us", "until_us"),
        *_text("note", "created_by"),
        *_int("created_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_budget_increase"),
        sa.ForeignKeyConstraint(
            ["organization_id", "budget_id"],
            ["budget.organization_id", "budget.id"],
            name="fk_budget_increase_budget",
            ondelete="CASCADE",
        ),
        sqlite_strict=True,
    )
    op.create_table(
        "budget_request",
        *_text("organization_id", "id", "scope_kind", "scope_id", "model", "unit", "period"),
        *_int("amount"),
        *_text("reason", "status", "asked_by", "decided_by", "answer"),
        *_int("created_at_us"),
        *_int("decided_at_us", nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_budget_request"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_budget_request_organization"),
        sqlite_strict=True,
    )


def _create_windows() -> None:
    op.create_table(
        "budget_node",
        *_text("organization_id", "budget_id"),
        *_int("window_start_us"),
        *_int("window_end_us", nullable=True),
        *_int("limit_amount", "carried", "used", "opened_used", "escrow", "is_hard", "recalled_at_us"),
        *_int("stopped_at_us", nullable=True),
        *_int("updated_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "budget_id", "window_start_us", name="pk_budget_node"),
        sa.CheckConstraint("escrow >= 0", name="escrow_not_negative"),
        sqlite_strict=True,
    )
    op.create_table(
        "lease",
        *_text("organization_id"),
        sa.Column("id", sa.LargeBinary(), nullable=False),
        *_text("budget_id"),
        *_int("window_start_us"),
        *_text("holder", "state"),
        *_int("operation", "amount", "consumed", "converted", "created_at_us", "updated_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_lease"),
        sa.CheckConstraint("amount >= 0", name="amount_not_negative"),
        sqlite_strict=True,
    )
    op.create_table(
        "replica",
        *_text("holder"),
        *_int("started_at_us", "heard_at_us"),
        sa.PrimaryKeyConstraint("holder", name="pk_replica"),
        sqlite_strict=True,
    )


def _create_rates() -> None:
    op.create_table(
        "rate_limit",
        *_text("organization_id", "id", "scope_kind", "scope_id", "model"),
        *_int("requests_per_minute", "tokens_per_minute", nullable=True),
        *_int("created_at_us", "updated_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_rate_limit"),
        sa.UniqueConstraint(
            "organization_id",
            "scope_id",
            "model",
            "scope_kind",
            name="uq_rate_limit_organization_id_scope_id_model_scope_kind",
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_rate_limit_organization"),
        sqlite_strict=True,
    )
    op.create_table(
        "rate_demand",
        *_text("organization_id", "rate_limit_id", "holder"),
        *_int("requests", "tokens", "told_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "rate_limit_id", "holder", name="pk_rate_demand"),
        sqlite_strict=True,
    )


def _create_indexes() -> None:
    for table, columns in (
        ("budget", ["organization_id", "scope_id"]),
        ("budget_increase", ["organization_id", "budget_id"]),
        ("budget_request", ["organization_id", "created_at_us", "id"]),
        ("budget_node", ["updated_at_us"]),
        ("lease", ["holder", "state"]),
        ("lease", ["organization_id", "budget_id", "window_start_us"]),
    ):
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)
