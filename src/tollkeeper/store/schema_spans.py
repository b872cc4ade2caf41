"""The tables of closed spans: ended local days and months, their calls added up once, so that reports need not read their hours."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, Table

from tollkeeper.store.columns import int_, metadata, text_
from tollkeeper.store.schema import USAGE_DIMENSIONS

closed_span = Table(
    "closed_span",
    metadata,
    text_("organization_id"),
    text_("kind"),  # day or month
    int_("from_hour"),  # UTC hours since 1970, [from, to)
    int_("to_hour"),
    text_("timezone"),  # whose day or month it is
    PrimaryKeyConstraint("organization_id", "kind", "from_hour"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""A span is open when it has no row: then its hours are read, and rows of `span_rollup` that it may have mean nothing."""

SPAN_MEASURES = (
    "requests",
    "errors",
    "input_tokens_total",
    "output_tokens_total",
    "amount_nanos",
    "unpriced_requests",
    "latency_us_total",
)
"""Those of usage_rollup that reports read."""

span_rollup = Table(
    "span_rollup",
    metadata,
    text_("organization_id"),
    text_("kind"),
    int_("from_hour"),
    *(text_(name) for name in USAGE_DIMENSIONS),
    *(int_(name) for name in SPAN_MEASURES),
    PrimaryKeyConstraint("organization_id", "kind", "from_hour", *USAGE_DIMENSIONS),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""What usage_rollup says of a closed span's hours, of all slots together."""
