"""Closed spans: ended days and months, added up once for reports."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DIMENSIONS = ("project_id", "api_key_id", "provider", "model", "operation", "service_tier", "cost_state")
_MEASURES = (
    "requests",
    "errors",
    "input_tokens_total",
    "output_tokens_total",
    "amount_nanos",
    "unpriced_requests",
    "latency_us_total",
)


def upgrade() -> None:
    """Add the tables; a running server fills them by itself."""
    op.create_table(
        "closed_span",
        *_text("organization_id", "kind"),
        *_int("from_hour", "to_hour"),
        *_text("timezone"),
        sa.PrimaryKeyConstraint("organization_id", "kind", "from_hour", name="pk_closed_span"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_closed_span_organization"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "span_rollup",
        *_text("organization_id", "kind"),
        *_int("from_hour"),
        *_text(*_DIMENSIONS),
        *_int(*_MEASURES),
        sa.PrimaryKeyConstraint("organization_id", "kind", "from_hour", *_DIMENSIONS, name="pk_span_rollup"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _int(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, _INT, nullable=False, autoincrement=False) for name in names]
