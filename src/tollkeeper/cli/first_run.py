"""`tollkeeper first-run`: the link by which the first person gets in, while nobody has an account."""

from __future__ import annotations

import typer

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, load, print_json, secrets_of, with_store
from tollkeeper.control.first_run import first_run_link, is_first_run
from tollkeeper.domain.errors import Conflict
from tollkeeper.store.engine import Store


def first_run(config: ConfigOption = None, database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Print the link by which the first person gets an account, in a browser.

    It makes an admin, and works until somebody has an account.
    """
    configuration = load(config, database)

    async def work(store: Store) -> str:
        if not await is_first_run(store):
            raise Conflict("Somebody has an account already: sign in, or invite people by `tollkeeper members invite`.")
        return first_run_link(await secrets_of(configuration, store), public_url=configuration.public_url)

    link = with_store(configuration, work)
    if as_json:
        print_json({"object": "first_run", "link": link})
    else:
        typer.echo(link)
