"""Limits of rate: how many requests and tokens a minute a scope may have, of one model or of all together.

They are managed and read as budgets are (`control.budget_scopes`), but need not fit into each other: a call must pass
all that hold for it, and the tightest decides.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tollkeeper.control.administration import Action, Target
from tollkeeper.control.budget_scopes import Scope, budget_reach, find_budget_scope
from tollkeeper.control.budgets import MODEL_LENGTH_MAX, lock_managed
from tollkeeper.domain.errors import Conflict, InvalidRequest, NotFound
from tollkeeper.domain.rate_limit import RATE_MAX, RateLimitRow
from tollkeeper.store import rate_limits

RULES_MAX = 100


class RateTerms(msgspec.Struct, frozen=True):
    """What a rule is to be; None is no limit. `model` is as calls ask for it, "" for all together."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    model: str = ""


async def set_rate_limit(action: Action, scope_id: str, *, terms: RateTerms) -> RateLimitRow:
    """Limit the rate of a scope, in place of the limits that it has for the same model.

    Raises:
        NotFound: there is no such scope that the caller may know of.
        PermissionDenied: the caller may not manage the quotas of what the scope is part of.
        InvalidRequest: no limit, one out of bounds, or a model that cannot be.
        Conflict: the scope has as many rules as it may have.
    """
    _check(terms)
    return await write_rate_limit(action, await lock_managed(action, scope_id), terms)


async def write_rate_limit(
    action: Action, scope: Scope, terms: RateTerms, *, is_from_tier: bool = False
) -> RateLimitRow:
    """Write a rule and note it; permission, lock and check are the caller's business.

    Raises:
        Conflict: the scope has as many rules as it may have.
    """
    connection, organization_id = action.connection, action.organization_id
    before = await rate_limits.find_rate_limit(connection, organization_id, scope_id=scope.id, model=terms.model)
    if (
        before is None
        and await rate_limits.count_rate_limits(connection, organization_id, scope_id=scope.id) >= RULES_MAX
    ):
        raise Conflict(f"'{scope.id}' has {RULES_MAX} rate limits already; take one away first.")
    assert scope.kind != "credit", "credit has no rate"
    wanted = RateLimitRow(
        organization_id,
        "",
        scope.kind,
        scope.id,
        terms.model,
        terms.requests_per_minute,
        terms.tokens_per_minute,
        is_from_tier=is_from_tier,
    )
    written = await rate_limits.set_rate_limit(connection, organization_id, wanted)
    action.record("rate_limit.set", _target(scope, written), before=_noted(before), after=_noted(written))
    return written


async def delete_rate_limit(action: Action, rate_limit_id: str) -> RateLimitRow:
    """Take a rule away.

    Raises:
        NotFound: there is none of this id that the caller may know of.
        PermissionDenied: the caller may not manage the quotas of what its scope is part of.
    """
    rule = await get_rate_limit(action, rate_limit_id)
    return await drop_rate_limit(action, await lock_managed(action, rule.scope_id), rule)


async def drop_rate_limit(action: Action, scope: Scope, rule: RateLimitRow) -> RateLimitRow:
    """Take a rule away and note it; permission and lock are the caller's business.

    Raises:
        NotFound: it is gone already.
    """
    if not await rate_limits.delete_rate_limit(action.connection, action.organization_id, rule):
        raise _unknown(rule.id)
    action.record("rate_limit.delete", _target(scope, rule), before=_noted(rule))
    return rule


async def get_rate_limit(action: Action, rate_limit_id: str) -> RateLimitRow:
    """Return a rule that the caller may read.

    Raises:
        NotFound: there is none of this id that the caller may know of.
        PermissionDenied: the caller may not read what its scope may have.
    """
    rule = await rate_limits.get_rate_limit(action.connection, action.organization_id, rate_limit_id)
    if rule is None:
        raise _unknown(rate_limit_id)
    try:
        scope = await find_budget_scope(action, rule.scope_id)
    except NotFound:
        raise _unknown(rate_limit_id) from None
    scope.require_read(action)
    return rule


async def find_rate_limit(action: Action, scope_id: str, *, model: str) -> RateLimitRow:
    """Return the rule of a scope for a model.

    Raises:
        NotFound: there is no such scope that the caller may know of, or it has no such rule.
        PermissionDenied: the caller may not read it.
    """
    scope = await find_budget_scope(action, scope_id)
    scope.require_read(action)
    found = await rate_limits.find_rate_limit(action.connection, action.organization_id, scope_id=scope.id, model=model)
    if found is None:
        what = f"the model '{model}'" if model else "all models together"
        raise NotFound(f"'{scope.id}' has no rate limit for {what}.")
    return found


async def list_rate_limits(
    action: Action, *, scope_id: str | None = None, after: str | None = None, limit: int = 100
) -> list[RateLimitRow]:
    """Return the rules that the caller may read, in the order of their ids, those behind `after`.

    Raises:
        NotFound: there is no scope `scope_id` that the caller may know of.
        PermissionDenied: the caller may not read what it may have.
    """
    reach = budget_reach(action)
    if scope_id is not None:
        scope = await find_budget_scope(action, scope_id)
        scope.require_read(action)
        scope_id, reach = scope.id, None
    return await rate_limits.list_rate_limits(
        action.connection, action.organization_id, scope_id=scope_id, reach=reach, after=after, limit=limit
    )


def _check(terms: RateTerms) -> None:
    if terms.requests_per_minute is None and terms.tokens_per_minute is None:
        raise InvalidRequest("Say requests_per_minute, tokens_per_minute or both.", param="requests_per_minute")
    for name in ("requests_per_minute", "tokens_per_minute"):
        limit = getattr(terms, name)
        if limit is not None and not 1 <= limit <= RATE_MAX:
            raise InvalidRequest(f"{name} must be 1 to {RATE_MAX:,}.", param=name)
    if len(terms.model) > MODEL_LENGTH_MAX or not terms.model.isprintable():
        raise InvalidRequest(f"A model's name has at most {MODEL_LENGTH_MAX} printable characters.", param="model")


def _target(scope: Scope, rule: RateLimitRow) -> Target:
    return Target("rate_limit", rule.id, f"{scope.name or scope.id}{f' {rule.model}' if rule.model else ''}")


def _noted(rule: RateLimitRow | None) -> dict[str, Any] | None:
    if rule is None:
        return None
    return {
        "scope": rule.scope_id,
        "model": rule.model,
        "requests_per_minute": rule.requests_per_minute,
        "tokens_per_minute": rule.tokens_per_minute,
        "is_from_tier": rule.is_from_tier,
    }


def _unknown(rate_limit_id: str) -> NotFound:
    return NotFound(f"There is no rate limit '{rate_limit_id}'.")
