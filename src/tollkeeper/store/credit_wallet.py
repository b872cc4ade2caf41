"""The wallet of an organization: the budget that its credit is, and how much of what calls used is taken from grants.

Its row's lock orders everything that becomes of the credit: take it first. What calls use and leases hold changes all the
while; the wallet's amount is lowered by what nobody holds, under the lock of the budget's node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, select, update

from tollkeeper.domain.budget import Enforcement
from tollkeeper.domain.window import FOREVER
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import new_id
from tollkeeper.store.ledger import insert_missing
from tollkeeper.store.schema_ledger import credit_wallet
from tollkeeper.store.schema_limits import budget, budget_node, lease
from tollkeeper.store.schema_tenancy import organization

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

_COLUMNS = (
    credit_wallet.c.organization_id,
    credit_wallet.c.budget_id,
    credit_wallet.c.attributed_nanos,
    credit_wallet.c.uses_count,
)


class Wallet(msgspec.Struct, frozen=True):
    """How much of what calls have used is taken from grants, by how many uses."""

    organization_id: str
    budget_id: str
    attributed_nanos: int
    uses_count: int


class WalletFigures(msgspec.Struct, frozen=True):
    """The wallet at a moment, in nano-USD. `used` is all that calls came to; `reserved` what leases hold beyond that."""

    granted: int
    used: int
    reserved: int


async def open_wallet(connection: AsyncConnection, organization_id: str) -> Wallet:
    """Return an organization's wallet, locked; an empty one when there was none."""
    found = await lock_wallet(connection, organization_id)
    if found is not None:
        return found
    now = now_us()
    terms = Enforcement()
    row = {
        "organization_id": organization_id,
        "id": new_id("bud"),
        "scope_kind": "credit",
        "scope_id": organization_id,
        "model": "",
        "unit": "usd",
        "period": "total",
        "amount": 0,
        "is_carried_over": 0,
        "is_hard": int(terms.hard_limit),
        "is_exceeding_notified": int(terms.notify_on_exceed),
        "is_exceeding_disabling": int(terms.auto_disable_on_exceed),
        "created_at_us": now,
        "updated_at_us": now,
    }
    await connection.execute(insert_missing(connection, budget).values(row))
    query = select(budget.c.id).where(budget.c.organization_id == organization_id, _is_wallet(organization_id))
    budget_id = str((await connection.execute(query)).scalar_one())
    node = dict.fromkeys(("limit_amount", "carried", "used", "opened_used", "escrow", "recalled_at_us"), 0)
    identity = {
        "organization_id": organization_id,
        "budget_id": budget_id,
        "window_start_us": FOREVER.start_us,
        "is_hard": 1,
        "updated_at_us": now,
    }
    await connection.execute(insert_missing(connection, budget_node).values({**node, **identity}))
    wallet = {
        "organization_id": organization_id,
        "budget_id": budget_id,
        "attributed_nanos": 0,
        "uses_count": 0,
        "updated_at_us": now,
    }
    await connection.execute(insert_missing(connection, credit_wallet).values(wallet))
    made = await lock_wallet(connection, organization_id)
    assert made is not None, "it was just made, by this transaction or another"
    return made


async def lock_wallet(connection: AsyncConnection, organization_id: str) -> Wallet | None:
    """Return an organization's wallet, locked until this transaction ends; None when it has none."""
    query = select(*_COLUMNS).where(credit_wallet.c.organization_id == organization_id).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    return Wallet(*row) if row else None


async def note_attributed(connection: AsyncConnection, wallet: Wallet) -> None:
    """Write how far a locked wallet's usage is taken from grants."""
    values = {"attributed_nanos": wallet.attributed_nanos, "uses_count": wallet.uses_count, "updated_at_us": now_us()}
    await connection.execute(
        update(credit_wallet).where(credit_wallet.c.organization_id == wallet.organization_id).values(**values)
    )


async def read_figures(connection: AsyncConnection, organization_id: str) -> WalletFigures:
    """Return the wallet's figures, all of one moment: a lease that is converted meanwhile counts once."""
    amount = select(budget.c.amount).where(budget.c.organization_id == organization_id, _is_wallet(organization_id))
    mine = credit_wallet.c.organization_id == organization_id
    columns = (
        func.coalesce(amount.scalar_subquery(), 0).label("granted"),
        func.coalesce(select(_used()).where(mine).scalar_subquery(), 0).label("used"),
        func.coalesce(select(_of_nodes(budget_node.c.escrow)).where(mine).scalar_subquery(), 0).label("escrow"),
        func.coalesce(select(_unconverted()).where(mine).scalar_subquery(), 0).label("unconverted"),
    )
    row = (await connection.execute(select(*columns))).one()
    return WalletFigures(int(row.granted), int(row.used), max(int(row.escrow) - int(row.unconverted), 0))


async def read_used(connection: AsyncConnection, wallet: Wallet) -> int:
    """Return all that calls came to, in nano-USD, as of one moment."""
    query = select(_used()).where(credit_wallet.c.organization_id == wallet.organization_id)
    return int((await connection.execute(query)).scalar_one())


async def raise_amount(connection: AsyncConnection, wallet: Wallet, by_nanos: int) -> None:
    """Let calls use so much more."""
    assert by_nanos > 0
    node = await _lock_node(connection, wallet)
    await _set_amount(connection, wallet, int(node.limit_amount) + by_nanos, int(node.recalled_at_us))


async def lower_amount(connection: AsyncConnection, wallet: Wallet, by_nanos: int) -> int:
    """Lower what calls may use by up to so much, but not by what was used or is held; returns by how much.

    When it was less, idle leases are asked for what they hold.
    """
    assert by_nanos > 0
    node = await _lock_node(connection, wallet)
    unheld = int(node.limit_amount) - int(node.used) - int(node.escrow)
    lowered = max(min(by_nanos, unheld), 0)
    recalled_at_us = int(node.recalled_at_us)
    if lowered < by_nanos:
        recalled_at_us = recalled_at_us or now_us()
    if lowered or recalled_at_us != node.recalled_at_us:
        await _set_amount(connection, wallet, int(node.limit_amount) - lowered, recalled_at_us)
    return lowered


async def organizations_behind(connection: AsyncConnection, *, limit: int = 1000) -> list[str]:
    """Return organizations whose calls have used another amount than was taken from grants, and can be."""
    granted = (
        select(budget.c.amount)
        .where(budget.c.organization_id == credit_wallet.c.organization_id, budget.c.id == credit_wallet.c.budget_id)
        .correlate(credit_wallet)
        .scalar_subquery()
    )
    attributed = credit_wallet.c.attributed_nanos
    is_more = (attributed < _used()) & (attributed < granted)  # of what exceeds all grants nothing can be taken
    query = select(credit_wallet.c.organization_id).where(is_more | (attributed > _used()))
    return list(await connection.scalars(query.order_by(credit_wallet.c.updated_at_us).limit(limit)))


async def is_prepaid(connection: AsyncConnection, organization_id: str) -> bool:
    """Tell whether an organization's calls need credit."""
    query = select(organization.c.is_prepaid).where(organization.c.id == organization_id)
    return bool((await connection.execute(query)).scalar_one())


async def set_prepaid(connection: AsyncConnection, organization_id: str, *, is_prepaid: bool) -> bool:
    """Say whether an organization's calls need credit; False when it is so already."""
    changed = (
        update(organization)
        .where(organization.c.id == organization_id, organization.c.is_prepaid != int(is_prepaid))
        .values(is_prepaid=int(is_prepaid))
    )
    return (await connection.execute(changed)).rowcount == 1


async def _lock_node(connection: AsyncConnection, wallet: Wallet) -> Row[Any, *tuple[Any, ...]]:
    columns = (
        budget_node.c.limit_amount,
        budget_node.c.used,
        budget_node.c.escrow,
        budget_node.c.recalled_at_us,
    )
    return (await connection.execute(select(*columns).where(_is_node(wallet)).with_for_update())).one()


async def _set_amount(connection: AsyncConnection, wallet: Wallet, amount: int, recalled_at_us: int) -> None:
    """Write the amount into the budget and into its node, which is locked: whoever grants a lease reads it after."""
    now = now_us()
    values = {"limit_amount": amount, "recalled_at_us": recalled_at_us, "updated_at_us": now}
    await connection.execute(update(budget_node).where(_is_node(wallet)).values(**values))
    changed = update(budget).where(budget.c.organization_id == wallet.organization_id, budget.c.id == wallet.budget_id)
    await connection.execute(changed.values(amount=amount, updated_at_us=now))


def _is_node(wallet: Wallet) -> ColumnElement[bool]:
    return (
        (budget_node.c.organization_id == wallet.organization_id)
        & (budget_node.c.budget_id == wallet.budget_id)
        & (budget_node.c.window_start_us == FOREVER.start_us)
    )


def _is_wallet(organization_id: str) -> ColumnElement[bool]:
    return (
        (budget.c.scope_kind == "credit")
        & (budget.c.scope_id == organization_id)
        & (budget.c.model == "")
        & (budget.c.unit == "usd")
        & (budget.c.period == "total")
    )


def _used() -> ColumnElement[int]:
    """What calls came to: converted, and settled on leases but not converted yet."""
    return _of_nodes(budget_node.c.used) + _unconverted()


def _of_nodes(column: ColumnElement[int]) -> ColumnElement[int]:
    query = select(func.coalesce(func.sum(column), 0)).where(
        budget_node.c.organization_id == credit_wallet.c.organization_id,
        budget_node.c.budget_id == credit_wallet.c.budget_id,
    )
    return query.correlate(credit_wallet).scalar_subquery()


def _unconverted() -> ColumnElement[int]:
    query = select(func.coalesce(func.sum(lease.c.consumed - lease.c.converted), 0)).where(
        lease.c.organization_id == credit_wallet.c.organization_id,
        lease.c.budget_id == credit_wallet.c.budget_id,
    )
    return query.correlate(credit_wallet).scalar_subquery()
