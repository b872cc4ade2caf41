"""`tollkeeper keys`: create, list, disable, enable, delete api keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tollkeeper.cli.context import (
    ConfigOption,
    DatabaseOption,
    JsonOption,
    OrganizationOption,
    day,
    load,
    organization_of,
    print_json,
    with_store,
)
from tollkeeper.control import api_keys
from tollkeeper.control.installation import check_pepper, load_pepper
from tollkeeper.control.organizations import choose_project, project_names
from tollkeeper.domain.api_key import ApiKey, redact
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.store.engine import Store

app = typer.Typer(help="Create, list, disable, enable and delete API keys.", no_args_is_help=True)
KeyArgument = Annotated[str, typer.Argument(help="The key's id: key_… as listed, or the key's public part.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="What the key is for; a key per function and environment.")],
    project: Annotated[str, typer.Option("--project", help="The project, by id or name.")] = "default",
    admin: Annotated[bool, typer.Option("--admin", help="An administration key, which cannot call models.")] = False,
    expires: Annotated[str | None, typer.Option("--expires", help="ISO 8601, such as 2027-01-31T09:00:00Z.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key and show it once."""
    configuration = load(config, database)
    keys = configuration.settings.keys
    expires_at_us = _parse_time(expires) if expires else None
    if admin and expires:
        raise InvalidRequest("An administration key has no expiry yet; leave out --expires.", param="expires")

    async def work(store: Store) -> api_keys.NewApiKey:
        pepper = load_pepper(text=keys.pepper, path=Path(keys.pepper_file))
        await check_pepper(store, pepper)
        organization = await organization_of(store, org)
        if admin:
            return await api_keys.create_admin_key(store, pepper, organization.id, name=name)
        chosen = await choose_project(store, organization.id, project)
        return await api_keys.create_project_key(
            store, pepper, organization.id, project_id=chosen.id, name=name, expires_at_us=expires_at_us
        )

    made = with_store(configuration, work)
    if as_json:
        print_json({**_describe(made.record), "key": made.key})
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{made.record.id}  {made.record.name}\n\n  {made.key}\n\nShown this once; keep it somewhere safe.")


@app.command("list")
def list_(
    project: Annotated[str | None, typer.Option("--project", help="Only keys of this project.")] = None,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List keys, oldest first; deleted ones are gone."""

    async def work(store: Store) -> tuple[list[ApiKey], dict[str, str]]:
        organization = await organization_of(store, org)
        chosen = await choose_project(store, organization.id, project) if project else None
        found = await api_keys.list_keys(store, organization.id, project_id=chosen.id if chosen else None)
        return found, await project_names(store, organization.id)

    found, names = with_store(load(config, database), work)
    if as_json:
        print_json({"object": "list", "data": [_describe(key) for key in found]})
        return
    if not found:
        typer.echo("No keys. Create one with: tollkeeper keys create --name NAME")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True)
    for title in ("name", "kind", "status", "project", "created", "expires", "last used"):
        table.add_column(title, overflow="fold")
    for key in found:
        times = (day(key.created_at_us), day(key.expires_at_us), day(key.last_used_at_us))
        table.add_row(key.id, key.name, key.kind, key.status, names.get(key.project_id, key.project_id) or "–", *times)
    Console(highlight=False).print(table)


@app.command("disable")
def disable(
    key: KeyArgument, org: OrganizationOption = None, config: ConfigOption = None, database: DatabaseOption = None
) -> None:
    """Stop a key on every replica within a second; `enable` lets it work again."""
    found = with_store(load(config, database), lambda store: _apply(store, org, key, api_keys.disable_key))
    typer.echo(f"{found.id} ({found.name}) is disabled.")


@app.command("enable")
def enable(
    key: KeyArgument, org: OrganizationOption = None, config: ConfigOption = None, database: DatabaseOption = None
) -> None:
    """Let a disabled key work again."""
    found = with_store(load(config, database), lambda store: _apply(store, org, key, api_keys.enable_key))
    typer.echo(f"{found.id} ({found.name}) is active.")


@app.command("delete")
def delete(
    key: KeyArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """End a key for good. Its usage stays."""
    if not yes and not typer.confirm(f"Delete {key} for good?"):
        raise typer.Exit(1)
    found = with_store(load(config, database), lambda store: _apply(store, org, key, api_keys.delete_key))
    typer.echo(f"{found.id} ({found.name}) is deleted.")


async def _apply(store: Store, org: str | None, key: str, change: api_keys.Change) -> ApiKey:
    organization = await organization_of(store, org)
    return await change(store, organization.id, _key_id(key))


def _key_id(text: str) -> str:
    """Accept an id, or a key's public part as the list and the logs show it."""
    return text if text.startswith("key_") else f"key_{text.removeprefix('sk-tk-').partition('-')[0]}"


def _parse_time(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"'{text}' is not a time such as 2027-01-31T09:00:00Z.", param="expires") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(at.timestamp()) * 1_000_000


def _describe(key: ApiKey) -> dict[str, object]:
    """Return a key as the JSON that programs get."""
    return {
        "id": key.id,
        "name": key.name,
        "kind": key.kind,
        "status": key.status,
        "redacted_value": redact(key.id),
        "organization_id": key.organization_id,
        "project_id": key.project_id or None,
        "permissions": sorted(key.permissions),
        "created_at": key.created_at_us // 1_000_000,
        "expires_at": key.expires_at_us // 1_000_000 if key.expires_at_us is not None else None,
        "last_used_at": key.last_used_at_us // 1_000_000 if key.last_used_at_us is not None else None,
    }
