"""The tables, as people read them. Migrations make them; a test holds the two together.

Conventions: text ids as in the domain; amounts int64 nano-USD (`_nanos`), prices int64 pico-USD (`_pico`), times
microseconds since 1970 UTC (`_us`); `day` and `hour` count UTC days and hours since 1970. Every key starts with the
organization, so that the tables can be spread by it. On SQLite all tables are STRICT.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

Int = BigInteger().with_variant(Integer(), "sqlite")  # SQLite's STRICT tables know INTEGER only, which is 64 bits


def _text(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable)


def _int(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Int, nullable=nullable, autoincrement=False)


installation = Table(
    "installation",
    metadata,
    _int("id"),
    _int("pepper_version"),
    _text("pepper_fingerprint"),
    _int("created_at_us"),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="single_row"),
    sqlite_strict=True,
)
"""One row: which pepper the key digests were made with."""

revision = Table(
    "revision",
    metadata,
    _int("id"),
    _int("number"),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="single_row"),
    sqlite_strict=True,
)
"""One row whose lock orders all changes that running servers must hear of."""

change = Table(
    "change",
    metadata,
    _int("number"),
    _text("kind"),
    _text("organization_id"),
    _text("entity_id"),
    _int("changed_at_us"),
    PrimaryKeyConstraint("number"),
    sqlite_strict=True,
)
"""What changed, numbered in the order of the commits. `kind` is api_key or price."""

organization = Table(
    "organization",
    metadata,
    _text("id"),
    _text("name"),
    _text("timezone"),
    _int("created_at_us"),
    PrimaryKeyConstraint("id"),
    sqlite_strict=True,
)

project = Table(
    "project",
    metadata,
    _text("organization_id"),
    _text("id"),
    _text("name"),
    _int("created_at_us"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)

api_key = Table(
    "api_key",
    metadata,
    _text("organization_id"),
    _text("id"),
    _text("project_id", nullable=True),  # NULL for an administration key
    _text("name"),
    _text("kind"),
    Column("digest", LargeBinary, nullable=False),
    _int("pepper_version"),
    _text("status"),
    _text("permissions"),  # a JSON array of names, sorted
    _int("created_at_us"),
    _int("expires_at_us", nullable=True),
    _int("last_used_at_us", nullable=True),
    _int("disabled_at_us", nullable=True),
    _int("deleted_at_us", nullable=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("digest"),  # the one look-up that does not know its organization yet
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    ForeignKeyConstraint(["organization_id", "project_id"], ["project.organization_id", "project.id"]),
    sqlite_strict=True,
)

price = Table(
    "price",
    metadata,
    _text("organization_id"),  # "" applies to every organization
    _text("id"),
    _text("provider"),
    _text("model_pattern"),
    _text("dimension"),
    _text("tier"),
    _int("context_over"),
    _int("price_pico"),
    _int("valid_from_us"),
    _text("note"),
    _int("created_at_us"),
    PrimaryKeyConstraint("organization_id", "id"),
    CheckConstraint("price_pico >= 0", name="not_negative"),
    sqlite_strict=True,
)
"""Own prices, append-only: a price is superseded by a later row, never edited."""

usage_record = Table(
    "usage_record",
    metadata,
    _text("organization_id"),
    _int("day"),  # of the time in the uuid7, so that a retry lands in the same partition
    Column("call_id", LargeBinary, nullable=False),
    _text("project_id"),
    _text("api_key_id"),
    _int("started_at_us"),
    _text("provider"),
    _text("model"),  # the one that served
    _int("status"),
    _text("cost_state"),
    _int("amount_nanos", nullable=True),  # NULL exactly when unpriced
    _text("end_user"),
    _text("detail"),  # JSON, see usage_rows.Detail
    PrimaryKeyConstraint("organization_id", "day", "call_id"),
    sqlite_strict=True,
    postgresql_partition_by="RANGE (day)",
)

_ROLLUP_DIMENSIONS = ("project_id", "api_key_id", "provider", "model", "operation", "service_tier")

usage_rollup = Table(
    "usage_rollup",
    metadata,
    _text("organization_id"),
    _int("hour"),
    *(_text(name) for name in _ROLLUP_DIMENSIONS),
    _text("cost_state"),
    _text("slot"),  # the replica that wrote it: replicas never contend for a row
    _int("requests"),
    _int("errors"),
    _int("input_tokens_total"),
    _int("output_tokens_total"),
    _int("amount_nanos"),  # of the priced requests only
    _int("unpriced_requests"),
    _int("latency_us_total"),
    _int("first_byte_us_total"),
    _int("overhead_us_total"),
    PrimaryKeyConstraint("organization_id", "hour", *_ROLLUP_DIMENSIONS, "cost_state", "slot"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

charge_rollup = Table(
    "charge_rollup",
    metadata,
    _text("organization_id"),
    _int("hour"),
    *(_text(name) for name in _ROLLUP_DIMENSIONS),
    _text("dimension"),  # "" is the part of the amounts that no line explains
    _text("slot"),
    _int("quantity"),
    _int("unpriced_quantity"),  # the part of it that has no price
    _int("amount_nanos"),
    PrimaryKeyConstraint("organization_id", "hour", *_ROLLUP_DIMENSIONS, "dimension", "slot"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The same calls line by line; over all dimensions the amounts add up to those of usage_rollup."""

label_rollup = Table(
    "label_rollup",
    metadata,
    _text("organization_id"),
    _int("hour"),
    _text("project_id"),
    _text("model"),
    _text("label_key"),
    _text("label_value"),
    _text("slot"),
    _int("requests"),
    _int("unpriced_requests"),
    _int("amount_nanos"),
    _int("input_tokens_total"),
    _int("output_tokens_total"),
    PrimaryKeyConstraint("organization_id", "hour", "project_id", "model", "label_key", "label_value", "slot"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""A call counts once under each of its labels."""

Index("ix_api_key_organization_id_created_at_us_id", api_key.c.organization_id, api_key.c.created_at_us, api_key.c.id)
