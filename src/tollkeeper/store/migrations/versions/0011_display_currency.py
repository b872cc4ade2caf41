"""The currency that an organization's amounts are shown in beside dollars."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns."""
    for name in ("display_currency", "display_rate_date", "display_rate_source"):
        op.add_column("organization", sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column(
        "organization",
        sa.Column("display_rate_micros", _INT, nullable=False, server_default=sa.text("0"), autoincrement=False),
    )
