"""Which budgets and rate limits an organization's tier wrote: so far the audit log alone said it."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BUDGETS = (
    "SELECT organization_id, id, scope_id, model, unit, period, amount, is_carried_over, is_hard,"
    " is_exceeding_notified, is_exceeding_disabling FROM budget WHERE scope_kind = 'organization'"
)
_RATES = (
    "SELECT organization_id, id, scope_id, model, requests_per_minute, tokens_per_minute FROM rate_limit"
    " WHERE scope_kind = 'organization'"
)
_MARK = {
    "budget": "UPDATE budget SET is_from_tier = 1 WHERE organization_id = :organization_id AND id = :id",
    "rate_limit": "UPDATE rate_limit SET is_from_tier = 1 WHERE organization_id = :organization_id AND id = :id",
}
_WRITTEN = (
    "SELECT after FROM audit_event WHERE organization_id = :organization_id AND action = :action AND target_id = :id"
    " ORDER BY number DESC LIMIT 1"
)


def upgrade() -> None:
    """Add the columns, and mark what a tier wrote last and nobody changed since."""
    for table in ("budget", "rate_limit"):
        is_from_tier = sa.Column("is_from_tier", _INT, nullable=False, server_default=sa.text("0"), autoincrement=False)
        op.add_column(table, is_from_tier)
    for table, query, shown in (("budget", _BUDGETS, _shown_budget), ("rate_limit", _RATES, _shown_rates)):
        for row in op.get_bind().execute(sa.text(query)).mappings().all():
            if _is_tiers(table, row["organization_id"], row["id"], shown(row)):
                where = {"organization_id": row["organization_id"], "id": row["id"]}
                op.get_bind().execute(sa.text(_MARK[table]), where)


def _is_tiers(table: str, organization_id: str, id_: str, shown: dict[str, Any]) -> bool:
    """Tell whether the log says that a tier wrote a limit last, as it is now; without a word it is a person's."""
    asked = {"organization_id": organization_id, "id": id_, "action": f"{table}.set"}
    after = op.get_bind().execute(sa.text(_WRITTEN), asked).scalar()
    written = json.loads(after) if after is not None else {}
    return "tier" in written and {name: written.get(name) for name in shown} == shown


def _shown_budget(row: Any) -> dict[str, Any]:
    """Return a budget as the log has it; it leaves out what is usual."""
    enforcement = {
        "hard_limit": bool(row["is_hard"]),
        "notify_on_exceed": bool(row["is_exceeding_notified"]),
        "auto_disable_on_exceed": bool(row["is_exceeding_disabling"]),
    }
    unit = row["unit"]
    return {
        "scope": row["scope_id"],
        "model": row["model"] or None,
        "unit": None if unit == "usd" else unit,
        "period": row["period"],
        "amount_usd": _dollars(row["amount"]) if unit == "usd" else None,
        "amount": None if unit == "usd" else row["amount"],
        "carryover": bool(row["is_carried_over"]),
        "enforcement": enforcement,
    }


def _shown_rates(row: Any) -> dict[str, Any]:
    names = ("model", "requests_per_minute", "tokens_per_minute")
    return {"scope": row["scope_id"], **{name: row[name] for name in names}}


def _dollars(nanos: int) -> str:
    """Write dollars with two decimals at least, and no zeros behind those."""
    whole, rest = divmod(nanos, 1_000_000_000)
    digits = f"{rest:09}".rstrip("0")
    return f"{whole}.{digits:0<2}"
