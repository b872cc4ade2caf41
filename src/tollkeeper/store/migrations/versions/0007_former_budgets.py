"""Which id a budget had that was taken away, and the keys that one took the place of, found by an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_KEY = ("organization_id", "scope_id", "model", "unit", "period")


def upgrade() -> None:
    """Add the table and the index."""
    op.create_table(
        "former_budget",
        *(sa.Column(name, sa.Text(), nullable=False) for name in (*_KEY, "id")),
        sa.PrimaryKeyConstraint(*_KEY, name="pk_former_budget"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_former_budget_organization"),
        sqlite_strict=True,
    )
    op.create_index("ix_api_key_organization_id_replaced_by", "api_key", ["organization_id", "replaced_by"])
