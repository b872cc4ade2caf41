"""Budgets by model, unit and scope, what becomes of them per window, leases, replicas, rates."""

from __future__ import annotations

import json
import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BUDGET = sa.table(
    "budget",
    *map(
        sa.column,
        (
            "organization_id",
            "id",
            "scope_kind",
            "scope_id",
            "model",
            "unit",
            "period",
            "amount",
            "is_carried_over",
            "is_hard",
            "is_exceeding_notified",
            "is_exceeding_disabling",
            "created_at_us",
            "updated_at_us",
        ),
    ),
)


def upgrade() -> None:
    """Add what calls are held to."""
    op.add_column("organization", sa.Column("tier", sa.Text(), nullable=False, server_default=sa.text("'enterprise'")))
    for name, default in (("fiscal_month_start", "1"), ("is_prepaid", "0")):
        op.add_column("organization", sa.Column(name, _INT, nullable=False, server_default=sa.text(default)))
    _widen_budget()
    _move_limits_of_projects()
    _move_limits_of_keys()
    _create_windows()
    _create_rates()
    _create_indexes()


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _int(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, _INT, nullable=nullable, autoincrement=False) for name in names]


def _int_of_zero(*names: str) -> list[sa.Column[Any]]:
    zero = sa.text("0")
    return [sa.Column(name, _INT, nullable=False, server_default=zero, autoincrement=False) for name in names]


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
    for organization_id, kind, scope_id, period, amount, *flags, updated_at_us in before:
        what = (organization_id, kind, scope_id, "", "usd", period)
        _insert_budget(what, (amount, *flags), updated_at_us)
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


def _insert_budget(what: tuple[str, ...], terms: tuple[int, ...], at_us: int) -> None:
    """Insert one: organization, kind, scope, model, unit and period; the amount and the flags; when it was made."""
    values = (what[0], f"bud_{secrets.token_hex(10)}", *what[1:], *terms, at_us, at_us)
    row = dict(zip(_BUDGET.columns.keys(), values, strict=True))
    op.get_bind().execute(sa.insert(_BUDGET).values(row))


_USUAL_FLAGS = (0, 1, 1, 0)  # not carried over, hard, notifying, not disabling


def _move_limits_of_projects() -> None:
    """What a project allows of single models a day becomes budgets."""
    query = (
        "SELECT organization_id, id, created_at_us, model_limits FROM project"
        " WHERE model_limits != '{}' AND archived_at_us IS NULL"
    )
    for organization_id, project_id, created_at_us, text in op.get_bind().execute(sa.text(query)).all():
        for model, limit in json.loads(text).items():
            for unit, amount in (("requests", limit.get("daily_requests")), ("usd", limit.get("daily_budget_nanos"))):
                if amount is not None:
                    what = (organization_id, "project", project_id, model, unit, "daily")
                    _insert_budget(what, (amount, *_USUAL_FLAGS), created_at_us)
    op.drop_column("project", "model_limits")


def _move_limits_of_keys() -> None:
    """How many requests a day a key may make becomes a budget."""
    bind = op.get_bind()
    query = (
        "SELECT organization_id, id, created_at_us, rate_limit FROM api_key"
        " WHERE rate_limit LIKE '%requests_per_day%' AND status != 'deleted'"
    )
    for organization_id, key_id, created_at_us, text in bind.execute(sa.text(query)).all():
        rates = json.loads(text)
        amount = rates.pop("requests_per_day")
        what = (organization_id, "api_key", key_id, "", "requests", "daily")
        _insert_budget(what, (amount, *_USUAL_FLAGS), created_at_us)
        change = "UPDATE api_key SET rate_limit = :rates WHERE organization_id = :organization_id AND id = :id"
        bind.execute(sa.text(change), {"rates": json.dumps(rates), "organization_id": organization_id, "id": key_id})


def _create_windows() -> None:
    op.create_table(
        "budget_node",
        *_text("organization_id", "budget_id"),
        *_int("window_start_us"),
        *_int("window_end_us", nullable=True),
        *_int("limit_amount", "carried", "used", "opened_used", "escrow", "is_hard", "recalled_at_us"),
        *_int("stopped_at_us", nullable=True),
        *_int("updated_at_us"),
        *_int_of_zero("limit_highest", "overrun"),
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
        *_int("operation", "amount", "consumed", "converted"),
        *_int_of_zero("booked"),
        *_int("created_at_us", "updated_at_us"),
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
    for name, table, columns, where in (
        ("ix_budget_node_recalled", "budget_node", ["organization_id", "budget_id"], "recalled_at_us > 0"),
        ("ix_lease_late", "lease", ["organization_id", "id"], "state = 'closed' AND consumed > converted"),
        ("ix_lease_living", "lease", ["organization_id", "id"], "state != 'closed'"),
        ("ix_lease_closed", "lease", ["updated_at_us"], "state = 'closed'"),
    ):
        op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
