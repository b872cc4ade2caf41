"""Alerts: thresholds, what was fired, where it goes; overruns; refused calls."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables."""
    op.add_column("outbox", sa.Column("channel", sa.Text(), nullable=False, server_default=sa.text("'email'")))
    op.add_column("outbox", sa.Column("alert_id", sa.Text(), nullable=False, server_default=sa.text("''")))
    _create_rules()
    _create_fired()
    _create_calls()
    for table, columns in (
        ("alert", ["organization_id", "fired_at_us", "id"]),
        ("overrun", ["updated_at_us"]),
        ("refused_call", ["day"]),
    ):
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _int(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, _INT, nullable=nullable, autoincrement=False) for name in names]


def _blob(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _create_rules() -> None:
    op.create_table(
        "alert_rule",
        *_text("organization_id", "id", "budget_id"),
        *_int("threshold_permille"),
        *_text("action", "created_by"),
        *_int("created_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_alert_rule"),
        sa.UniqueConstraint("organization_id", "budget_id", "threshold_permille", "action", name="uq_alert_rule_once"),
        sa.CheckConstraint("threshold_permille > 0", name="threshold_positive"),
        sa.ForeignKeyConstraint(
            ["organization_id", "budget_id"],
            ["budget.organization_id", "budget.id"],
            name="fk_alert_rule_budget",
            ondelete="CASCADE",
        ),
        sqlite_strict=True,
    )
    op.create_table(
        "alert_target",
        *_text("organization_id", "id", "name", "kind", "url_hint"),
        _blob("sealed_access"),
        *_int("is_enabled", "created_at_us", "updated_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_alert_target"),
        sa.UniqueConstraint("organization_id", "name", name="uq_alert_target_organization_id_name"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_alert_target_organization"),
        sqlite_strict=True,
    )


def _create_fired() -> None:
    op.create_table(
        "alert",
        *_text("organization_id", "id", "kind", "budget_id"),
        *_int("window_start_us"),
        *_int("window_end_us", nullable=True),
        *_int("threshold_permille"),
        *_text("action"),
        *_int("limit_amount", "used"),
        *_int("projected", nullable=True),
        *_text("scope_kind", "scope_id", "team_id", "project_id", "scope_name", "model", "unit", "period"),
        *_int("fired_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_alert"),
        sa.UniqueConstraint(
            "organization_id",
            "budget_id",
            "window_start_us",
            "kind",
            "threshold_permille",
            "action",
            "limit_amount",
            name="uq_alert_once",
        ),
        sqlite_strict=True,
    )


def _create_calls() -> None:
    op.create_table(
        "overrun",
        *_text("organization_id"),
        *_int("hour", "calls", "excess_nanos", "worst_excess_nanos"),
        _blob("worst_call_id"),
        *_int("updated_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "hour", name="pk_overrun"),
        sqlite_strict=True,
    )
    op.create_table(
        "refused_call",
        *_text("organization_id"),
        *_int("day"),
        _blob("call_id"),
        *_int("at_us"),
        *_text("api_key_id", "project_id", "model"),
        *_int("status"),
        *_text("code", "message", "looked_at"),
        sa.PrimaryKeyConstraint("organization_id", "day", "call_id", name="pk_refused_call"),
        sqlite_strict=True,
    )
