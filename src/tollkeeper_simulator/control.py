"""The routes that no provider has: the bill (`/_bill`, `/_bill/summary`) and faults to come (`/_faults`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from tollkeeper_simulator.answer import Answer
from tollkeeper_simulator.dialect import State
from tollkeeper_simulator.faults import Rule, Rules, UnknownFaultError
from tollkeeper_simulator.http import Request

if TYPE_CHECKING:
    from tollkeeper_simulator.bill import Bill, Line

_encode = msgspec.json.Encoder().encode
_PAGE_MAX = 100_000


class _Match(msgspec.Struct, forbid_unknown_fields=True):
    model: str | None = None
    path: str | None = None
    api_key_id: str | None = None


class _NewRule(msgspec.Struct, forbid_unknown_fields=True):
    fault: str
    match: _Match = msgspec.field(default_factory=_Match)
    count: int | None = 1


def answer(request: Request, state: State, rules: Rules) -> Answer:
    """Answer a control route; unknown ones are 404."""
    route = _ROUTES.get((request.method, request.path.rstrip("/")))
    if route is None:
        return _wrong(404, f"there is no {request.method} {request.path}")
    return route(request, state, rules)


def summary(bill: Bill) -> dict[str, object]:
    """Return totals in all, by model, api key and provider: requests, amount, and quantity and amount of each dimension."""
    by_model: dict[str, dict[str, object]] = {}
    by_key: dict[str, int] = {}
    by_provider: dict[str, int] = {}
    for record in bill.records:
        each = by_model.setdefault(record.model, {"requests": 0, "amount_nano": 0, "dimensions": {}})
        _add(each, "requests", 1)
        _add(each, "amount_nano", record.amount_nano)
        for line in record.lines:
            _add_line(each, line)
        by_key[record.api_key_id] = by_key.get(record.api_key_id, 0) + record.amount_nano
        by_provider[record.provider] = by_provider.get(record.provider, 0) + record.amount_nano
    return {
        "object": "bill.summary",
        "total_nano": bill.total_nano,
        "count": len(bill.records),
        "in_flight": bill.in_flight,
        "by_model": by_model,
        "by_api_key": by_key,
        "by_provider": by_provider,
    }


def _add(totals: dict[str, object], name: str, amount: int) -> None:
    before = totals.get(name, 0)
    assert isinstance(before, int)
    totals[name] = before + amount


def _add_line(totals: dict[str, object], line: Line) -> None:
    dimensions = totals["dimensions"]
    assert isinstance(dimensions, dict)
    one = dimensions.setdefault(line.dimension, {"quantity": 0, "amount_nano": 0})
    one["quantity"] += line.quantity
    one["amount_nano"] += line.amount_nano


def _summary(_request: Request, state: State, _rules: Rules) -> Answer:
    return Answer(200, _encode(summary(state.bill)))


def _reset(_request: Request, state: State, _rules: Rules) -> Answer:
    state.bill.reset()
    return Answer(200, _encode({"object": "bill", "deleted": True}))


def _forget(_request: Request, state: State, _rules: Rules) -> Answer:
    state.cache.clear()
    state.block_cache.clear()
    return Answer(200, _encode({"object": "cache", "deleted": True}))


def _bill(request: Request, state: State, _rules: Rules) -> Answer:
    bill = state.bill
    asked = dict(request.query)
    limit = asked.get("limit", str(_PAGE_MAX))
    if not limit.isdecimal():
        return _wrong(400, "limit must be a whole number")
    try:
        after = bill.since(asked.get("since_request"))
    except KeyError:
        return _wrong(404, f"request {asked['since_request']} is not on the bill")
    page = after[: int(limit)]
    body = {
        "object": "bill",
        "currency": "usd",
        "total_nano": bill.total_nano,
        "count": len(bill.records),
        "in_flight": bill.in_flight,
        "has_more": len(after) > len(page),
        "requests": page,
    }
    return Answer(200, _encode(body))


def _list_rules(_request: Request, _state: State, rules: Rules) -> Answer:
    return Answer(200, _encode({"object": "list", "data": rules.rules}))


def _drop_rules(_request: Request, _state: State, rules: Rules) -> Answer:
    rules.rules.clear()
    return Answer(200, _encode({"object": "list", "data": []}))


def _add_rule(request: Request, _state: State, rules: Rules) -> Answer:
    try:
        new = msgspec.json.decode(request.body, type=_NewRule)
        rule = Rule(new.fault, new.match.model, new.match.path, new.match.api_key_id, new.count)
        rules.add(rule)
    except (msgspec.DecodeError, UnknownFaultError) as wrong:
        return _wrong(400, str(wrong))
    return Answer(200, _encode(rule))


def _wrong(status: int, message: str) -> Answer:
    error = {"message": message, "type": "simulator_error", "param": None, "code": None}
    return Answer(status, _encode({"error": error}))


_ROUTES: dict[tuple[str, str], Callable[[Request, State, Rules], Answer]] = {
    ("GET", "/_bill"): _bill,
    ("GET", "/_bill/summary"): _summary,
    ("DELETE", "/_bill"): _reset,
    ("POST", "/_faults"): _add_rule,
    ("GET", "/_faults"): _list_rules,
    ("DELETE", "/_faults"): _drop_rules,
    ("DELETE", "/_cache"): _forget,
}
