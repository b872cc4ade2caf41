"""`tollkeeper keys`: create, list, get, update, rotate, disable, enable, delete api keys, and what one was used for."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from tollkeeper.cli import key_report, key_update
from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, OrganizationOption, load
from tollkeeper.cli.key_options import (
    Addresses,
    Expires,
    KeyArgument,
    Labels,
    Models,
    Permissions,
    Rpd,
    Rpm,
    Tpm,
    Yes,
    named_key,
    project_names,
    read_labels,
    read_moment,
    read_span,
)
from tollkeeper.cli.listing import print_list, print_object
from tollkeeper.cli.naming import named_member, named_project
from tollkeeper.cli.operator import Operator, as_operator, confirm
from tollkeeper.control import api_keys, key_usage
from tollkeeper.control.api_keys import KeyUpdate, NewApiKey
from tollkeeper.control.key_views import shown_key, shown_new_key, shown_rotation, shown_use
from tollkeeper.domain.api_key import ApiKey
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.key_terms import KeyTerms, RateLimit, check_permissions

app = typer.Typer(help="Create, change, rotate, stop and delete API keys.", no_args_is_help=True)
_PAGE = 100


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="What the key is for; a key per function and environment.")],
    project: Annotated[
        list[str] | None,
        typer.Option("--project", help="The project, by id or name (else default); with --member, more."),
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="An administration key, which cannot call models.")] = False,
    member: Annotated[str | None, typer.Option("--member", help="A person's key: their e-mail address or id.")] = None,
    permission: Permissions = None,
    expires: Expires = None,
    allow_ip: Addresses = None,
    allow_model: Models = None,
    rpm: Rpm = None,
    rpd: Rpd = None,
    tpm: Tpm = None,
    label: Labels = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key and show it once."""
    if admin and (project or member or allow_model or label or (rpm, rpd, tpm) != (None, None, None)):
        raise InvalidRequest("An administration key calls no models; leave out what is about calls.", param="admin")
    if not member and len(project or ()) > 1:
        raise InvalidRequest("A service's key is for one project; make one for each.", param="project")
    wanted: dict[str, Any] = {
        "name": name,
        "permissions": check_permissions(permission, param="permission") if permission else None,
        "terms": KeyTerms(
            allowed_ips=tuple(allow_ip or ()),
            allowed_models=tuple(allow_model or ()),
            rate_limit=RateLimit(rpm, rpd, tpm),
            labels=read_labels(label),
        ),
    }

    async def work(operator: Operator) -> NewApiKey:
        wanted["expires_at_us"] = read_moment(expires, operator.organization.timezone)
        if admin:
            return await operator.change(api_keys.create_admin_key, **wanted)
        chosen = [await operator.look(named_project, each) for each in project or ["default"]]
        if member is None:
            return await operator.change(api_keys.create_service_key, project_id=chosen[0].id, **wanted)
        person = await operator.look(named_member, member)
        owner = msgspec.structs.replace(operator.caller.principal, member_id=person.id)
        caller = msgspec.structs.replace(operator.caller, principal=owner)
        ids = tuple(each.id for each in chosen)
        return await operator.administration.change(caller, api_keys.create_member_key, project_ids=ids, **wanted)

    made = as_operator(load(config, database), org, work)
    if as_json:
        print_object(shown_new_key(made))
    else:
        key_report.show_secret(made)


@app.command("list")
def list_(
    project: Annotated[str | None, typer.Option("--project", help="Only keys of this project.")] = None,
    member: Annotated[str | None, typer.Option("--member", help="Only keys of this person.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List keys, oldest first; deleted ones are gone."""

    async def work(operator: Operator) -> None:
        wanted = {
            "project_id": (await operator.look(named_project, project)).id if project else None,
            "member_id": (await operator.look(named_member, member)).id if member else None,
        }
        found: list[ApiKey] = []
        while True:
            after = found[-1].id if found else None
            page = await operator.look(
                api_keys.list_keys,
                project_id=wanted["project_id"],
                member_id=wanted["member_id"],
                after=after,
                limit=_PAGE,
            )
            found += page
            if len(page) < _PAGE:
                break
        if as_json:
            print_list(found, shown_key)
        elif not found:
            typer.echo("No keys. Create one with: tollkeeper keys create --name NAME")
        else:
            key_report.show_keys(operator, found, await project_names(operator))

    as_operator(load(config, database), org, work)


@app.command("get")
def get(
    key: KeyArgument,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all there is to know of a key but its secret, which nobody knows."""

    async def work(operator: Operator) -> None:
        found = await operator.look(named_key, key)
        if as_json:
            print_object(shown_key(found))
        else:
            key_report.show_key(operator, found, await project_names(operator))

    as_operator(load(config, database), org, work)


app.command("update")(key_update.update)


@app.command("rotate")
def rotate(
    key: KeyArgument,
    grace: Annotated[str, typer.Option("--grace", help="How long the old key works on: 24h, 7d, at most 30d.")] = "0",
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a new key in the place of a key and show it once; the old one ends at once, or after --grace."""
    grace_seconds = read_span(grace, param="grace")

    async def work(operator: Operator) -> None:
        old = await operator.look(named_key, key)
        rotated = await operator.change(api_keys.rotate_key, old.id, grace_seconds=grace_seconds)
        if as_json:
            print_object(shown_rotation(rotated, key_id=old.id))
        else:
            key_report.show_rotation(operator, rotated, old)

    as_operator(load(config, database), org, work)


@app.command("disable")
def disable(
    key: KeyArgument, org: OrganizationOption = None, config: ConfigOption = None, database: DatabaseOption = None
) -> None:
    """Stop a key on every replica within a second; `enable` lets it work again."""

    async def work(operator: Operator) -> ApiKey:
        return await _switch(operator, key, is_disabled=True)

    found = as_operator(load(config, database), org, work)
    typer.echo(f"{found.id} ({found.name}) is disabled.")


@app.command("enable")
def enable(
    key: KeyArgument, org: OrganizationOption = None, config: ConfigOption = None, database: DatabaseOption = None
) -> None:
    """Let a disabled key work again."""

    async def work(operator: Operator) -> ApiKey:
        return await _switch(operator, key, is_disabled=False)

    found = as_operator(load(config, database), org, work)
    typer.echo(f"{found.id} ({found.name}) is active.")


@app.command("delete")
def delete(
    key: KeyArgument,
    yes: Yes = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """End a key for good. Its usage stays."""
    confirm(f"Delete {key} for good?", is_agreed=yes)

    async def work(operator: Operator) -> ApiKey:
        found = await operator.look(named_key, key)
        return await operator.change(api_keys.delete_key, found.id)

    found = as_operator(load(config, database), org, work)
    typer.echo(f"{found.id} ({found.name}) is deleted.")


@app.command("usage")
def usage(
    key: KeyArgument,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How many days, today included.")] = 30,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a key was used for: requests, costs and mean latency, by model."""

    async def work(operator: Operator) -> None:
        found = await operator.look(named_key, key)
        use = await operator.look(key_usage.read_key_use, found.id, days=days)
        if as_json:
            print_object(shown_use(use, days=days))
        else:
            key_report.show_use(operator, use)

    as_operator(load(config, database), org, work)


async def _switch(operator: Operator, named: str, *, is_disabled: bool) -> ApiKey:
    found = await operator.look(named_key, named)
    return await operator.change(api_keys.update_key, found.id, KeyUpdate(is_disabled=is_disabled))
