"""The playground: a call to any model with its cost before and after. Its key lives for an hour and in the page alone."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from tollkeeper.control import projects, usage
from tollkeeper.control.callable_models import CallAsked, chat_models, estimate_call, limit_name
from tollkeeper.control.playground import LIFE_S, close_playground, open_playground
from tollkeeper.domain.errors import InvalidRequest, NotFound, TollkeeperError
from tollkeeper.domain.money import format_usd
from tollkeeper.domain.usage import CostState
from tollkeeper.refusals import classify
from tollkeeper.web.answers import go, headers_of, page
from tollkeeper.web.catalogues import catalogue_of
from tollkeeper.web.fields import whole_number
from tollkeeper.web.refusal_texts import told
from tollkeeper.web.visitor import Visitor
from tollkeeper.web.words import Words

_OUTPUT_USUAL, OUTPUT_MAX = 500, 1_000_000
_PROJECTS_MAX = 1000


async def show(visitor: Visitor) -> Response:
    """Answer the form that makes the key; nothing can be called without one."""
    states = await visitor.look(projects.list_projects, limit=_PROJECTS_MAX)
    chat_models(visitor.models, visitor.principal)
    return await page(
        visitor,
        "playground_start.html",
        projects=[each.project for each in states],
        sent=visitor.form,
        model=visitor.query["model"],
        minutes=LIFE_S // 60,
        may_start=visitor.may("api_key:create:limited") and bool(visitor.principal.member_id),
    )


async def act(visitor: Visitor) -> Response:
    """Make the key and answer the page that holds it, or end it."""
    sent = visitor.form
    match sent["do"]:
        case "start":
            made = await visitor.change(open_playground, sent["project"])
            session = {
                "key": made.key,
                "csrf": visitor.csrf,
                "estimate": f"{visitor.home}/playground/estimate",
                "cost": f"{visitor.home}/playground/cost",
                "calls": f"{visitor.home}/calls",
            }
            visitor.figures.has_shown = visitor.figures.currency is not None  # the script will ask for amounts
            return await page(
                visitor,
                "playground.html",
                session=session,
                record=made.record,
                models=chat_models(visitor.models, visitor.principal),
                model=visitor.query["model"],
                output_usual=_OUTPUT_USUAL,
                output_max=OUTPUT_MAX,
            )
        case "end":
            await visitor.change(close_playground, sent["key"])
            return go(f"{visitor.home}/playground", notice="playground-ended")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


async def estimate(visitor: Visitor) -> Response:
    """Answer what a call would cost at most, for the page's script."""
    try:
        return _json(visitor, await _estimated(visitor))
    except TollkeeperError as refusal:
        status, _, _ = classify(refusal)
        return _json(visitor, {"fault": told(visitor.language, refusal.public_message)}, status)


async def show_cost(visitor: Visitor) -> Response:
    """Answer what a call came to, from its usage record; nothing as long as there is none."""
    try:
        record, _ = await visitor.look(usage.get_record, visitor.query["call"])
    except (NotFound, InvalidRequest):
        return _json(visitor, {"cost": None})
    _ = visitor._
    if record.amount_nanos is None:
        text = _("Unpriced: %(reason)s") % {"reason": told(visitor.language, record.reason)}
    else:
        text = _with_shown(visitor, record.amount_nanos)
        if record.cost_state is CostState.ESTIMATED:
            text = f"{text} ({_('an estimate: the provider did not state its usage')})"
    say = Words(catalogue_of(visitor.language)).say
    used = [(say(name, "class"), visitor.figures.count(value)) for name, value in record.quantities.items() if value]
    counts = ", ".join(f"{name} {count}" for name, count in used)
    return _json(visitor, {"cost": text, "nanos": record.amount_nanos, "usage": counts})


async def _estimated(visitor: Visitor) -> dict[str, Any]:
    sent, _ = visitor.form, visitor._
    output = whole_number(sent, "max_tokens")
    if output is None or not 1 <= output <= OUTPUT_MAX:
        raise InvalidRequest(f"Write how long the answer may be: 1 to {OUTPUT_MAX:,} tokens.", param="max_tokens")
    texts = tuple(text for text in (sent["system"], sent["message"]) if text)
    found = await estimate_call(visitor.models, visitor.principal, CallAsked(sent["model"].strip(), texts, output))
    if found.total_nanos is None or found.input_nanos is None:
        text = _("Unpriced: %(reason)s") % {"reason": told(visitor.language, found.reason)}
    else:
        text = _(
            "At most about %(total)s: %(input)s for %(count)s tokens of input, the rest for the longest answer"
        ) % {
            "total": _with_shown(visitor, found.total_nanos),
            "input": f"${format_usd(found.input_nanos)}",
            "count": visitor.figures.count(found.input_tokens),
        }
    if found.fits is False:
        text = f"{text}. {_('It is longer than the window of the model.')}"
    name = limit_name(visitor.models, visitor.organization.id, sent["model"].strip())
    return {"estimate": text, "nanos": found.total_nanos, "limit_name": name, "max_tokens": output}


def _with_shown(visitor: Visitor, nanos: int) -> str:
    """Return an amount exactly, with what it is in the other currency that the organization shows."""
    text = visitor.figures.shown(nanos)
    return f"${format_usd(nanos)} ({text})" if text else f"${format_usd(nanos)}"


def _json(visitor: Visitor, value: dict[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, headers=headers_of(visitor), media_type="application/json")
