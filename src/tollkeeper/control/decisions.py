"""Explaining a call, admitted or refused: which limits were looked at, with the figures of that moment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from tollkeeper.control import usage_lines
from tollkeeper.control.administration import Action
from tollkeeper.control.blueprint.forms import show_time
from tollkeeper.domain.access import decide
from tollkeeper.domain.call_decision import CallDecision, LookedAt, RefusedCall, looked_at_of
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.lease import Draw
from tollkeeper.domain.money import NANOS_PER_USD
from tollkeeper.domain.usage import RateFigure, UsageRecord
from tollkeeper.store import decisions, organizations, places, refused_calls, usage_lists
from tollkeeper.store.decisions import DrawnOn, RatedScope

_REQUEST_ID = re.compile(r"(?:req_)?([0-9a-f]{32})")
_COLUMNS = {"team": "team_id", "project": "project_id", "api_key": "api_key_id", "member": "member_id"}


async def explain_call(action: Action, reference: str) -> CallDecision:
    """Return the decision about a call, by its request id (req_…).

    Raises:
        InvalidRequest: it is no request id.
        NotFound: nothing is known of such a call, or the caller may not read the quotas of its project.
    """
    match = _REQUEST_ID.fullmatch(reference.strip().lower().replace("-", ""))
    if match is None:
        raise InvalidRequest(f"'{reference}' is not a request id such as req_0190….", param="request_id")
    found = await _find(action, bytes.fromhex(match.group(1)))
    if found is not None:
        place = await places.place_of_project(action.connection, action.organization_id, found.project_id)
        if place is not None and decide(action.caller.principal, "quota:read", place).is_allowed:
            return found
    raise NotFound(
        f"Nothing is known of the call {reference}. A call is known a second after it ended; of refused ones the latest"
        " 30 days are kept, when their key was good, and only so many of a key that goes on for long."
    )


async def explain_record(action: Action, record: UsageRecord) -> CallDecision:
    """Return the decision about a call that was let in, by its record; whoever asks was let see it."""
    lease_ids = [draw.lease_id for draw in record.draws]
    drawn_on = await decisions.budgets_of_leases(action.connection, action.organization_id, lease_ids)
    rule_ids = {figure.rate_limit_id for figure in record.rates}
    rules = await decisions.scopes_of_rates(action.connection, action.organization_id, rule_ids)
    names = await _names(action, [*drawn_on.values(), *rules.values()])
    return CallDecision(
        call_id=record.call_id,
        at_us=record.started_at_us,
        is_admitted=True,
        status=record.status,
        api_key_id=record.api_key_id,
        project_id=record.project_id,
        model=record.model_asked,
        reserved_nanos=record.reserved_nanos,
        cost_nanos=record.amount_nanos,
        limits=(
            *(_drawn(record, draw, drawn_on.get(draw.lease_id), names) for draw in record.draws),
            *(_rated(figure, rules.get(figure.rate_limit_id), names) for figure in record.rates),
        ),
    )


def describe_decision(found: CallDecision) -> dict[str, Any]:
    """Return a decision as the API and the command line show it; amounts are dollars where the unit is usd."""
    return {
        "object": "decision",
        "request_id": f"req_{found.call_id.hex()}",
        "at": show_time(found.at_us),
        "outcome": "admitted" if found.is_admitted else "refused",
        "status": found.status,
        "code": found.code or None,
        "message": found.message or None,
        "api_key_id": found.api_key_id,
        "project_id": found.project_id,
        "model": found.model or None,
        "reserved_usd": _usd(found.reserved_nanos),
        "cost_usd": _usd(found.cost_nanos),
        "limits": [describe_limit(each) for each in found.limits],
    }


def describe_limit(limit: LookedAt) -> dict[str, Any]:
    """Return a limit as the API and the command line show it."""

    def shown(amount: int | None) -> Decimal | int | None:
        return _usd(amount) if limit.unit == "usd" else amount

    return {
        "kind": limit.kind,
        "id": limit.id or None,
        "scope_kind": limit.scope_kind or None,
        "scope_id": limit.scope_id or None,
        "scope_name": limit.scope_name or None,
        "model": limit.model or None,
        "unit": limit.unit or None,
        "period": limit.period or None,
        "limit": shown(limit.limit),
        "used": shown(limit.used),
        "reserved": shown(limit.reserved),
        "left": shown(limit.left),
        "at_hand": shown(limit.at_hand),
        "needed": shown(limit.needed),
        "charged": shown(limit.charged),
        "resets_at": None if limit.resets_at_us is None else show_time(limit.resets_at_us),
        "decisive": limit.is_decisive,
    }


def decision_of(refused: RefusedCall) -> CallDecision:
    """Return the decision about a call that was refused, by what is left of it."""
    return CallDecision(
        call_id=refused.call_id,
        at_us=refused.at_us,
        is_admitted=False,
        status=refused.status,
        code=refused.code,
        message=refused.message,
        api_key_id=refused.api_key_id,
        project_id=refused.project_id,
        model=refused.model,
        limits=tuple(looked_at_of(each) for each in refused.looked_at),
    )


async def _find(action: Action, call_id: bytes) -> CallDecision | None:
    record = await usage_lists.find_usage(action.connection, action.organization_id, call_id)
    if record is not None:
        return await explain_record(action, record)
    refused = await refused_calls.find_refusal(action.connection, action.organization_id, call_id)
    return decision_of(refused) if refused is not None else None


def _drawn(record: UsageRecord, draw: Draw, on: DrawnOn | None, names: dict[str, str]) -> LookedAt:
    if on is None:
        return LookedAt(kind="budget", id="", left=_left(draw), at_hand=draw.left, charged=draw.amount)
    return LookedAt(
        kind="budget",
        id=on.budget_id,
        scope_kind=on.scope_kind,
        scope_id=on.scope_id,
        scope_name=names.get(on.scope_id, ""),
        model=on.model,
        unit=on.unit,
        period=on.period,
        limit=draw.limit,
        used=draw.used,
        left=_left(draw),
        at_hand=draw.left,
        needed={"usd": record.reserved_nanos, "requests": 1}.get(on.unit),
        charged=draw.amount,
        resets_at_us=on.window_end_us,
    )


def _left(draw: Draw) -> int | None:
    """Return the rest of the limit as it was last heard of; None when nothing was."""
    return max(draw.limit - draw.used, 0) if draw.limit or draw.used else None


def _rated(figure: RateFigure, whose: RatedScope | None, names: dict[str, str]) -> LookedAt:
    found = whose or RatedScope("", "")
    return LookedAt(
        kind="rate",
        id=figure.rate_limit_id,
        scope_kind=found.scope_kind,
        scope_id=found.scope_id,
        scope_name=names.get(found.scope_id, ""),
        model=found.model,
        unit=figure.unit,
        period="minute",
        limit=figure.limit,
        left=figure.left,
    )


async def _names(action: Action, limits: Iterable[DrawnOn | RatedScope]) -> dict[str, str]:
    """Return the names of the scopes of limits by their ids."""
    named: Sequence[dict[str, str | None]] = [
        {_COLUMNS[each.scope_kind]: each.scope_id} for each in limits if each.scope_kind in _COLUMNS
    ]
    by_column = await usage_lines.names_of(action.connection, action.organization_id, named)
    organization = await organizations.get_organization(action.connection, action.organization_id)
    names = {action.organization_id: organization.name} if organization is not None else {}
    for found in by_column.values():
        names |= found
    return names


def _usd(nanos: int | None) -> Decimal | None:
    return None if nanos is None else (Decimal(nanos) / NANOS_PER_USD).normalize() + 0
