"""The pages of budgets: the tree with what is used and reserved, and one with its alerts and who was told."""

from __future__ import annotations

import re

import msgspec
from starlette.responses import Response

from tollkeeper.control import alert_targets, alerts, budgets
from tollkeeper.control.budget_increases import open_increases
from tollkeeper.control.budget_scopes import managed_among
from tollkeeper.control.budget_status import read_status
from tollkeeper.control.budgets import terms_of
from tollkeeper.domain.budget import AlertAction
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.web import budget_increases, budget_requests
from tollkeeper.web.answers import go, page
from tollkeeper.web.budget_notices import how_alerted, how_set, near_model, unheard_by
from tollkeeper.web.budget_rows import row_of, rows_of
from tollkeeper.web.budget_words import ACTIONS, PERIODS, UNHEARD, UNITS, amount_in, enforcement_in
from tollkeeper.web.fields import chosen, threshold
from tollkeeper.web.visitor import Sent, Visitor

_ALERTS_MAX = 20
_AMOUNT = re.compile("[0-9]{1,19}")


async def show(visitor: Visitor) -> Response:
    """Answer the tree."""
    status = await visitor.look(read_status)
    return await page(
        visitor,
        "budgets.html",
        rows=rows_of(status),
        waiting=await budget_requests.waiting_for(visitor),
        periods=PERIODS,
        units=UNITS,
        may_set=visitor.may("quota:manage"),
    )


async def show_one(visitor: Visitor) -> Response:
    """Answer the page of one budget."""
    budget = await visitor.look(budgets.get_budget, visitor.path["budget"])
    status = await visitor.look(read_status, scope_id=budget.scope_id)
    row = row_of(status, budget.id)
    if row is None:
        raise NotFound(f"There is no budget '{budget.id}'.")
    rules = await visitor.look(alerts.list_rules, budget_id=budget.id)
    fired = await visitor.look(alerts.list_alerts, limit=100)
    deliveries = await visitor.look_if(alerts.list_deliveries, limit=100)
    targets = await visitor.look_if(alert_targets.list_targets) or []
    mine = [each for each in fired if each.budget_id == budget.id][:_ALERTS_MAX]
    told = {each.id: [sent for sent in deliveries or [] if sent.alert_id == each.id] for each in mine}
    return await page(
        visitor,
        "budget.html",
        row=row,
        was=_was(visitor),
        near=near_model(visitor, budget),
        budget=budget,
        increases=await visitor.look(open_increases, budget.id),
        rules=rules,
        fired=mine,
        told=None if deliveries is None else told,
        target_names={each.id: each.name for each in targets},
        periods=PERIODS,
        units=UNITS,
        actions=ACTIONS,
        unheard={each: UNHEARD[each] for each in await unheard_by(visitor)},
        may_targets=visitor.may_at("quota:manage", visitor.whole),
        may_set=budget.scope_id in await visitor.look(managed_among, [budget.scope_id]),
    )


def _was(visitor: Visitor) -> int | None:
    """Return what the budget amounted to before it was replaced, as the address says; None when it says nothing."""
    return int(visitor.query["was"]) if _AMOUNT.fullmatch(visitor.query["was"]) else None


async def change_one(visitor: Visitor) -> Response:
    """Do what one of the forms of a budget's page asks for."""
    budget_id = visitor.path["budget"]
    match visitor.form["do"]:
        case "set":
            notice = await _set(visitor, budget_id)
        case "raise":
            notice = await budget_increases.give(visitor, budget_id)
        case "end-increase":
            notice = await budget_increases.end(visitor, budget_id)
        case "add-alert" | "change-alert" | "remove-alert":
            notice = await _change_alerts(visitor, budget_id)
        case "ask":
            return await budget_requests.ask(visitor, await visitor.look(budgets.get_budget, budget_id))
        case "resume":
            await visitor.change(alerts.resume_budget, budget_id)
            notice = "resumed"
        case "delete":
            await visitor.change(budgets.delete_budget_by_id, budget_id)
            return go(f"{visitor.home}/budgets", notice="budget-deleted")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")
    return go(f"{visitor.home}/budgets/{budget_id}", notice=notice)


async def _set(visitor: Visitor, budget_id: str) -> str:
    """Change a budget's amount and what it does at its limit; returns what to say."""
    sent = visitor.form
    before = await visitor.look(budgets.get_budget, budget_id)
    terms = msgspec.structs.replace(
        terms_of(before),
        amount=amount_in(sent, before.unit),
        is_carried_over=bool(sent["carryover"]),
        enforcement=enforcement_in(sent),
    )
    return await how_set(visitor, await visitor.change(budgets.set_budget, before.scope_id, terms=terms))


async def _change_alerts(visitor: Visitor, budget_id: str) -> str:
    """Add, change or remove what happens at a part of the budget; returns what to say."""
    sent = visitor.form
    match sent["do"]:
        case "add-alert":
            at_permille, does = threshold(sent, "percent"), chosen(sent, "action", ACTIONS)
            made = await visitor.change(alerts.create_rule, budget_id, threshold_permille=at_permille, does=does)
            return await how_alerted(visitor, made, "alert-added")
        case "change-alert":
            at_permille, wanted = threshold(sent, "percent"), _action(sent)
            made = await visitor.change(alerts.change_rule, sent["rule"], threshold_permille=at_permille, does=wanted)
            return await how_alerted(visitor, made, "saved")
        case _:
            await visitor.change(alerts.delete_rule, sent["rule"])
            return "alert-removed"


def _action(sent: Sent) -> AlertAction | None:
    if not sent["action"]:
        return None
    found: AlertAction = chosen(sent, "action", ACTIONS)
    return found
