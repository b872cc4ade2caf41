"""`tollkeeper providers`: set, list and delete the providers that an organization brings with keys of its own."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Annotated, Any, get_args

import msgspec
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
    print_json,
    with_store,
)
from tollkeeper.cli.listing import print_list, print_table, shown_time
from tollkeeper.cli.operator import operator_of
from tollkeeper.config import Configuration
from tollkeeper.control import provider_credentials as providers
from tollkeeper.control.administration import Action, Administration, Caller
from tollkeeper.control.deployment_status import DeploymentStatus, read_deployment_status
from tollkeeper.domain.deployment import ProviderKind
from tollkeeper.domain.errors import InvalidRequest
from tollkeeper.domain.provider_credential import ProviderCredential
from tollkeeper.kit.clock import utc
from tollkeeper.kit.secret_sources import SECRET_BYTES_MAX, SecretReader, SecretSource, SecretUnavailable
from tollkeeper.store.engine import Store

app = typer.Typer(help="Set, list and delete the providers that an organization brings.", no_args_is_help=True)
_KINDS = get_args(ProviderKind)
_SETTING = "the secret"


@app.command("set")
def set_(
    name: Annotated[
        str, typer.Argument(help="What it is called, as in provider/model: openai takes the place of openai.")
    ],
    kind: Annotated[str, typer.Option("--kind", help=f"{', '.join(_KINDS)}.")] = "openai",
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="https://host/v1; else the kind's usual one.")
    ] = None,
    catalogue: Annotated[
        str | None, typer.Option("--catalogue", help="Whose prices of the catalogue hold; else the kind's.")
    ] = None,
    from_env: Annotated[str, typer.Option("--from-env", help="The variable that holds the secret.")] = "",
    from_file: Annotated[str, typer.Option("--from-file", help="The file that holds the secret.")] = "",
    from_stdin: Annotated[bool, typer.Option("--from-stdin", help="Read the secret from standard input.")] = False,
    from_command: Annotated[str, typer.Option("--from-command", help="The command that prints the secret.")] = "",
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store the key of a provider, encrypted; a provider of this name gets the new key and address."""
    if kind not in _KINDS:
        raise InvalidRequest(f"There is no kind '{kind}'; there are {', '.join(_KINDS)}.", param="kind")
    source = SecretSource(_SETTING, from_env, from_file, tuple(shlex.split(from_command)))
    if sum([source.is_given, from_stdin]) != 1:
        message = "Say once where the secret is: --from-env, --from-file, --from-stdin or --from-command."
        raise InvalidRequest(message, param="secret")
    secret = _read_stdin() if from_stdin else _read(source)
    new = providers.NewProvider(
        name, msgspec.convert(kind, ProviderKind), secret, base_url=base_url, catalogue=catalogue
    )
    configuration = load(config, database)

    async def work(store: Store) -> ProviderCredential:
        administration, caller = await _administration(configuration, store, org)
        return await administration.change(caller, providers.put_provider, new)

    stored = with_store(configuration, work)
    if as_json:
        print_json(_shown(stored))
    else:
        typer.echo(f"{stored.id} ({stored.name}) is stored for {stored.base_url}; replicas use it within a second.")


@app.command("list")
def list_(
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the organization's own providers; the operator's are in the settings."""
    configuration = load(config, database)

    async def work(store: Store) -> list[ProviderCredential]:
        administration, caller = await _administration(configuration, store, org)
        return await administration.look(caller, providers.list_providers)

    found = with_store(configuration, work)
    if as_json:
        print_json({"object": "list", "data": [_shown(each) for each in found]})
        return
    if not found:
        typer.echo("No providers of its own. Store one with: tollkeeper providers set NAME --from-env VARIABLE")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("id", "name", "kind", "base URL", "secret", "changed"):
        table.add_column(title, overflow="fold", no_wrap=title == "id")
    for each in found:
        hint = f"…{each.hint}" if each.hint else "stored"
        table.add_row(each.id, each.name, each.kind, each.base_url, hint, day(each.updated_at_us))
    Console(highlight=False, markup=False).print(table)


@app.command("status")
def status(
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how the servers find each deployment that was called within the last hour, of all organizations."""
    configuration = load(config, database)
    found = with_store(configuration, read_deployment_status)
    if as_json:
        print_list(found, _shown_status)
    elif not found:
        typer.echo("No deployment was called within the last hour.")
    else:
        rows = [_status_row(each) for each in found]
        print_table(
            ("provider", "model", "state", "served", "failed", "last failure", "servers"),
            rows,
            numbers=("served", "failed", "servers"),
        )


@app.command("delete")
def delete(
    provider: Annotated[str, typer.Argument(help="The provider's name or id.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    org: OrganizationOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete a provider and its key; calls go to the operator's of the same name again, where there is one."""
    if not yes and not typer.confirm(f"Delete {provider} and its key for good?"):
        raise typer.Exit(1)
    configuration = load(config, database)

    async def step(action: Action) -> ProviderCredential:
        return await providers.delete_provider(action, (await providers.find_provider(action, provider)).id)

    async def work(store: Store) -> ProviderCredential:
        administration, caller = await _administration(configuration, store, org)
        return await administration.change(caller, step)

    deleted = with_store(configuration, work)
    if as_json:
        print_json(_shown(deleted))
    else:
        typer.echo(f"{deleted.id} ({deleted.name}) is deleted.")


async def _administration(configuration: Configuration, store: Store, org: str | None) -> tuple[Administration, Caller]:
    found = await operator_of(configuration, store, org)
    return found.administration, found.caller


def _read(source: SecretSource) -> str:
    reader = SecretReader(os.environ)  # noqa: TID251  # the caller names the variable
    try:
        secret = reader.read(source)
    except SecretUnavailable as error:
        raise InvalidRequest(str(error), param="secret") from None
    for warning in reader.warnings:
        typer.echo(f"tollkeeper: {warning}", err=True)
    return secret


def _read_stdin() -> str:
    raw = sys.stdin.buffer.read(SECRET_BYTES_MAX + 1)
    try:
        return raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise InvalidRequest("What standard input holds is not UTF-8.", param="secret") from None


def _shown_status(status: DeploymentStatus) -> dict[str, Any]:
    return {
        "provider": status.provider,
        "provider_id": status.credential_id or None,
        "model": status.model,
        "is_left_alone": status.is_resting,
        "left_alone_until": shown_time(status.rests_until_us) if status.is_resting else None,
        "served": status.served,
        "failures": status.failures,
        "last_failure_at": shown_time(status.failed_at_us) if status.failed_at_us else None,
        "last_failure": status.last_failure or None,
        "servers": status.replicas,
    }


def _status_row(status: DeploymentStatus) -> tuple[str, ...]:
    provider = f"{status.provider} ({status.credential_id})" if status.credential_id else status.provider
    state = f"left alone until {shown_time(status.rests_until_us)}" if status.is_resting else "in use"
    last = f"{shown_time(status.failed_at_us)}: {status.last_failure}" if status.failed_at_us else ""
    counts = f"{status.served:,}", f"{status.failures:,}"
    return provider, status.model, state, *counts, last, str(status.replicas)


def _shown(credential: ProviderCredential) -> dict[str, Any]:
    return {
        "id": credential.id,
        "organization_id": credential.organization_id,
        "name": credential.name,
        "kind": credential.kind,
        "base_url": credential.base_url,
        "catalogue": credential.catalogue,
        "hint": credential.hint or None,
        "created_at": utc(credential.created_at_us).isoformat().replace("+00:00", "Z"),
        "updated_at": utc(credential.updated_at_us).isoformat().replace("+00:00", "Z"),
    }
