"""The page of a new budget: whose it can be, and setting it."""

from __future__ import annotations

from starlette.responses import Response

from tollkeeper.control import api_keys, budgets, members, projects, teams
from tollkeeper.control.budget_scopes import managed_among
from tollkeeper.control.budgets import Terms
from tollkeeper.domain.api_key import ApiKey, KeyKind
from tollkeeper.web.answers import go, page
from tollkeeper.web.budget_notices import how_set
from tollkeeper.web.budget_words import PERIODS, UNITS, amount_in, enforcement_in
from tollkeeper.web.fields import chosen
from tollkeeper.web.visitor import Sent, Visitor

_SCOPES_MAX = 1000
Scopes = list[tuple[str, list[tuple[str, str]]]]
"""Ids and names by the titles of their kinds; "" is the title of the organization alone."""


async def show(visitor: Visitor) -> Response:
    """Answer the form."""
    named = visitor.form["scope"] or visitor.query["scope"]
    return await page(
        visitor,
        "budget_new.html",
        scopes=await _scopes(visitor, named),
        sent=visitor.form if visitor.form else Sent([("scope", named)]),
        periods=PERIODS,
        units=UNITS,
    )


async def make(visitor: Visitor) -> Response:
    """Set a budget."""
    sent = visitor.form
    unit = chosen(sent, "unit", UNITS)
    terms = Terms(
        amount_in(sent, unit),
        chosen(sent, "period", PERIODS) if unit != "concurrent" else "total",
        bool(sent["carryover"]),
        enforcement_in(sent),
        unit=unit,
        model=sent["model"].strip(),
    )
    made = await visitor.change(budgets.put_budget, sent["scope"], terms=terms)
    notice = await how_set(visitor, made.budget, is_replaced=made.before is not None)
    was = {"was": str(made.before.amount)} if made.before is not None else {}
    return go(f"{visitor.home}/budgets/{made.budget.id}", notice=notice, **was)


async def _scopes(visitor: Visitor, named: str) -> Scopes:
    """Return whose budget it can be: those that the person may set, `named` also when it is beyond what is listed."""
    known = await _known_scopes(visitor)
    listed = [scope_id for _title, offered in known for scope_id, _name in offered]
    managed = await visitor.look(managed_among, [*listed, *([named] if named else [])])
    if named in managed and named not in listed:
        known.append(("", [(named, named)]))
    found = [(title, [each for each in offered if each[0] in managed]) for title, offered in known]
    return [(title, offered) for title, offered in found if offered]


async def _known_scopes(visitor: Visitor) -> Scopes:
    """Return whose budgets the person may know of."""
    organization, _ = visitor.organization, visitor._
    is_of_whole = visitor.may_at("quota:manage", visitor.whole)
    known_teams = await visitor.look(teams.list_teams, limit=_SCOPES_MAX)
    known = [each.project for each in await visitor.look(projects.list_projects, limit=_SCOPES_MAX)]
    names: dict[str, str] = {each.id: each.name for each in known}
    keys = await visitor.look_if(api_keys.list_keys, limit=_SCOPES_MAX) or []
    people = await visitor.look(members.list_members, limit=_SCOPES_MAX) if is_of_whole else []
    return [
        ("", [(organization.id, organization.name)]),
        (_("Teams"), [(each.id, each.name) for each in known_teams]),
        (_("Projects"), [(each.id, each.name) for each in known]),
        (_("People"), [(each.member.id, each.member.name or each.member.email) for each in people]),
        (_("API keys"), [(each.id, _key_name(each, names)) for each in keys if each.kind is not KeyKind.ADMIN]),
    ]


def _key_name(key: ApiKey, names: dict[str, str]) -> str:
    """Return a key's name with its project's: names of keys are like each other."""
    project = names.get(key.project_id)
    return f"{key.name} ({project})" if project else key.name
