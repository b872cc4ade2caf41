"""Accounts, members, roles, teams, policies of keys, the audit log, and what administration leaves behind."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add what says who may do what."""
    _widen()
    _create_tenancy()
    _create_members()
    _create_sessions()
    _create_audit()
    _create_work()
    _create_indexes()
    op.execute("UPDATE api_key SET kind = 'service' WHERE kind = 'project'")


def _text(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=nullable) for name in names]


def _int(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, _INT, nullable=nullable, autoincrement=False) for name in names]


def _blob(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.LargeBinary(), nullable=False) for name in names]


def _widen() -> None:
    for table, name, default in (
        ("organization", "language", "'en'"),
        ("organization", "required_labels", "'[]'"),
        ("project", "quota_alerts", "'[]'"),
        ("project", "model_limits", "'{}'"),
        ("api_key", "further_project_ids", "'[]'"),
        ("api_key", "allowed_ips", "'[]'"),
        ("api_key", "allowed_models", "'[]'"),
        ("api_key", "rate_limit", "'{}'"),
        ("api_key", "labels", "'{}'"),
    ):
        op.add_column(table, sa.Column(name, sa.Text(), nullable=False, server_default=sa.text(default)))
    flag = sa.Column("is_key_expiry_required", _INT, nullable=False, server_default=sa.text("0"))
    for table, columns in (
        ("organization", [*_int("key_age_max_days", nullable=True), flag]),
        ("project", [*_text("team_id", nullable=True), *_int("archived_at_us", nullable=True)]),
        (
            "api_key",
            [*_text("member_id", "replaced_by", nullable=True), *_int("expiry_warned_days", nullable=True)],
        ),
    ):
        for column in columns:
            op.add_column(table, column)


def _create_tenancy() -> None:
    op.create_table(
        "team",
        *_text("organization_id", "id", "name"),
        *_int("created_at_us"),
        *_int("archived_at_us", nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_team"),
        sa.UniqueConstraint("organization_id", "name", name="uq_team_organization_id_name"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_team_organization"),
        sqlite_strict=True,
    )
    op.create_table(
        "budget",
        *_text("organization_id", "scope_kind", "scope_id", "period"),
        *_int(
            "limit_nanos",
            "is_carried_over",
            "is_hard",
            "is_exceeding_notified",
            "is_exceeding_disabling",
            "updated_at_us",
        ),
        sa.PrimaryKeyConstraint("organization_id", "scope_id", "period", name="pk_budget"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_budget_organization"),
        sqlite_strict=True,
    )
    op.create_table(
        "role",
        *_text("organization_id", "id", "name", "description", "permissions"),
        *_int("created_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_role"),
        sa.UniqueConstraint("organization_id", "name", name="uq_role_organization_id_name"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_role_organization"),
        sqlite_strict=True,
    )
    op.create_table(
        "provider_credential",
        *_text("organization_id", "id", "name", "kind", "base_url", "catalogue"),
        *_blob("sealed_secret"),
        *_text("hint"),
        *_int("created_at_us", "updated_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_provider_credential"),
        sa.UniqueConstraint("organization_id", "name", name="uq_provider_credential_organization_id_name"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_provider_credential_organization"),
        sqlite_strict=True,
    )


def _create_members() -> None:
    op.create_table(
        "account",
        *_text("id", "email", "name"),
        *_text("password_hash", nullable=True),
        *_text("language", "status"),
        *_int("email_verified_at_us", nullable=True),
        *_int("created_at_us"),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("email", name="uq_account_email"),
        sqlite_strict=True,
    )
    op.create_table(
        "identity",
        *_text("issuer", "subject", "account_id"),
        *_int("created_at_us"),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_identity"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_identity_account"),
        sqlite_strict=True,
    )
    op.create_table(
        "member",
        *_text("organization_id", "id", "account_id", "status"),
        *_int("created_at_us"),
        *_int("removed_at_us", nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_member"),
        sa.UniqueConstraint("organization_id", "account_id", name="uq_member_organization_id_account_id"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_member_account"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_member_organization"),
        sqlite_strict=True,
    )
    op.create_table(
        "role_assignment",
        *_text("organization_id", "member_id", "scope_kind", "scope_id", "role_id"),
        *_int("created_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "member_id", "scope_id", "role_id", name="pk_role_assignment"),
        sa.ForeignKeyConstraint(
            ["organization_id", "member_id"], ["member.organization_id", "member.id"], name="fk_role_assignment_member"
        ),
        sqlite_strict=True,
    )
    op.create_table(
        "invite",
        *_text("organization_id", "id", "email"),
        *_blob("digest"),
        *_text("assignments", "invited_by", "status"),
        *_int("created_at_us", "expires_at_us"),
        *_int("accepted_at_us", nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_invite"),
        sa.UniqueConstraint("digest", name="uq_invite_digest"),
        sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name="fk_invite_organization"),
        sqlite_strict=True,
    )


def _create_sessions() -> None:
    op.create_table(
        "session",
        *_blob("digest"),
        *_text("id", "account_id", "address", "agent"),
        *_int("created_at_us", "expires_at_us"),
        sa.PrimaryKeyConstraint("digest", name="pk_session"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_session_account"),
        sqlite_strict=True,
    )
    op.create_table(
        "one_time_token",
        *_blob("digest"),
        *_text("purpose", "account_id"),
        *_int("created_at_us", "expires_at_us"),
        *_int("used_at_us", nullable=True),
        sa.PrimaryKeyConstraint("digest", name="pk_one_time_token"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_one_time_token_account"),
        sqlite_strict=True,
    )
    op.create_table(
        "login_flow",
        *_blob("digest", "sealed_flow"),
        *_int("expires_at_us"),
        sa.PrimaryKeyConstraint("digest", name="pk_login_flow"),
        sqlite_strict=True,
    )


def _create_audit() -> None:
    op.create_table(
        "audit_event",
        *_text("organization_id"),
        *_int("number"),
        *_text("id"),
        *_int("at_us"),
        *_text(
            "actor_kind",
            "actor_id",
            "actor_name",
            "address",
            "request_id",
            "action",
            "target_kind",
            "target_id",
            "target_name",
            "before",
            "after",
        ),
        *_blob("mac"),
        sa.PrimaryKeyConstraint("organization_id", "number", name="pk_audit_event"),
        sqlite_strict=True,
    )
    op.create_table(
        "audit_head",
        *_text("organization_id"),
        *_int("number"),
        *_blob("mac", "seal"),
        sa.PrimaryKeyConstraint("organization_id", name="pk_audit_head"),
        sqlite_strict=True,
    )


def _create_work() -> None:
    op.create_table(
        "idempotency",
        *_text("organization_id", "principal_id", "key"),
        *_blob("fingerprint", "sealed_result"),
        *_int("created_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "principal_id", "key", name="pk_idempotency"),
        sqlite_strict=True,
    )
    op.create_table(
        "outbox",
        *_text("id", "organization_id", "kind", "recipient"),
        *_blob("sealed_message"),
        *_text("status"),
        *_int("attempts", "next_attempt_at_us", "created_at_us"),
        *_int("delivered_at_us", nullable=True),
        *_text("failure"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sqlite_strict=True,
    )
    op.create_table(
        "job_lease",
        *_text("name", "holder"),
        *_int("expires_at_us"),
        sa.PrimaryKeyConstraint("name", name="pk_job_lease"),
        sqlite_strict=True,
    )


def _create_indexes() -> None:
    op.create_index("ix_session_account_id", "session", ["account_id"])
    op.create_index("ix_session_expires_at_us", "session", ["expires_at_us"])
    op.create_index("ix_one_time_token_account_id", "one_time_token", ["account_id"])
    op.create_index("ix_one_time_token_expires_at_us", "one_time_token", ["expires_at_us"])
    op.create_index("ix_audit_event_organization_id_at_us", "audit_event", ["organization_id", "at_us"])
    op.create_index("ix_login_flow_expires_at_us", "login_flow", ["expires_at_us"])
    op.create_index(
        "ix_audit_event_organization_id_action_number", "audit_event", ["organization_id", "action", "number"]
    )
    op.create_index(
        "ix_audit_event_organization_id_actor_id_number", "audit_event", ["organization_id", "actor_id", "number"]
    )
    op.create_index(
        "ix_audit_event_organization_id_target_id_number", "audit_event", ["organization_id", "target_id", "number"]
    )
    op.create_index("ix_idempotency_created_at_us", "idempotency", ["created_at_us"])
    op.create_index("ix_outbox_organization_id_created_at_us_id", "outbox", ["organization_id", "created_at_us", "id"])
    op.create_index("ix_outbox_status_next_attempt_at_us", "outbox", ["status", "next_attempt_at_us"])
    op.create_index(
        "ix_project_organization_id_created_at_us_id", "project", ["organization_id", "created_at_us", "id"]
    )
    op.create_index("ix_project_organization_id_team_id", "project", ["organization_id", "team_id"])
    op.create_index("ix_identity_account_id", "identity", ["account_id"])
    op.create_index("ix_member_account_id", "member", ["account_id"])
    op.create_index("ix_invite_organization_id_created_at_us_id", "invite", ["organization_id", "created_at_us", "id"])
    op.create_index("ix_api_key_expires_at_us", "api_key", ["expires_at_us"])
    op.create_index("ix_api_key_organization_id_member_id", "api_key", ["organization_id", "member_id"])
    op.create_index(
        "ix_api_key_organization_id_project_id_created_at_us_id",
        "api_key",
        ["organization_id", "project_id", "created_at_us", "id"],
    )
    op.create_index("ix_invite_email", "invite", ["email"])
    for table in ("team", "member", "role"):
        op.create_index(
            f"ix_{table}_organization_id_created_at_us_id", table, ["organization_id", "created_at_us", "id"]
        )
    op.create_index("ix_role_assignment_organization_id_scope_id", "role_assignment", ["organization_id", "scope_id"])
    op.create_index(
        "ix_api_key_organization_id_kind_created_at_us_id",
        "api_key",
        ["organization_id", "kind", "created_at_us", "id"],
    )
    op.create_index("ix_api_key_organization_id_name", "api_key", ["organization_id", "name"])
