"""The ledger: accounts, transactions, entries, credit grants and their uses, and what of each day's usage is booked."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables."""
    _create_books()
    _create_credit()
    for table, columns in (
        ("credit_grant", ["due_at_us"]),
        ("credit_grant", ["organization_id", "created_at_us", "id"]),
        ("ledger_entry", ["organization_id", "account_id"]),
        ("ledger_entry", ["organization_id", "grant_id"]),
    ):
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _int(*names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, _INT, nullable=nullable, autoincrement=False) for name in names]


def _blob(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=nullable)


def _of_organization(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["organization_id"], ["organization.id"], name=f"fk_{table}_organization")


def _of(table: str, column: str, referred: str) -> sa.ForeignKeyConstraint:
    """Make the key that refers to another table's row of the same organization."""
    referred_columns = [f"{referred}.organization_id", f"{referred}.id"]
    return sa.ForeignKeyConstraint(["organization_id", column], referred_columns, name=f"fk_{table}_{referred}")


def _create_books() -> None:
    op.create_table(
        "ledger_account",
        *_text("organization_id", "id", "kind", "currency"),
        *_int("balance_nanos"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_ledger_account"),
        _of_organization("ledger_account"),
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_transaction",
        *_text("organization_id"),
        _blob("id"),
        *_text("kind", "idempotency_key"),
        _blob("content_hash"),
        _blob("reverses", nullable=True),
        *_int("effective_at_us", "booked_at_us"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_ledger_transaction"),
        sa.UniqueConstraint(
            "organization_id", "idempotency_key", name="uq_ledger_transaction_organization_id_idempotency_key"
        ),
        _of_organization("ledger_transaction"),
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_entry",
        *_text("organization_id"),
        _blob("transaction_id"),
        *_int("line"),
        *_text("account_id"),
        *_int("amount_nanos"),
        *_text("grant_id"),
        sa.PrimaryKeyConstraint("organization_id", "transaction_id", "line", name="pk_ledger_entry"),
        _of("ledger_entry", "transaction_id", "ledger_transaction"),
        _of("ledger_entry", "account_id", "ledger_account"),
        sa.CheckConstraint("amount_nanos <> 0", name="not_nothing"),
        sqlite_strict=True,
    )
    op.create_table(
        "ledger_usage_day",
        *_text("organization_id"),
        *_int("day", "amount_nanos", "transactions_count"),
        sa.PrimaryKeyConstraint("organization_id", "day", name="pk_ledger_usage_day"),
        _of_organization("ledger_usage_day"),
        sqlite_strict=True,
    )


def _create_credit() -> None:
    op.create_table(
        "credit_wallet",
        *_text("organization_id", "budget_id"),
        *_int("attributed_nanos", "uses_count", "updated_at_us"),
        sa.PrimaryKeyConstraint("organization_id", name="pk_credit_wallet"),
        _of("credit_wallet", "budget_id", "budget"),
        sqlite_strict=True,
    )
    op.create_table(
        "credit_grant",
        *_text("organization_id", "id", "kind"),
        *_int("amount_nanos", "remaining_nanos", "removed_nanos", "priority", "effective_at_us"),
        *_int("expires_at_us", nullable=True),
        *_text("status", "note", "created_by"),
        *_int("created_at_us"),
        *_int("due_at_us", nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_credit_grant"),
        _of_organization("credit_grant"),
        sa.CheckConstraint("remaining_nanos >= 0 AND remaining_nanos <= amount_nanos", name="remaining_within"),
        sa.CheckConstraint("removed_nanos >= 0", name="removed_not_negative"),
        sqlite_strict=True,
    )
    op.create_table(
        "credit_use",
        *_text("organization_id"),
        *_int("number"),
        _blob("transaction_id"),
        *_text("grant_id"),
        *_int("amount_nanos"),
        sa.PrimaryKeyConstraint("organization_id", "number", name="pk_credit_use"),
        _of("credit_use", "transaction_id", "ledger_transaction"),
        _of("credit_use", "grant_id", "credit_grant"),
        sa.CheckConstraint("amount_nanos <> 0", name="not_nothing"),
        sqlite_strict=True,
    )
