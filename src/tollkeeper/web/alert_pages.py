"""The page of alerts: stopped budgets, rules over all budgets, what fired, and what was sent of it, to be sent again."""

from __future__ import annotations

from typing import NamedTuple

from starlette.responses import Response

from tollkeeper.control import alert_targets, alerts
from tollkeeper.control.budget_scopes import managed_among
from tollkeeper.control.budget_status import Branch, StandingBudget, read_status
from tollkeeper.domain.errors import InvalidRequest, PermissionDenied
from tollkeeper.web.answers import go, page
from tollkeeper.web.budget_notices import how_alerted, unheard_by
from tollkeeper.web.budget_words import ACTIONS, PERIODS, UNHEARD, UNITS
from tollkeeper.web.fields import chosen, threshold
from tollkeeper.web.visitor import Sent, Visitor

_FIRED_MAX, _SENT, _RULES = 50, 50, 200


class Choice(NamedTuple):
    """A budget as the page names it."""

    id: str
    title: str
    standing: StandingBudget


async def show(visitor: Visitor) -> Response:
    """Answer rules, what fired and, for who manages all quotas, what was sent."""
    after, sent_after = visitor.query["after"] or None, visitor.query["sent_after"] or None
    rules = await visitor.look(alerts.list_rules, after=after, limit=_RULES + 1)
    fired = await visitor.look(alerts.list_alerts, limit=_FIRED_MAX)
    sent = await visitor.look_if(alerts.list_deliveries, after=sent_after, limit=_SENT + 1)
    targets = await visitor.look_if(alert_targets.list_targets) or []
    listed = await _budgets(visitor)
    budgets = listed or []
    credit_id = await visitor.look_if(alerts.find_credit) or ""
    managed = await _managed(visitor, budgets)
    if credit_id and visitor.may_at("quota:manage", visitor.whole):
        managed.add(credit_id)
    if listed is None and visitor.may("quota:manage"):
        managed |= {each.budget_id for each in rules}  # nobody knows here which of them
    return await page(
        visitor,
        "alerts.html",
        rules=rules[:_RULES],
        next_after=rules[_RULES - 1].id if len(rules) > _RULES else "",
        fired=fired,
        fired_by_id={each.id: each for each in fired},
        sent=None if sent is None else sent[:_SENT],
        next_sent=sent[_SENT - 1].id if sent and len(sent) > _SENT else "",
        target_names={each.id: each.name for each in targets},
        budgets={each.id: each for each in budgets},
        is_all_listed=listed is not None,
        credit_id=credit_id,
        managed=managed,
        stopped=[each for each in budgets if each.standing.standing.is_stopped],
        actions=ACTIONS,
        unheard={each: UNHEARD[each] for each in await unheard_by(visitor)},
        units=UNITS,
        periods=PERIODS,
        form=visitor.form if visitor.form["do"] == "add" else Sent([]),
        may_manage=visitor.may("quota:manage"),
        may_targets=visitor.may_at("quota:manage", visitor.whole),
    )


async def act(visitor: Visitor) -> Response:
    """Do what one of the forms asks for."""
    sent, here = visitor.form, f"{visitor.home}/alerts"
    match sent["do"]:
        case "add":
            at_permille, does = threshold(sent, "percent"), chosen(sent, "action", ACTIONS)
            budget_id = sent["budget"].strip()
            made = await visitor.change(alerts.create_rule, budget_id, threshold_permille=at_permille, does=does)
            return go(here, notice=await how_alerted(visitor, made, "alert-added"))
        case "change":
            at_permille, does = threshold(sent, "percent"), chosen(sent, "action", ACTIONS)
            made = await visitor.change(alerts.change_rule, sent["rule"], threshold_permille=at_permille, does=does)
            return go(here, notice=await how_alerted(visitor, made, "saved"))
        case "remove":
            await visitor.change(alerts.delete_rule, sent["rule"])
            return go(here, notice="alert-removed")
        case "send-again":
            await visitor.change(alerts.retry_delivery, sent["delivery"])
            return go(here, notice="sent-again")
        case "resume":
            await visitor.change(alerts.resume_budget, sent["budget"])
            return go(here, notice="resumed")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


async def _budgets(visitor: Visitor) -> list[Choice] | None:
    """Return the budgets that the person may see; None when there are more than a page can hold."""
    try:
        status = await visitor.look(read_status)
    except PermissionDenied:
        return []
    except InvalidRequest:
        return None
    found: list[Choice] = []
    branches: list[Branch] = [status.root] if status.root else []
    while branches:
        branch = branches.pop(0)
        branches += branch.branches
        found += [Choice(each.budget.id, _title(visitor, branch, each), each) for each in branch.budgets]
    return found


async def _managed(visitor: Visitor, listed: list[Choice]) -> set[str]:
    """Return those of these budgets that the person may set."""
    scopes = {each.id: each.standing.budget.scope_id for each in listed}
    managed = await visitor.look(managed_among, set(scopes.values()))
    return {budget_id for budget_id, scope_id in scopes.items() if scope_id in managed}


def _title(visitor: Visitor, branch: Branch, found: StandingBudget) -> str:
    budget, _ = found.budget, visitor._
    what = _(UNITS[budget.unit])
    if budget.unit != "concurrent":
        what = _("%(unit)s %(period)s") % {"unit": what, "period": _(PERIODS[budget.period])}
    return f"{branch.name}: {what}{f' ({budget.model})' if budget.model else ''}"
