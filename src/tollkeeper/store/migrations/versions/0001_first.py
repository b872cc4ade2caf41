"""The first schema: installation, organizations, projects, keys, prices, usage records and their rollups."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ROLLUP_DIMENSIONS = ("project_id", "api_key_id", "provider", "model", "operation", "service_tier")


def upgrade() -> None:
    """Make every table of the first release."""
    _create_installation()
    _create_tenancy()
    _create_api_key()
    _create_price()
    _create_usage_record()
    _create_rollups()


def _text(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=nullable) for name in names]


def _int(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, _INT, nullable=nullable, autoincrement=False) for name in names]


def _create_installation() -> None:
    op.create_table(
        "installation",
        *_int("id", "pepper_version"),
        *_text("pepper_fingerprint"),
        *_int("created_at_us"),
        sa.PrimaryKeyConstraint("id", name="pk_installation"),
        sa.CheckConstraint("id = 1", name=op.f("ck_installation_single_row")),
        sqlite_strict=True,
    )
    table = op.create_table(
        "revision",
        *_int("id", "number"),
        sa.PrimaryKeyConstraint("id", name="pk_revision"),
        sa.CheckConstraint("id = 1", name=op.f("ck_revision_single_row")),
        sqlite_strict=True,
    )
    op.bulk_insert(table, [{"id": 1, "number": 0}])
    op.create_table(
        "change",
        *_int("number"),
        *_text("kind", "organization_id", "entity_id"),
        *_int("changed_at_us"),
        sa.PrimaryKeyConstraint("number", name="pk_change"),
        sqlite_strict=True,
    )


def _create_tenancy() -> None:
    op.create_table(
        "organization",
        *_text("id", "name", "timezone"),
        *_int("created_at_us"),
        sa.PrimaryKeyConstraint("id", name="pk_organization"),
        sqlite_strict=True,
    )
    op.create_table(
        "project",
        *_text("organization_id", "id", "name"),
        *_int("created_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_project"),
        sa.UniqueConstraint("organization_id", "name", name="uq_project_organization_id_name"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_project_organization"),
        sqlite_strict=True,
    )


def _create_api_key() -> None:
    op.create_table(
        "api_key",
        *_text("organization_id", "id"),
        *_text("project_id", nullable=True),
        *_text("name", "kind"),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        *_int("pepper_version"),
        *_text("status", "permissions"),
        *_int("created_at_us"),
        *_int("expires_at_us", "last_used_at_us", "disabled_at_us", "deleted_at_us", nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_api_key"),
        sa.UniqueConstraint("digest", name="uq_api_key_digest"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_api_key_organization"),
        sa.ForeignKeyConstraint(
            ["organization_id", "project_id"], ["project.organization_id", "project.id"], name="fk_api_key_project"
        ),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_api_key_organization_id_created_at_us_id", "api_key", ["organization_id", "created_at_us", "id"]
    )


def _create_price() -> None:
    op.create_table(
        "price",
        *_text("organization_id", "id", "provider", "model_pattern", "dimension", "tier"),
        *_int("context_over", "price_pico", "valid_from_us"),
        *_text("note"),
        *_int("created_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_price"),
        sa.CheckConstraint("price_pico >= 0", name=op.f("ck_price_not_negative")),
        sqlite_strict=True,
    )


def _create_usage_record() -> None:
    op.create_table(
        "usage_record",
        *_text("organization_id"),
        *_int("day"),
        sa.Column("call_id", sa.LargeBinary(), nullable=False),
        *_text("project_id", "api_key_id"),
        *_int("started_at_us"),
        *_text("provider", "model"),
        *_int("status"),
        *_text("cost_state"),
        *_int("amount_nanos", nullable=True),
        *_text("end_user", "detail"),
        sa.PrimaryKeyConstraint("organization_id", "day", "call_id", name="pk_usage_record"),
        sqlite_strict=True,
        postgresql_partition_by="RANGE (day)",
    )


def _create_rollups() -> None:
    _create_rollup(
        "usage_rollup",
        (*_ROLLUP_DIMENSIONS, "cost_state"),
        (
            "requests",
            "errors",
            "input_tokens_total",
            "output_tokens_total",
            "amount_nanos",
            "unpriced_requests",
            "latency_us_total",
            "first_byte_us_total",
            "overhead_us_total",
        ),
    )
    _create_rollup(
        "charge_rollup", (*_ROLLUP_DIMENSIONS, "dimension"), ("quantity", "unpriced_quantity", "amount_nanos")
    )
    _create_rollup(
        "label_rollup",
        ("project_id", "model", "label_key", "label_value"),
        ("requests", "unpriced_requests", "amount_nanos", "input_tokens_total", "output_tokens_total"),
    )


def _create_rollup(name: str, dimensions: tuple[str, ...], measures: tuple[str, ...]) -> None:
    op.create_table(
        name,
        *_text("organization_id"),
        *_int("hour"),
        *_text(*dimensions, "slot"),
        *_int(*measures),
        sa.PrimaryKeyConstraint("organization_id", "hour", *dimensions, "slot", name=f"pk_{name}"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
