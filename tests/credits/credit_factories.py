"""An organization with credit: grants, leases as replicas hold them, and what calls used of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import insert, text, update
from tests.fakes.new_keys import create_admin_key

from tollkeeper.control.administration import Administration, Caller, Repetition, Secrets, operator
from tollkeeper.control.credit_attribution import settle_credit
from tollkeeper.control.credits import CreditBalance, GrantTerms, get_balance, get_grant, grant_credit
from tollkeeper.domain.credit import CreditGrant, GrantKind
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store.credit_wallet import Wallet, open_wallet
from tollkeeper.store.engine import Store
from tollkeeper.store.organizations import create_organization
from tollkeeper.store.schema_ledger import credit_grant
from tollkeeper.store.schema_limits import budget_node, lease
from tollkeeper.store.verify import Difference
from tollkeeper.store.verify_ledger import verify_ledger

PEPPER = b"p" * 32
USD = 10**9


class Purse:
    """One organization's credit, and whoever uses it."""

    def __init__(self, store: Store, organization_id: str) -> None:
        self.store, self.id = store, organization_id
        self.administration = Administration(store, Secrets.of(PEPPER))
        self.operator = operator(organization_id, name="a test")

    async def change(self, step: Callable[..., Awaitable[Any]], *args: Any, **more: Any) -> Any:
        return await self.administration.change(self.operator, step, self.id, *args, **more)

    async def grant(self, usd: int, *, repetition: Repetition | None = None, **terms: Any) -> CreditGrant:
        terms = {"amount_nanos": usd * USD, "kind": GrantKind.PURCHASED, **terms}
        caller = Caller(self.operator.principal, repetition=repetition)
        made: CreditGrant = await self.administration.change(caller, grant_credit, self.id, terms=GrantTerms(**terms))
        return made

    async def get(self, grant: CreditGrant) -> CreditGrant:
        return await self.administration.look(self.operator, get_grant, self.id, grant.id)

    async def balance(self) -> CreditBalance:
        return await self.administration.look(self.operator, get_balance, self.id)

    async def wallet(self) -> Wallet:
        return await self.store.write(lambda c: open_wallet(c, self.id))

    async def lease(self, nanos: int) -> bytes:
        """Let a replica hold so much of the wallet, as the lease store does."""
        wallet, lease_id, now = await self.wallet(), uuid7(), now_us()

        async def work(connection: Any) -> None:
            head = budget_node.c.limit_amount - budget_node.c.used - budget_node.c.escrow
            taken = await connection.execute(
                update(budget_node)
                .where(budget_node.c.budget_id == wallet.budget_id, head >= nanos)
                .values(escrow=budget_node.c.escrow + nanos)
            )
            assert taken.rowcount == 1, "the wallet never goes below zero"
            figures = {"operation": 1, "amount": nanos, "consumed": 0, "converted": 0}
            row = {"organization_id": self.id, "id": lease_id, "budget_id": wallet.budget_id, "window_start_us": 0}
            times = {"holder": "a", "state": "open", "created_at_us": now, "updated_at_us": now}
            await connection.execute(insert(lease).values(**row, **figures, **times))

        await self.store.write(work)
        return lease_id

    async def consume(self, lease_id: bytes, nanos: int) -> None:
        """Book what a call came to on a lease, as the flush does; beyond its amount too."""
        consumed = update(lease).where(lease.c.id == lease_id).values(consumed=lease.c.consumed + nanos)
        await self.store.write(lambda c: c.execute(consumed))

    async def close(self, lease_id: bytes) -> None:
        """Convert what was consumed and give the rest back."""
        statements = (
            (
                "UPDATE budget_node SET used = used + (SELECT consumed - converted FROM lease WHERE id = :id),"
                " escrow = escrow - (SELECT amount - converted FROM lease WHERE id = :id)"
                " WHERE budget_id = (SELECT budget_id FROM lease WHERE id = :id)"
            ),
            "UPDATE lease SET converted = consumed, amount = consumed, state = 'closed' WHERE id = :id",
        )

        async def work(connection: Any) -> None:
            for statement in statements:
                await connection.execute(text(statement), {"id": lease_id})

        await self.store.write(work)

    async def use(self, nanos: int) -> None:
        """Let a call come to so much."""
        lease_id = await self.lease(nanos)
        await self.consume(lease_id, nanos)
        await self.close(lease_id)

    async def correct(self, nanos: int) -> None:
        """Let what was used be so much less, as somebody decides who has compared the provider's bill."""
        wallet = await self.wallet()
        less = update(budget_node).where(budget_node.c.budget_id == wallet.budget_id)
        await self.store.write(lambda c: c.execute(less.values(used=budget_node.c.used - nanos)))

    async def end(self, grant: CreditGrant) -> None:
        """Let a grant's last moment be over."""
        past = now_us() - 1
        ended = update(credit_grant).where(credit_grant.c.id == grant.id)
        await self.store.write(lambda c: c.execute(ended.values(expires_at_us=past, due_at_us=past)))

    async def settle(self) -> None:
        await settle_credit(self.administration)

    async def differences(self) -> list[Difference]:
        return [each async for books in verify_ledger(self.store) for each in books.differences]


async def open_purse(store: Store, name: str = "Acme") -> Purse:
    organization = await store.write(lambda c: create_organization(c, name))
    return Purse(store, organization.id)


async def admin_key_of(purse: Purse) -> str:
    return (await create_admin_key(purse.store, PEPPER, purse.id, name="finance")).key
