"""The names of what usage is reported by: teams, projects, keys and members by their ids, archived and deleted ones too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Select, func, select

from tollkeeper.store.schema_tenancy import account, api_key, member, project, team

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.ext.asyncio import AsyncConnection

_IDS_MAX = 1000  # in one query; SQLite takes 32,766 parameters and PostgreSQL 32,767
_NAMED = {
    "team_id": select(team.c.id, team.c.name),
    "project_id": select(project.c.id, project.c.name),
    "api_key_id": select(api_key.c.id, api_key.c.name),
    # the account's e-mail, when it has no name
    "member_id": select(member.c.id, func.coalesce(func.nullif(account.c.name, ""), account.c.email)).join_from(
        member, account, account.c.id == member.c.account_id
    ),
}
NAMED_COLUMNS = tuple(_NAMED)


async def read_names(
    connection: AsyncConnection, organization_id: str, column: str, ids: Iterable[str]
) -> dict[str, str]:
    """Return the names by the ids of one column of `NAMED_COLUMNS`; ids that are not the organization's have none."""
    query: Select[str, str] = _NAMED[column]
    named, organization = query.selected_columns[0], query.selected_columns[0].table.c.organization_id
    wanted = sorted({each for each in ids if each})
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _IDS_MAX):
        page = query.where(organization == organization_id, named.in_(wanted[start : start + _IDS_MAX]))
        found |= {row[0]: row[1] for row in await connection.execute(page)}
    return found
