"""The tables of who there is and who may do what: organizations, teams, projects, people, roles, api keys; files."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)

from tollkeeper.store.columns import int_, metadata, text_

organization = Table(
    "organization",
    metadata,
    text_("id"),
    text_("name"),
    text_("timezone"),
    int_("created_at_us"),
    text_("language", default="en"),
    int_("key_age_max_days", nullable=True),
    int_("is_key_expiry_required", default=0),
    text_("required_labels", default="[]"),  # a JSON array of names, sorted
    text_("tier", default="enterprise"),  # whose defaults hold: see the settings' [tiers]
    int_("fiscal_month_start", default=1),  # the day of the month, 1 to 28
    int_("is_prepaid", default=0),  # calls need credit
    text_("display_currency", default=""),  # an ISO 4217 code; "" for none
    int_("display_rate_micros", default=0),  # millionths of it per dollar
    text_("display_rate_date", default=""),  # the day that the rate is of, ISO 8601
    text_("display_rate_source", default=""),
    PrimaryKeyConstraint("id"),
    sqlite_strict=True,
)

team = Table(
    "team",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("name"),
    int_("created_at_us"),
    int_("archived_at_us", nullable=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name"),  # an archived team's name ends with when
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)

project = Table(
    "project",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("name"),
    int_("created_at_us"),
    text_("team_id", nullable=True),
    int_("archived_at_us", nullable=True),
    text_("quota_alerts", default="[]"),  # JSON, see domain.budget.QuotaAlert
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name"),  # an archived project's name ends with when
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)

account = Table(
    "account",
    metadata,
    text_("id"),
    text_("email"),  # as normalised by domain.account
    text_("name"),
    text_("password_hash", nullable=True),  # argon2id; NULL for who logs in elsewhere
    text_("language"),
    text_("status"),
    int_("email_verified_at_us", nullable=True),
    int_("created_at_us"),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("email"),
    sqlite_strict=True,
)
"""A person's login. What the person may do is a matter of each organization: see member."""

identity = Table(
    "identity",
    metadata,
    text_("issuer"),
    text_("subject"),
    text_("account_id"),
    int_("created_at_us"),
    PrimaryKeyConstraint("issuer", "subject"),
    ForeignKeyConstraint(["account_id"], ["account.id"]),
    sqlite_strict=True,
)
"""An account's login at an OpenID provider."""

member = Table(
    "member",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("account_id"),
    text_("status"),
    int_("created_at_us"),
    int_("removed_at_us", nullable=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "account_id"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    ForeignKeyConstraint(["account_id"], ["account.id"]),
    sqlite_strict=True,
)

role = Table(
    "role",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("name"),
    text_("description"),
    text_("permissions"),  # a JSON array of names, sorted
    int_("created_at_us"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)
"""Custom roles; the predefined ones are in domain.role."""

role_assignment = Table(
    "role_assignment",
    metadata,
    text_("organization_id"),
    text_("member_id"),
    text_("scope_kind"),
    text_("scope_id"),
    text_("role_id"),
    int_("created_at_us"),
    PrimaryKeyConstraint("organization_id", "member_id", "scope_id", "role_id"),
    ForeignKeyConstraint(["organization_id", "member_id"], ["member.organization_id", "member.id"]),
    sqlite_strict=True,
)

invite = Table(
    "invite",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("email"),
    Column("digest", LargeBinary, nullable=False),
    text_("assignments"),  # JSON, see domain.role.Assignment
    text_("invited_by"),
    text_("status"),
    int_("created_at_us"),
    int_("expires_at_us"),
    int_("accepted_at_us", nullable=True),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("digest"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)

api_key = Table(
    "api_key",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("project_id", nullable=True),  # NULL for an administration key
    text_("name"),
    text_("kind"),
    Column("digest", LargeBinary, nullable=False),
    int_("pepper_version"),
    text_("status"),
    text_("permissions"),  # a JSON array of names, sorted
    int_("created_at_us"),
    int_("expires_at_us", nullable=True),
    int_("last_used_at_us", nullable=True),
    int_("disabled_at_us", nullable=True),
    int_("deleted_at_us", nullable=True),
    text_("member_id", nullable=True),  # whose key it is; NULL for one that belongs to no person
    text_("further_project_ids", default="[]"),  # which other projects a member's key may choose
    text_("allowed_ips", default="[]"),  # addresses and networks; empty lets all in, as in the next one
    text_("allowed_models", default="[]"),  # names and patterns
    text_("rate_limit", default="{}"),  # JSON, see domain.api_key.RateLimit
    text_("labels", default="{}"),  # JSON: what every call of the key carries
    text_("replaced_by", nullable=True),  # the key that a rotation made of it
    int_("expiry_warned_days", nullable=True),  # the last warning sent: so many days ahead
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("digest"),  # the one look-up that does not know its organization yet
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    ForeignKeyConstraint(["organization_id", "project_id"], ["project.organization_id", "project.id"]),
    Index(None, "organization_id", "replaced_by"),
    sqlite_strict=True,
)

provider_credential = Table(
    "provider_credential",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("name"),  # of the provider, as in `provider/model`
    text_("kind"),
    text_("base_url"),
    text_("catalogue"),
    Column("sealed_secret", LargeBinary, nullable=False),  # kit.vault, bound to organization, id and base URL
    text_("hint"),  # the last characters, so that people can tell secrets apart
    int_("created_at_us"),
    int_("updated_at_us"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "name"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)
"""An organization's own access to a provider, used instead of the operator's."""

provider_file = Table(
    "provider_file",
    metadata,
    text_("organization_id"),
    text_("project_id"),
    text_("id"),  # the provider's own
    text_("provider"),
    text_("credential_id"),
    text_("purpose"),
    int_("bytes"),
    text_("filename"),
    int_("created_at_us"),
    int_("expires_at_us", nullable=True),
    PrimaryKeyConstraint("organization_id", "project_id", "id"),
    ForeignKeyConstraint(["organization_id", "project_id"], ["project.organization_id", "project.id"]),
    sqlite_strict=True,
)
"""Whose the files are that lie at providers."""

Index("ix_api_key_organization_id_created_at_us_id", api_key.c.organization_id, api_key.c.created_at_us, api_key.c.id)
Index(
    "ix_api_key_organization_id_project_id_created_at_us_id",
    api_key.c.organization_id,
    api_key.c.project_id,
    api_key.c.created_at_us,
    api_key.c.id,
)
Index("ix_api_key_organization_id_member_id", api_key.c.organization_id, api_key.c.member_id)
Index("ix_api_key_expires_at_us", api_key.c.expires_at_us)
Index("ix_project_organization_id_created_at_us_id", project.c.organization_id, project.c.created_at_us, project.c.id)
Index("ix_project_organization_id_team_id", project.c.organization_id, project.c.team_id)
Index("ix_member_account_id", member.c.account_id)
Index("ix_identity_account_id", identity.c.account_id)
Index("ix_invite_organization_id_created_at_us_id", invite.c.organization_id, invite.c.created_at_us, invite.c.id)
Index("ix_invite_email", invite.c.email)
Index("ix_team_organization_id_created_at_us_id", team.c.organization_id, team.c.created_at_us, team.c.id)
Index("ix_member_organization_id_created_at_us_id", member.c.organization_id, member.c.created_at_us, member.c.id)
Index("ix_role_organization_id_created_at_us_id", role.c.organization_id, role.c.created_at_us, role.c.id)
Index("ix_role_assignment_organization_id_scope_id", role_assignment.c.organization_id, role_assignment.c.scope_id)
Index(
    "ix_api_key_organization_id_kind_created_at_us_id",
    api_key.c.organization_id,
    api_key.c.kind,
    api_key.c.created_at_us,
    api_key.c.id,
)
Index("ix_api_key_organization_id_name", api_key.c.organization_id, api_key.c.name)
Index(
    "ix_provider_file_organization_id_project_id_created_at_us_id",
    provider_file.c.organization_id,
    provider_file.c.project_id,
    provider_file.c.created_at_us,
    provider_file.c.id,
)
Index("ix_provider_file_expires_at_us", provider_file.c.expires_at_us)
