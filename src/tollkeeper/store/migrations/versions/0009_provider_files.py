"""Whose the files are that lie at providers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = ("organization_id", "project_id", "id")


def upgrade() -> None:
    """Add the table and its indexes."""
    op.create_table(
        "provider_file",
        *(sa.Column(name, sa.Text(), nullable=False) for name in (*_KEY, "provider", "credential_id", "purpose")),
        sa.Column("bytes", _INT, nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("created_at_us", _INT, nullable=False),
        sa.Column("expires_at_us", _INT, nullable=True),
        sa.PrimaryKeyConstraint(*_KEY, name="pk_provider_file"),
        sa.ForeignKeyConstraint(
            ["organization_id", "project_id"],
            ["project.organization_id", "project.id"],
            name="fk_provider_file_project",
        ),
        sqlite_strict=True,
    )
    columns = ["organization_id", "project_id", "created_at_us", "id"]
    op.create_index(f"ix_provider_file_{'_'.join(columns)}", "provider_file", columns)
    op.create_index("ix_provider_file_expires_at_us", "provider_file", ["expires_at_us"])
