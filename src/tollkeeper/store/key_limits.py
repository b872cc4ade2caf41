"""The budgets that an api key's calls are held to: of its organization, team, project, member, of itself, and the credit."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, case, func, or_, select

from tollkeeper.domain.limit import Limit
from tollkeeper.store.schema_limits import budget
from tollkeeper.store.schema_tenancy import account, api_key, member, organization, project, team

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.api_key import ApiKey
    from tollkeeper.domain.key_terms import FurtherProject

_ORDER = ("organization", "credit", "team", "project", "member", "api_key")
_limit = lru_cache(maxsize=65_536)(Limit)
"""Equal limits are one object: the keys of an organization share most of theirs."""


async def with_limits(connection: AsyncConnection, key: ApiKey) -> ApiKey:
    """Return a key with the budgets of each project that it may be used for, by one query; None are an admin key's.

    A key that was replaced is held to those of the key that took its place, and to any that it was given itself since.
    """
    if not key.project_id:
        return key
    further = key.terms.further_projects if key.terms is not None else ()
    places = {key.organization_id, key.team_id, key.project_id, key.member_id, key.id, key.limited_as}
    places |= {place for each in further for place in (each.id, each.team_id)}
    rows = list(await connection.execute(_query(key.organization_id, places - {""})))
    if not rows:
        return key
    terms = key.terms
    if terms is not None and further:
        terms = msgspec.structs.replace(
            terms, further_projects=tuple(_with_limits(key, each, rows) for each in further)
        )
    own = _limits_of(rows, key, key.project_id, key.team_id)
    return msgspec.structs.replace(key, limits=own, terms=terms)


def _with_limits(key: ApiKey, each: FurtherProject, rows: list[Any]) -> FurtherProject:
    return msgspec.structs.replace(each, limits=_limits_of(rows, key, each.id, each.team_id))


def _limits_of(rows: list[Any], key: ApiKey, project_id: str, team_id: str) -> tuple[Limit, ...]:
    """Return those of the budgets that hold for calls in a project."""
    scopes = {
        ("organization", key.organization_id),
        ("credit", key.organization_id),
        ("team", team_id),
        ("project", project_id),
        ("member", key.member_id),
        ("api_key", key.id),
        ("api_key", key.limited_as),
    }
    return tuple(
        [
            _limit(
                row.id,
                row.scope_kind,
                row.scope_id,
                row.scope_name or row.scope_id,
                row.unit,
                row.period,
                row.model,
                bool(row.is_hard),
                row.timezone,
            )
            for row in rows
            if (row.scope_kind, row.scope_id) in scopes
        ]
    )


def _query(organization_id: str, scope_ids: set[str]) -> Select[Any]:
    """Select the budgets of these scopes with the scopes' names, the organization's first; credit where it is needed."""
    of = budget.c
    joined = (
        budget.join(organization, organization.c.id == of.organization_id)
        .outerjoin(team, _is("team", team))
        .outerjoin(project, _is("project", project))
        .outerjoin(member, _is("member", member))
        .outerjoin(account, account.c.id == member.c.account_id)
        .outerjoin(api_key, _is("api_key", api_key))
    )
    person = case((account.c.name != "", account.c.name), else_=account.c.email)
    name = func.coalesce(team.c.name, project.c.name, person, api_key.c.name, organization.c.name)
    rank = case({kind: at for at, kind in enumerate(_ORDER)}, value=of.scope_kind, else_=len(_ORDER))
    return (
        select(
            of.id,
            of.scope_kind,
            of.scope_id,
            name.label("scope_name"),
            of.unit,
            of.period,
            of.model,
            of.is_hard,
            organization.c.timezone,
        )
        .select_from(joined)
        .where(
            of.organization_id == organization_id,
            of.scope_id.in_(sorted(scope_ids)),
            or_(of.scope_kind != "credit", organization.c.is_prepaid == 1),
        )
        .order_by(rank, of.scope_id, of.unit, of.period, of.model)
    )


def _is(kind: str, table: Any) -> Any:
    """Join a table to the budgets of its rows."""
    return and_(
        budget.c.scope_kind == kind,
        table.c.organization_id == budget.c.organization_id,
        table.c.id == budget.c.scope_id,
    )
