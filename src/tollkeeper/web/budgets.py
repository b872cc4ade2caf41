"""The pages of budgets: the tree with what is used and reserved, a new one, and one with its alerts and who was told."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from tollkeeper.control import alert_targets, alerts, api_keys, budgets, members, projects, teams
from tollkeeper.control.budget_status import BUDGETS_MAX, Branch, StandingBudget, read_status
from tollkeeper.control.budgets import Terms, terms_of
from tollkeeper.domain.api_key import ApiKey, KeyKind
from tollkeeper.domain.budget import AlertAction, Budget, Enforcement
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.web import budget_requests
from tollkeeper.web.answers import go, page
from tollkeeper.web.budget_words import ACTIONS, PERIODS, UNITS, amount_in
from tollkeeper.web.fields import chosen, threshold
from tollkeeper.web.visitor import Sent, Visitor

_ALERTS_MAX = 20
_SCOPES_MAX = 1000


class Row(msgspec.Struct, frozen=True):
    """A budget in the tree; `depth` is how far below the organization."""

    depth: int
    branch: Branch
    standing: StandingBudget


async def show(visitor: Visitor) -> Response:
    """Answer the tree."""
    status = await visitor.look(read_status)
    rows = _rows(status.root, 0) if status.root else []
    return await page(
        visitor,
        "budgets.html",
        rows=rows,
        waiting=await budget_requests.waiting_for(visitor),
        periods=PERIODS,
        units=UNITS,
        may_set=visitor.may("quota:manage"),
    )


async def show_new(visitor: Visitor) -> Response:
    """Answer the form of a new budget."""
    scopes = await _scopes(visitor)
    named = visitor.form["scope"] or visitor.query["scope"]
    if named and not any(named == scope_id for _title, offered in scopes for scope_id, _name in offered):
        scopes.append(("", [(named, named)]))
    return await page(
        visitor,
        "budget_new.html",
        scopes=scopes,
        sent=visitor.form if visitor.form else Sent([("scope", named)]),
        periods=PERIODS,
        units=UNITS,
    )


async def _scopes(visitor: Visitor) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return whose budget it can be, by kinds; "" is the title of the organization alone."""
    organization, _ = visitor.organization, visitor._
    whole: list[tuple[str, str]] = [(organization.id, organization.name)] if visitor.may("quota:manage") else []
    known_teams = await visitor.look(teams.list_teams, limit=_SCOPES_MAX)
    known = [each.project for each in await visitor.look(projects.list_projects, limit=_SCOPES_MAX)]
    names: dict[str, str] = {each.id: each.name for each in known}
    keys = await visitor.look_if(api_keys.list_keys, limit=_SCOPES_MAX) or []
    people = await visitor.look(members.list_members, limit=_SCOPES_MAX) if _manages_all(visitor) else []
    found: list[tuple[str, list[tuple[str, str]]]] = [
        ("", whole),
        (_("Teams"), [(each.id, each.name) for each in known_teams]),
        (_("Projects"), [(each.id, each.name) for each in known]),
        (_("People"), [(each.member.id, each.member.name or each.member.email) for each in people]),
        (
            _("API keys"),
            [(each.id, _key_name(each, names)) for each in keys if each.kind is not KeyKind.ADMIN],
        ),
    ]
    return [(title, offered) for title, offered in found if offered]


def _manages_all(visitor: Visitor) -> bool:
    return visitor.may_at("quota:manage", visitor.whole)


def _key_name(key: ApiKey, names: dict[str, str]) -> str:
    """Return a key's name with its project's: names of keys are like each other."""
    project = names.get(key.project_id)
    return f"{key.name} ({project})" if project else key.name


async def make(visitor: Visitor) -> Response:
    """Set a budget."""
    sent = visitor.form
    unit = chosen(sent, "unit", UNITS)
    terms = Terms(
        amount_in(sent, unit),
        chosen(sent, "period", PERIODS) if unit != "concurrent" else "total",
        bool(sent["carryover"]),
        _enforcement(sent),
        unit=unit,
        model=sent["model"].strip(),
    )
    made = await visitor.change(budgets.set_budget, sent["scope"], terms=terms)
    return go(f"{visitor.home}/budgets/{made.id}", notice=await _how_set(visitor, made))


async def show_one(visitor: Visitor) -> Response:
    """Answer the page of one budget."""
    budget = await visitor.look(budgets.get_budget, visitor.path["budget"])
    status = await visitor.look(read_status, scope_id=budget.scope_id)
    found = [each for each in _rows(status.root, 0) if each.standing.budget.id == budget.id] if status.root else []
    if not found:
        raise NotFound(f"There is no budget '{budget.id}'.")
    rules = await visitor.look(alerts.list_rules, budget_id=budget.id)
    fired = await visitor.look(alerts.list_alerts, limit=100)
    deliveries = await visitor.look_if(alerts.list_deliveries, limit=100) or []
    targets = await visitor.look_if(alert_targets.list_targets) or []
    mine = [each for each in fired if each.budget_id == budget.id][:_ALERTS_MAX]
    told = {each.id: [sent for sent in deliveries if sent.alert_id == each.id] for each in mine}
    return await page(
        visitor,
        "budget.html",
        row=found[0],
        budget=budget,
        rules=rules,
        fired=mine,
        told=told,
        target_names={each.id: each.name for each in targets},
        periods=PERIODS,
        units=UNITS,
        actions=ACTIONS,
        may_set=visitor.may("quota:manage"),
        may_set_all=_manages_all(visitor),
    )


async def change_one(visitor: Visitor) -> Response:
    """Do what one of the forms of a budget's page asks for."""
    budget_id, sent = visitor.path["budget"], visitor.form
    here = f"{visitor.home}/budgets/{budget_id}"
    match sent["do"]:
        case "set":
            before = await visitor.look(budgets.get_budget, budget_id)
            terms = msgspec.structs.replace(
                terms_of(before),
                amount=amount_in(sent, before.unit),
                is_carried_over=bool(sent["carryover"]),
                enforcement=_enforcement(sent),
            )
            made = await visitor.change(budgets.set_budget, before.scope_id, terms=terms)
            return go(here, notice=await _how_set(visitor, made))
        case "add-alert" | "change-alert" | "remove-alert":
            return go(here, notice=await _change_alerts(visitor, budget_id))
        case "ask":
            return await budget_requests.ask(visitor, await visitor.look(budgets.get_budget, budget_id))
        case "resume":
            await visitor.change(alerts.resume_budget, budget_id)
            return go(here, notice="resumed")
        case "delete":
            await visitor.change(budgets.delete_budget_by_id, budget_id)
            return go(f"{visitor.home}/budgets", notice="budget-deleted")
        case _:
            raise InvalidRequest("This page has no such button.", param="do")


async def _change_alerts(visitor: Visitor, budget_id: str) -> str:
    """Add, change or remove what happens at a part of the budget; returns what to say."""
    sent = visitor.form
    match sent["do"]:
        case "add-alert":
            at_permille, does = threshold(sent, "percent"), chosen(sent, "action", ACTIONS)
            await visitor.change(alerts.create_rule, budget_id, threshold_permille=at_permille, does=does)
            return "alert-added"
        case "change-alert":
            at_permille = threshold(sent, "percent")
            await visitor.change(alerts.change_rule, sent["rule"], threshold_permille=at_permille, does=_action(sent))
            return "saved"
        case _:
            await visitor.change(alerts.delete_rule, sent["rule"])
            return "alert-removed"


async def _how_set(visitor: Visitor, made: Budget) -> str:
    """Return what to say of a budget that was just set: whether more is used than it allows."""
    status = await visitor.look_if(read_status, scope_id=made.scope_id)
    rows = _rows(status.root, 0) if status and status.root else []
    standing = next((each.standing.standing for each in rows if each.standing.budget.id == made.id), None)
    if standing is None or standing.used <= standing.limit:
        return "budget-saved"
    return "budget-below-refuses" if made.enforcement.hard_limit else "budget-below"


def _rows(branch: Branch, depth: int) -> list[Row]:
    own = [Row(depth, branch, each) for each in branch.budgets]
    below = [row for each in branch.branches for row in _rows(each, depth + 1)]
    assert len(own) + len(below) <= BUDGETS_MAX
    return own + below


def _action(sent: Sent) -> AlertAction | None:
    if not sent["action"]:
        return None
    found: AlertAction = chosen(sent, "action", ACTIONS)
    return found


def _enforcement(sent: Sent) -> Enforcement:
    return Enforcement(
        hard_limit=bool(sent["hard_limit"]),
        notify_on_exceed=bool(sent["notify_on_exceed"]),
        auto_disable_on_exceed=bool(sent["auto_disable_on_exceed"]),
    )
