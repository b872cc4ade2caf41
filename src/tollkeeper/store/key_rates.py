"""The rules of rate that an api key's calls come under: of its organization, team, project, member, and its own."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, case, func, select

from tollkeeper.domain.rate_limit import RateRule
from tollkeeper.store.schema_limits import rate_limit
from tollkeeper.store.schema_tenancy import account, api_key, member, organization, project, team

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.api_key import ApiKey

_ORDER = ("organization", "team", "project", "member", "api_key")
_rule = lru_cache(maxsize=65_536)(RateRule)
"""Equal rules are one object: the keys of an organization share most of theirs."""


async def with_rates(connection: AsyncConnection, key: ApiKey) -> ApiKey:
    """Return a key with the rules of each project that it may be used for, by one query; none are an admin key's.

    A key that was replaced comes under those of the key that took its place, and any that it was given itself since.
    """
    if not key.project_id:
        return key
    further = key.terms.further_projects if key.terms is not None else ()
    places = {key.organization_id, key.team_id, key.project_id, key.member_id, key.id, key.limited_as}
    places |= {place for each in further for place in (each.id, each.team_id)}
    rows = list(await connection.execute(_query(key.organization_id, places - {""})))
    own = _own_rule(key)
    if not rows and not own:
        return key
    terms = key.terms
    if terms is not None and further:
        renewed = tuple(
            msgspec.structs.replace(each, rates=_rules_of(rows, key, each.id, each.team_id) + own) for each in further
        )
        terms = msgspec.structs.replace(terms, further_projects=renewed)
    rates = _rules_of(rows, key, key.project_id, key.team_id) + own
    return msgspec.structs.replace(key, rates=rates, terms=terms)


def _own_rule(key: ApiKey) -> tuple[RateRule, ...]:
    """Return what the key's own terms say; its id is the key's, or that of the key that replaced it: they share it."""
    if key.terms is None:
        return ()
    limits = key.terms.rate_limit.requests_per_minute, key.terms.rate_limit.tokens_per_minute
    return (_rule(key.limited_as, "api_key", key.limited_as, key.name, "", *limits),) if any(limits) else ()


def _rules_of(rows: list[Any], key: ApiKey, project_id: str, team_id: str) -> tuple[RateRule, ...]:
    """Return those of the rules that hold for calls in a project."""
    scopes = {
        ("organization", key.organization_id),
        ("team", team_id),
        ("project", project_id),
        ("member", key.member_id),
        ("api_key", key.id),
        ("api_key", key.limited_as),
    }
    return tuple(
        [
            _rule(
                row.id,
                row.scope_kind,
                row.scope_id,
                row.scope_name or row.scope_id,
                row.model,
                row.requests_per_minute,
                row.tokens_per_minute,
            )
            for row in rows
            if (row.scope_kind, row.scope_id) in scopes
        ]
    )


def _query(organization_id: str, scope_ids: set[str]) -> Select[Any]:
    """Select the rules of these scopes with the scopes' names, the organization's first."""
    of = rate_limit.c
    joined = (
        rate_limit.join(organization, organization.c.id == of.organization_id)
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
            of.model,
            of.requests_per_minute,
            of.tokens_per_minute,
        )
        .select_from(joined)
        .where(of.organization_id == organization_id, of.scope_id.in_(sorted(scope_ids)))
        .order_by(rank, of.scope_id, of.model)
    )


def _is(kind: str, table: Any) -> Any:
    """Join a table to the rules of its rows."""
    return and_(
        rate_limit.c.scope_kind == kind,
        table.c.organization_id == rate_limit.c.organization_id,
        table.c.id == rate_limit.c.scope_id,
    )
