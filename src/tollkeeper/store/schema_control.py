"""The tables that the administration leaves behind: sessions, tokens, the audit log, repeated requests, e-mails, leases."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, Table

from tollkeeper.store.columns import int_, metadata, text_

session = Table(
    "session",
    metadata,
    Column("digest", LargeBinary, nullable=False),  # of the session's token
    text_("id"),
    text_("account_id"),
    text_("address"),
    text_("agent"),
    int_("created_at_us"),
    int_("expires_at_us"),
    PrimaryKeyConstraint("digest"),
    ForeignKeyConstraint(["account_id"], ["account.id"]),
    sqlite_strict=True,
)

one_time_token = Table(
    "one_time_token",
    metadata,
    Column("digest", LargeBinary, nullable=False),
    text_("purpose"),
    text_("account_id"),
    int_("created_at_us"),
    int_("expires_at_us"),
    int_("used_at_us", nullable=True),
    PrimaryKeyConstraint("digest"),
    ForeignKeyConstraint(["account_id"], ["account.id"]),
    sqlite_strict=True,
)
"""What a link in an e-mail carries: verifies an address or sets a password, once."""

login_flow = Table(
    "login_flow",
    metadata,
    Column("digest", LargeBinary, nullable=False),  # of the state that the browser carries
    Column("sealed_flow", LargeBinary, nullable=False),
    int_("expires_at_us"),
    PrimaryKeyConstraint("digest"),
    sqlite_strict=True,
)
"""A login under way at an OpenID provider; its row is taken away by the first who comes back."""

audit_event = Table(
    "audit_event",
    metadata,
    text_("organization_id"),  # "" for what concerns no organization
    int_("number"),  # 1, 2, 3 … without gaps
    text_("id"),
    int_("at_us"),
    text_("actor_kind"),
    text_("actor_id"),
    text_("actor_name"),
    text_("address"),
    text_("request_id"),
    text_("action"),
    text_("target_kind"),
    text_("target_id"),
    text_("target_name"),
    text_("before"),  # JSON, "null" when there was nothing
    text_("after"),
    Column("mac", LargeBinary, nullable=False),  # over the row and the mac before it
    PrimaryKeyConstraint("organization_id", "number"),
    sqlite_strict=True,
)

audit_head = Table(
    "audit_head",
    metadata,
    text_("organization_id"),
    int_("number"),
    Column("mac", LargeBinary, nullable=False),  # of the last event; its lock orders the events
    Column("seal", LargeBinary, nullable=False),  # over number and mac, so that a shortened log is noticed
    PrimaryKeyConstraint("organization_id"),
    sqlite_strict=True,
)

idempotency = Table(
    "idempotency",
    metadata,
    text_("organization_id"),
    text_("principal_id"),
    text_("key"),
    Column("fingerprint", LargeBinary, nullable=False),  # of the request: method, path, body
    Column("sealed_result", LargeBinary, nullable=False),
    int_("created_at_us"),
    PrimaryKeyConstraint("organization_id", "principal_id", "key"),
    sqlite_strict=True,
)
"""What a request with an Idempotency-Key brought about, so that its repetition is answered the same."""

outbox = Table(
    "outbox",
    metadata,
    text_("id"),
    text_("organization_id"),
    text_("kind"),
    text_("recipient"),
    Column("sealed_message", LargeBinary, nullable=False),
    text_("status"),
    int_("attempts"),
    int_("next_attempt_at_us"),
    int_("created_at_us"),
    int_("delivered_at_us", nullable=True),
    text_("failure"),
    text_("channel", default="email"),  # email, slack or webhook
    text_("alert_id", default=""),  # what it tells of, when that is an alert
    PrimaryKeyConstraint("id"),
    sqlite_strict=True,
)
"""Messages to be delivered, written with what they tell of. `recipient` is an address, or the id of an alert's target."""

job_lease = Table(
    "job_lease",
    metadata,
    text_("name"),
    text_("holder"),
    int_("expires_at_us"),
    PrimaryKeyConstraint("name"),
    sqlite_strict=True,
)
"""Which process does a background job at the moment."""

Index("ix_session_account_id", session.c.account_id)
Index("ix_session_expires_at_us", session.c.expires_at_us)
Index("ix_one_time_token_account_id", one_time_token.c.account_id)
Index("ix_one_time_token_expires_at_us", one_time_token.c.expires_at_us)
Index("ix_login_flow_expires_at_us", login_flow.c.expires_at_us)
Index(
    "ix_audit_event_organization_id_action_number",
    audit_event.c.organization_id,
    audit_event.c.action,
    audit_event.c.number,
)
Index(
    "ix_audit_event_organization_id_target_id_number",
    audit_event.c.organization_id,
    audit_event.c.target_id,
    audit_event.c.number,
)
Index(
    "ix_audit_event_organization_id_actor_id_number",
    audit_event.c.organization_id,
    audit_event.c.actor_id,
    audit_event.c.number,
)
Index("ix_audit_event_organization_id_at_us", audit_event.c.organization_id, audit_event.c.at_us)
Index("ix_idempotency_created_at_us", idempotency.c.created_at_us)
Index("ix_outbox_status_next_attempt_at_us", outbox.c.status, outbox.c.next_attempt_at_us)
Index("ix_outbox_organization_id_created_at_us_id", outbox.c.organization_id, outbox.c.created_at_us, outbox.c.id)
