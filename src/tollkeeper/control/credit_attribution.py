"""What becomes of credit by itself: calls use it up, grant by grant, and what is not used in time expires.

Each organization is done in a transaction of its own under its wallet's lock, so that any number of processes may do this
at once: whoever comes second finds it done.
"""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action, Administration, Target, server_job
from tollkeeper.domain import credit, credit_bookings
from tollkeeper.domain.credit import CreditGrant, CreditUse, GrantStatus
from tollkeeper.domain.ledger import Entry, Transaction, TransactionKind, reversal
from tollkeeper.domain.money import format_usd
from tollkeeper.kit.clock import now_us
from tollkeeper.kit.ids import uuid7
from tollkeeper.store import credit_grants, credit_wallet, ledger
from tollkeeper.store.credit_wallet import Wallet
from tollkeeper.store.engine import Connection
from tollkeeper.store.revision import record_change

_WHO = "credit settlement"


async def settle_credit(administration: Administration) -> int:
    """Take what calls have used from grants, and what is over from grants that ended; returns how many organizations.

    Raises:
        StoreUnavailable: the database is out of reach; what was done is done.
    """
    store = administration.store
    behind = set(await store.read(credit_wallet.organizations_behind))
    now = now_us()
    due = set(await store.read(lambda connection: credit_grants.organizations_due(connection, now_us=now)))
    for organization_id in sorted(behind | due):
        await administration.change(server_job(organization_id, name=_WHO), settle_organization)
    return len(behind | due)


async def settle_organization(action: Action) -> None:
    """Bring the grants of the action's organization up to date."""
    connection, organization_id = action.connection, action.organization_id
    wallet = await credit_wallet.lock_wallet(connection, organization_id)
    if wallet is None:
        return
    wallet = await attribute(connection, wallet)
    now, is_lowered = now_us(), False
    for grant in await credit_grants.grants_with_rest(connection, organization_id):
        if grant.due_at_us is not None and grant.due_at_us <= now:
            status = GrantStatus.VOIDED if grant.status is GrantStatus.VOIDED else GrantStatus.EXPIRED
            is_lowered |= (await take_rest(action, wallet, grant, status)).removed_nanos > grant.removed_nanos
    if is_lowered:
        await record_change(connection, "limit", organization_id=organization_id, entity_id=organization_id)


async def attribute(connection: Connection, wallet: Wallet) -> Wallet:
    """Take what calls have used since the last time from a locked wallet's grants; give back what was too much.

    What exceeds all grants stays open, and the next grant pays for it first.
    """
    organization_id = wallet.organization_id
    growth = await credit_wallet.read_used(connection, wallet) - wallet.attributed_nanos
    if growth == 0:
        return wallet
    if growth > 0:
        kind = TransactionKind.CREDIT_USE
        uses = credit.burn(await credit_grants.grants_with_rest(connection, organization_id), growth)
    else:
        kind = TransactionKind.CREDIT_UNWIND
        uses = await credit_grants.unwind_uses(connection, organization_id, -growth)
    if not uses:
        return wallet
    grants = await credit_grants.read_grants(connection, organization_id, sorted({use.grant_id for use in uses}))
    first = wallet.uses_count + 1
    entries = credit_bookings.used(grants, uses)
    transaction = _transaction(organization_id, kind, f"credit_use:{first}", entries)
    is_new = await ledger.book(connection, transaction)
    assert is_new, "uses are numbered under the wallet's lock"
    await credit_grants.append_uses(
        connection, organization_id, uses, transaction_id=transaction.id, first_number=first
    )
    await credit_grants.write_grants(connection, credit.after_uses(grants.values(), uses))
    after = msgspec.structs.replace(
        wallet, attributed_nanos=wallet.attributed_nanos + _total(uses), uses_count=wallet.uses_count + len(uses)
    )
    await credit_wallet.note_attributed(connection, after)
    return after


async def take_rest(action: Action, wallet: Wallet, grant: CreditGrant, status: GrantStatus) -> CreditGrant:
    """Take from a locked wallet what remains of a grant and nobody holds; the wallet's usage is taken from grants already.

    What leases hold goes when they give it back, unless calls use it; each part that goes is noted in the audit log.
    """
    connection = action.connection
    lowered = await credit_wallet.lower_amount(connection, wallet, grant.remaining_nanos)
    after = credit.after_removal(grant, lowered, status)
    if lowered:
        await ledger.book(connection, await _removal(connection, grant, lowered, status))
    if after != grant:
        await credit_grants.write_grants(connection, [after])
        kind = "credit.expire" if status is GrantStatus.EXPIRED else "credit.void"
        action.record(kind, target_of(after), before=noted_grant(grant), after=noted_grant(after))
    return after


async def _removal(connection: Connection, grant: CreditGrant, amount_nanos: int, status: GrantStatus) -> Transaction:
    organization_id = grant.organization_id
    if status is GrantStatus.EXPIRED:
        key = f"credit_expiry:{grant.id}:{grant.removed_nanos}"
        entries = credit_bookings.expired(grant, amount_nanos)
        return _transaction(organization_id, TransactionKind.CREDIT_EXPIRY, key, entries)
    key = f"credit_void:{grant.id}:{grant.removed_nanos}"
    if amount_nanos < grant.amount_nanos:
        entries = credit_bookings.voided(grant, amount_nanos)
        return _transaction(organization_id, TransactionKind.CREDIT_VOID, key, entries)
    issued = await ledger.get_transaction(connection, organization_id, grant_key(grant))
    assert issued is not None, "a grant is booked with its making"
    return reversal(issued, id_=uuid7(), kind=TransactionKind.CREDIT_VOID, idempotency_key=key, at_us=now_us())


def grant_key(grant: CreditGrant) -> str:
    """Return the cause under which a grant is booked."""
    return f"credit_grant:{grant.id}"


def target_of(grant: CreditGrant) -> Target:
    """Return what audit events about a grant are about."""
    return Target("credit_grant", grant.id, grant.kind.value)


def noted_grant(grant: CreditGrant) -> dict[str, object]:
    """Return what the audit log keeps of a grant."""
    return {
        "kind": grant.kind.value,
        "amount_usd": format_usd(grant.amount_nanos),
        "remaining_usd": format_usd(grant.remaining_nanos),
        "priority": grant.priority,
        "expires_at_us": grant.expires_at_us,
        "status": grant.status.value,
        "note": grant.note,
    }


def _transaction(organization_id: str, kind: TransactionKind, key: str, entries: tuple[Entry, ...]) -> Transaction:
    now = now_us()
    return Transaction(
        organization_id=organization_id,
        id=uuid7(),
        kind=kind,
        idempotency_key=key,
        entries=entries,
        effective_at_us=now,
        booked_at_us=now,
    )


def _total(uses: list[CreditUse]) -> int:
    return sum(use.amount_nanos for use in uses)
