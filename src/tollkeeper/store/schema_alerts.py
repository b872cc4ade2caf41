"""The tables of alerts and explanations: thresholds, what was fired, where it goes, overruns, and refused calls."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from tollkeeper.store.columns import int_, metadata, text_

alert_rule = Table(
    "alert_rule",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("budget_id"),
    int_("threshold_permille"),  # 500 is half of the budget
    text_("action"),  # see domain.budget.AlertAction
    text_("created_by"),
    int_("created_at_us"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "budget_id", "threshold_permille", "action", name="uq_alert_rule_once"),
    CheckConstraint("threshold_permille > 0", name="threshold_positive"),
    ForeignKeyConstraint(["organization_id", "budget_id"], ["budget.organization_id", "budget.id"], ondelete="CASCADE"),
    sqlite_strict=True,
)
"""What is to happen as a budget is used up, beside what the budget and its project say themselves."""

alert = Table(
    "alert",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("kind"),  # see domain.alert.AlertKind
    text_("budget_id"),  # "" for one that is about no single budget
    int_("window_start_us"),
    int_("window_end_us", nullable=True),
    int_("threshold_permille"),
    text_("action"),
    int_("limit_amount"),
    int_("used"),
    int_("projected", nullable=True),
    text_("scope_kind"),  # the budget as it was: it may be gone when somebody reads of it
    text_("scope_id"),
    text_("team_id"),  # the scope's place: who may read of it
    text_("project_id"),
    text_("scope_name"),
    text_("model"),
    text_("unit"),
    text_("period"),
    int_("fired_at_us"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint(
        "organization_id",
        "budget_id",
        "window_start_us",
        "kind",
        "threshold_permille",
        "action",
        "limit_amount",
        name="uq_alert_once",  # a name of all its columns would be longer than PostgreSQL's may be
    ),
    sqlite_strict=True,
)
"""What was fired: once per window, threshold, action and limit, because no second row fits."""

alert_target = Table(
    "alert_target",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("name"),
    text_("kind"),  # slack or webhook
    text_("url_hint"),  # what may be shown: the path of such a URL often works like a password
    Column("sealed_access", LargeBinary, nullable=False),  # the URL, and the secret that signs
    int_("is_enabled"),
    int_("created_at_us"),
    int_("updated_at_us"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)
"""Where an organization's alerts go beside e-mail."""

overrun = Table(
    "overrun",
    metadata,
    text_("organization_id"),
    int_("hour"),  # UTC hours since 1970
    int_("calls"),
    int_("excess_nanos"),
    int_("worst_excess_nanos"),
    Column("worst_call_id", LargeBinary, nullable=False),
    int_("updated_at_us"),
    PrimaryKeyConstraint("organization_id", "hour"),
    sqlite_strict=True,
)
"""Calls that came to more than was reserved for them. They are booked in full."""

refused_call = Table(
    "refused_call",
    metadata,
    text_("organization_id"),
    int_("day"),  # of the time in the uuid7
    Column("call_id", LargeBinary, nullable=False),
    int_("at_us"),
    text_("api_key_id"),
    text_("project_id"),
    text_("model"),
    int_("status"),
    text_("code"),
    text_("message"),
    text_("looked_at"),  # JSON: every limit with its figures
    PrimaryKeyConstraint("organization_id", "day", "call_id"),
    sqlite_strict=True,
)
"""Calls that were refused although their key is good."""

Index("ix_alert_organization_id_fired_at_us_id", alert.c.organization_id, alert.c.fired_at_us, alert.c.id)
Index("ix_overrun_updated_at_us", overrun.c.updated_at_us)
Index("ix_refused_call_day", refused_call.c.day)
