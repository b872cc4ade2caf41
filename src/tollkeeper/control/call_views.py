"""Single calls as the JSON that programs get, from the API and the command line alike. No record has a prompt."""

from __future__ import annotations

from typing import Any

from tollkeeper.control.blueprint.forms import show_time
from tollkeeper.control.calls import CallPage, FoundCall, OpenedCall
from tollkeeper.control.decisions import describe_decision, describe_limit
from tollkeeper.control.refused_calls import FoundRefusal, RefusalPage
from tollkeeper.control.usage_lines import Names
from tollkeeper.control.usage_records import describe_record, request_id_of, usd_number
from tollkeeper.domain.call_decision import CallDecision
from tollkeeper.domain.call_steps import CallStep, steps_of, times_of
from tollkeeper.domain.usage import UsageRecord, tokens_of
from tollkeeper.prices.links import link_of, own_price_of

_SUFFIX = "_nanos"


def describe_page(page: CallPage) -> dict[str, Any]:
    """Return a page: `last_id` is where the next one goes on, also when this one has no calls."""
    ids = [each.record.call_id for each in page.calls]
    return _page(page, ids, [describe_call(each, page.names) for each in page.calls])


def describe_refusals(page: RefusalPage) -> dict[str, Any]:
    """Return a page of refused calls, likewise."""
    ids = [each.decision.call_id for each in page.refused]
    return _page(page, ids, [_described_refusal(each, page.names) for each in page.refused])


def _page(page: CallPage | RefusalPage, ids: list[bytes], data: list[dict[str, Any]]) -> dict[str, Any]:
    last = page.end if page.end is not None else ids[-1] if ids else None
    return {
        "object": "list",
        "data": data,
        "has_more": page.end is not None,
        "first_id": ids[0].hex() if ids else None,
        "last_id": None if last is None else last.hex(),
        "searched_to": None if page.searched_to_us is None else show_time(page.searched_to_us),
    }


def _described_refusal(found: FoundRefusal, names: Names) -> dict[str, Any]:
    decision = found.decision
    return {
        "object": "usage.refusal",
        "request_id": f"req_{decision.call_id.hex()}",
        "at": show_time(decision.at_us),
        **_places(found, decision, names),
        "model": decision.model or None,
        "status": decision.status,
        "code": decision.code,
        "message": decision.message or None,
        "limit": None if found.limit is None else describe_limit(found.limit),
    }


def describe_call(found: FoundCall, names: Names) -> dict[str, Any]:
    """Return what a list shows of a call."""
    record = found.record
    inputs, outputs = tokens_of(record.quantities)
    return {
        "object": "usage.call",
        "request_id": request_id_of(record),
        "started_at": show_time(record.started_at_us),
        **_places(found, record, names),
        "operation": record.operation,
        "model_asked": record.model_asked,
        "model_served": record.model_served,
        "provider": record.provider,
        "status": record.status,
        "outcome": record.outcome.value,
        "is_stream": record.is_stream,
        "input_tokens": inputs,
        "output_tokens": outputs,
        "latency_us": record.latency_us,
        "first_byte_us": record.first_byte_us,
        "cost_usd": usd_number(record.amount_nanos),
        "cost_state": record.cost_state.value,
        "end_user": record.end_user,
        "labels": record.labels,
        "tries": len(record.tries) + 1,
    }


def describe_opened(opened: OpenedCall) -> dict[str, Any]:
    """Return everything that is kept of a call: its record, steps, times, the limits that it was let in by."""
    record, decision = opened.call.record, opened.decision
    described = describe_record(record)
    for line in described["lines"]:
        line["source_url"] = link_of(line["source"], record.provider)
        begins_us = opened.own_prices.get(own_price_of(line["source"]))
        line["own_price_from"] = None if begins_us is None else show_time(begins_us)
    times = times_of(record)
    return {
        **described,
        "object": "usage.call",
        "started_at": show_time(record.started_at_us),
        **_places(opened.call, record, opened.names),
        "times": {
            "total_us": times.total_us,
            "own_us": times.own_us,
            "waited_us": times.waited_us,
            "first_byte_us": times.first_byte_us,
            "is_by_step": times.is_by_step,
        },
        "steps": [_described_step(each) for each in steps_of(record)],
        "limits": None if decision is None else describe_decision(decision)["limits"],
    }


def _places(found: FoundCall | FoundRefusal, of: UsageRecord | CallDecision, names: Names) -> dict[str, Any]:
    ids = {"project": of.project_id, "team": found.team_id, "api_key": of.api_key_id, "member": found.member_id}
    shown: dict[str, Any] = {}
    for kind, id_ in ids.items():
        shown[f"{kind}_id"] = id_ or None
        shown[f"{kind}_name"] = names[f"{kind}_id"].get(id_)
    return shown


def _described_step(step: CallStep) -> dict[str, Any]:
    facts = {
        f"{name.removesuffix(_SUFFIX)}_usd" if name.endswith(_SUFFIX) else name: (
            usd_number(value) if name.endswith(_SUFFIX) else value
        )
        for name, value in step.facts.items()
    }
    return {"name": step.name, "duration_us": step.duration_us, "facts": facts}
