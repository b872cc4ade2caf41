"""/v1/organizations/{id}/credits and /v1/ledger/transactions: grant, void and list credit, read the books."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field, WithJsonSchema

from tollkeeper.admin.organizations import OrganizationPath
from tollkeeper.admin.permissions import requires
from tollkeeper.admin.shapes import (
    AS_INTEGER,
    PLAIN,
    After,
    Limit,
    ListPage,
    Number,
    Shape,
    Time,
    Usd,
    administration_of,
    answer,
    id_path,
    list_answer,
    nanos_of,
    shown_time,
    time_us,
    usd_of,
)
from tollkeeper.control import ledger
from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Caller
from tollkeeper.control.credits import (
    NOTE_LENGTH_MAX,
    CreditBalance,
    GrantTerms,
    get_grant,
    grant_credit,
    list_credit,
    void_grant,
)
from tollkeeper.domain.credit import PRIORITY_MAX, PRIORITY_USUAL, CreditGrant, GrantKind, GrantStatus
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.ledger import Transaction, TransactionKind

router = APIRouter(tags=["credits"])
GrantPath = Annotated[str, id_path("grant", "grant_0123456789ABCDEFGHIJ")]
Amount = Annotated[
    Usd,
    Field(gt=0),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000_000, "examples": [5]}),
]
Dollars = Annotated[Number, Field(description="Exact to the nano.")]
_TRANSACTION = "txn_"


class GrantBody(Shape):
    amount_usd: Amount
    kind: GrantKind
    priority: Annotated[int, Field(ge=0, le=PRIORITY_MAX, description="Lower is used first."), AS_INTEGER] = (
        PRIORITY_USUAL
    )
    expires_at: Time | None = None
    note: Annotated[str, Field(max_length=NOTE_LENGTH_MAX, pattern=PLAIN, examples=["PO 4711"])] = ""


class GrantAnswer(Shape):
    object: Literal["credit_grant"]
    id: str
    organization_id: str
    kind: GrantKind
    status: GrantStatus
    priority: int
    amount_usd: Dollars
    used_usd: Dollars
    removed_usd: Dollars
    remaining_usd: Dollars
    effective_at: str
    expires_at: str | None
    note: str
    created_by: str
    created_at: str


class NextExpiring(Shape):
    grant_id: str
    remaining_usd: Dollars
    expires_at: str


class BalanceAnswer(Shape):
    prepaid: bool
    granted_usd: Dollars
    used_usd: Dollars
    reserved_usd: Dollars
    left_usd: Dollars
    overrun_usd: Dollars
    expiring_next: NextExpiring | None


class CreditAnswer(ListPage[GrantAnswer]):
    balance: BalanceAnswer


class EntryAnswer(Shape):
    account: str
    currency: str
    amount_usd: Dollars
    grant_id: str | None


class TransactionAnswer(Shape):
    object: Literal["ledger_transaction"]
    id: str
    kind: TransactionKind
    cause: str
    effective_at: str
    booked_at: str
    reverses: str | None
    entries: list[EntryAnswer]


@router.post(
    "/v1/organizations/{organization_id}/credits", response_model=GrantAnswer, summary="Grant the organization credit"
)
async def create_grant(
    request: Request,
    organization_id: OrganizationPath,
    body: GrantBody,
    caller: Annotated[Caller, Depends(requires("billing:manage"))],
) -> Response:
    """Grant credit, which calls may use at once. With the first grant the organization's calls need credit."""
    terms = GrantTerms(
        amount_nanos=nanos_of(body.amount_usd),
        kind=body.kind,
        priority=body.priority,
        expires_at_us=None if body.expires_at is None else time_us(body.expires_at),
        note=body.note,
    )
    rules: AccountRules = request.app.state.people.rules
    made = await administration_of(request).change(
        caller, grant_credit, organization_id, terms=terms, is_operators=rules.is_credit_operators
    )
    return answer(_shown(made))


@router.get(
    "/v1/organizations/{organization_id}/credits", response_model=CreditAnswer, summary="Show what credit is left"
)
async def list_grants(
    request: Request,
    organization_id: OrganizationPath,
    caller: Annotated[Caller, Depends(requires("billing:read"))],
    after: After = None,
    limit: Limit = 20,
) -> Response:
    """Show the balance, and the grants, newest first."""
    found = await administration_of(request).look(caller, list_credit, organization_id, after=after, limit=limit + 1)
    page = [_shown(each) for each in found.grants[:limit]]
    return answer(
        {
            "object": "list",
            "data": page,
            "has_more": len(found.grants) > limit,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "balance": _shown_balance(found.balance),
        }
    )


@router.get(
    "/v1/organizations/{organization_id}/credits/{grant_id}", response_model=GrantAnswer, summary="Get a credit grant"
)
async def read_grant(
    request: Request,
    organization_id: OrganizationPath,
    grant_id: GrantPath,
    caller: Annotated[Caller, Depends(requires("billing:read"))],
) -> Response:
    return answer(_shown(await administration_of(request).look(caller, get_grant, organization_id, grant_id)))


@router.post(
    "/v1/organizations/{organization_id}/credits/{grant_id}/void",
    response_model=GrantAnswer,
    summary="Take back what is left of a credit grant",
)
async def void(
    request: Request,
    organization_id: OrganizationPath,
    grant_id: GrantPath,
    caller: Annotated[Caller, Depends(requires("billing:manage"))],
) -> Response:
    """Take back what was not used. What running calls hold (`remaining_usd`) goes when they give it back."""
    return answer(_shown(await administration_of(request).change(caller, void_grant, organization_id, grant_id)))


@router.get("/v1/ledger/transactions", response_model=ListPage[TransactionAnswer], summary="Read the books")
async def list_transactions(
    request: Request,
    caller: Annotated[Caller, Depends(requires("billing:read"))],
    grant_id: Annotated[
        str | None, Query(max_length=64, pattern=PLAIN, description="Only those that moved this grant's credit.")
    ] = None,
    after: After = None,
    limit: Limit = 20,
) -> Response:
    """List transactions with their entries, newest first. A debit is positive, a credit negative; they sum to zero."""
    found = await administration_of(request).look(
        caller, ledger.list_transactions, grant_id=grant_id, before=_position(after), limit=limit + 1
    )
    return list_answer(found, limit, _shown_transaction)


def _position(after: str | None) -> bytes | None:
    if after is None:
        return None
    try:
        if after.startswith(_TRANSACTION):
            return bytes.fromhex(after.removeprefix(_TRANSACTION))
    except ValueError:
        pass
    raise InvalidRequest("'after' must be the id of a transaction: txn_ and 32 hexadecimal digits.", param="after")


def _shown(grant: CreditGrant) -> dict[str, Any]:
    return {
        "object": "credit_grant",
        "id": grant.id,
        "organization_id": grant.organization_id,
        "kind": grant.kind.value,
        "status": grant.status.value,
        "priority": grant.priority,
        "amount_usd": usd_of(grant.amount_nanos),
        "used_usd": usd_of(grant.used_nanos),
        "removed_usd": usd_of(grant.removed_nanos),
        "remaining_usd": usd_of(grant.remaining_nanos),
        "effective_at": shown_time(grant.effective_at_us),
        "expires_at": shown_time(grant.expires_at_us),
        "note": grant.note,
        "created_by": grant.created_by,
        "created_at": shown_time(grant.created_at_us),
    }


def _shown_balance(balance: CreditBalance) -> dict[str, Any]:
    ending = balance.next_expiring
    return {
        "prepaid": balance.is_prepaid,
        "granted_usd": usd_of(balance.granted),
        "used_usd": usd_of(balance.used),
        "reserved_usd": usd_of(balance.reserved),
        "left_usd": usd_of(balance.left),
        "overrun_usd": usd_of(balance.overrun),
        "expiring_next": None
        if ending is None
        else {
            "grant_id": ending.id,
            "remaining_usd": usd_of(ending.remaining_nanos),
            "expires_at": shown_time(ending.expires_at_us),
        },
    }


def _shown_transaction(transaction: Transaction) -> dict[str, Any]:
    return {
        "object": "ledger_transaction",
        "id": _TRANSACTION + transaction.id.hex(),
        "kind": transaction.kind.value,
        "cause": transaction.idempotency_key,
        "effective_at": shown_time(transaction.effective_at_us),
        "booked_at": shown_time(transaction.booked_at_us),
        "reverses": None if transaction.reverses is None else _TRANSACTION + transaction.reverses.hex(),
        "entries": [
            {
                "account": entry.account.kind.value,
                "currency": entry.account.currency,
                "amount_usd": usd_of(entry.amount_nanos),
                "grant_id": entry.grant_id or None,
            }
            for entry in transaction.entries
        ],
    }
