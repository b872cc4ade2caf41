"""The tables of periodic reports: what an organization wants, what was made, and the letters that went out with it."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table, UniqueConstraint

from tollkeeper.store.columns import int_, metadata, text_

report_settings = Table(
    "report_settings",
    metadata,
    text_("organization_id"),
    int_("weekly_since_us", nullable=True),  # NULL is off
    int_("monthly_since_us", nullable=True),
    int_("weekday"),  # 0 is Monday
    int_("hour"),
    text_("recipients"),  # JSON: members' ids; none is everybody who may read reports
    int_("updated_at_us"),
    PrimaryKeyConstraint("organization_id"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday_known"),
    CheckConstraint("hour BETWEEN 0 AND 23", name="hour_known"),
    sqlite_strict=True,
)
"""What an organization said about its reports; one that said nothing has no row."""

periodic_report = Table(
    "periodic_report",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("kind"),  # weekly or monthly
    text_("first_day"),  # local days as ISO dates, both included
    text_("last_day"),
    int_("made_at_us"),
    int_("requests"),  # these three are in the content too
    int_("unpriced_requests"),
    int_("amount_nanos"),
    int_("scheduled_at_us", nullable=True),  # when it was its turn; NULL for one that somebody asked for before
    text_("unsent_because"),  # why its turn brought no letter: see periodic_reports.Unsent
    text_("content"),  # JSON, see domain.report.ReportContent
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "kind", "first_day"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)
"""Reports as they were when they were made: their figures never change."""

report_letter = Table(
    "report_letter",
    metadata,
    text_("organization_id"),
    text_("mail_id"),  # its row in the outbox, as long as it is kept there
    text_("report_id"),
    text_("member_id"),
    text_("recipient"),
    text_("status"),  # of the outbox; the last one that was seen
    text_("failure"),
    int_("created_at_us"),
    int_("delivered_at_us", nullable=True),
    PrimaryKeyConstraint("organization_id", "mail_id"),
    ForeignKeyConstraint(["organization_id", "report_id"], ["periodic_report.organization_id", "periodic_report.id"]),
    sqlite_strict=True,
)
"""To whom a report was sent, and what became of it."""

Index(
    "ix_periodic_report_organization_id_made_at_us_id",
    periodic_report.c.organization_id,
    periodic_report.c.made_at_us,
    periodic_report.c.id,
)
Index("ix_report_letter_organization_id_report_id", report_letter.c.organization_id, report_letter.c.report_id)
Index("ix_report_letter_status", report_letter.c.status)
