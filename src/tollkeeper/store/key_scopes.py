"""The scopes that an api key's calls come under, in each of its projects, and the query for what is set for those scopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, bindparam, case, func, select

from tollkeeper.store.schema_tenancy import account, api_key, member, organization, project, team

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Select, Table

    from tollkeeper.domain.api_key import ApiKey

Scopes = frozenset[tuple[str, str]]
"""The kinds and ids of scopes."""
_ORDER = ("organization", "credit", "team", "project", "member", "api_key")


def select_of_scopes(table: Table, *columns: ColumnElement[Any]) -> Select[Any]:
    """Begin a query for what a table has for a key's scopes: `columns`, and `scope_name`; the organization's come first.

    It is run with `scopes_of`.
    """
    of = table.c
    joined = (
        table.join(organization, organization.c.id == of.organization_id)
        .outerjoin(team, _is("team", table, team))
        .outerjoin(project, _is("project", table, project))
        .outerjoin(member, _is("member", table, member))
        .outerjoin(account, account.c.id == member.c.account_id)
        .outerjoin(api_key, _is("api_key", table, api_key))
    )
    person = case((account.c.name != "", account.c.name), else_=account.c.email)
    name = func.coalesce(team.c.name, project.c.name, person, api_key.c.name, organization.c.name)
    rank = case({kind: at for at, kind in enumerate(_ORDER)}, value=of.scope_kind, else_=len(_ORDER))
    return (
        select(*columns, name.label("scope_name"))
        .select_from(joined)
        .where(
            of.organization_id == bindparam("of_organization"), of.scope_id.in_(bindparam("scope_ids", expanding=True))
        )
        .order_by(rank, of.scope_id)
    )


def scopes_of(key: ApiKey) -> dict[str, Any]:
    """Return what `select_of_scopes` is run with for a key.

    A key that was replaced comes under the key that took its place, and under itself for what it was given since.
    """
    further = key.terms.further_projects if key.terms is not None else ()
    ids = {scope_id for _, scope_id in _scopes_of(key, key.project_id, key.team_id)}
    ids |= {scope_id for each in further for scope_id in (each.id, each.team_id)}
    return {"of_organization": key.organization_id, "scope_ids": sorted(ids - {""})}


def in_each_project(key: ApiKey, name: str, held: Callable[[Scopes], tuple[Any, ...]]) -> ApiKey:
    """Return a key with its field `name`, and those of its further projects, as `held` says for the scopes there."""
    terms = key.terms
    if terms is not None and terms.further_projects:
        further = [
            msgspec.structs.replace(each, **{name: held(_scopes_of(key, each.id, each.team_id))})
            for each in terms.further_projects
        ]
        terms = msgspec.structs.replace(terms, further_projects=tuple(further))
    own = held(_scopes_of(key, key.project_id, key.team_id))
    return msgspec.structs.replace(key, terms=terms, **{name: own})


def _scopes_of(key: ApiKey, project_id: str, team_id: str) -> Scopes:
    return frozenset(
        {
            ("organization", key.organization_id),
            ("credit", key.organization_id),
            ("team", team_id),
            ("project", project_id),
            ("member", key.member_id),
            ("api_key", key.id),
            ("api_key", key.limited_as),
        }
    )


def _is(kind: str, table: Table, of_kind: Table) -> ColumnElement[bool]:
    """Return the condition that a row is of a scope of this kind."""
    return and_(
        table.c.scope_kind == kind,
        of_kind.c.organization_id == table.c.organization_id,
        of_kind.c.id == table.c.scope_id,
    )
