"""The tables, as people read them. Migrations make them; a test holds the two together.

Conventions: text ids as in the domain; amounts int64 nano-USD (`_nanos`), prices int64 pico-USD (`_pico`), times
microseconds since 1970 UTC (`_us`); `day` and `hour` count UTC days and hours since 1970. Every key starts with the
organization, so that the tables can be spread by it. On SQLite all tables are STRICT. This file has what every
installation has, prices and usage; `schema_tenancy` who there is, `schema_control` what the administration leaves.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, LargeBinary, PrimaryKeyConstraint, Table

from tollkeeper.store import (
    schema_alerts,
    schema_control,
    schema_ledger,
    schema_limits,
    schema_reports,
    schema_tenancy,
)
from tollkeeper.store.columns import int_, metadata, text_

__all__ = [
    "metadata",
    "schema_alerts",
    "schema_control",
    "schema_ledger",
    "schema_limits",
    "schema_reports",
    "schema_tenancy",
]

installation = Table(
    "installation",
    metadata,
    int_("id"),
    int_("pepper_version"),
    text_("pepper_fingerprint"),
    int_("created_at_us"),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="single_row"),
    sqlite_strict=True,
)
"""One row: which pepper the key digests were made with."""

revision = Table(
    "revision",
    metadata,
    int_("id"),
    int_("number"),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="single_row"),
    sqlite_strict=True,
)
"""One row whose lock orders all changes that running servers must hear of."""

change = Table(
    "change",
    metadata,
    int_("number"),
    text_("kind"),
    text_("organization_id"),
    text_("entity_id"),
    int_("changed_at_us"),
    PrimaryKeyConstraint("number"),
    sqlite_strict=True,
)
"""What changed, numbered in the order of the commits. See `revision.ChangeKind`."""

price = Table(
    "price",
    metadata,
    text_("organization_id"),  # "" applies to every organization
    text_("id"),
    text_("provider"),
    text_("model_pattern"),
    text_("dimension"),
    text_("tier"),
    int_("context_over"),
    int_("price_pico"),
    int_("valid_from_us"),
    text_("note"),
    int_("created_at_us"),
    PrimaryKeyConstraint("organization_id", "id"),
    CheckConstraint("price_pico >= 0", name="not_negative"),
    sqlite_strict=True,
)
"""Own prices, append-only: a price is superseded by a later row, never edited."""

usage_record = Table(
    "usage_record",
    metadata,
    text_("organization_id"),
    int_("day"),  # of the time in the uuid7, so that a retry lands in the same partition
    Column("call_id", LargeBinary, nullable=False),
    text_("project_id"),
    text_("api_key_id"),
    int_("started_at_us"),
    text_("provider"),
    text_("model"),  # the one that served
    int_("status"),
    text_("cost_state"),
    int_("amount_nanos", nullable=True),  # NULL exactly when unpriced
    text_("end_user"),
    text_("detail"),  # JSON, see usage_rows.Detail
    PrimaryKeyConstraint("organization_id", "day", "call_id"),
    sqlite_strict=True,
    postgresql_partition_by="RANGE (day)",
)

_ROLLUP_DIMENSIONS = ("project_id", "api_key_id", "provider", "model", "operation", "service_tier")
USAGE_DIMENSIONS = (*_ROLLUP_DIMENSIONS, "cost_state")

usage_rollup = Table(
    "usage_rollup",
    metadata,
    text_("organization_id"),
    int_("hour"),
    *(text_(name) for name in USAGE_DIMENSIONS),
    text_("slot"),  # the replica that wrote it: replicas never contend for a row
    int_("requests"),
    int_("errors"),
    int_("input_tokens_total"),
    int_("output_tokens_total"),
    int_("amount_nanos"),  # of the priced requests only
    int_("unpriced_requests"),
    int_("latency_us_total"),
    int_("first_byte_us_total"),
    int_("overhead_us_total"),
    PrimaryKeyConstraint("organization_id", "hour", *USAGE_DIMENSIONS, "slot"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

charge_rollup = Table(
    "charge_rollup",
    metadata,
    text_("organization_id"),
    int_("hour"),
    *(text_(name) for name in _ROLLUP_DIMENSIONS),
    text_("dimension"),  # "" is the part of the amounts that no line explains
    text_("slot"),
    int_("quantity"),
    int_("unpriced_quantity"),  # the part of it that has no price
    int_("amount_nanos"),
    PrimaryKeyConstraint("organization_id", "hour", *_ROLLUP_DIMENSIONS, "dimension", "slot"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""The same calls line by line; over all dimensions the amounts add up to those of usage_rollup."""

label_rollup = Table(
    "label_rollup",
    metadata,
    text_("organization_id"),
    int_("hour"),
    text_("project_id"),
    text_("model"),
    text_("label_key"),
    text_("label_value"),
    text_("slot"),
    int_("requests"),
    int_("unpriced_requests"),
    int_("amount_nanos"),
    int_("input_tokens_total"),
    int_("output_tokens_total"),
    PrimaryKeyConstraint("organization_id", "hour", "project_id", "model", "label_key", "label_value", "slot"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""A call counts once under each of its labels."""
