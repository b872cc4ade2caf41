"""What the commands share: where the settings come from, opening the store, and printing for people or programs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from tollkeeper import config
from tollkeeper.control.administration import Secrets
from tollkeeper.control.installation import check_pepper, load_pepper
from tollkeeper.control.opening import open_store
from tollkeeper.control.organizations import choose_organization
from tollkeeper.domain.tenancy import Organization
from tollkeeper.store.engine import Store

T = TypeVar("T")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The settings file; else TOLLKEEPER_CONFIG, else ./tollkeeper.toml if it is there."),
]
DatabaseOption = Annotated[
    str | None, typer.Option("--database", help="The database's URL; wins over the settings file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
OrganizationOption = Annotated[
    str | None, typer.Option("--org", help="The organization, by id or name; not needed when there is only one.")
]


def load(path: Path | None, database: str | None = None) -> config.Configuration:
    """Read the settings, with the options that win over them."""
    configuration = config.load(path, is_serving=False)
    if database is None:
        return configuration
    settings = msgspec.structs.replace(configuration.settings, database=config.Database(url=database))
    return msgspec.structs.replace(configuration, settings=settings)


def with_store(configuration: config.Configuration, work: Callable[[Store], Awaitable[T]]) -> T:
    """Open the store, do the work, close it. The database must be one that this version knows."""

    async def run() -> T:
        store = await open_store(configuration.settings.database.url)
        try:
            return await work(store)
        finally:
            await store.aclose()

    return asyncio.run(run())


async def organization_of(store: Store, named: str | None) -> Organization:
    """Return the organization that a command is about.

    Raises:
        InvalidRequest: there are several and none was named.
        NotFound: there is none of this id or name.
    """
    return await choose_organization(store, named)


async def secrets_of(configuration: config.Configuration, store: Store) -> Secrets:
    """Return what the installation's pepper is good for.

    Raises:
        ConfigurationError: there is no pepper, or it is not this database's.
    """
    keys = configuration.settings.keys
    pepper = load_pepper(text=keys.pepper, path=Path(keys.pepper_file), command=keys.pepper_command)
    await check_pepper(store, pepper)
    return Secrets.of(pepper)


def print_json(value: Any) -> None:
    """Print a value as indented JSON, as msgspec encodes it."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def day(at_us: int | None) -> str:
    """Show a time to a person: 2026-11-21 14:05 UTC."""
    if at_us is None:
        return "–"
    return datetime.fromtimestamp(at_us / 1_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
