"""The tables of the ledger: accounts, transactions and their entries, credit grants and what became of them."""

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

ledger_account = Table(
    "ledger_account",
    metadata,
    text_("organization_id"),
    text_("id"),  # kind:currency
    text_("kind"),  # see domain.ledger.AccountKind
    text_("currency"),
    int_("balance_nanos"),  # the sum of its entries
    PrimaryKeyConstraint("organization_id", "id"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)

ledger_transaction = Table(
    "ledger_transaction",
    metadata,
    text_("organization_id"),
    Column("id", LargeBinary, nullable=False),
    text_("kind"),  # see domain.ledger.TransactionKind
    text_("idempotency_key"),
    Column("content_hash", LargeBinary, nullable=False),
    Column("reverses", LargeBinary, nullable=True),
    int_("effective_at_us"),
    int_("booked_at_us"),
    PrimaryKeyConstraint("organization_id", "id"),
    UniqueConstraint("organization_id", "idempotency_key"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)
"""Append-only: a correction is another transaction."""

ledger_entry = Table(
    "ledger_entry",
    metadata,
    text_("organization_id"),
    Column("transaction_id", LargeBinary, nullable=False),
    int_("line"),
    text_("account_id"),
    int_("amount_nanos"),  # a debit when positive, a credit when negative
    text_("grant_id"),  # "" when no credit moved
    PrimaryKeyConstraint("organization_id", "transaction_id", "line"),
    ForeignKeyConstraint(
        ["organization_id", "transaction_id"], ["ledger_transaction.organization_id", "ledger_transaction.id"]
    ),
    ForeignKeyConstraint(["organization_id", "account_id"], ["ledger_account.organization_id", "ledger_account.id"]),
    CheckConstraint("amount_nanos <> 0", name="not_nothing"),
    sqlite_strict=True,
)
"""Append-only. The entries of a transaction sum to zero in every currency."""

credit_wallet = Table(
    "credit_wallet",
    metadata,
    text_("organization_id"),
    text_("budget_id"),  # the budget that calls are held to
    int_("attributed_nanos"),  # how much of what calls have used is taken from grants
    int_("uses_count"),
    int_("updated_at_us"),
    PrimaryKeyConstraint("organization_id"),
    ForeignKeyConstraint(["organization_id", "budget_id"], ["budget.organization_id", "budget.id"]),
    sqlite_strict=True,
)
"""One row for an organization with credit; its lock orders everything that becomes of the credit."""

credit_grant = Table(
    "credit_grant",
    metadata,
    text_("organization_id"),
    text_("id"),
    text_("kind"),  # see domain.credit.GrantKind
    int_("amount_nanos"),
    int_("remaining_nanos"),
    int_("removed_nanos"),  # what expired or was voided
    int_("priority"),
    int_("effective_at_us"),
    int_("expires_at_us", nullable=True),
    text_("status"),  # see domain.credit.GrantStatus
    text_("note"),
    text_("created_by"),
    int_("created_at_us"),
    int_("due_at_us", nullable=True),  # when what remains is to be taken away
    PrimaryKeyConstraint("organization_id", "id"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    CheckConstraint("remaining_nanos >= 0 AND remaining_nanos <= amount_nanos", name="remaining_within"),
    CheckConstraint("removed_nanos >= 0", name="removed_not_negative"),
    sqlite_strict=True,
)

credit_use = Table(
    "credit_use",
    metadata,
    text_("organization_id"),
    int_("number"),  # 1, 2, 3: the order in which they are taken back is the opposite
    Column("transaction_id", LargeBinary, nullable=False),
    text_("grant_id"),
    int_("amount_nanos"),  # negative when it is taken back
    PrimaryKeyConstraint("organization_id", "number"),
    ForeignKeyConstraint(
        ["organization_id", "transaction_id"], ["ledger_transaction.organization_id", "ledger_transaction.id"]
    ),
    ForeignKeyConstraint(["organization_id", "grant_id"], ["credit_grant.organization_id", "credit_grant.id"]),
    CheckConstraint("amount_nanos <> 0", name="not_nothing"),
    sqlite_strict=True,
)
"""Append-only: which grant what was used was taken from."""

ledger_usage_day = Table(
    "ledger_usage_day",
    metadata,
    text_("organization_id"),
    int_("day"),  # UTC days since 1970, as the rollups' hours
    int_("amount_nanos"),  # of this day's calls, as far as it is booked
    int_("transactions_count"),
    PrimaryKeyConstraint("organization_id", "day"),
    ForeignKeyConstraint(["organization_id"], ["organization.id"]),
    sqlite_strict=True,
)
"""How much of each day's usage is in the books."""

Index("ix_credit_grant_due_at_us", credit_grant.c.due_at_us)
Index(
    "ix_credit_grant_organization_id_created_at_us_id",
    credit_grant.c.organization_id,
    credit_grant.c.created_at_us,
    credit_grant.c.id,
)
Index("ix_ledger_entry_organization_id_account_id", ledger_entry.c.organization_id, ledger_entry.c.account_id)
Index("ix_ledger_entry_organization_id_grant_id", ledger_entry.c.organization_id, ledger_entry.c.grant_id)
