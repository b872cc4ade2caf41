"""Periodic reports: what organizations want, what was made, to whom it went."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables and their indexes."""
    op.create_table(
        "report_settings",
        *_text("organization_id"),
        *_int("weekly_since_us", "monthly_since_us", nullable=True),
        *_int("weekday", "hour"),
        *_text("recipients"),
        *_int("updated_at_us"),
        sa.PrimaryKeyConstraint("organization_id", name="pk_report_settings"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_report_settings_organization"),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday_known"),
        sa.CheckConstraint("hour BETWEEN 0 AND 23", name="hour_known"),
        sqlite_strict=True,
    )
    op.create_table(
        "periodic_report",
        *_text("organization_id", "id", "kind", "first_day", "last_day"),
        *_int("made_at_us", "requests", "unpriced_requests", "amount_nanos"),
        *_int("scheduled_at_us", nullable=True),
        *_text("unsent_because", "content"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_periodic_report"),
        sa.UniqueConstraint(
            "organization_id", "kind", "first_day", name="uq_periodic_report_organization_id_kind_first_day"
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_periodic_report_organization"),
        sqlite_strict=True,
    )
    op.create_table(
        "report_letter",
        *_text("organization_id", "mail_id", "report_id", "member_id", "recipient", "status", "failure"),
        *_int("created_at_us"),
        *_int("delivered_at_us", nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "mail_id", name="pk_report_letter"),
        sa.ForeignKeyConstraint(
            ["organization_id", "report_id"],
            ["periodic_report.organization_id", "periodic_report.id"],
            name="fk_report_letter_periodic_report",
        ),
        sqlite_strict=True,
    )
    for table, columns in (
        ("periodic_report", ["organization_id", "made_at_us", "id"]),
        ("report_letter", ["organization_id", "report_id"]),
        ("report_letter", ["status"]),
    ):
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _int(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, _INT, nullable=nullable, autoincrement=False) for name in names]
