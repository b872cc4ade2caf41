"""`tollkeeper first-run`: the link by which the first person gets in, while nobody has an account."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from tollkeeper.cli.context import ConfigOption, DatabaseOption, JsonOption, load, print_json, secrets_of, with_store
from tollkeeper.config.people import resolve_public_url
from tollkeeper.control.first_run import first_run_link, is_first_run
from tollkeeper.domain.errors import Conflict
from tollkeeper.store.engine import Store


def first_run(
    config_file: ConfigOption = None,
    host: Annotated[str | None, typer.Option("--host", help="Where the server listens, as serve was told.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Where the server listens, as serve was told.")] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the link by which the first person gets an account, in a browser.

    It makes an admin, and works until somebody has an account.
    """
    configuration = load(config_file, database)
    server = configuration.settings.server
    at = msgspec.structs.replace(server, host=host or server.host, port=port or server.port)
    public_url = resolve_public_url(at)

    async def work(store: Store) -> str:
        if not await is_first_run(store):
            raise Conflict("Somebody has an account already: sign in, or invite people by `tollkeeper members invite`.")
        return first_run_link(await secrets_of(configuration, store), public_url=public_url)

    link = with_store(configuration, work)
    if as_json:
        print_json({"object": "first_run", "link": link})
    else:
        typer.echo(link)
