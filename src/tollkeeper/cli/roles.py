"""`tollkeeper roles`: list the roles there are; create, change and delete the organization's own."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from msgspec import UNSET

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.listing import print_list, print_object, print_table, shown_time
from tollkeeper.cli.naming import named_role
from tollkeeper.cli.operator import Operator, as_operator, confirm
from tollkeeper.control import roles
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.permission import PERMISSIONS
from tollkeeper.domain.role import Role
from tollkeeper.kit.nearest import did_you_mean

app = typer.Typer(help="List roles; create, change and delete own ones.", no_args_is_help=True)
LIST_MAX = 10_000
_SHOWN_MAX = 6
RoleArgument = Annotated[str, typer.Argument(help="The role, by id or name.")]


@app.command("list")
def list_(
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List roles: the predefined ones, then the organization's own."""

    async def work(operator: Operator) -> list[Role]:
        return await operator.look(roles.list_roles, limit=LIST_MAX)

    found = as_operator(load(config, database), org, work)
    if as_json:
        print_list(found, _shown)
        return
    rows = [(each.id, each.name, "yes" if each.is_predefined else "no", _permissions(each)) for each in found]
    print_table(("id", "name", "predefined", "permissions"), rows)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The role's name.")],
    permission: Annotated[list[str], typer.Option("--permission", help="What it lets its members do; repeatable.")],
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a role of permissions."""
    permissions = _checked(permission)

    async def work(operator: Operator) -> Role:
        return await operator.change(roles.create_role, name=name, permissions=permissions, description=description)

    _print("is created", as_operator(load(config, database), org, work), as_json=as_json)


@app.command("update")
def update(
    role: RoleArgument,
    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    description: Annotated[str | None, typer.Option("--description", help="Another description.")] = None,
    add: Annotated[list[str] | None, typer.Option("--add", help="A permission that comes in; repeatable.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="One that goes out; repeatable.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change an own role, for all who have it; what is not said stays."""
    added, removed = _checked(add or []), _checked(remove or [])

    async def work(operator: Operator) -> Role:
        found = await operator.look(named_role, role)
        return await operator.change(
            roles.update_role,
            found.id,
            name=UNSET if name is None else name,
            permissions=(found.permissions | added) - removed if added or removed else UNSET,
            description=UNSET if description is None else description,
        )

    _print("is changed", as_operator(load(config, database), org, work), as_json=as_json)


@app.command("delete")
def delete(
    role: RoleArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete an own role that nobody has."""

    async def work(operator: Operator) -> Role:
        found = await operator.look(named_role, role)
        confirm(f"Delete the role {found.name} ({found.id})?", is_agreed=yes)
        return await operator.change(roles.delete_role, found.id)

    _print("is deleted", as_operator(load(config, database), org, work), as_json=as_json)


def _checked(permissions: list[str]) -> frozenset[str]:
    for each in permissions:
        if each not in PERMISSIONS:
            hint = did_you_mean(each, sorted(PERMISSIONS))
            raise InvalidRequest(f"There is no permission '{each[:64]}'.{hint}", param="permission")
    return frozenset(permissions)


def _permissions(role: Role) -> str:
    names = sorted(role.permissions)
    more = f" and {len(names) - _SHOWN_MAX} more" if len(names) > _SHOWN_MAX else ""
    return ("all" if role.permissions == PERMISSIONS else ", ".join(names[:_SHOWN_MAX]) + more) or "–"


def _print(what: str, role: Role, *, as_json: bool) -> None:
    if as_json:
        print_object(_shown(role))
    else:
        typer.echo(f"Role {role.name} ({role.id}) {what}: {', '.join(sorted(role.permissions)) or 'no permission'}.")


def _shown(role: Role) -> dict[str, Any]:
    return {
        "object": "role",
        "id": role.id,
        "name": role.name,
        "description": role.description,
        "predefined": role.is_predefined,
        "permissions": sorted(role.permissions),
        "created_at": shown_time(role.created_at_us or None),
    }
