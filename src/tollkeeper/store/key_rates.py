"""The rules of rate that an api key's calls come under: of its organization, team, project, member, and its own."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tollkeeper.domain.rate_limit import RateRule
from tollkeeper.store.key_scopes import in_each_project, scopes_of, select_of_scopes
from tollkeeper.store.schema_limits import rate_limit

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from tollkeeper.domain.api_key import ApiKey
    from tollkeeper.store.key_scopes import Scopes

_OF = rate_limit.c
# Built once: building statements takes longer than running them.
_QUERY = select_of_scopes(
    rate_limit, _OF.id, _OF.scope_kind, _OF.scope_id, _OF.model, _OF.requests_per_minute, _OF.tokens_per_minute
).order_by(_OF.model)
_rule = lru_cache(maxsize=16_384)(RateRule)
"""Equal rules are one object: the keys of an organization share most of theirs."""


@lru_cache(maxsize=16_384)
def _shared(rules: tuple[RateRule, ...]) -> tuple[RateRule, ...]:
    """Return one object for equal rules: keys that come under the same ones share what is kept for their calls."""
    return rules


async def with_rates(connection: AsyncConnection, key: ApiKey) -> ApiKey:
    """Return a key with the rules of each project that it may be used for, by one query; none are an admin key's.

    A key that was replaced comes under those of the key that took its place, and any that it was given itself since.
    """
    if not key.project_id:
        return key
    rows = list(await connection.execute(_QUERY, scopes_of(key)))
    own = _own_rule(key)
    if not rows and not own:
        return key

    def held(scopes: Scopes) -> tuple[RateRule, ...]:
        found = [
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
        return _shared((*found, *own))

    return in_each_project(key, "rates", held)


def _own_rule(key: ApiKey) -> tuple[RateRule, ...]:
    """Return what the key's own terms say; its id is the key's, or that of the key that replaced it: they share it."""
    if key.terms is None:
        return ()
    limits = key.terms.rate_limit.requests_per_minute, key.terms.rate_limit.tokens_per_minute
    return (_rule(key.limited_as, "api_key", key.limited_as, key.name, "", *limits),) if any(limits) else ()
