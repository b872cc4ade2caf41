"""Credit: granted, listed, voided, and what is left of it. With the first grant an organization's calls need credit."""

from __future__ import annotations

import msgspec

from tollkeeper.control.administration import Action, Target
from tollkeeper.control.credit_attribution import attribute, grant_key, noted_grant, take_rest, target_of
from tollkeeper.domain import credit_bookings
from tollkeeper.domain.api_key import US_PER_DAY
from tollkeeper.domain.credit import (
    CREDIT_NANOS_MAX,
    PRIORITY_MAX,
    PRIORITY_USUAL,
    CreditGrant,
    GrantKind,
    GrantStatus,
    Trial,
)
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from tollkeeper.domain.ledger import Transaction, TransactionKind
from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.kit.clock import TIME_US_MAX, now_us
from tollkeeper.kit.ids import new_id, uuid7
from tollkeeper.store import credit_grants, credit_wallet, ledger, organizations
from tollkeeper.store.revision import record_change

NOTE_LENGTH_MAX = 500
GRANT_NANOS_MAX = 1_000_000_000 * NANOS_PER_USD


class GrantTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be granted, in nano-USD."""

    amount_nanos: int
    kind: GrantKind
    priority: int = PRIORITY_USUAL
    expires_at_us: int | None = None
    note: str = ""


class PrepaidChoice(msgspec.Struct, frozen=True):
    """Whether calls are to need credit. `is_operators`: only the operator may say so here."""

    is_prepaid: bool
    is_operators: bool = False


class CreditBalance(msgspec.Struct, frozen=True, kw_only=True):
    """An organization's credit at a moment, in nano-USD.

    `granted` is without what expired or was voided. `reserved` is what running calls and servers hold; `overrun` what
    calls came to beyond all credit, which the next grant pays for first.
    """

    is_prepaid: bool
    granted: int
    used: int
    reserved: int
    left: int
    overrun: int
    next_expiring: CreditGrant | None


class CreditPage(msgspec.Struct, frozen=True):
    """The balance and some of the grants, newest first."""

    balance: CreditBalance
    grants: list[CreditGrant]


async def grant_credit(
    action: Action, organization_id: str, *, terms: GrantTerms, is_operators: bool = False
) -> CreditGrant:
    """Grant an organization credit, which its calls may use at once; from now on they need credit.

    `is_operators`: on this installation only its operator grants credit.

    Raises:
        NotFound: it is another organization.
        PermissionDenied: the caller may not manage billing, or only the operator may grant.
        InvalidRequest: terms that are none.
    """
    _require_manager(action, organization_id, is_operators=is_operators)
    await organizations.lock_organization(action.connection, organization_id)
    return await add_grant(action, organization_id, terms)


async def add_grant(action: Action, organization_id: str, terms: GrantTerms) -> CreditGrant:
    """Grant credit and note it; permission and the organization's lock are the caller's business.

    Raises:
        InvalidRequest: terms that are none.
    """
    _check_terms(terms, now_us=action.now_us)
    connection = action.connection
    wallet = await credit_wallet.open_wallet(connection, organization_id)
    figures = await credit_wallet.read_figures(connection, organization_id)
    if figures.granted + terms.amount_nanos > CREDIT_NANOS_MAX:
        raise InvalidRequest(
            f"An organization can have at most ${CREDIT_NANOS_MAX // NANOS_PER_USD:,} of credit in all.",
            param="amount_usd",
        )
    grant = CreditGrant(
        organization_id=organization_id,
        id=new_id("grant"),
        kind=terms.kind,
        amount_nanos=terms.amount_nanos,
        remaining_nanos=terms.amount_nanos,
        priority=terms.priority,
        effective_at_us=action.now_us,
        expires_at_us=terms.expires_at_us,
        note=terms.note,
        created_by=action.caller.principal.id,
        created_at_us=action.now_us,
    )
    await credit_grants.insert_grant(connection, grant)
    issued = Transaction(
        organization_id=organization_id,
        id=uuid7(),
        kind=TransactionKind.CREDIT_GRANT,
        idempotency_key=grant_key(grant),
        entries=credit_bookings.granted(grant),
        effective_at_us=grant.effective_at_us,
        booked_at_us=now_us(),
    )
    await ledger.book(connection, issued)
    await credit_wallet.raise_amount(connection, wallet, grant.amount_nanos)
    await credit_wallet.set_prepaid(connection, organization_id, is_prepaid=True)
    await record_change(connection, "limit", organization_id=organization_id, entity_id=organization_id)
    action.record("credit.grant", target_of(grant), after=noted_grant(grant))
    return grant


async def give_trial(action: Action, organization_id: str, trial: Trial) -> CreditGrant | None:
    """Give a new organization its trial credit, when there is any."""
    if not trial.amount_nanos:
        return None
    ends_us = action.now_us + trial.days * US_PER_DAY
    terms = GrantTerms(amount_nanos=trial.amount_nanos, kind=GrantKind.TRIAL, expires_at_us=ends_us)
    return await add_grant(action, organization_id, terms)


async def void_grant(action: Action, organization_id: str, grant_id: str) -> CreditGrant:
    """Take back what was not used of a grant. What running calls hold goes when they give it back.

    Raises:
        NotFound: there is no such grant in the caller's organization.
        PermissionDenied: the caller may not manage billing.
        Conflict: nothing of it is left, or it has ended.
    """
    _require_own(action, organization_id)
    action.require("billing:manage", action.organization)
    connection = action.connection
    await _get(action, organization_id, grant_id)
    wallet = await credit_wallet.lock_wallet(connection, organization_id)
    assert wallet is not None, "a grant is in a wallet"
    wallet = await attribute(connection, wallet)
    before = await _get(action, organization_id, grant_id)
    if before.status is not GrantStatus.ACTIVE:
        raise Conflict(f"The grant '{grant_id}' is {before.status.value}: there is nothing to void.")
    after = await take_rest(action, wallet, before, GrantStatus.VOIDED)
    await record_change(connection, "limit", organization_id=organization_id, entity_id=organization_id)
    return after


async def set_prepaid(action: Action, organization_id: str, choice: PrepaidChoice) -> bool:
    """Say whether an organization's calls need credit; False when it is so already.

    A wallet is there from the moment that they need it.

    Raises:
        NotFound: it is another organization.
        PermissionDenied: the caller may not manage billing, or only the operator may say so.
    """
    _require_manager(action, organization_id, is_operators=choice.is_operators)
    connection, is_prepaid = action.connection, choice.is_prepaid
    before = await organizations.lock_organization(connection, organization_id)
    if is_prepaid:
        await credit_wallet.open_wallet(connection, organization_id)
    if not await credit_wallet.set_prepaid(connection, organization_id, is_prepaid=is_prepaid):
        return False
    await record_change(connection, "limit", organization_id=organization_id, entity_id=organization_id)
    target = Target("organization", organization_id, before.name)
    action.record("credit.require", target, before={"prepaid": not is_prepaid}, after={"prepaid": is_prepaid})
    return True


async def get_grant(action: Action, organization_id: str, grant_id: str) -> CreditGrant:
    """Return a grant.

    Raises:
        NotFound: there is no such grant in the caller's organization.
        PermissionDenied: the caller may not read billing.
    """
    _require_own(action, organization_id)
    action.require("billing:read", action.organization)
    return await _get(action, organization_id, grant_id)


async def list_credit(
    action: Action, organization_id: str, *, after: str | None = None, limit: int = 100
) -> CreditPage:
    """Return the balance, and at most `limit` grants behind the id `after`, newest first.

    Raises:
        NotFound: it is another organization.
        PermissionDenied: the caller may not read billing.
    """
    balance = await get_balance(action, organization_id)
    return CreditPage(
        balance, await credit_grants.list_grants(action.connection, organization_id, after=after, limit=limit)
    )


async def get_balance(action: Action, organization_id: str) -> CreditBalance:
    """Return what an organization's credit comes to.

    Raises:
        NotFound: it is another organization.
        PermissionDenied: the caller may not read billing.
    """
    _require_own(action, organization_id)
    action.require("billing:read", action.organization)
    figures = await credit_wallet.read_figures(action.connection, organization_id)
    return CreditBalance(
        is_prepaid=await credit_wallet.is_prepaid(action.connection, organization_id),
        granted=figures.granted,
        used=figures.used,
        reserved=figures.reserved,
        left=max(figures.granted - figures.used - figures.reserved, 0),
        overrun=max(figures.used - figures.granted, 0),
        next_expiring=await credit_grants.next_expiring(action.connection, organization_id),
    )


async def _get(action: Action, organization_id: str, grant_id: str) -> CreditGrant:
    found = await credit_grants.get_grant(action.connection, organization_id, grant_id)
    if found is None:
        raise NotFound(f"There is no credit grant '{grant_id}'.")
    return found


def _check_terms(terms: GrantTerms, *, now_us: int) -> None:
    if not 0 < terms.amount_nanos <= GRANT_NANOS_MAX:
        message = f"A grant must be more than $0 and at most ${GRANT_NANOS_MAX // NANOS_PER_USD:,}."
        raise InvalidRequest(message, param="amount_usd")
    if not 0 <= terms.priority <= PRIORITY_MAX:
        raise InvalidRequest(f"The priority must be 0 to {PRIORITY_MAX}; lower is used first.", param="priority")
    if terms.expires_at_us is not None and terms.expires_at_us <= now_us:
        raise InvalidRequest("A grant must end in the future.", param="expires_at")
    if terms.expires_at_us is not None and terms.expires_at_us > TIME_US_MAX:
        raise InvalidRequest("A grant must end before 2100, or never.", param="expires_at")
    if len(terms.note) > NOTE_LENGTH_MAX or not terms.note.isprintable():
        raise InvalidRequest(f"A note must have at most {NOTE_LENGTH_MAX} printable characters.", param="note")


def _require_manager(action: Action, organization_id: str, *, is_operators: bool) -> None:
    _require_own(action, organization_id)
    action.require("billing:manage", action.organization)
    if is_operators and not action.caller.principal.is_operator:
        raise PermissionDenied(
            "On this installation credit is its operator's business (`tollkeeper credits`); "
            "the setting credits.granted_by says so."
        )


def _require_own(action: Action, organization_id: str) -> None:
    if organization_id != action.organization_id or not action.organization_id:
        raise NotFound(f"There is no organization '{organization_id}'.")
