"""`tollkeeper init`: the first organization, with its keys, on an empty database."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, load, print_json
from tollkeeper.control.installation import Initialized, PepperSource, initialize
from tollkeeper.control.opening import create_tables_if_empty
from tollkeeper.domain.timezone import check_timezone
from tollkeeper.store.engine import Store


def init(
    org: Annotated[str, typer.Option("--org", help="The organization's name.")],
    timezone: Annotated[str, typer.Option("--timezone", help="Its timezone: where its days begin.")] = "UTC",
    config: ConfigOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an organization with its default project, an administration key and a project key, shown once.

    An empty database gets its tables first.
    """
    configuration = load(config, database)
    settings = configuration.settings
    check_timezone(timezone)

    async def create() -> Initialized:
        store = Store.open(settings.database.url)
        try:
            await create_tables_if_empty(store)
            return await initialize(
                store,
                name=org,
                timezone=timezone,
                pepper=PepperSource(
                    path=Path(settings.keys.pepper_file),
                    text=settings.keys.pepper,
                    command=settings.keys.pepper_command,
                ),
                trial=settings.credits.trial,
                tier=configuration.tiers[settings.accounts.default_tier],
            )
        finally:
            await store.aclose()

    made = asyncio.run(create())
    keys = {"admin_key": made.admin_key.key, "project_key": made.project_key.key}
    if as_json:
        print_json({"organization_id": made.organization.id, "project_id": made.project.id, **keys})
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Organization [bold]{org}[/bold] ({made.organization.id}), timezone {timezone}")
    console.print(f"Project [bold]{made.project.name}[/bold] ({made.project.id})\n")
    console.print("Two keys, shown this once; keep them somewhere safe:")
    console.print(f"  administration key  {keys['admin_key']}")
    console.print(f"  project key         {keys['project_key']}\n")
    console.print(
        "Next: tollkeeper serve, and beside it: tollkeeper first-run (the pages' first account; see its --port)"
    )
