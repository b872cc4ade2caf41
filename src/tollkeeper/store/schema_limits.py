"""The tables of what calls are held to: budgets and what became of them per window, leases, replicas, rates."""

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
    text,
)

from tollkeeper.store.columns import int_, metadata, text_

budget = Table(
    "budget",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("scope_kind"),  # see domain.limit.LimitScope
    text_("scope_id"),
    text_("model"),  # as calls ask for it; "" is every model
    text_("unit"),  # see domain.limit.Unit
    text_("period"),
    int_("amount"),  # nano-USD, or a count, by unit
    int_("is_carried_over"),
    int_("is_hard"),
    int_("is_exceeding_notified"),
    int_("is_exceeding_disabling"),
    int_("created_at_us"),
    int_("updated_at_us"),
    int_("is_from_tier", default=0),  # the organization's tier wrote it, and no person since
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "scope_id", "model", "unit", "period", "scope_kind"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)
"""What was allotted per period: money, or a count of requests, tokens or calls at once."""

former_budget = Table(
    "former_budget",
    metadata,
    text_("organization_id"),
    text_("scope_id"),
    text_("model"),
    text_("unit"),
    text_("period"),
    text_("id"),
    PrimaryKeyConstraint("organization_id", "scope_id", "model", "unit", "period"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)
"""Budgets that were taken away: made anew, one has its id again, and so what was used and is held of it."""

budget_increase = Table(
    "budget_increase",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("budget_id"),
    int_("amount"),
    int_("from_us"),
    int_("until_us"),
    text_("note"),
    text_("created_by"),
    int_("created_at_us"),
    PrimaryKeyConstraint("organization_id", "id"),
    ForeignKeyConstraint(["organization_id", "budget_id"], ["budget.organization_id", "budget.id"], ondelete="CASCADE"),
    sqlite_strict=True,
)
"""What a budget has more for a time."""

budget_request = Table(
    "budget_request",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("scope_kind"),
    text_("scope_id"),
    text_("model"),
    text_("unit"),
    text_("period"),
    int_("amount"),  # what is asked for, as a whole
    text_("reason"),
    text_("status"),  # pending, approved, denied, withdrawn
    text_("asked_by"),
    text_("decided_by"),
    text_("answer"),
    int_("created_at_us"),
    int_("decided_at_us", nullable=True),
    PrimaryKeyConstraint("organization_id", "id"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)
"""Who asks for more, and what came of it."""

budget_node = Table(
    "budget_node",
    metadata,
    text_("organization_id"),
    text_("budget_id"),
    int_("window_start_us"),
    int_("window_end_us", nullable=True),  # NULL for one without an end
    int_("limit_amount"),  # what the budget amounts to in this window: with what was carried over and increases
    int_("carried"),
    int_("used"),
    int_("opened_used"),  # the part of `used` that was there before the first lease
    int_("escrow"),  # what leases hold of the rest
    int_("is_hard"),
    int_("recalled_at_us"),  # since when idle leases are wanted back; 0 when they are not
    int_("stopped_at_us", nullable=True),  # since when nothing more is let in, whatever is left
    int_("updated_at_us"),
    int_("limit_highest", default=0),  # as far as `used + escrow` could lawfully come before the limit was lowered
    int_("overrun", default=0),  # the part of `used` by which calls came to more than was reserved
    PrimaryKeyConstraint("organization_id", "budget_id", "window_start_us"),
    CheckConstraint("escrow >= 0", name="escrow_not_negative"),
    sqlite_strict=True,
)
"""A budget in one window of its period. At every commit `used + escrow <= limit_amount`, but for what calls cost beyond
their reservation, what a limit was lowered by, and budgets that are not hard."""

lease = Table(
    "lease",
    metadata,
    text_("organization_id"),
    Column("id", LargeBinary, nullable=False),
    text_("budget_id"),
    int_("window_start_us"),
    text_("holder"),  # the replica's journal slot
    text_("state"),  # see domain.lease.LeaseState
    int_("operation"),  # the number of the last one done: a repeated one changes nothing
    int_("amount"),
    int_("consumed"),  # by the usage records in the database
    int_("converted"),  # the part of `consumed` that is in the node's `used`
    int_("booked", default=0),  # in `used` as well: what a person decided for lost records, less what then came of them
    int_("created_at_us"),
    int_("updated_at_us"),
    PrimaryKeyConstraint("organization_id", "id"),
    CheckConstraint("amount >= 0", name="amount_not_negative"),
    sqlite_strict=True,
)
"""A replica's part of a node: money or counts that only it may draw on."""

replica = Table(
    "replica",
    metadata,
    text_("holder"),
    int_("started_at_us"),
    int_("heard_at_us"),  # by the database's clock
    PrimaryKeyConstraint("holder"),
    sqlite_strict=True,
)
"""Which replicas are alive."""

rate_limit = Table(
    "rate_limit",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("scope_kind"),  # organization, team, project, member or api_key
    text_("scope_id"),
    text_("model"),  # "" is every model
    int_("requests_per_minute", nullable=True),
    int_("tokens_per_minute", nullable=True),
    int_("created_at_us"),
    int_("updated_at_us"),
    int_("is_from_tier", default=0),  # as a budget's
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "scope_id", "model", "scope_kind"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)
"""How fast calls may come."""

rate_demand = Table(
    "rate_demand",
    metadata,
    text_("organization_id"),
    text_("rate_limit_id"),
    text_("holder"),
    int_("requests"),  # asked for within the last interval, let in or not
    int_("tokens"),
    int_("told_at_us"),
    PrimaryKeyConstraint("organization_id", "rate_limit_id", "holder"),
    sqlite_strict=True,
)
"""How much of a rate each replica needs: what they divide it by."""

deployment_health = Table(
    "deployment_health",
    metadata,
    text_("holder"),
    text_("credential_id"),
    text_("provider"),
    text_("model"),
    int_("served"),  # since the replica's start, as all counts
    int_("failures"),
    int_("rests_until_us"),
    int_("failed_at_us"),
    int_("last_status"),  # 0 when no answer came
    text_("last_reason"),
    int_("told_at_us"),
    PrimaryKeyConstraint("holder", "credential_id", "provider", "model"),
    sqlite_strict=True,
)
"""How each replica finds the deployments that it calls: what they warn each other by."""

Index("ix_deployment_health_rests_until_us", deployment_health.c.rests_until_us)
Index("ix_budget_organization_id_scope_id", budget.c.organization_id, budget.c.scope_id)
Index("ix_budget_increase_organization_id_budget_id", budget_increase.c.organization_id, budget_increase.c.budget_id)
Index(
    "ix_budget_request_organization_id_created_at_us_id",
    budget_request.c.organization_id,
    budget_request.c.created_at_us,
    budget_request.c.id,
)
Index("ix_budget_node_updated_at_us", budget_node.c.updated_at_us)
Index(
    "ix_budget_node_recalled",
    budget_node.c.organization_id,
    budget_node.c.budget_id,
    postgresql_where=text("recalled_at_us > 0"),
    sqlite_where=text("recalled_at_us > 0"),
)
Index("ix_lease_holder_state", lease.c.holder, lease.c.state)
for _name, _columns, _where in (
    ("ix_lease_late", (lease.c.organization_id, lease.c.id), "state = 'closed' AND consumed > converted"),
    ("ix_lease_living", (lease.c.organization_id, lease.c.id), "state != 'closed'"),
    ("ix_lease_closed", (lease.c.updated_at_us,), "state = 'closed'"),
):
    Index(_name, *_columns, postgresql_where=text(_where), sqlite_where=text(_where))
Index(
    "ix_lease_organization_id_budget_id_window_start_us",
    lease.c.organization_id,
    lease.c.budget_id,
    lease.c.window_start_us,
)
