"""The pages of calls: found by what they are, newest first, and one opened with its steps, limits, tries and charge lines."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from tollkeeper.control import calls
from tollkeeper.control.call_views import describe_opened
from tollkeeper.control.refused_calls import RefusalPage, find_refusals
from tollkeeper.domain.call_steps import steps_of, times_of
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.usage import UsageRecord
from tollkeeper.prices.links import own_price_of
from tollkeeper.refusals import classify
from tollkeeper.web.answers import page
from tollkeeper.web.budget_words import PERIODS, UNITS
from tollkeeper.web.call_question import TITLES, read_search
from tollkeeper.web.catalogues import mark as _
from tollkeeper.web.chips import chips_of
from tollkeeper.web.refused_calls import REFUSED, budgets_among, find_by_id, show_one_refused, show_refused
from tollkeeper.web.visitor import Visitor

STEPS = {
    "authenticate": _("Authenticate"),
    "authorise": _("Authorise"),
    "limit": _("Check rates"),
    "reserve": _("Reserve"),
    "route": _("Route"),
    "forward": _("Forward"),
    "meter": _("Meter"),
    "settle": _("Settle"),
}


FACTS = {
    "api_key_id": _("API key"),
    "project_id": _("Project"),
    "operation": _("Operation"),
    "model": _("Model"),
    "rates": _("Rates looked at"),
    "reserved_nanos": _("Reserved"),
    "budgets": _("Budgets"),
    "provider": _("Provider"),
    "tries_before": _("Tries before"),
    "status": _("Status"),
    "outcome": _("Outcome"),
    "first_byte_us": _("First byte"),
    "is_stream": _("Stream"),
    "input_tokens": _("Input tokens"),
    "output_tokens": _("Output tokens"),
    "is_estimated": _("Estimated"),
    "amount_nanos": _("Cost"),
    "cost_state": _("The cost is"),
}
VALUES = {
    "complete": _("complete"),
    "provider_error": _("refused by the provider"),
    "broken": _("broken off"),
    "client_gone": _("left by the client"),
    "crashed": _("cut off by a crash"),
    "reported": _("what the provider says"),
    "computed": _("computed by the prices"),
    "estimated": _("an estimate"),
    "unpriced": _("unknown: no price"),
    "unbilled": _("nothing: not billed"),
}


BAR_WIDTH = 1000
"""Of a whole call, in the units of its bars."""
_BAR_WIDTH_MIN = 6
"""So wide that a step of microseconds is seen beside one of seconds."""


class _ShownStep(msgspec.Struct, frozen=True):
    """`bar` is where the step begins and how wide it is; None where its time is not known by itself."""

    title: str
    duration_us: int | None
    bar: tuple[int, int] | None
    facts: list[tuple[str, object]]


async def show(visitor: Visitor) -> Response:
    """Answer what is found. What the address says wrong is told beside the form, which stays as it was."""
    is_refused, wrong = visitor.query["shown"] == REFUSED, None
    try:
        search = read_search(visitor)
        if is_refused:
            return await show_refused(visitor, await visitor.look(find_refusals, search))
        found = await visitor.look(calls.find_calls, search)
        if search.request_id and not found.calls and (refused := await find_by_id(visitor, search.request_id)):
            return refused
    except InvalidRequest as refusal:
        if is_refused:
            return await show_refused(visitor, RefusalPage([], {}, None), wrong=refusal)
        found, wrong = calls.CallPage([], {}, None), refusal
    return await page(
        visitor,
        "calls.html",
        status=classify(wrong)[0] if wrong else 200,
        wrong=wrong,
        found=found,
        rest=visitor.query.but(after=found.end.hex()) if found.end is not None else [],
        chips=await chips_of(visitor, TITLES, leaves={"after"}),
        asked=visitor.query,
    )


async def show_one(visitor: Visitor) -> Response:
    """Answer one call."""
    try:
        opened = await visitor.look(calls.open_call, visitor.path["call"])
    except NotFound:
        return await show_one_refused(visitor)
    described: dict[str, Any] = describe_opened(opened)
    record = opened.call.record
    limits = opened.decision.limits if opened.decision else ()
    return await page(
        visitor,
        "call.html",
        record=record,
        described=described,
        own_from_us={line.source: opened.own_prices.get(own_price_of(line.source)) for line in record.lines},
        steps=_shown_steps(visitor, record, described),
        limits=limits,
        budget_ids=await budgets_among(visitor, limits),
        units=UNITS,
        periods=PERIODS,
    )


def _shown_steps(visitor: Visitor, record: UsageRecord, described: dict[str, Any]) -> list[_ShownStep]:
    """Return the steps one below the other, each bar where the last one ends."""
    total_us, begun_us, is_by_step = max(record.latency_us, 1), 0, times_of(record).is_by_step
    shown: list[_ShownStep] = []
    for each in steps_of(record):
        bar, took_us = None, each.duration_us
        if is_by_step and took_us is not None:
            left = min(begun_us * BAR_WIDTH // total_us, BAR_WIDTH - _BAR_WIDTH_MIN)
            width = max(took_us * BAR_WIDTH // total_us, _BAR_WIDTH_MIN) if took_us else 0
            bar = left, min(width, BAR_WIDTH - left)
            begun_us += took_us
        shown.append(_ShownStep(STEPS[each.name], took_us, bar, _facts(visitor, each.facts, described)))
    return shown


def _facts(visitor: Visitor, facts: dict[str, Any], described: dict[str, Any]) -> list[tuple[str, object]]:
    """Return what a step came to, as it is read: a title and a text each."""
    figures = visitor.figures
    shown: list[tuple[str, object]] = []
    for name, value in facts.items():
        text: object = value
        if value is None or value == "":
            continue
        if name.endswith("_nanos"):
            text = figures.exact(value)
        elif name.endswith("_us"):
            text = figures.duration(value)
        elif isinstance(value, bool):
            text = visitor._("yes") if value else visitor._("no")
        elif name.endswith("_id"):
            text = described.get(f"{name.removesuffix('_id')}_name") or value
        elif name in {"outcome", "cost_state"}:
            text = visitor._(VALUES[value])
        elif isinstance(value, int) and name != "status":
            text = figures.count(value)
        shown.append((visitor._(FACTS[name]), text))
    return shown
