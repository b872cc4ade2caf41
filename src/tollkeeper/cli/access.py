"""`tollkeeper access`: why a member or a key may or may not do a thing at a place."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import print_object
from tollkeeper.cli.naming import named_member, named_place
from tollkeeper.cli.operator import Operator, as_operator
from tollkeeper.control import access, api_keys
from tollkeeper.control.access import Explanation
from tollkeeper.control.administration import Action
from tollkeeper.domain.errors import InvalidRequest, NotFound
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.kit.nearest import did_you_mean

app = typer.Typer(help="Say who may do what, and why.", no_args_is_help=True)


@app.command("explain")
def explain(
    principal: Annotated[
        str, typer.Argument(help="A member (id or e-mail address) or a key (id, public part or name).")
    ],
    permission: Annotated[str, typer.Option("--permission", help="What it wants to do: project:manage, chat:create.")],
    scope: Annotated[
        str | None, typer.Option("--scope", help="Where: a team or project, by id or name; else the organization.")
    ] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether a member or a key may do a thing somewhere, and what decides it."""
    if permission not in PERMISSIONS:
        hint = did_you_mean(permission, sorted(PERMISSIONS))
        raise InvalidRequest(f"There is no permission '{permission[:64]}'.{hint}", param="permission")

    async def work(operator: Operator) -> Explanation:
        place = await operator.look(named_place, scope)
        found = await operator.look(_principal_id, principal)
        return await operator.look(access.explain, permission=permission, principal_id=found, scope_id=place.id)

    found = as_operator(load(config, database), org, work)
    if as_json:
        print_object(_shown(found))
        return
    answer = "may" if found.is_allowed else "may not"
    typer.echo(f"{principal} ({found.principal_id}) {answer} {permission} at this {found.place.kind}: {found.reason}")
    for note in found.notes:
        typer.echo(f"  {note}")
    for grant in found.grants:
        where = grant.project_id or grant.team_id or "the organization"
        typer.echo(f"  {grant.source} at {where}: {', '.join(sorted(grant.permissions)) or 'nothing'}")


async def _principal_id(action: Action, named: str) -> str:
    """Return the id of a member or a key."""
    if "@" in named or named.startswith("mem_"):
        return (await named_member(action, named)).id
    try:
        return (await api_keys.choose_key(action, named)).id
    except NotFound:
        raise NotFound(f"There is no member and no API key '{named}' in this organization.") from None


def _shown(found: Explanation) -> dict[str, Any]:
    return {
        "object": "explanation",
        "allowed": found.is_allowed,
        "principal": found.principal_id,
        "permission": found.permission,
        "scope": found.place.id,
        "reason": found.reason,
        "source": found.source or None,
        "grants": [{**msgspec.structs.asdict(each), "permissions": sorted(each.permissions)} for each in found.grants],
        "notes": found.notes,
    }
