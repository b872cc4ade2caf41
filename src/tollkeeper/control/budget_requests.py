"""Requests for more: whoever reads a budget may ask for more, and who manages it grants it, for good or a time, or denies it."""

from __future__ import annotations

from typing import Literal

import msgspec

from tollkeeper.control.account_rules import AccountRules
from tollkeeper.control.administration import Action, Target
from tollkeeper.control.budget_increases import Raise, add_increase
from tollkeeper.control.budget_letters import post_answer, post_question
from tollkeeper.control.budget_scopes import budget_reach, find_budget_scope
from tollkeeper.control.budgets import Terms, check_terms, lock_managed, set_budget, terms_of
from tollkeeper.domain.budget import Budget, BudgetKey, BudgetRequest, RequestStatus
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.domain.money import format_usd
from tollkeeper.kit.ids import new_id
from tollkeeper.store import budget_requests as rows
from tollkeeper.store import budgets

PENDING_MAX = 50
TEXT_LENGTH_MAX = 1000


class Wish(msgspec.Struct, frozen=True):
    """That a budget amount to `amount` as a whole: nano-USD, or a count by the key's unit."""

    key: BudgetKey
    amount: int
    reason: str = ""


class Grant(msgspec.Struct, frozen=True):
    """What is granted of a request: without `amount` all of it, with `until_us` only for a time."""

    amount: int | None = None
    until_us: int | None = None
    answer: str = ""


async def ask_for_budget(action: Action, *, wish: Wish, rules: AccountRules) -> BudgetRequest:
    """Ask for a budget, or for a larger one; those who manage it get an e-mail.

    Raises:
        NotFound: there is no such scope that the caller may know of.
        PermissionDenied: the caller may not read its budgets.
        InvalidRequest: an amount, a period or a reason that cannot be, or no more than there is.
        Conflict: the caller has asked for too much already that nobody has decided.
    """
    scope = await find_budget_scope(action, wish.key.scope_id)
    scope.require_read(action)
    key = wish.key
    check_terms(Terms(wish.amount, key.period, unit=key.unit, model=key.model))
    _check_text(wish.reason, "reason")
    now = await budgets.get_budget(action.connection, action.organization_id, key)
    if now is not None and wish.amount <= now.amount:
        raise InvalidRequest("The budget has so much already; ask for more than it has.", param="amount")
    asker = asker_of(action)
    if await rows.count_pending(action.connection, action.organization_id, asked_by=asker) >= PENDING_MAX:
        raise Conflict(f"{PENDING_MAX} of your requests wait for a decision; withdraw some first.")
    made = BudgetRequest(
        action.organization_id,
        new_id("breq"),
        scope.kind,
        key,
        wish.amount,
        wish.reason.strip(),
        asker,
        action.now_us,
    )
    await rows.add_request(action.connection, action.organization_id, made)
    action.record("budget.ask", _target(made), after=_shown(made))
    await post_question(action, made, scope=scope, rules=rules)
    return made


async def list_requests(
    action: Action,
    *,
    status: RequestStatus | None = None,
    scope_id: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[BudgetRequest]:
    """Return the requests for budgets that the caller may read, and the caller's own; the latest first.

    Raises:
        NotFound: there is no scope `scope_id` that the caller may know of.
        PermissionDenied: the caller may not read its budgets.
    """
    if scope_id is not None:
        (await find_budget_scope(action, scope_id)).require_read(action)
    wanted = rows.RequestFilter(status, scope_id, budget_reach(action), asker_of(action))
    return await rows.list_requests(action.connection, action.organization_id, wanted, after=after, limit=limit)


async def get_request(action: Action, request_id: str) -> BudgetRequest:
    """Return a request that the caller made, or whose budget the caller may read.

    Raises:
        NotFound: there is none of this id that the caller may know of.
    """
    unknown = NotFound(f"There is no request '{request_id}'.")
    found = await rows.get_request(action.connection, action.organization_id, request_id)
    if found is None:
        raise unknown
    if found.asked_by != asker_of(action):
        try:
            (await find_budget_scope(action, found.key.scope_id)).require_read(action)
        except NotFound:
            raise unknown from None
    return found


async def approve_request(action: Action, request_id: str, *, grant: Grant, rules: AccountRules) -> BudgetRequest:
    """Grant a request: the budget is set, or raised for a time. The asker gets an e-mail.

    Raises:
        NotFound: there is no such request, or scope, that the caller may know of.
        PermissionDenied: the caller may not manage the quotas of what the scope is part of.
        InvalidRequest: an amount or a time that cannot be.
        Conflict: it was decided before, or the parts of a place would have more than the whole.
    """
    request = await _require_decision(action, request_id)
    _check_text(grant.answer, "answer")
    now = await budgets.get_budget(action.connection, action.organization_id, request.key)
    amount = request.amount if grant.amount is None else grant.amount
    if grant.until_us is not None:
        await _raise_for_a_time(action, now, amount, grant)
    else:
        key = request.key
        plain = Terms(amount, key.period, unit=key.unit, model=key.model)
        terms = plain if now is None else msgspec.structs.replace(terms_of(now), amount=amount)
        await set_budget(action, key.scope_id, terms=terms)
    ended = await _end(action, request, "approved", grant.answer)
    granted = msgspec.structs.replace(ended, amount=amount)
    action.record(
        "budget.approve",
        _target(request),
        before=_shown(request),
        after={**_shown(granted), "until_us": grant.until_us},
    )
    await post_answer(action, granted, until_us=grant.until_us, rules=rules)
    return ended


async def deny_request(action: Action, request_id: str, *, answer: str, rules: AccountRules) -> BudgetRequest:
    """Deny a request, with a reason; the asker gets an e-mail.

    Raises:
        NotFound: there is no such request, or scope, that the caller may know of.
        PermissionDenied: the caller may not manage the quotas of what the scope is part of.
        Conflict: it was decided before.
    """
    request = await _require_decision(action, request_id)
    _check_text(answer, "answer")
    ended = await _end(action, request, "denied", answer)
    action.record("budget.deny", _target(request), before=_shown(request), after=_shown(ended))
    await post_answer(action, ended, until_us=None, rules=rules)
    return ended


async def withdraw_request(action: Action, request_id: str) -> BudgetRequest:
    """Take a request back that the caller made.

    Raises:
        NotFound: there is none of this id that the caller may know of.
        Conflict: it was decided before, or somebody else made it.
    """
    found = await get_request(action, request_id)
    _require_pending(found)
    if found.asked_by != asker_of(action):
        raise Conflict("Only who made a request takes it back; deny it instead.")
    ended = await _end(action, found, "withdrawn", "")
    action.record("budget.withdraw", _target(found), before=_shown(found), after=_shown(ended))
    return ended


def asker_of(action: Action) -> str:
    """Return who asks, as requests keep it: a person as a member, whichever key or login they use."""
    return action.caller.principal.member_id or action.caller.principal.id


async def _require_decision(action: Action, request_id: str) -> BudgetRequest:
    request = await get_request(action, request_id)
    await lock_managed(action, request.key.scope_id)
    request = await get_request(action, request_id)
    _require_pending(request)
    return request


def _require_pending(request: BudgetRequest) -> None:
    if request.status != "pending":
        raise Conflict(f"This request is {request.status} already.")


async def _raise_for_a_time(action: Action, now: Budget | None, amount: int, grant: Grant) -> None:
    assert grant.until_us is not None
    if now is None:
        raise InvalidRequest("There is no budget to raise for a time; leave 'until' out to set one.", param="until")
    await add_increase(action, now, Raise(amount - now.amount, grant.until_us, note=grant.answer[:500]))


async def _end(
    action: Action, request: BudgetRequest, status: Literal["approved", "denied", "withdrawn"], answer: str
) -> BudgetRequest:
    ended = msgspec.structs.replace(
        request, status=status, decided_by=asker_of(action), answer=answer.strip(), decided_at_us=action.now_us
    )
    await rows.end_request(action.connection, action.organization_id, ended)
    return ended


def _check_text(text: str, param: str) -> None:
    if len(text) > TEXT_LENGTH_MAX:
        raise InvalidRequest(f"At most {TEXT_LENGTH_MAX} characters.", param=param)


def _target(request: BudgetRequest) -> Target:
    return Target("budget_request", request.id, f"{request.scope_kind} {request.key.period}")


def _shown(request: BudgetRequest) -> dict[str, object]:
    is_money = request.key.unit == "usd"
    return {
        "scope": request.key.scope_id,
        "model": request.key.model,
        "unit": request.key.unit,
        "period": request.key.period,
        **({"amount_usd": format_usd(request.amount)} if is_money else {"amount": request.amount}),
        "reason": request.reason,
        "status": request.status,
        "answer": request.answer,
    }
