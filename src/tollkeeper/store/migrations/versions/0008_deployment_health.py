"""How each replica finds the deployments that it calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = ("holder", "credential_id", "provider", "model")
_FIGURES = ("served", "failures", "rests_until_us", "failed_at_us", "last_status")


def upgrade() -> None:
    """Add the table and its index."""
    op.create_table(
        "deployment_health",
        *(sa.Column(name, sa.Text(), nullable=False) for name in _KEY),
        *(sa.Column(name, _INT, nullable=False) for name in _FIGURES),
        sa.Column("last_reason", sa.Text(), nullable=False),
        sa.Column("told_at_us", _INT, nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, name="pk_deployment_health"),
        sqlite_strict=True,
    )
    op.create_index("ix_deployment_health_rests_until_us", "deployment_health", ["rests_until_us"])
